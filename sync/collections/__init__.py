# SPDX-License-Identifier: Apache-2.0
"""The collections of Doorstep: one file each, and the schema built from them.

What lives here: declarations, nothing that runs. A new collection is a file that declares one
``Collection`` and a line in ``_DECLARED``; a new field is an entry in its collection's file.
Nothing else needs to change, since forms, checks, merging, views and search all read the schema.

Invariants
- The field named ``household`` of any record holds the id of the home it belongs to: a household,
  or a record that is a home for others (a route's round, a finding's inspection).
- A record with no such field is its own home and has an ``area``, which decides who reads it.
- Names and choice values never change once they were in the field.
"""

from __future__ import annotations

from sync.collections.activity import ACTIVITY
from sync.collections.assessment import ASSESSMENT
from sync.collections.attachment import ATTACHMENT
from sync.collections.call import CALL
from sync.collections.call_list import CALL_LIST
from sync.collections.child_check import CHILD_CHECK
from sync.collections.consent import CONSENT
from sync.collections.daily_form import DAILY_FORM
from sync.collections.donation import DONATION
from sync.collections.finding import FINDING
from sync.collections.grid import GRID
from sync.collections.grid_round import GRID_ROUND
from sync.collections.guardian_notice import GUARDIAN_NOTICE
from sync.collections.helper_assignment import HELPER_ASSIGNMENT
from sync.collections.household import HOUSEHOLD
from sync.collections.inspection import INSPECTION
from sync.collections.institution import INSTITUTION
from sync.collections.journey import JOURNEY
from sync.collections.letter import LETTER
from sync.collections.need import NEED
from sync.collections.parcel import PARCEL
from sync.collections.patrol import PATROL
from sync.collections.person import PERSON
from sync.collections.referral import REFERRAL
from sync.collections.relief_application import RELIEF_APPLICATION
from sync.collections.resident_stay import RESIDENT_STAY
from sync.collections.route import ROUTE
from sync.collections.service_hours import SERVICE_HOURS
from sync.collections.shortage import SHORTAGE
from sync.collections.staff import STAFF
from sync.collections.stock_movement import STOCK_MOVEMENT
from sync.collections.stock_point import STOCK_POINT
from sync.collections.street_meeting import STREET_MEETING
from sync.collections.street_person import STREET_PERSON
from sync.collections.temperature_reading import TEMPERATURE_READING
from sync.collections.test_appointment import TEST_APPOINTMENT
from sync.collections.visit import VISIT
from sync.collections.volunteer import VOLUNTEER
from sync.collections.wish import WISH
from sync.collections.zone import ZONE
from sync.schema import Schema, check_schema

_DECLARED = (
    HOUSEHOLD,
    PERSON,
    VISIT,
    NEED,
    ASSESSMENT,
    ATTACHMENT,
    ZONE,
    GRID,
    GRID_ROUND,
    ROUTE,
    CALL_LIST,
    CALL,
    DAILY_FORM,
    SHORTAGE,
    PARCEL,
    STOCK_POINT,
    STOCK_MOVEMENT,
    RELIEF_APPLICATION,
    REFERRAL,
    GUARDIAN_NOTICE,
    CHILD_CHECK,
    WISH,
    INSPECTION,
    FINDING,
    VOLUNTEER,
    ACTIVITY,
    SERVICE_HOURS,
    INSTITUTION,
    RESIDENT_STAY,
    STAFF,
    TEMPERATURE_READING,
    TEST_APPOINTMENT,
    LETTER,
    DONATION,
    JOURNEY,
    PATROL,
    STREET_PERSON,
    STREET_MEETING,
    HELPER_ASSIGNMENT,
    CONSENT,
)

SCHEMA: Schema = check_schema(Schema({c.name: c for c in _DECLARED}, version=4))
"""What this version of Doorstep knows. ``version`` grows when a declaration changes."""
