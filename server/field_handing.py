# SPDX-License-Identifier: Apache-2.0
"""Field keys that go along when a household moves to another district.

What lives here: asking other servers for keys that seal something in a household that came here,
giving keys away for one that left, passing both kinds of words on through the tree. What must not:
the words' form (``crypto.field_words``), which team is given a key (``field_rings.py``). Invariants
- A key is given to a server that an officer here named by its id, for a household whose area lies
  in that server's area, where it seals something; to one beside this server or below it, and to
  nobody above. A server that has none above it gives to those below.
- What was given seals nothing new here: the team goes on with a key of a new epoch.
- A key that came from elsewhere is stored sealed to this server's box key, and opens, seals never.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from crypto.errors import CryptoError, SealRefused
from crypto.field import KEYS_WRAPPED_MAX, FieldKey, unwrap_keys, wrap_keys
from crypto.field_words import (
    ASKED_MAX,
    FieldAsk,
    FieldGiven,
    check_ask,
    check_given,
    issue_ask,
    issue_given,
)
from crypto.identity import SIGNATURE_BYTES
from crypto.signed import STATEMENT_BYTES_MAX
from crypto.statement import DAY_MS
from server.errors import NotFound
from server.field_keys import begin_epoch, epoch_of
from server.field_rings import grant, homes_of, keys_in
from server.history import stored_record
from server.journal import note
from server.store.base import Transaction
from server.trust import UPSTREAM, Trust
from sync.decoding import MALFORMED
from sync.errors import ChangeInvalid
from sync.schema import Schema
from sync.sealing import SEALED, is_sealed, key_named

if TYPE_CHECKING:
    from server.district import District

WORDS_KEPT_MAX = 2_000
"""Words on their way; the oldest go: what was not given is asked for again."""
WORDS_TOLD_MAX = 200
"""Of one message, 3 KB each at the most; the rest goes with the next."""
AGAIN_MS = 7 * DAY_MS
"""What nobody gave is asked for again: a server may have been set back behind the asking."""
ASKS_KEPT_MAX = 20_000
"""Keys that one other server may have asked for: more households than move in years."""
_SEQ = "field_wants_seq"
_ask = msgspec.msgpack.Decoder(FieldAsk)
_given = msgspec.msgpack.Decoder(FieldGiven)


class Asker(NamedTuple):
    """A server that asked: its id, name, area, when an officer allowed it, keys it may have now,
    keys it was given, keys it asked for."""

    server: str
    name: str
    area: str
    allowed_at_ms: int | None
    due: int
    given: int
    asked: int


# ---- words on their way --------------------------------------------------------------------------


def told_words(tx: Transaction, after_seq: int) -> list[bytes]:
    """Words that were made or heard here after a commit: each server tells all others."""
    found = tx.rows(
        "SELECT statement FROM field_words WHERE seq > ? ORDER BY seq, digest LIMIT ?",
        [after_seq, WORDS_TOLD_MAX],
    )
    return [bytes(row[0]) for row in found]


def hear_words(
    tx: Transaction, district: District, statements: Iterable[bytes], now_ms: int
) -> None:
    """Take in what servers of the tree ask and give; what does not hold is left out."""
    for statement in statements:
        said = _said(statement)
        public = district.trust.signs_pages(said.issuer) if said is not None else None
        if said is None or public is None or said.issuer == district.key.replica:
            continue
        digest = hashlib.sha256(statement).digest()
        if tx.rows("SELECT 1 FROM field_words WHERE digest = ?", [digest]):
            continue
        with suppress(CryptoError):
            if isinstance(said, FieldAsk):
                _take_ask(tx, district, check_ask(statement, public), now_ms)
            else:
                _take_given(tx, district, check_given(statement, public), now_ms)
            _keep(tx, statement, now_ms)


def _said(statement: bytes) -> FieldAsk | FieldGiven | None:
    """What a statement says if it is such a word; nothing is checked yet."""
    if not SIGNATURE_BYTES < len(statement) <= STATEMENT_BYTES_MAX:
        return None
    for decoder in (_ask, _given):
        with suppress(*MALFORMED):
            return decoder.decode(statement[SIGNATURE_BYTES:])
    return None


def _keep(tx: Transaction, statement: bytes, now_ms: int) -> None:
    tx.run(
        "INSERT INTO field_words (digest, statement, seq, at_ms) VALUES (?, ?, ?, ?)"
        " ON CONFLICT DO NOTHING",
        [hashlib.sha256(statement).digest(), statement, tx.next_seq(), now_ms],
    )
    tx.run(
        "DELETE FROM field_words WHERE seq < (SELECT min(seq) FROM (SELECT seq FROM field_words"
        " ORDER BY seq DESC LIMIT ?) AS newest)",
        [WORDS_KEPT_MAX],
    )


# ---- asking --------------------------------------------------------------------------------------


def step(tx: Transaction, district: District, now_ms: int) -> None:
    """Before an exchange: ask for what came here sealed elsewhere, give what may be given."""
    _look(tx, district, now_ms)
    found = tx.rows(
        "SELECT key, record FROM field_wants WHERE asked_ms < ? ORDER BY since_ms, key, record"
        " LIMIT ?",
        [now_ms - AGAIN_MS, ASKED_MAX],
    )
    if found:
        asked = tuple((bytes(key), str(record)) for key, record in found)
        body = FieldAsk(district.key.replica, now_ms, district.box.public, asked)
        _keep(tx, issue_ask(district.key, body), now_ms)
        tx.run_many(
            "UPDATE field_wants SET asked_ms = ? WHERE key = ? AND record = ?",
            [(now_ms, key, record) for key, record in asked],
        )
    give(tx, district, now_ms)


def _look(tx: Transaction, district: District, now_ms: int) -> None:
    """Note keys of no group of this server in records that changed since the last look."""
    reads = "SELECT 1 FROM field_readers UNION SELECT 1 FROM field_officers LIMIT 1"
    if not tx.rows(reads):
        return
    found = tx.rows("SELECT value FROM meta WHERE key = ?", [_SEQ])
    after, upto = int(found[0][0]) if found else 0, district.lineage.last_seq(tx)
    if after == upto:
        return
    rows = tx.rows(
        "SELECT r.id, k.collection FROM homes h JOIN records r ON r.home = h.n"
        " JOIN kinds k ON k.kind = r.kind WHERE h.seq > ? AND r.seq > ?"
        " AND CAST(r.body AS TEXT) LIKE ?",
        [after, after, f'%"{SEALED}%'],
    )
    for record, collection in rows:
        for key, readers in _sealing(tx, district.schema, str(collection), str(record)).items():
            if district.fields.named(tx, key) is None:
                tx.run(
                    "INSERT INTO field_wants (key, record, readers, since_ms, asked_ms)"
                    " VALUES (?, ?, ?, ?, 0) ON CONFLICT DO NOTHING",
                    [key, record, readers, now_ms],
                )
    tx.run(
        "INSERT INTO meta (key, value) VALUES (?, ?)"
        " ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        [_SEQ, upto],
    )


def _sealing(tx: Transaction, schema: Schema, collection: str, record: str) -> dict[bytes, str]:
    """The keys that seal the values of a record, with the class of readers of their field."""
    stored, out = stored_record(tx, record), dict[bytes, str]()
    for field, by_dot in stored.state.registers.items() if stored is not None else ():
        readers = schema.field(collection, field).reader_class
        for value in by_dot.values() if readers else ():
            with suppress(ChangeInvalid):
                if is_sealed(value):
                    out[key_named(value)] = readers
    return out


def _take_given(tx: Transaction, district: District, said: FieldGiven, now_ms: int) -> None:
    """Take in keys that were asked for here; teams that hold the households are given them."""
    if said.receiver != district.key.replica:
        return
    wanted = {
        bytes(key): str(readers) for key, readers in tx.rows("SELECT key, readers FROM field_wants")
    }
    keys: list[FieldKey] = []
    for box in district.boxes.all():
        with suppress(SealRefused):
            keys = unwrap_keys(box, said.wrapped, wanted)
            break
    for key in keys:
        tx.run(
            "INSERT INTO field_foreign (id, readers, server, wrapped, since_ms)"
            " VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            [
                key.id,
                wanted[key.id],
                said.issuer.hex(),
                wrap_keys(district.box.public, [key]),
                now_ms,
            ],
        )
        _grant_all(tx, district, key.id, now_ms)
        tx.run("DELETE FROM field_wants WHERE key = ?", [key.id])
    if keys:
        note(tx, now_ms, "", "field-keys-came", said.issuer.hex(), str(len(keys)))


def _grant_all(tx: Transaction, district: District, key: bytes, now_ms: int) -> None:
    records = tx.rows("SELECT record FROM field_wants WHERE key = ? ORDER BY record", [key])
    pairs = [(key, str(row[0])) for row in records]
    for (team,) in tx.rows("SELECT DISTINCT team FROM field_readers ORDER BY team"):
        grant(tx, district.fields, str(team), pairs, now_ms)


# ---- giving --------------------------------------------------------------------------------------


def _take_ask(tx: Transaction, district: District, said: FieldAsk, now_ms: int) -> None:
    """Keep what is asked of this server's own keys; an older asking changes no box key."""
    mine = [(k, r) for k, r in said.asked if (g := district.fields.named(tx, k)) and g.epoch]
    if not mine:
        return
    server = district.trust.keys[said.issuer].device
    tx.run(
        "INSERT INTO field_askers (server, at_ms, replica, box_public) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (server) DO UPDATE SET at_ms = excluded.at_ms, replica = excluded.replica,"
        " box_public = excluded.box_public WHERE field_askers.at_ms < excluded.at_ms",
        [server, said.at_ms, said.issuer, said.box_public],
    )
    held = tx.rows("SELECT count(*) FROM field_asks WHERE server = ?", [server])[0][0]
    for key, record in mine[: max(0, ASKS_KEPT_MAX - int(held))]:
        # Asked again, it is given again: the other may have been set back behind what it had.
        tx.run(
            "INSERT INTO field_asks (server, key, record, since_ms) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (server, key, record) DO UPDATE SET given_at_ms = NULL",
            [server, key, record, now_ms],
        )


def give(tx: Transaction, district: District, now_ms: int) -> int:
    """Give the servers that an officer allowed what they may have by now; how many keys."""
    count = 0
    for server, replica, box_public in tx.rows(
        "SELECT server, replica, box_public FROM field_askers WHERE allowed_at_ms IS NOT NULL"
        " ORDER BY server"
    ):
        due = _due(tx, district.trust, str(server))[:KEYS_WRAPPED_MAX]
        groups = {key: district.fields.named(tx, key) for key, _ in due}
        keys = [district.fields.key(group) for group in groups.values() if group is not None]
        if not keys:
            continue
        for group in groups.values():
            if group is None:
                continue
            if group.epoch == epoch_of(tx, group.team, group.readers, now_ms):
                begin_epoch(tx, group.team, group.readers, group.epoch + 1, now_ms)
        wrapped = wrap_keys(bytes(box_public), keys)
        body = FieldGiven(district.key.replica, now_ms, bytes(replica), wrapped)
        _keep(tx, issue_given(district.key, body), now_ms)
        tx.run_many(
            "UPDATE field_asks SET given_at_ms = ? WHERE server = ? AND key = ? AND record = ?",
            [(now_ms, server, key, record) for key, record in due],
        )
        note(tx, now_ms, "", "field-keys-given", str(server), str(len(keys)))
        count += len(keys)
    return count


def _due(tx: Transaction, trust: Trust, server: str) -> list[tuple[bytes, str]]:
    """What a server asked for, was not given, and may have: (key, record)."""
    known = next((k for k in trust.keys.values() if k.device == server), None)
    own = tx.rows("SELECT area FROM links WHERE kind = 'upstream'")
    mine = str(own[0][0]) if own else ""
    if known is None or known.role == UPSTREAM or not known.area or mine.startswith(known.area):
        return []
    return [
        (bytes(key), str(record))
        for key, record in tx.rows(
            "SELECT key, record FROM field_asks WHERE server = ? AND given_at_ms IS NULL"
            " ORDER BY since_ms, key, record",
            [server],
        )
        if _lies_in(tx, str(record), known.area) and bytes(key) in keys_in(tx, str(record))
    ]


def _lies_in(tx: Transaction, record: str, area: str) -> bool:
    """Does a record belong to a household of an area?"""
    found = tx.rows_in("SELECT area FROM homes WHERE id IN (?*)", sorted(homes_of(tx, record)))
    return any(str(row[0]).startswith(area) for row in found)


# ---- the office ----------------------------------------------------------------------------------


def askers(tx: Transaction, trust: Trust) -> Sequence[Asker]:
    """The servers that asked for keys of this one."""
    out = []
    for server, allowed_at_ms in tx.rows(
        "SELECT server, allowed_at_ms FROM field_askers ORDER BY server"
    ):
        known = next((k for k in trust.keys.values() if k.device == server), None)
        due = len({key for key, _ in _due(tx, trust, str(server))})
        rows = tx.rows("SELECT key, given_at_ms FROM field_asks WHERE server = ?", [server])
        out.append(
            Asker(
                str(server),
                known.name if known else "",
                known.area if known else "",
                allowed_at_ms,
                due,
                len({bytes(key) for key, at_ms in rows if at_ms is not None}),
                len({bytes(key) for key, _ in rows}),
            )
        )
    return out


def allow_server(tx: Transaction, server: str, by: str, now_ms: int) -> None:
    """Give a server, from now on, the keys of households that move to it. Raises NotFound."""
    sql = "UPDATE field_askers SET allowed_at_ms = ? WHERE server = ? AND allowed_at_ms IS NULL"
    if not tx.run(sql, [now_ms, server]):
        raise NotFound("a server that asked for keys and is not allowed yet")
    note(tx, now_ms, by, "field-server-allow", server, "")


def withdraw_server(tx: Transaction, server: str, by: str, now_ms: int) -> None:
    """Give a server no further keys; what it has it has. Raises NotFound."""
    sql = "UPDATE field_askers SET allowed_at_ms = NULL WHERE server = ? AND allowed_at_ms > 0"
    if not tx.run(sql, [server]):
        raise NotFound("a server that is allowed to have keys")
    note(tx, now_ms, by, "field-server-withdraw", server, "")
