# SPDX-License-Identifier: Apache-2.0
"""Field keys at the district: who may read sealed fields, by which keys, and who is told them.

What lives here: classes of readers of teams and officers, epochs of keys, rings and wrapped keys
for tablets, sealing and opening at the office. What must not: HTTP, pages, the access log: whoever
opens a value for a person notes that reading (``log_access.py``). Invariants
- A group of readers is a team and a class. Its key in an epoch follows from the server's first box
  key, which lies in the key folder: neither record nor backup holds any, and no other server of the
  tree can make it.
- A new epoch begins whenever somebody who was told a key may no longer have what is written from
  now on: a tablet revoked, a class withdrawn, a household given to others. Old epochs are kept and
  given to those who may read what was written with them.
- A team has the keys of its own group, and of other groups those that seal something in a
  household it holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import msgspec

from crypto.certificate import Certificate
from crypto.errors import CryptoError, SealRefused
from crypto.field import KEYS_WRAPPED_MAX, FieldKey, Place, field_secret, group_key, wrap_keys
from crypto.identity import SIGNATURE_BYTES, DeviceKey
from crypto.ring import RING_KEYS_MAX, ReaderKeys, Ring, issue_ring
from server.audit_errors import FieldClassUnknown
from server.boxes import Boxes
from server.errors import NotFound
from server.history import stored_record
from server.journal import note
from server.scope import outside
from server.store.base import Transaction
from sync.change import Value
from sync.clock import Dot, counter_of, replica_of
from sync.errors import ChangeInvalid
from sync.messages import STATEMENTS_MAX, Request, Statement
from sync.schema import Schema
from sync.sealing import (
    FIELD_KEYS,
    FIELD_RING,
    FieldKeysSaid,
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
STRANGE_MAX = 10_000
"""Keys known to be none of this server's: those of other districts."""
_said = msgspec.msgpack.Decoder(FieldKeysSaid)


class Group(NamedTuple):
    """Whose key it is: a team, a class of readers, an epoch."""

    team: str
    readers: str
    epoch: int


class FieldKeys:
    """Makes the keys of all groups of one server from its secret; the repr shows none."""

    def __init__(self, boxes: Boxes) -> None:
        self._secret = field_secret(boxes.all()[-1])
        self._keys: dict[Group, FieldKey] = {}
        self._by_id: dict[bytes, Group] = {}
        self._strange: set[bytes] = set()

    def __repr__(self) -> str:
        return f"FieldKeys({len(self._keys)})"

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
        return self._by_id.get(key)

    def told(
        self,
        tx: Transaction,
        root: DeviceKey,
        team: str,
        request: Request,
        now_ms: int,
        others: int,
    ) -> list[Statement]:
        """What a tablet is told of its keys, beside so many ``others`` and the word on the log."""
        return statements(tx, self, root, team, request, now_ms, STATEMENTS_MAX - 1 - others)

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
        key = self.key(Group(team, readers, _epoch(tx, team, readers, now_ms)))
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


# ---- who may read --------------------------------------------------------------------------------


def classes_of(schema: Schema) -> list[str]:
    """The classes of readers that the declarations name."""
    fields = [f for c in schema.collections.values() for f in c.fields.values()]
    return sorted({field.reader_class for field in fields if field.sealed})


def _check_class(schema: Schema, readers: str) -> None:
    if readers not in classes_of(schema):
        raise FieldClassUnknown(f"{readers[:24]}: {', '.join(classes_of(schema))}")


def allow_team(
    tx: Transaction, schema: Schema, team: str, readers: str, by: str, now_ms: int
) -> None:
    """Let a team's tablets read a class of sealed fields of the households it holds.

    Raises NotFound, FieldClassUnknown.
    """
    _check_class(schema, readers)
    if not tx.rows("SELECT 1 FROM teams WHERE id = ?", [team]):
        raise NotFound("team")
    tx.run(
        "INSERT INTO field_readers (team, readers, since_ms) VALUES (?, ?, ?)"
        " ON CONFLICT DO NOTHING",
        [team, readers, now_ms],
    )
    note(tx, now_ms, by, "field-allow", team, readers)


def withdraw_team(tx: Transaction, team: str, readers: str, by: str, now_ms: int) -> bool:
    """Take a class from a team: its tablets drop the keys, and new ones seal from now on."""
    if not tx.run("DELETE FROM field_readers WHERE team = ? AND readers = ?", [team, readers]):
        return False
    renew_for(tx, team, now_ms, readers)
    tx.run("DELETE FROM field_grants WHERE team = ? AND readers = ?", [team, readers])
    note(tx, now_ms, by, "field-withdraw", team, readers)
    return True


def allow_officer(
    tx: Transaction, schema: Schema, account: str, readers: str, by: str, now_ms: int
) -> None:
    """Let an account of the console read a class. Raises NotFound, FieldClassUnknown."""
    _check_class(schema, readers)
    if not tx.rows("SELECT 1 FROM accounts WHERE id = ?", [account]):
        raise NotFound("account")
    tx.run(
        "INSERT INTO field_officers (account, readers, since_ms) VALUES (?, ?, ?)"
        " ON CONFLICT DO NOTHING",
        [account, readers, now_ms],
    )
    note(tx, now_ms, by, "field-officer", account, readers)


def withdraw_officer(tx: Transaction, account: str, readers: str, by: str, now_ms: int) -> bool:
    """Take a class from an account."""
    sql = "DELETE FROM field_officers WHERE account = ? AND readers = ?"
    if not tx.run(sql, [account, readers]):
        return False
    note(tx, now_ms, by, "field-officer-withdraw", account, readers)
    return True


def officer_classes(tx: Transaction, account: str) -> set[str]:
    """The classes an account may read."""
    sql = "SELECT readers FROM field_officers WHERE account = ?"
    return {str(row[0]) for row in tx.rows(sql, [account])}


def allowed(tx: Transaction) -> list[tuple[str, str, str]]:
    """All that is allowed: ``team`` or ``officer``, whose, which class."""
    teams = tx.rows("SELECT team, readers FROM field_readers ORDER BY team, readers")
    officers = tx.rows("SELECT account, readers FROM field_officers ORDER BY account, readers")
    out = [("team", str(team), str(readers)) for team, readers in teams]
    return out + [("officer", str(account), str(readers)) for account, readers in officers]


# ---- epochs --------------------------------------------------------------------------------------


def _epoch(tx: Transaction, team: str, readers: str, now_ms: int) -> int:
    """The present epoch of a group; the first is made here."""
    sql = "SELECT max(epoch) FROM field_epochs WHERE team = ? AND readers = ?"
    found = tx.rows(sql, [team, readers])[0][0]
    return int(found) if found else _begin(tx, team, readers, 1, now_ms)


def _begin(tx: Transaction, team: str, readers: str, epoch: int, now_ms: int) -> int:
    tx.run(
        "INSERT INTO field_epochs (team, readers, epoch, since_ms, told) VALUES (?, ?, ?, ?, 0)"
        " ON CONFLICT DO NOTHING",
        [team, readers, epoch, now_ms],
    )
    return epoch


def renew_for(tx: Transaction, team: str, now_ms: int, readers: str = "") -> int:
    """New epochs of all groups whose present key this team's tablets were told; how many.

    ``readers``: of this class alone. A key that nobody was told yet is as good as a new one.
    """
    groups = tx.rows(
        "SELECT e.team, e.readers, max(e.epoch) FROM field_epochs e WHERE e.team = ? OR EXISTS"
        " (SELECT 1 FROM field_grants g WHERE g.team = ? AND g.owner = e.team"
        " AND g.readers = e.readers) GROUP BY e.team, e.readers ORDER BY e.team, e.readers",
        [team, team],
    )
    renewed = 0
    for owner, which, epoch in groups:
        if readers and which != readers:
            continue
        told = tx.rows(
            "SELECT told FROM field_epochs WHERE team = ? AND readers = ? AND epoch = ?",
            [owner, which, epoch],
        )
        if told[0][0]:
            _begin(tx, str(owner), str(which), int(epoch) + 1, now_ms)
            renewed += 1
    return renewed


def taken_from(tx: Transaction, team: str, now_ms: int) -> None:
    """Households were taken from a team: what others write there it is not to read, and whoever
    has them now is not to read what the team writes elsewhere."""
    renew_for(tx, team, now_ms)
    tx.run("DELETE FROM field_grants WHERE team = ?", [team])


def moved_out(tx: Transaction, moved: Iterable[tuple[str, str]], now_ms: int) -> None:
    """Households moved from one area to another, (was, is): teams that had them by area alone."""
    pairs = list(moved)
    lost = {
        str(team)
        for team, area in tx.rows("SELECT team, area FROM team_areas")
        if any(was.startswith(area) and not now.startswith(area) for was, now in pairs)
    }
    for team in sorted(lost):
        taken_from(tx, team, now_ms)


# ---- what a tablet is told -----------------------------------------------------------------------


def ring_of(
    tx: Transaction, keys: FieldKeys, root: DeviceKey, team: str, now_ms: int
) -> tuple[Ring, dict[bytes, Group]]:
    """What a team may have, the newest keys first, and whose they are."""
    classes, groups = list[ReaderKeys](), dict[bytes, Group]()
    found = tx.rows("SELECT readers FROM field_readers WHERE team = ? ORDER BY readers", [team])
    room = RING_KEYS_MAX // max(1, len(found))
    for (readers,) in found:
        present = _epoch(tx, team, readers, now_ms)
        mine = [Group(team, readers, epoch) for epoch in range(present, 0, -1)]
        granted = tx.rows(
            "SELECT owner, epoch FROM field_grants WHERE team = ? AND readers = ?"
            " ORDER BY since_ms DESC, owner, epoch",
            [team, readers],
        )
        others = [Group(str(owner), readers, int(epoch)) for owner, epoch in granted]
        kept = [*mine[:1], *others, *mine[1:]][:room]
        ids = {keys.key(group).id: group for group in kept}
        groups |= ids
        classes.append(ReaderKeys(readers, keys.key(mine[0]).id, b"".join(ids)))
    return Ring(team, root.replica, now_ms, tuple(classes)), groups


def statements(
    tx: Transaction,
    keys: FieldKeys,
    root: DeviceKey,
    team: str,
    request: Request,
    now_ms: int,
    room: int = STATEMENTS_MAX,
) -> list[Statement]:
    """The ring and the keys that a tablet of this team lacks, by what its request says: at most
    ``room`` statements, the others at its next request.

    One that says nothing is an older program, which knows no sealed field.
    """
    told = [data for kind, data in request.statements if kind == FIELD_KEYS]
    if not told:
        return []
    try:
        said = _said.decode(told[0])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return []
    if said.wanted:
        _grant(tx, keys, team, said.wanted, now_ms)
    ring, groups = ring_of(tx, keys, root, team, now_ms)
    same = ring.digest() == said.digest
    if not (ring.classes or said.digest) or (same and not said.lacking):
        return []
    box = _box_of(tx, request.replica)
    if box is None:
        return []
    out: list[Statement] = [] if same else [(FIELD_RING, issue_ring(root, ring))]
    # One whose ring differs may have most of these; that costs it 34 bytes each.
    wanted = [one for one in said.lacking if one in groups] if same else list(groups)
    for at in range(0, len(wanted), KEYS_WRAPPED_MAX):
        part = [keys.key(groups[one]) for one in wanted[at : at + KEYS_WRAPPED_MAX]]
        out.append((FIELD_KEYS, wrap_keys(box, part)))
    tx.run("UPDATE field_epochs SET told = 1 WHERE team = ? AND told = 0", [team])
    return out[: max(0, room)]


def _grant(
    tx: Transaction,
    keys: FieldKeys,
    team: str,
    wanted: Iterable[tuple[bytes, str]],
    now_ms: int,
) -> None:
    """Give a team keys of other groups that seal something in a record of a household it holds."""
    mine = {r for (r,) in tx.rows("SELECT readers FROM field_readers WHERE team = ?", [team])}
    for key, record in wanted:
        group = keys.named(tx, key)
        if group is None or group.readers not in mine:
            continue
        if group.team == team:
            # This store was set back: the team's tablets remember epochs that it forgot.
            for epoch in range(_epoch(tx, team, group.readers, now_ms) + 1, group.epoch + 1):
                _begin(tx, team, group.readers, epoch, now_ms)
            continue
        homes = _homes(tx, record)
        held = homes - outside(tx, team, homes)
        if not held or key not in _keys_in(tx, record):
            continue
        tx.run(
            "INSERT INTO field_grants (team, owner, readers, epoch, home, since_ms)"
            " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            [team, group.team, group.readers, group.epoch, min(held), now_ms],
        )
        tx.run(
            "UPDATE field_epochs SET told = 1 WHERE team = ? AND readers = ? AND epoch = ?",
            [group.team, group.readers, group.epoch],
        )


def _homes(tx: Transaction, record: str) -> set[str]:
    found = tx.rows(
        "SELECT h.id FROM records r JOIN homes h ON h.n = r.home WHERE r.id = ? UNION"
        " SELECT a.home FROM also a WHERE a.record = ? AND a.until_seq IS NULL",
        [record, record],
    )
    return {str(row[0]) for row in found}


def _keys_in(tx: Transaction, record: str) -> set[bytes]:
    """The ids of the keys that seal the values of a record."""
    stored = stored_record(tx, record)
    out = set[bytes]()
    for by_dot in stored.state.registers.values() if stored is not None else ():
        for value in by_dot.values():
            if is_sealed(value):
                try:
                    out.add(key_named(value))
                except ChangeInvalid:
                    continue
    return out


def _box_of(tx: Transaction, replica: bytes) -> bytes | None:
    """The box key in a tablet's certificate, which this server signed."""
    found = tx.rows("SELECT certificate FROM device_keys WHERE replica = ?", [replica])
    if not found or not found[0][0]:
        return None
    try:
        said = msgspec.msgpack.decode(bytes(found[0][0])[SIGNATURE_BYTES:], type=Certificate)
    except (msgspec.DecodeError, UnicodeDecodeError, CryptoError):
        return None
    return said.box_public
