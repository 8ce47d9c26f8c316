# SPDX-License-Identifier: Apache-2.0
"""Field keys at the district: how they come to be, and sealing and opening with them.

What lives here: groups of readers and their keys, epochs, what the office writes itself. What must
not: who belongs to a group (``field_readers.py``), what tablets are told (``field_rings.py``), the
access log: whoever opens a value for a person notes that reading. Invariants
- A group of readers is a team and a class. Its key in an epoch follows from the server's first box
  key, which lies in the key folder: neither record nor backup holds any, and no other server of the
  tree can make it.
- Old epochs are kept: what was sealed with an old key stays readable.
- Keys that another district gave lie in the record sealed to this server's box key. They open, and
  never seal.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from crypto.errors import SealRefused
from crypto.field import FieldKey, Place, field_secret, group_key, unwrap_keys
from server.boxes import Boxes
from server.store.base import Transaction
from sync.change import Value
from sync.clock import Dot, counter_of, replica_of
from sync.errors import ChangeInvalid
from sync.schema import Schema
from sync.sealing import (
    encode_value,
    is_sealed,
    key_named,
    opened_value,
    sealed_bytes,
    sealed_text,
)
from sync.session import HOME_FIELD

OFFICE = ""
"""The group of the office itself: what is written there of a household no reading team holds."""
AHEAD_MAX = 16
"""Epochs looked for behind the last one: a store that was set back forgot as many, no more."""
FOREIGN = 0
"""The epoch of a key that another district gave; its team is the key's id."""
STRANGE_MAX = 10_000
"""Keys known to be none of this server's: those of other districts."""


class Group(NamedTuple):
    """Whose key it is: a team, a class of readers, an epoch."""

    team: str
    readers: str
    epoch: int


class FieldKeys:
    """Makes the keys of all groups of one server from its secret; the repr shows none."""

    def __init__(self, boxes: Boxes) -> None:
        self._boxes = boxes
        self._secret = field_secret(boxes.all()[-1])
        self._keys: dict[Group, FieldKey] = {}
        self._by_id: dict[bytes, Group] = {}
        self._strange: set[bytes] = set()

    def __repr__(self) -> str:
        return f"FieldKeys({len(self._keys)})"

    def has(self, group: Group) -> bool:
        """Is this a group of this server, or a key given by another that opens here?"""
        return group.epoch != FOREIGN or group in self._keys

    def key(self, group: Group) -> FieldKey:
        """The key of a group."""
        found = self._keys.get(group)
        if found is None:
            found = self._keys[group] = group_key(self._secret, *group)
            self._by_id[found.id] = group
        return found

    def named(self, tx: Transaction, key: bytes) -> Group | None:
        """The group whose key has this id; None for that of another server, or of nobody."""
        if key not in self._by_id and key not in self._strange:
            last: dict[tuple[str, str], int] = {}
            for team, readers, epoch in tx.rows("SELECT team, readers, epoch FROM field_epochs"):
                self.key(Group(str(team), str(readers), int(epoch)))
                last[team, readers] = max(int(epoch), last.get((team, readers), 0))
            for (team, readers), epoch in last.items() if key not in self._by_id else ():
                for later in range(epoch + 1, epoch + 1 + AHEAD_MAX):
                    self.key(Group(team, readers, later))
            if key not in self._by_id:
                if len(self._strange) >= STRANGE_MAX:
                    self._strange.clear()
                self._strange.add(key)
        if key not in self._by_id:
            self.load_foreign(tx, key)
        return self._by_id.get(key)

    def load_foreign(self, tx: Transaction, key: bytes | None = None) -> None:
        """Open the keys that other districts gave, or this one of them; another process may have
        taken them in."""
        where, named = (" WHERE id = ?", [key]) if key is not None else ("", [])
        for given, readers, wrapped in tx.rows(
            f"SELECT id, readers, wrapped FROM field_foreign{where}", named
        ):
            group = Group(bytes(given).hex(), str(readers), FOREIGN)
            for box in self._boxes.all() if group not in self._keys else ():
                try:
                    (self._keys[group],) = unwrap_keys(box, bytes(wrapped), [bytes(given)])
                except (SealRefused, ValueError):
                    continue
                self._by_id[bytes(given)] = group
                break

    def open(self, tx: Transaction, record: str, field: str, d: Dot, value: Any) -> Any:
        """A sealed value that the change ``d`` set on a record, opened; any other as it is.

        Raises SealRefused where it does not open: of another server, altered, or another place's.
        """
        if not is_sealed(value):
            return value
        try:
            sealed, group = sealed_bytes(value), self.named(tx, key_named(value))
            if group is None:
                raise SealRefused("a key of another server")
            place = Place(record, field, replica_of(d), counter_of(d))
            return opened_value(self.key(group).open(place, sealed))
        except ChangeInvalid:
            raise SealRefused("no sealed value") from None

    def seal(
        self,
        tx: Transaction,
        readers: str,
        home: str,
        place: Place,
        value: Value,
        now_ms: int,
    ) -> str:
        """A value as it is written at the office: sealed for a team that holds the household and
        may read the class, else for the office alone."""
        found = tx.rows(
            "SELECT r.team FROM field_readers r JOIN assigned a ON a.team = r.team"
            " WHERE r.readers = ? AND a.home = ? ORDER BY r.team LIMIT 1",
            [readers, home],
        )
        team = str(found[0][0]) if found else OFFICE
        key = self.key(Group(team, readers, epoch_of(tx, team, readers, now_ms)))
        try:
            return sealed_text(key.seal(place, encode_value(value)))
        except SealRefused:
            raise ChangeInvalid(f"{place.field}: too long to be sealed") from None


class OfficeSeal:
    """Seals what the server writes itself, in one transaction."""

    def __init__(self, tx: Transaction, schema: Schema, keys: FieldKeys, now_ms: int) -> None:
        self._tx = tx
        self._schema = schema
        self._keys = keys
        self._now_ms = now_ms

    def __call__(
        self, collection: str, record: str, sets: Mapping[str, Value], writer: tuple[bytes, int]
    ) -> dict[str, Value]:
        """What a change writes, its sealed fields sealed; what is sealed already raises
        ChangeInvalid: it opens nowhere but where it was written."""
        declared = self._schema.collections.get(collection)
        out = dict(sets)
        for name, value in sets.items():
            readers = declared.field(name).reader_class if declared else ""
            if not readers or value is None:
                continue
            if is_sealed(value):
                raise ChangeInvalid(f"{name}: sealed elsewhere")
            place = Place(record, name, *writer)
            home = self._home(record, sets)
            out[name] = self._keys.seal(self._tx, readers, home, place, value, self._now_ms)
        return out

    def _home(self, record: str, sets: Mapping[str, Value]) -> str:
        if sets.get(HOME_FIELD):
            return str(sets[HOME_FIELD])
        found = self._tx.rows(
            "SELECT h.id FROM records r JOIN homes h ON h.n = r.home WHERE r.id = ?", [record]
        )
        return str(found[0][0]) if found else record


# ---- epochs --------------------------------------------------------------------------------------


def epoch_of(tx: Transaction, team: str, readers: str, now_ms: int) -> int:
    """The present epoch of a group; the first is made here."""
    sql = "SELECT max(epoch) FROM field_epochs WHERE team = ? AND readers = ?"
    found = tx.rows(sql, [team, readers])[0][0]
    return int(found) if found else begin_epoch(tx, team, readers, 1, now_ms)


def begin_epoch(tx: Transaction, team: str, readers: str, epoch: int, now_ms: int) -> int:
    """Begin an epoch, which nobody was told of yet; its number."""
    tx.run(
        "INSERT INTO field_epochs (team, readers, epoch, since_ms, told) VALUES (?, ?, ?, ?, 0)"
        " ON CONFLICT DO NOTHING",
        [team, readers, epoch, now_ms],
    )
    return epoch
