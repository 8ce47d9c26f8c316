# SPDX-License-Identifier: Apache-2.0
"""Where records that stay name a person who is erased, and taking the name out of them.

What lives here: looking for names, identity and telephone numbers in the household's records, in
what is shown and in what stood there before; redacting those an officer chose. What must not: which
records go whole (``erasing_plan.py``), erasing. Invariants
- Nothing is redacted that an officer did not choose; all that names the person is told.
- A record that nothing else is built on is written anew without the name, and the old one goes with
  the case, its history too. A household, a person, an attachment or a consent keeps its id, and so
  its history: there the name is taken out of what is shown, and the certificate says so.
- Redacting is ordinary changes (Law 4); doing it twice comes to the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from crypto.errors import SealRefused
from server.field_keys import FieldKeys
from server.history import ChangeReader, read_history, stored_record
from server.own import Write
from server.store.base import Transaction
from sync.change import sortable_text
from sync.schema import REGISTERS
from sync.schema import Collection as Declared
from sync.sealing import is_sealed

if TYPE_CHECKING:
    from server.district import District

MENTION, BEFORE = "mention", "before"
"""The person is named in what is shown; only in what stood there before."""
REPLACED, MASKED = "replaced", "masked"
"""The record was written anew without the name; the name was taken out of what is shown."""
ROOTS = frozenset({"household", "person", "attachment", "consent"})
"""What other records are built on, or what somebody signed: these keep their ids."""
TEXT_CHARS_MIN = 2
"""A name of one character stands in too many words to look for it."""
NAMING_FIELDS = ("name", "head_name", "phone", "phone2", "identity_number")
STAR = "＊"

_load = msgspec.json.Decoder(dict[str, Any]).decode


class Row(NamedTuple):
    """A record as it is shown."""

    record: str
    collection: str
    home: str
    area: str
    body: dict[str, Any]


class Mention(NamedTuple):
    """A record that stays and names the person: where, and whether it is shown there; ``body`` is
    what is shown, opened."""

    row: Row
    body: dict[str, Any]
    shown: list[str]
    before: list[str]


class Looking:
    """Looks for one case's words in records, sealed values of this server's own included.

    ``away``: archives that could not be looked into are added to it.
    """

    def __init__(
        self, tx: Transaction, fields: FieldKeys | None, going: Iterable[Row], away: set[str]
    ) -> None:
        self._tx = tx
        self._fields = fields
        self._reader = ChangeReader(tx, away)
        self.words = self._words(list(going))

    def _words(self, going: Sequence[Row]) -> list[str]:
        found = {str(one.body.get(name) or "") for one in going for name in NAMING_FIELDS}
        for one in going:
            for name, value in self._values(one.record):
                if name in NAMING_FIELDS and isinstance(value, str):
                    found.add(value)
        kept = {w for w in found if len(w) >= TEXT_CHARS_MIN and not is_sealed(w)}
        # The longest first: a name that holds another one is taken out whole.
        return sorted(kept, key=lambda word: (-len(word), word))

    def _values(self, record: str) -> Iterable[tuple[str, Any]]:
        """Every value that any change of a record wrote, opened where this server can."""
        for moment in read_history(self._tx, record, self._reader).moments:
            change = moment.entry.change
            for name, value in zip(change.names, change.values, strict=True):
                yield name, self._opened(record, name, moment.dot, value)
            yield from ((name, value) for _, name, value in change.others if name)
            yield "reason", change.reason()

    def _opened(self, record: str, name: str, d: bytes, value: Any) -> Any:
        if self._fields is None or not is_sealed(value):
            return value
        try:
            return self._fields.open(self._tx, record, name, d, value)
        except SealRefused:
            return value

    def _shown(self, row: Row) -> dict[str, Any]:
        """What is shown of a record, its sealed values opened where this server can."""
        sealed = {name for name, value in row.body.items() if is_sealed(value)}
        stored = stored_record(self._tx, row.record) if sealed else None
        out = dict(row.body)
        for name in sealed if stored is not None else ():
            for d, value in stored.state.registers.get(name, {}).items() if stored else ():
                if value == row.body[name]:
                    out[name] = self._opened(row.record, name, d, value)
        return out

    def names(self, value: Any) -> bool:
        """Does a value name the person?"""
        text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
        return any(word in text for word in self.words)

    def in_record(self, row: Row) -> Mention | None:
        """Where a record names the person; None where it does not."""
        body = self._shown(row)
        shown = sorted(name for name, value in body.items() if self.names(value))
        written = {name for name, value in self._values(row.record) if self.names(value)}
        before = sorted(written - set(shown))
        return Mention(row, body, shown, before) if shown or before else None


# ---- redacting -----------------------------------------------------------------------------------


class Redaction(NamedTuple):
    """One record an officer chose: how, the id it is written under from now on, the fields, and
    what was shown of it."""

    record: str
    how: str
    becomes: str
    fields: list[str]
    body: dict[str, Any]


def redaction_of(found: Mention) -> Redaction:
    """What redacting a record comes to."""
    row, fields = found.row, sorted({*found.shown, *found.before})
    # What another district sealed cannot be written anew here.
    if row.collection in ROOTS or any(map(is_sealed, found.body.values())):
        return Redaction(row.record, MASKED, row.record, fields, found.body)
    digest = hashlib.sha256(b"doorstep/redacted\0" + row.record.encode()).digest()
    return Redaction(row.record, REPLACED, sortable_text(digest[:16]), fields, found.body)


def redact(
    district: District,
    words: Sequence[str],
    rows: Mapping[str, Row],
    chosen: Collection[Redaction],
    who: str,
) -> None:
    """Write the chosen records without these words; ``rows`` are all of the household's."""
    schema, ids = district.schema, {one.record: one.becomes for one in chosen}
    with district.store.read() as tx:
        made = {
            str(row[0])
            for row in tx.rows_in("SELECT id FROM records WHERE id IN (?*)", list(ids.values()))
        }
    picked, writes = {one.record: one for one in chosen}, list[Write]()
    for row in rows.values():
        declared, one = schema.collections.get(row.collection), picked.get(row.record)
        if declared is None or (one is not None and one.how == REPLACED and one.becomes in made):
            continue
        before = one.body if one is not None else row.body
        body = {n: _without(v, words) for n, v in before.items()} if one is not None else before
        body = _pointing(body, ids)
        anew = one is not None and one.how == REPLACED
        sets, others = _anew(declared, body) if anew else _changed(declared, before, body)
        if sets or others:
            writes.append((row.collection, ids.get(row.record, row.record), sets, others))
    if writes:
        district.write_many(who, writes, "redacted")


def _without(value: Any, words: Sequence[str]) -> Any:
    """A value with the words starred out; what is nothing but a word is empty."""
    if isinstance(value, str):
        if value in words:
            return None
        for word in words:
            value = value.replace(word, STAR * len(word))
        return value
    if isinstance(value, list):
        return [one for one in (_without(each, words) for each in value) if one is not None]
    if isinstance(value, dict):
        return {name: _without(each, words) for name, each in value.items()}
    return value


def _pointing(body: Mapping[str, Any], ids: Mapping[str, str]) -> dict[str, Any]:
    """A record's values with references to what is written anew under its new id."""

    def to(value: Any) -> Any:
        if isinstance(value, list):
            return [to(one) for one in value]
        return ids.get(value, value) if isinstance(value, str) else value

    return {name: to(value) for name, value in body.items()}


def _anew(
    declared: Declared, body: Mapping[str, Any]
) -> tuple[dict[str, Any], list[tuple[str, str, Any]]]:
    """The values of a new record that shows this."""
    sets: dict[str, Any] = {}
    others: list[tuple[str, str, Any]] = []
    for name, value in body.items():
        policy = declared.field(name).policy
        if policy in REGISTERS:
            if value is not None:
                sets[name] = value
            elif declared.field(name).required:
                sets[name] = STAR * TEXT_CHARS_MIN
        elif policy == "sum":
            others += [("count", name, value)] if value else []
        else:
            op = "add" if policy == "union" else "append"
            others += [(op, name, list(value))] if value else []
    return sets, others


def _changed(
    declared: Declared, before: Mapping[str, Any], after: Mapping[str, Any]
) -> tuple[dict[str, Any], list[tuple[str, str, Any]]]:
    """What is to be written so that a record shows this; entries cannot be taken back."""
    sets: dict[str, Any] = {}
    others: list[tuple[str, str, Any]] = []
    for name, value in after.items():
        field = declared.field(name)
        if value == before[name]:
            continue
        if field.policy in REGISTERS:
            sets[name] = STAR * TEXT_CHARS_MIN if value is None and field.required else value
        elif field.policy == "union":
            gone = [one for one in before[name] or [] if one not in (value or [])]
            new = [one for one in value or [] if one not in (before[name] or [])]
            others += [("remove", name, gone)] if gone else []
            others += [("add", name, new)] if new else []
    return sets, others
