# SPDX-License-Identifier: Apache-2.0
"""The exchange with another server, as the one that is asked: feeds up, feeds and states down.

What lives here: answering a request that brings feeds of others (``sync.messages.Relay``). What
must not: asking (``linking.py``), HTTP. Invariants
- Keys are learned before anything that they signed is opened; a run of a writer whose key does not
  lead here is left out, and not receipted.
- What goes down belongs to the other's area: runs all of whose records do, and states of records
  that do; a state goes only where the other lacks a change it rests on.
- Receipts and pages are handed out only after the commit (Law 3).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from crypto.errors import RequestRefused
from server.aside_words import Asides, aside_words, hear_asides
from server.feeds import Run
from server.field_handing import give, told_words
from server.following import hear_below, told_below
from server.ingest import Outcome, Sender
from server.log_below import Asker, hear_word
from server.log_words import look_at_logs, words_for
from server.made import take_in
from server.opening import open_relayed, open_states
from server.points import Believed, Choice, Within, answer_points
from server.pull import NOTHING_TOLD, REPLY_STATES_BYTES_MAX, Pulled, pages_of, states_of_home
from server.reach import told_reach
from server.reorganising import left_since
from server.replying import Done
from server.revocations import told_revocations
from server.scope import Device, homes_in_scope, revoked_among
from server.store.base import Transaction
from server.told import known_of
from server.trust import SERVER, TABLET, Key, keys_for, servers_after
from sync.messages import WANT_STATES, Known, Page, Relay, Relayed, Reply, Request, encode_state
from sync.packing import vector_of

if TYPE_CHECKING:
    from server.district import District

NOBODY = Device("", "", "active", 0, 0, None)
"""Who brings what others wrote: a server has no team."""
ANSWERS_MAX = 16
"""Erasures that one message may bring, and be answered for in one: the limit of statements."""

_load = msgspec.json.Decoder(dict[str, Any]).decode


class Stand(NamedTuple):
    """Where a server stands: feeds up to ``feeds``, states up to ``states``; and, where a reply was
    cut, of what came up to ``upto`` the homes up to ``home``."""

    states: int
    feeds: int
    upto: int
    home: str

    def text(self) -> str:
        """The text part of a cursor."""
        return f"{self.feeds:x}:{self.upto:x}:{self.home}"


def read_stand(request: Request, placed: bool, *, listed: bool) -> Stand:
    """The stand a request shows; one nobody can place is the beginning.

    ``listed``: the other listed what it holds, so that all its feeds are looked at anew.
    """
    if not placed:
        return Stand(0, 0, 0, "")
    feeds, upto, home = ([*request.after.split(":", 2), "", ""])[:3]
    try:
        at = int(feeds, 16) if feeds else request.seq
        stand = Stand(request.seq, at, int(upto, 16) if upto and home else 0, home)
    except ValueError:
        stand = Stand(request.seq, request.seq, 0, "")
    return stand._replace(feeds=0) if listed else stand


class Relaying:
    """The side of a server that other servers ask."""

    def __init__(self, district: District) -> None:
        self._district = district

    def answer(self, device: str, request: Request, relay: Relay, nonce: bytes = b"") -> Reply:
        """Take in what another server brings and answer it; ``device`` is whose key signed.

        A tablet of another district is answered too: it brings feeds as a server does, and may read
        what its team holds here. Raises RequestRefused where another writer is named.
        """
        district = self._district
        now_ms = district.clock()
        with district.writing() as tx:
            district.learn(tx, relay.keys, now_ms)
            answers = district.erasing.take(tx, request.statements, now_ms)
        key = district.trust.keys.get(request.replica)
        if key is None or key.device != device:
            raise RequestRefused("another writer signed")
        runs = open_relayed(request.segments, request.partials, district.check)
        states = open_states(request.handed, district.check)
        with district.writing() as tx:
            district.look_at_own_chain(tx, request.known)
            look_at_logs(tx, district.key, district.trust, request.statements, now_ms)
            district.erasing.hear(tx, request.statements)
            known = known_of(tx, request.replica)
            believed = Believed(tx, device)
            revoked = revoked_among(tx, district.devices_of(runs))
            offset_ms = request.clock_ms - now_ms
            aside = Asides()
            if key.role == SERVER:
                give(tx, district, now_ms)
            if key.role != TABLET:
                aside = hear_asides(tx, district.trust, key.device, request.statements)
            sender = Sender(request.replica, key.device, "", offset_ms, revoked, aside)
            batch = (runs, states)
            out = take_in(district, tx, district.forks, NOBODY, batch, sender, now_ms)
            if key.role != TABLET:
                self._take_ends(believed, runs, out)
            relayed, pulled = self._answer(tx, key, request, relay, believed)
            seq = pulled.seq if pulled else district.lineage.last_seq(tx)
            tx.run(
                "UPDATE devices SET last_contact_ms = ?, offset_ms = ? WHERE id = ?",
                [now_ms, offset_ms, device],
            )
            words = words_for(tx, district.key, request, out.receipts, now_ms)
            if key.role == SERVER:
                hear_below(tx, device, request.statements)
                words += hear_word(tx, district, Asker(key, request, runs), now_ms)
                words += told_below(tx, district, device, now_ms)
                words += told_reach(tx, district, now_ms)
            words += aside_words(tx, district.key, [*relayed.segments, *relayed.partials])
            words += [*answers[:ANSWERS_MAX], *district.erasing.told(tx, device)]
        district.forks |= out.forked
        lineage = district.lineage.told(request.incarnation)
        done = Done(known, out, pulled, [], lineage, seq, words)
        reply = district.signed_reply(done, request, nonce, now_ms)
        return msgspec.structs.replace(reply, relayed=relayed)

    @staticmethod
    def _take_ends(believed: Believed, runs: Iterable[Run], out: Outcome) -> None:
        taken = {(point.replica, point.counter, point.mark) for point in out.receipts}
        for run in runs:
            if (run.replica, run.last, run.head) in taken:
                end = Known(run.replica, run.last, run.head)
                believed.extend(run.first, run.before, end, offered=False)

    def _answer(
        self, tx: Transaction, key: Key, request: Request, relay: Relay, believed: Believed
    ) -> tuple[Relayed, Pulled | None]:
        points = None if relay.points is None else answer_points(tx, relay.points)
        if key.role == TABLET:
            pulled = self._for_guest(tx, key, request) if request.want & WANT_STATES else None
            return Relayed(points=points), pulled
        if relay.points is not None:
            believed.replace(relay.points)
        if relay.sum is None:
            return Relayed(points=points), None
        if not believed.settle(relay.sum):
            return Relayed(points=points, wanted=True), None
        lacks = believed.lacking()
        if not request.want & WANT_STATES:
            return Relayed(points=points, lacks=lacks), None
        lineage = self._district.lineage
        placed = not request.incarnation or lineage.places(request.incarnation, request.seq)
        stand = read_stand(request, placed, listed=relay.points is not None)
        relayed, pulled = self._down(tx, key, stand, believed)
        return msgspec.structs.replace(relayed, points=points, lacks=lacks), pulled

    def _for_guest(self, tx: Transaction, key: Key, request: Request) -> Pulled:
        """All that the guest's team holds here, from the home after the one it named."""
        states: list[bytes] = []
        size, last = 0, ""
        for home in sorted(homes_in_scope(tx, key.team)):
            if request.after and home <= request.after:
                continue
            if size > REPLY_STATES_BYTES_MAX:
                return _pulled(0, last, self._pages(tx, states), more=True)
            found = states_of_home(tx, home, 0, set())
            states += found
            size += sum(map(len, found))
            last = home
        return _pulled(0, last, self._pages(tx, states), more=False)

    def _pages(self, tx: Transaction, states: list[bytes]) -> list[Page]:
        district = self._district
        sign = (district.key.replica, district.lineage.incarnation, district.sign_page)
        return list(pages_of(states, sign, district.lineage.last_seq(tx)))

    # ---- what goes down --------------------------------------------------------------------------

    def _down(
        self, tx: Transaction, key: Key, stand: Stand, believed: Believed
    ) -> tuple[Relayed, Pulled]:
        district = self._district
        choice = Choice(tx, believed, district.forks, within_area(key.area))
        chosen = choice.runs(stand.feeds)
        new = [end.replica for _, _, end in chosen.ends if end.replica not in believed.points]
        for first, before, end in chosen.ends:
            believed.extend(first, before, end, offered=True)
        me = district.key.replica
        keys = servers_after(tx, me, stand.states) + keys_for(tx, me, new)
        keys = [*district.roots.words, *keys, *told_revocations(tx, stand.states)]
        keys += told_words(tx, stand.states)
        relayed = Relayed(keys, chosen.segments, chosen.partials)
        now_seq = district.lineage.last_seq(tx)
        if chosen.more:
            cut = Stand(stand.states, chosen.upto, stand.upto, stand.home)
            return relayed, _pulled(cut.states, cut.text(), [], more=True)
        upto = stand.upto if stand.home else now_seq
        states, home = _states(tx, key.area, stand, choice)
        if not home:
            states += _left_states(tx, key.area, stand, choice)
        pages = self._pages(tx, states)
        if home:
            cut = Stand(stand.states, chosen.upto, upto, home)
            return relayed, _pulled(cut.states, cut.text(), pages, more=True)
        return relayed, _pulled(upto, "", pages, more=upto < now_seq)


def _pulled(seq: int, after: str, pages: list[Page], *, more: bool) -> Pulled:
    """A server holds an area, not a list of homes: none enters or leaves by name."""
    return Pulled(seq, after, pages, [], [], [], 0, False, more, NOTHING_TOLD)


def within_area(area: str) -> Within | None:
    """Do records belong to an area? None where it contains all."""
    if not area:
        return None

    def within(tx: Transaction, records: Iterable[str]) -> bool:
        listed = list(records)
        found = tx.rows_in(
            "SELECT r.id, h.area FROM records r JOIN homes h ON h.n = r.home WHERE r.id IN (?*)",
            listed,
        )
        return len(found) == len(listed) and all(at.startswith(area) for _, at in found)

    return within


def _changed_homes(tx: Transaction, area: str, seq: int) -> list[tuple[str, int]]:
    """Homes of an area that changed after ``seq``, and from where on: 0 if they came into it."""
    where, parameters = "h.seq > ?", [seq, *([area, _after(area)] if area else [])]
    if area:
        where += " AND h.area >= ? AND h.area < ?"
    found = tx.rows(
        "SELECT h.id, m.seq FROM homes h LEFT JOIN moved_homes m ON m.home = h.id"
        f" WHERE {where} ORDER BY h.id",
        parameters,
    )
    return [(str(home), 0 if moved is not None and moved > seq else seq) for home, moved in found]


def _after(area: str) -> str:
    """The end of the range of area codes that begin with this one."""
    return area[:-1] + chr(ord(area[-1]) + 1)


def _states(tx: Transaction, area: str, stand: Stand, choice: Choice) -> tuple[list[bytes], str]:
    """States of the area past the stand that the other cannot make from feeds; and the last home
    sent where more is left."""
    states: list[bytes] = []
    size = 0
    for home, floor in _changed_homes(tx, area, stand.states):
        if stand.home and home <= stand.home:
            continue
        for raw in _home_states(tx, home, floor, choice):
            states.append(raw)
            size += len(raw)
        if size > REPLY_STATES_BYTES_MAX:
            return states, home
    return states, ""


def _left_states(tx: Transaction, area: str, stand: Stand, choice: Choice) -> list[bytes]:
    """The households themselves that left the area past the stand: where they are now, so that
    nobody there holds them any longer. What belongs to them stays where it is."""
    states = []
    for home in left_since(tx, area, stand.states):
        found = tx.rows("SELECT kind, causal, body FROM records WHERE id = ?", [home])
        for kind, causal, body in found:
            if choice.rests_elsewhere(vector_of(bytes(causal))):
                values = _load(body)
                named = list(values), list(values.values())
                states.append(encode_state(tx.collection_of(kind), home, bytes(causal), *named))
    return states


def _home_states(tx: Transaction, home: str, floor: int, choice: Choice) -> Iterable[bytes]:
    found = tx.rows(
        "SELECT r.id, r.kind, r.causal, r.body FROM homes h JOIN records r"
        " ON r.home = h.n WHERE h.id = ? AND r.seq > ?",
        [home, floor],
    )
    found += tx.rows(
        "SELECT r.id, r.kind, r.causal, r.body FROM also a JOIN records r"
        " ON r.id = a.record WHERE a.home = ? AND a.until_seq IS NULL AND r.seq > ?",
        [home, floor],
    )
    for record, kind, causal, body in found:
        if choice.rests_elsewhere(vector_of(bytes(causal))):
            values = _load(body)
            yield encode_state(
                tx.collection_of(kind), record, bytes(causal), list(values), list(values.values())
            )
