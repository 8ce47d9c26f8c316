# SPDX-License-Identifier: Apache-2.0
"""What reports count: which fields of which collections stand in plain typed columns.

What lives here: the declaration, and the tables made of it. What must not: filling them
(``folding``) and asking them. Invariants
- A row of ``facts_<collection>`` is one record that is not voided: ``n`` its number, ``home`` the
  number of the home it counts for, ``own`` that of the home it names, ``area`` that home's area.
  They differ where a household was joined into another: it counts for the one it was joined into.
- ``facts_set`` has one row for each element of a list; ``facts_home`` one for each home.
- All is derived: the tables are dropped and made anew when the declaration changed.
"""

from __future__ import annotations

from typing import NamedTuple
from zlib import crc32

from server.store.base import Kind
from server.views import quoted
from sync.schema import Schema


class Facts(NamedTuple):
    """The fields of one collection that reports count by; ``indexes`` are lists of columns."""

    collection: str
    columns: str
    sets: str = ""
    indexes: tuple[str, ...] = ()


FACTS = (
    Facts(
        "household",
        "building gps care_level helper next_visit joined_into",
        sets="categories",
        indexes=("home", "area"),
    ),
    Facts("person", "birth_year died_on care_level guardian", "categories", ("home",)),
    # A million rows are grouped in the order of an index or sorted first, which takes ten times as
    # long: one index is in the order of areas, one in that of homes, and both hold all they ask.
    Facts(
        "visit",
        "at_ms mode outcome follow_up",
        indexes=("home at_ms outcome", "area at_ms mode outcome"),
    ),
    Facts(
        "need",
        "kind urgency status level source found_at_ms solved_at_ms confirmed_at_ms closed_at_ms"
        " handled_at_ms reopened_count deadline owner",
        indexes=("found_at_ms",),
    ),
    Facts("grid", "name team households_expected"),
    Facts("zone", "name level starts_on ends_on", "buildings"),
    Facts("call_list", "name group status"),
    Facts("call", "call_list status outcome due_on at_ms call_back_on", indexes=("at_ms",)),
    Facts("daily_form", "on health", indexes=("on home",)),
    Facts("shortage", "status urgency found_at_ms need_by", "goods"),
    Facts(
        "parcel",
        "status stock_point handed_over_at_ms rice_kg vegetables_kg water_bottles masks"
        " disinfectant_bottles medicine_packs care_parcels",
    ),
    Facts("stock_point", "name kind closed", indexes=("own",)),
    Facts("stock_movement", "direction goods quantity on"),
    Facts(
        "relief_application",
        "kind status decision applied_on decide_by amount_asked_fen amount_granted_fen paid_fen",
    ),
    Facts("referral", "status to_kind sent_at_ms answer_by"),
    Facts("guardian_notice", "status guardian_state stand_in"),
    Facts("child_check", "at_ms mode safety child_seen next_check", indexes=("home at_ms",)),
    Facts("wish", "status granted_on"),
    Facts("inspection", "on status grade office"),
    Facts("finding", "status weight put_right_by put_right_on"),
    Facts("volunteer", "standing"),
    Facts("activity", "kind status starts_at_ms people_served"),
    Facts("service_hours", "direction status minutes on", "served"),
    Facts("test_appointment", "kind status done_at_ms again_on booked_for_ms"),
    Facts("letter", "title status handed_at_ms", indexes=("title home status",)),
    Facts(
        "donation",
        "status pledged_fen arrived_fen given_on_fen pledged_on",
    ),
    Facts(
        "institution",
        "name kind entry visits suspended_from suspended_until beds supply_days",
        indexes=("own",),
    ),
    Facts("resident_stay", "status came_on left_on"),
    Facts("staff", "duty"),
    Facts("temperature_reading", "at_ms whom resident temperature_c"),
    Facts("patrol", "starts_at_ms status water_given meals_given quilts_given"),
    Facts("street_person", "status", "signs"),
    Facts("street_meeting", "at_ms health meals_given", "offered taken", ("home at_ms",)),
    Facts(
        "journey",
        "kind urgency status leaves_at_ms back_at_ms pass_number pass_until",
        "escorts",
    ),
    Facts("helper_assignment", "status", indexes=("home",)),
)

_KINDS: dict[str, Kind] = {
    "integer": "whole",
    "time": "whole",
    "boolean": "whole",
    "number": "tenths",
}
"""How a field of a kind stands in its column; any other as text."""

WALK = "homes, records, statistics"
"""How the tables are filled: one that is half done by another way begins again."""
HOMES = (
    (
        "CREATE TABLE facts_home (n INTEGER NOT NULL PRIMARY KEY, id TEXT NOT NULL,"
        " root INTEGER NOT NULL, area TEXT NOT NULL)"
    ),
    "CREATE INDEX facts_home_by_root ON facts_home (root)",
    "CREATE INDEX facts_home_by_id ON facts_home (id)",
    (
        "CREATE TABLE facts_set (n INTEGER NOT NULL, field TEXT NOT NULL, value TEXT NOT NULL,"
        " PRIMARY KEY (n, field, value)) WITHOUT ROWID"
    ),
)


def kinds_of(schema: Schema, facts: Facts) -> list[tuple[str, Kind]]:
    """The columns of one table: field and kind."""
    collection = schema.collections[facts.collection]
    return [
        (name, _KINDS.get(collection.field(name).kind, "word")) for name in facts.columns.split()
    ]


def table_of(collection: str) -> str:
    """The table of a collection's facts."""
    return f"facts_{collection}"


def statements(schema: Schema) -> list[str]:
    """What makes all tables."""
    made = list(HOMES)
    for facts in FACTS:
        table = table_of(facts.collection)
        columns = "".join(
            f", {quoted(name)} {'TEXT' if kind == 'word' else 'INTEGER'}"
            for name, kind in kinds_of(schema, facts)
        )
        made.append(
            f"CREATE TABLE {table} (n INTEGER NOT NULL PRIMARY KEY, home INTEGER NOT NULL,"
            f" own INTEGER NOT NULL, area TEXT NOT NULL{columns})"
        )
        for at, index in enumerate(facts.indexes):
            listed = ", ".join(map(quoted, index.split()))
            made.append(f"CREATE INDEX {table}_{at} ON {table} ({listed})")
    return made


def form_of(schema: Schema) -> int:
    """A number that changes with the tables."""
    sets = [facts.sets for facts in FACTS]
    return crc32("\n".join([*statements(schema), *sets, WALK]).encode())
