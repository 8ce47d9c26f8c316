# SPDX-License-Identifier: Apache-2.0
"""The record's references that lead nowhere any more, for ``doorstep repair list``.

What lives here: reading what ``sync.links`` looks at. What must not: rules. Invariant: of a record
only its references are kept in memory, so that a city's record fits.
"""

from __future__ import annotations

from typing import Any

import msgspec

from server.joining import joins_in
from server.store.base import Transaction
from sync.links import Broken, Linked, broken_links
from sync.schema import Schema

_load = msgspec.json.Decoder(dict[str, Any]).decode
_NOTHING: dict[str, Any] = {}


def broken_in(tx: Transaction, schema: Schema, under: str = "") -> list[Broken]:
    """Every broken reference of the records of an area, in order of home and record."""
    wanted = {
        name: [f for f, field in c.fields.items() if field.refers_to or field.names]
        for name, c in schema.collections.items()
    }
    records: dict[str, Linked] = {}
    sql = (
        "SELECT r.id, k.collection, h.id, r.voided, r.body FROM records r"
        " JOIN kinds k ON k.kind = r.kind JOIN homes h ON h.n = r.home"
    )
    for record, collection, home, voided, body in tx.rows(sql):
        names = wanted.get(collection)
        values = _load(body) if names else _NOTHING
        kept = {name: values[name] for name in names or () if values.get(name)}
        records[record] = (collection, home, bool(voided), kept or _NOTHING)
    offices = {"team": {str(row[0]) for row in tx.rows("SELECT id FROM teams")}}
    found = broken_links(schema, records, joins_in(tx), offices)
    if under:
        areas = {str(home): str(area) for home, area in tx.rows("SELECT id, area FROM homes")}
        found = [one for one in found if areas.get(one.home, "").startswith(under)]
    return found
