# SPDX-License-Identifier: Apache-2.0
"""Exchanges with tablets: some of them in one durable commit, each as if it were alone.

What lives here: what is done in that transaction, in its order. What must not: the rules of
merging, what is kept in memory (``district``). Invariants
- What is known of a chain is read before anything of the same batch is joined.
- One that fails changes nothing and hinders no other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from server.again import again
from server.apart import apart
from server.copies import note_contact
from server.errors import DeviceUnknown
from server.feeds import leaves_of
from server.field_rings import told_fields
from server.ingest import Outcome, Sender
from server.log_words import add_words, look_at_logs
from server.made import take_in
from server.opening import Asked, Opened, open_request
from server.pull import Pull, Pulled, read_cursor
from server.readings import hear_tablet, tell_tablet
from server.replying import Done
from server.scope import Device, device_row, revoked_among
from server.statements import statements_for
from server.store.base import Transaction
from server.told import known_of, notices_for
from sync.messages import STATEMENTS_MAX, WANT_STATES, Request, Statement

if TYPE_CHECKING:
    from server.district import District


class Exchanges:
    """Exchanges of one server, under its lock."""

    def __init__(self, district: District) -> None:
        self.district = district

    def together(
        self, asked: Sequence[Asked], now_ms: int, committing: Callable[[], None] | None = None
    ) -> Sequence[Done | Exception]:
        """Exchanges in one transaction; where one of them fails, each in its own."""
        work = partial(self._committed, now_ms=now_ms, committing=committing)
        if len(asked) > 1:
            # Where it fails all is undone; each alone shows whose error it was.
            with suppress(Exception):
                return work(asked)
        return [found for one in asked for found in self._alone(partial(work, [one]))]

    @staticmethod
    def _alone(work: Callable[[], list[Done | Exception]]) -> Sequence[Done | Exception]:
        found = apart(partial(again, work))
        return [found] if isinstance(found, Exception) else found

    def _committed(
        self, asked: Sequence[Asked], now_ms: int, committing: Callable[[], None] | None
    ) -> list[Done | Exception]:
        """Exchanges in one transaction, durable when this returns.

        What one brings is opened when it is its turn, unless it was opened while the commit before
        this ran. What cannot be opened has its error, and hinders no other.
        """
        done: list[Done | Exception] = []
        with self.district.transaction() as tx:
            forks = set(self.district.forks)
            for one in asked:
                tx.next_part()
                found = self._opened_exchange(tx, one, forks, now_ms)
                if isinstance(found, Done):
                    forks |= found.out.forked
                done.append(found)
            pairs = [
                (a.request, d) for a, d in zip(asked, done, strict=True) if isinstance(d, Done)
            ]
            add_words(tx, self.district.key, pairs, now_ms)
            if committing is not None:
                committing()
        self.district.forks |= forks
        return done

    def _opened_exchange(
        self, tx: Transaction, one: Asked, forks: set[bytes], now_ms: int
    ) -> Done | Exception:
        opened = apart(partial(open_request, one, self.district.check))
        return (
            opened if isinstance(opened, Exception) else self._exchange(tx, opened, forks, now_ms)
        )

    def _exchange(self, tx: Transaction, one: Opened, forks: set[bytes], now_ms: int) -> Done:
        here, request, runs = self.district, one.request, one.runs
        device_id = here.devices.get(request.replica, (one.device, b""))[0]
        device = device_row(tx, device_id)
        if device is None:
            raise DeviceUnknown(device_id)
        here.look_at_own_chain(tx, request.known)
        look_at_logs(tx, here.key, here.trust, request.statements, now_ms)
        heard = hear_tablet(here, tx, device, request, now_ms)
        # What is known of the sender's chain is read before anything of this batch is joined.
        known = known_of(tx, request.replica)
        sender = Sender(
            request.replica,
            device.id,
            device.team,
            request.clock_ms - now_ms,
            revoked_among(tx, here.devices_of(runs)),
        )
        out = take_in(here, tx, forks, device, (runs, one.states), sender, now_ms)
        heard += tell_tablet(here, tx, device, request)
        new_forks = {replica: here.devices.get(replica) for replica in out.forked - here.forks}
        note_contact(tx, request, [*known, *out.receipts], new_forks, now_ms)
        pulled, notices, told = None, [], list[Statement]()
        if request.want & WANT_STATES and device.state != "revoked":
            device = device_row(tx, device_id) or device
            pulled = self._pull(tx, device, request, out, now_ms)
            told = statements_for(
                tx,
                here.key,
                here.boxes,
                device.id,
                request,
                here.terms,
                now_ms,
            )
            told += told_fields(tx, here.fields, here.key, device.team, request, now_ms, len(told))
            notices = notices_for(tx, here.lineage, device_id, request, now_ms)
        tx.run(
            "UPDATE devices SET last_contact_ms = ?, offset_ms = ? WHERE id = ?",
            [now_ms, sender.offset_ms, device_id],
        )
        # A push is told how far the server has come: it must notice when that is taken back.
        seq = pulled.seq if pulled else here.lineage.last_seq(tx)
        lineage = here.lineage.told(request.incarnation)
        mended = pulled.have if pulled else []
        told = [*mended, *heard, *told][: STATEMENTS_MAX - 1]
        return Done(known, out, pulled, notices, lineage, seq, told)

    def _pull(
        self, tx: Transaction, device: Device, request: Request, out: Outcome, now_ms: int
    ) -> Pulled:
        here, leaves = self.district, leaves_of(tx, request.replica)
        whole = not request.counter or leaves == [(request.counter, request.head)]
        own = {tx.number_of(request.replica)} if whole else set()
        placed = here.lineage.places(request.incarnation, request.seq)
        placed = placed or (not request.incarnation and not request.held)
        now_seq = here.lineage.last_seq(tx)
        sign = (
            here.key.replica,
            here.lineage.incarnation,
            here.sign_page,
        )
        cursor = read_cursor(request, placed)
        return Pull(tx, device, request, own, sign, (now_seq, now_ms)).pull(cursor)
