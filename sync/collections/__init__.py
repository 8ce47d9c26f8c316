# SPDX-License-Identifier: Apache-2.0
"""The collections of Doorstep: one file each, and the schema built from them.

What lives here: declarations, nothing that runs. A new collection is a file that declares one
``Collection`` and a line in ``_DECLARED``; a new field is an entry in its collection's file.
Nothing else needs to change, since forms, checks, merging, views and search all read the schema.

Invariants: the field named ``household`` of any record holds the id of the household it belongs to
(a household is its own home); names and choice values never change once they were in the field.
"""

from __future__ import annotations

from sync.collections.assessment import ASSESSMENT
from sync.collections.attachment import ATTACHMENT
from sync.collections.household import HOUSEHOLD
from sync.collections.need import NEED
from sync.collections.person import PERSON
from sync.collections.visit import VISIT
from sync.schema import Schema, check_schema

_DECLARED = (HOUSEHOLD, PERSON, VISIT, NEED, ASSESSMENT, ATTACHMENT)

SCHEMA: Schema = check_schema(Schema({c.name: c for c in _DECLARED}, version=1))
"""What this version of Doorstep knows. ``version`` grows when a declaration changes."""
