# SPDX-License-Identifier: Apache-2.0
"""The record's references that lead nowhere any more, for ``doorstep repair list``.

What lives here: reading what ``sync.links`` looks at. What must not: rules. Invariant: of the
record only a part, and what that part leads to, is in memory; so it may be a city's, and the server
goes on beside it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from server.joining import joins_in
from server.store.base import Transaction
from server.store.walking import walk
from sync.links import Broken, Linked, broken_among, circles, place, targets
from sync.schema import Schema

_load = msgspec.json.Decoder(dict[str, Any]).decode
_NOTHING: dict[str, Any] = {}
_FROM = " FROM records r JOIN kinds k ON k.kind = r.kind JOIN homes h ON h.n = r.home"


def broken_in(tx: Transaction, schema: Schema, under: str = "") -> list[Broken]:
    """Every broken reference of the records of an area, in order of home and record."""
    referring = {
        name: {f: bool(field.refers_to) for f, field in c.fields.items() if _refers(field)}
        for name, c in schema.collections.items()
    }
    sql = f"SELECT r.n, r.id, k.collection, h.id, r.body{_FROM} WHERE r.voided = 0"
    bounds: list[str] = []
    if under:
        # As a text made here, so that no index of areas leads the walk; up to what follows it.
        sql += " AND h.area || '' >= ? AND h.area || '' < ?"
        bounds = [under, under[:-1] + chr(ord(under[-1]) + 1)]
    joined = joins_in(tx)
    offices = {"team": {str(row[0]) for row in tx.rows("SELECT id FROM teams")}}
    found: list[Broken] = []
    for part in walk(tx, sql, bounds):
        some: dict[str, Linked] = {}
        led: set[str] = set()
        for _, record, collection, home, body in part:
            names = referring.get(str(collection))
            if not names:
                continue
            values = _load(body)
            kept = {name: values[name] for name in names if values.get(name)}
            some[str(record)] = (str(collection), str(home), False, kept)
            led.update(to for name in kept if names[name] for to in targets(kept[name]))
        found += broken_among(schema, some, _there(tx, led), joined, offices)
    tied = sorted({record for circle in joined.circles for record in circle})
    if tied:
        found += _within(tx, circles(_joined(tx, tied), joined), under)
    return sorted(found, key=place)


def _refers(field: Any) -> bool:
    return bool(field.refers_to or field.names)


def _there(tx: Transaction, led: Iterable[str]) -> dict[str, Linked]:
    """What references lead to, as far as it is here."""
    sql = f"SELECT r.id, k.collection, h.id, r.voided{_FROM} WHERE r.id IN (?*)"
    return {
        str(record): (str(collection), str(home), bool(voided), _NOTHING)
        for record, collection, home, voided in tx.rows_in(sql, sorted(led))
    }


def _joined(tx: Transaction, records: list[str]) -> dict[str, Linked]:
    bodies = tx.bodies_of(records)
    return {
        record: (*linked[:3], _load(bodies[record]))
        for record, linked in _there(tx, records).items()
    }


def _within(tx: Transaction, some: Iterable[Broken], under: str) -> list[Broken]:
    lines = list(some)
    areas = dict(
        tx.rows_in("SELECT id, area FROM homes WHERE id IN (?*)", [one.home for one in lines])
    )
    return [one for one in lines if str(areas.get(one.home, "")).startswith(under)]
