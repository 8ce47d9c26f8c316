# SPDX-License-Identifier: Apache-2.0
"""Values that stand against each other because households were joined, for an officer to settle.

What lives here: finding them, and what settles them. What must not: joining (``joining.py``), the
conflicts that one record has by itself (``conflicts.py``). Invariants
- They follow from the record as it stands: nothing is kept of them that could differ from it.
- What an officer writes on the survivor is written on the joined-away household too, in the fields
  that were written there late: so it is settled there, as a tablet settles it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from server.errors import NotFound
from server.history import known_forks, stored_record
from server.joining import joins_in
from server.own import Write
from server.store.base import Transaction
from sync.happenings import conflicts_of
from sync.joining import FIELDS_OF_JOINING, JOINED_SEEN, Joins, combined, late_fields
from sync.policy import Sibling
from sync.schema import Schema


class Late(NamedTuple):
    """A field of a survivor in which what was written late on another household stands too."""

    home: str
    area: str
    field: str
    policy: str
    siblings: tuple[Sibling, ...]


def late_in(tx: Transaction, schema: Schema, under: str = "") -> list[Late]:
    """All of them in an area, in order of household and field."""
    found, forks = joins_in(tx), set(known_forks(tx))
    out: list[Late] = []
    for home in sorted(set(found.survivor.values())):
        area = tx.rows("SELECT area FROM homes WHERE id = ?", [home])
        if area and str(area[0][0]).startswith(under):
            out += late_of(tx, schema, found, forks, (home, str(area[0][0])))
    return out


def late_of(
    tx: Transaction, schema: Schema, found: Joins, forks: set[bytes], place: tuple[str, str]
) -> list[Late]:
    """Those of one survivor; ``place`` is its id and area."""
    kept = stored_record(tx, place[0])
    aliases = [one for a in found.aliases(place[0]) if (one := stored_record(tx, a))]
    if kept is None or kept.voided:
        return []
    seen = [(one.state, one.body.get(JOINED_SEEN)) for one in aliases if not one.voided]
    whole = conflicts_of(combined(kept.state, seen, forks))
    return [
        Late(*place, field, schema.policy("household", field), siblings)
        for field, siblings in sorted(whole.items())
        if {s.dot for s in siblings} - kept.state.registers.get(field, {}).keys()
    ]


def settling(tx: Transaction, schema: Schema, home: str, field: str, choice: str) -> Write:
    """The change that settles one by the sibling whose dot begins with ``choice``, in hex.

    Raises NotFound where there is none, or more than one.
    """
    late = [one for one in late_in(tx, schema) if (one.home, one.field) == (home, field)]
    chosen = [s for one in late for s in one.siblings if choice and s.dot.hex().startswith(choice)]
    if len(chosen) != 1:
        raise NotFound("conflict of joined households")
    return "household", home, {field: chosen[0].value}, []


def beside(tx: Transaction, writes: Sequence[Write]) -> list[Write]:
    """What is written on joined-away households when their survivors are."""
    edited = {w[1]: w for w in writes if w[0] == "household" and w[1]}
    names = {name for w in edited.values() for name in w[2]} - FIELDS_OF_JOINING
    if not names:
        return []
    found, forks = joins_in(tx), set(known_forks(tx))
    out: list[Write] = []
    for away, home in sorted(found.survivor.items()):
        if home not in edited or away in edited:
            continue
        stored = stored_record(tx, away)
        if stored is not None:
            late = late_fields(stored.state, stored.body.get(JOINED_SEEN), forks)
            sets = {n: v for n, v in edited[home][2].items() if n in late}
            if sets:
                out.append(("household", away, sets, []))
    return out
