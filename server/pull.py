# SPDX-License-Identifier: Apache-2.0
"""What a tablet is sent: states past its cursor, households entered and left, in signed pages.

What lives here: choosing and packing states. What must not: merging, HTTP. Invariants
- A cursor is (incarnation, sequence, last home sent of it), never a time.
- A home that enters is sent whole, whatever the cursor says; homes are sent one after the other, so
  that a download that breaks goes on where it stood.
- Of a home that is to be mended only those records travel that the tablet does not name as held.
- A record whose last change the tablet itself made upon all there was is not sent back to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import msgspec

from server.scope import (
    Device,
    held_homes,
    homes_in_scope,
    offer,
    scope_version,
    settle_word,
    take_list,
)
from server.store.base import Transaction
from sync.messages import PAGE_STATES_MAX, WANT_PIECES, Page, Request, Statement, encode_state
from sync.packing import vector_of
from sync.ranges import Scope, Told, name_records, named_records
from sync.session import DIGEST_MASK, page_message, record_digest, state_digest

REPLY_STATES_BYTES_MAX = 512 * 1024
"""States of one reply, not yet compressed: about 500 households; more follows at once."""
PIECE_STATES_BYTES_MAX = 36 * 1024
"""The same where small pieces are asked for: with receipts and statements 16 KB as it travels;
one household is never divided."""
REPLY_HOMES_MAX = 2_000
"""Homes that may enter in one reply."""

_load = msgspec.json.Decoder(dict[str, Any]).decode

Sign = Callable[[bytes], bytes]

NOTHING_TOLD = Told([], [])


class Pulled(NamedTuple):
    """What goes into the reply."""

    seq: int
    after: str
    pages: list[Page]
    entered: list[str]
    left: list[str]
    gone: list[str]
    digest: int
    wanted: bool
    more: bool
    told: Told
    have: Sequence[Statement] = ()


class Stored(NamedTuple):
    """A record as it lies in the store; ``kind`` and ``origin`` are numbers there, ``body`` is its
    shown values in JSON."""

    record: str
    kind: int
    causal: bytes
    body: Any
    origin: int


class Cursor(NamedTuple):
    """Where the tablet stands: everything up to ``seq``; and, where a reply had to be cut, of what
    came up to ``upto`` the homes up to ``after``. ``placed`` is false where this server cannot
    tell.
    """

    seq: int
    upto: int
    after: str
    placed: bool


def read_cursor(request: Request, placed: bool) -> Cursor:
    """The request's cursor; its text part is ``upto`` in hexadecimal, a colon, and a home."""
    upto, _, after = request.after.partition(":")
    try:
        return Cursor(request.seq, int(upto, 16) if upto else 0, after, placed)
    except ValueError:
        return Cursor(request.seq, 0, "", placed)


class Pull:
    """The states of one reply. Make it, then ``pull``; it is used once.

    ``own`` are the numbers of the tablet's replicas if its chain is whole, else empty. ``sign`` is
    the server's replica, its incarnation and its signature for pages; ``now`` the sequence that is
    committed, and the clock.
    """

    def __init__(
        self,
        tx: Transaction,
        device: Device,
        request: Request,
        own: set[int],
        sign: tuple[bytes, bytes, Sign],
        now: tuple[int, int],
    ) -> None:
        self.tx = tx
        self.device = device
        self.request = request
        self.own = own
        self.sign = sign
        self.now_seq, self.now_ms = now
        small = request.want & WANT_PIECES
        self.bytes_max = PIECE_STATES_BYTES_MAX if small else REPLY_STATES_BYTES_MAX
        self.states: list[bytes] = []
        self.size = 0
        self.named = named_records(request.statements) if request.repair else None
        self.have: list[int] = []

    def pull(self, cursor: Cursor) -> Pulled:
        """States past the cursor, in the tablet's scope."""
        request, tx = self.request, self.tx
        version = scope_version(tx, self.device.team)
        known, differing = self._word(cursor)
        if known is None:
            return Pulled(request.seq, request.after, [], [], [], [], 0, True, True, NOTHING_TOLD)
        mine = held_homes(tx, self.device.id)
        entering: list[str] = []
        leaving: list[str] = []
        if known != version:
            scope = homes_in_scope(tx, self.device.team)
            entering, leaving = sorted(scope - mine), sorted(mine - scope)
        staying = mine - set(leaving)
        seq, after, gone = self._changed(staying, cursor, differing)
        # What was committed between two pieces comes with the next: the digest covers it already.
        more = bool(after) or seq < self.now_seq
        entered: list[str] = []
        if not more:
            for home in entering:
                if self.size > self.bytes_max or len(entered) >= REPLY_HOMES_MAX:
                    more = True
                    break
                self._add(states_of_home(tx, home, 0, set()))
                entered.append(home)
        if entered or leaving or known != version:
            offer(
                tx,
                self.device,
                request.held,
                entered,
                leaving,
                -1 if more else version,
                self.now_ms,
            )
        digest = 0 if more else _digest(tx, staying | set(entered))
        pages = list(pages_of(self.states, self.sign, self.now_seq))
        told = NOTHING_TOLD
        if request.ask:
            told = Scope(_digests(tx, self.device.id)).tell(request.ask)
        # Who lists all homes did not name the records of those that turn out to differ.
        mended = self.named is not None and request.homes is None
        have = name_records(self.have) if mended else []
        return Pulled(seq, after, pages, entered, leaving, gone, digest, False, more, told, have)

    def _word(self, cursor: Cursor) -> tuple[int | None, set[str]]:
        """The scope version that is known to hold, None if the tablet must list its homes first."""
        request, tx = self.request, self.tx
        if request.homes is not None:
            take_list(tx, self.device, [home for home, _ in request.homes], self.now_ms)
            return -1, _differing(tx, dict(request.homes))
        if not cursor.placed and request.held:
            return None, set()
        if not settle_word(tx, self.device, request.held, self.now_ms):
            return None, set()
        arrived = self.device.offered is None or request.held == self.device.offered
        return (self.device.scope_version if arrived else -1), set(request.repair)

    def _changed(
        self, staying: set[str], cursor: Cursor, differing: set[str]
    ) -> tuple[int, str, list[str]]:
        """Add what changed in the homes that stay; the new cursor, and records that left."""
        changed = set(_changed_homes(self.tx, staying, cursor)) if cursor.placed else set()
        todo = sorted(changed | (differing & staying))
        upto = cursor.upto if cursor.after else self.now_seq
        gone: list[str] = []
        for i, home in enumerate(todo):
            whole = home in differing
            if not whole and cursor.after and home <= cursor.after:
                continue
            floor = 0 if whole else cursor.seq
            states = _stored(self.tx, home, floor)
            if whole:
                self._add(self._lacked(states))
            else:
                self._add(_encoded(self.tx, (one for one in states if one.origin not in self.own)))
            gone += _gone(self.tx, home, floor, staying)
            if self.size > self.bytes_max and i + 1 < len(todo) and not differing:
                return cursor.seq, f"{upto:x}:{home}", gone
        return upto, "", gone

    def _lacked(self, stored: list[Stored]) -> list[bytes]:
        """Of a home that differs, the states of the records that the tablet does not name."""
        named = self.named or ()
        digests = [record_digest(one.record, vector_of(one.causal)) for one in stored]
        self.have += digests
        lacked = (one for one, d in zip(stored, digests, strict=True) if d not in named)
        return _encoded(self.tx, lacked)

    def _add(self, states: list[bytes]) -> None:
        self.states += states
        self.size += sum(map(len, states))


def _changed_homes(tx: Transaction, homes: set[str], cursor: Cursor) -> list[str]:
    if not homes:
        return []
    found = tx.rows_in("SELECT id, seq FROM homes WHERE id IN (?*)", list(homes))
    return sorted(r[0] for r in found if r[1] > cursor.seq)


def _digests(tx: Transaction, device: str) -> dict[str, int]:
    """Home → digest, of all homes the tablet holds; one that nothing is known of has 0."""
    found = tx.rows(
        "SELECT d.home, coalesce(h.digest, 0) FROM held d LEFT JOIN homes h ON h.id = d.home"
        " WHERE d.device = ? AND d.state = 0",
        [device],
    )
    return {home: int(digest) for home, digest in found}


def _differing(tx: Transaction, said: dict[str, int]) -> set[str]:
    found = dict(tx.rows_in("SELECT id, digest FROM homes WHERE id IN (?*)", list(said)))
    return {home for home, digest in said.items() if found.get(home, digest) != digest}


def states_of_home(tx: Transaction, home: str, floor: int, own: set[int]) -> list[bytes]:
    """The encoded states of a home's records changed after ``floor``, but for the tablet's own."""
    return _encoded(tx, (one for one in _stored(tx, home, floor) if one.origin not in own))


def _stored(tx: Transaction, home: str, floor: int) -> list[Stored]:
    """A home's records changed after ``floor``, also those that moved in beside others."""
    found = tx.rows(
        "SELECT r.id, r.kind, r.causal, r.body, r.origin FROM homes h JOIN records r"
        " ON r.home = h.n WHERE h.id = ? AND r.seq > ?",
        [home, floor],
    )
    found += tx.rows(
        "SELECT r.id, r.kind, r.causal, r.body, r.origin FROM also a JOIN records r"
        " ON r.id = a.record WHERE a.home = ? AND a.until_seq IS NULL AND r.seq > ?",
        [home, floor],
    )
    return [Stored(r, kind, bytes(causal), body, origin) for r, kind, causal, body, origin in found]


def _encoded(tx: Transaction, stored: Iterable[Stored]) -> list[bytes]:
    states = []
    for record, kind, causal, body, _ in stored:
        values = _load(body)
        states.append(
            encode_state(
                tx.collection_of(kind), record, causal, list(values), list(values.values())
            )
        )
    return states


def _gone(tx: Transaction, home: str, floor: int, staying: set[str]) -> list[str]:
    """Records that left this home since ``floor`` and are in no other home of the tablet."""
    found = tx.rows(
        "SELECT a.record, h.id FROM also a JOIN records r ON r.id = a.record"
        " JOIN homes h ON h.n = r.home WHERE a.home = ? AND a.until_seq > ?",
        [home, floor],
    )
    return [record for record, at in found if at not in staying]


def _digest(tx: Transaction, homes: Iterable[str]) -> int:
    found = tx.rows_in("SELECT sum(digest) FROM homes WHERE id IN (?*)", list(homes))
    return sum(int(r[0] or 0) for r in found) & DIGEST_MASK


def pages_of(states: list[bytes], sign: tuple[bytes, bytes, Sign], seq: int) -> Iterable[Page]:
    """States in signed pages; ``sign`` is the server's replica, its incarnation and its
    signature."""
    server, incarnation, signature = sign
    for start in range(0, len(states), PAGE_STATES_MAX):
        part = states[start : start + PAGE_STATES_MAX]
        digests = b"".join(state_digest(raw) for raw in part)
        signed = signature(page_message(server, incarnation, seq, digests))
        yield Page(server, incarnation, seq, part, signed)
