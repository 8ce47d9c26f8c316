# SPDX-License-Identifier: Apache-2.0
"""The server's core: one exchange, and the server's own writes, over a store.

What lives here: verifying what comes, one transaction of ingest and pull, receipts after it. What
must not: HTTP, files, configuration. Invariants
- What is known of a chain is shown before anything is joined.
- Receipts and pages are handed out only after the commit (Law 3).
- The server's own writes go through the same ingest (Law 4); Law 5 holds for them too.
- What is kept in memory (keys, devices, forks, the own feed, the incarnation) is compared with the
  store inside every transaction that decides by it: other processes may write the same district.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial

from crypto.certificate import issue_succession
from crypto.erasure import ERASURE
from crypto.identity import DeviceKey
from crypto.seal import BoxKey
from server.again import again
from server.apart import apart
from server.around import Around
from server.boxes import Boxes
from server.copies import note_contact, superseded, tell_apart
from server.erasing import Erasing
from server.errors import DeviceUnknown
from server.feeds import Run, leaves_of
from server.field_keys import FieldKeys, OfficeSeal
from server.field_rings import told_fields
from server.forgotten import take_in_own
from server.incarnations import Lineage
from server.ingest import Ingest, Outcome, Sender
from server.log_tree import begin_log
from server.log_words import add_words, look_at_logs
from server.made import take_in
from server.opening import Asked, Check, Opened, open_request
from server.own import OwnFeed
from server.pull import Pull, Pulled, read_cursor
from server.readings import hear_tablet
from server.relaying import Relaying
from server.reorganising import areas_before, settle_areas
from server.replying import Done, Speaker, reply_of
from server.revocations import hear_revocations
from server.roots import Roots, follow_roots, keep_earlier
from server.scope import Device, bump_scopes_of_areas, device_row, revoked_among
from server.set_aside import within_limits
from server.statements import Terms, statements_for
from server.store.base import Store, Transaction
from server.told import known_of, notices_for
from server.trust import TABLET, Trust
from sync.change import Entry, Value
from sync.limits import Limits
from sync.messages import STATEMENTS_MAX, WANT_STATES, Known, Reply, Request, Statement
from sync.schema import Schema
from sync.session import off_my_chain


class District:
    """One server over one store.

    ``key`` is its root or all its roots: it signs pages, receipts and the server's own feed;
    ``box`` opens what is sealed to it;
    ``clock`` gives wall milliseconds, which decide nothing about causality.
    """

    def __init__(
        self,
        store: Store,
        schema: Schema,
        key: DeviceKey | Roots,
        box: BoxKey | Boxes,
        clock: Callable[[], int],
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self.store = store
        self.schema = schema
        self.roots = key if isinstance(key, Roots) else Roots([key])
        self.key = self.roots.present
        self.boxes = box if isinstance(box, Boxes) else Boxes.of(box)
        self.fields = FieldKeys(self.boxes)
        self.clock = clock
        self._lock = threading.RLock()
        self._limits = Limits(schema)
        self.devices: dict[bytes, tuple[str, bytes]] = {}
        self.trust = Trust(self.key.public, [root.public for root in self.roots.keys[:-1]])
        self.erasing = Erasing(self)
        self.check = Check(
            self.trust.verify_feed,
            self.trust.verify_page,
            self.boxes,
            self.trust.knows,
            self.erasing.covers,
        )
        self.relaying = Relaying(self)
        self.servers: dict[bytes, bytes] = {}
        self.forks: set[bytes] = set()
        self.superseded: set[bytes] = set()
        self.terms = Terms()
        self.loads = 0
        with store.write() as tx:
            self.lineage = Lineage.start(tx, random(8), clock())
            self.own = OwnFeed.load(tx, self.key, clock, random)
            begin_log(tx)
            keep_earlier(tx, self.roots, clock())
            self.load(tx)
            self.around = Around(self, tx.seen(), random)

    def __repr__(self) -> str:
        return f"District({self.key.replica.hex()})"

    @property
    def box(self) -> BoxKey:
        """The key that is sealed to now."""
        return self.boxes.present

    def load(self, tx: Transaction) -> None:
        """Read all that is kept in memory again."""
        self.forks = {bytes(r[0]) for r in tx.rows("SELECT replica FROM forks")}
        self.devices = {
            bytes(replica): (device, bytes(public))
            for replica, device, public in tx.rows(
                "SELECT replica, device, public FROM device_keys"
            )
        }
        self.superseded = superseded(tx)
        self.trust.load(tx)
        self.erasing.load(tx)
        self._note_servers()
        self.loads += 1

    def _note_servers(self) -> None:
        self.servers = {k.replica: k.public for k in self.trust.keys.values() if k.role != TABLET}

    def learn(self, tx: Transaction, statements: Sequence[bytes], now_ms: int) -> None:
        """Take in keys whose statements lead to this server's key: its own tablets' and others'."""
        followed = follow_roots(tx, self.key, self.trust, statements, now_ms)
        if take_in_own(tx, self.roots, self.devices, statements, now_ms) or followed:
            self.load(tx)
        if self.trust.learn(tx, statements, now_ms):
            self._note_servers()
        if hear_revocations(tx, self.trust, statements, now_ms):
            self.loads += 1

    def reload(self) -> None:
        """Read devices and forks again, after they were changed outside an exchange."""
        with self._lock, self.store.read() as tx:
            self.load(tx)

    def refresh(self) -> None:
        """Read again what another process changed; cheap where none did."""
        with self._lock:
            self.around.refresh()

    # ---- signatures ------------------------------------------------------------------------------

    def device_of(self, replica: bytes) -> str:
        """The tablet that a replica belongs to. Raises DeviceUnknown."""
        found = self.devices.get(replica)
        if found is None:
            raise DeviceUnknown(replica.hex())
        return found[0]

    def sign_page(self, message: bytes) -> bytes:
        """Sign the digests of a page of states."""
        return self.key.sign(b"page", message)

    # ---- the exchange ----------------------------------------------------------------------------

    def sync(self, device: str, request: Request, nonce: bytes = b"") -> Reply:
        """Take in a request and answer it. Raises what verification raises, StoreFull."""
        (found,) = self.sync_together([Asked(device, request, nonce)])
        if isinstance(found, Exception):
            raise found
        return found

    def sync_together(self, asked: Sequence[Asked]) -> list[Reply | Exception]:
        """Take in requests in order, with one durable commit for all; a reply or an error for each.

        One that fails changes nothing and hinders no other.
        """
        now_ms = self.clock()
        keys = [key for one in asked if one.request.relay for key in one.request.relay.keys]
        handed = [s for one in asked for s in one.request.statements if s[0] == ERASURE]
        if keys or handed:
            with self.writing() as tx:
                self.learn(tx, keys, now_ms)
                self.erasing.take(tx, handed, now_ms)
        with self._lock:
            for one in asked:
                self._tell_apart(one.request)
            done = self._exchange_together(asked, now_ms)
        return [
            found
            if isinstance(found, Exception)
            else self.signed_reply(found, one.request, one.nonce, now_ms)
            for one, found in zip(asked, done, strict=True)
        ]

    def _exchange_together(self, asked: Sequence[Asked], now_ms: int) -> Sequence[Done | Exception]:
        """Exchanges in one transaction; where one of them fails, each in its own."""
        if len(asked) > 1:
            # Where it fails all is undone; each alone shows whose error it was.
            with suppress(Exception):
                return self._committed(asked, now_ms)
        return [found for one in asked for found in self._committed_alone(one, now_ms)]

    def _committed_alone(self, one: Asked, now_ms: int) -> Sequence[Done | Exception]:
        found = apart(partial(again, partial(self._committed, [one], now_ms)))
        return [found] if isinstance(found, Exception) else found

    def _committed(self, asked: Sequence[Asked], now_ms: int) -> list[Done | Exception]:
        """Exchanges in one transaction, durable when this returns.

        What one brings is opened when it is its turn: read just before, it is still in the
        processor's cache. What cannot be opened has its error, and hinders no other.
        """
        done: list[Done | Exception] = []
        with self._writing() as tx:
            forks = set(self.forks)
            for one in asked:
                tx.next_part()
                found = self._opened_exchange(tx, one, forks, now_ms)
                if isinstance(found, Done):
                    forks |= found.out.forked
                done.append(found)
            pairs = [
                (a.request, d) for a, d in zip(asked, done, strict=True) if isinstance(d, Done)
            ]
            add_words(tx, self.key, pairs, now_ms)
        self.forks |= forks
        return done

    def _opened_exchange(
        self, tx: Transaction, one: Asked, forks: set[bytes], now_ms: int
    ) -> Done | Exception:
        opened = apart(partial(open_request, one, self.check))
        return (
            opened if isinstance(opened, Exception) else self._exchange(tx, opened, forks, now_ms)
        )

    def _exchange(self, tx: Transaction, one: Opened, forks: set[bytes], now_ms: int) -> Done:
        request, runs = one.request, one.runs
        device_id = self.devices.get(request.replica, (one.device, b""))[0]
        device = device_row(tx, device_id)
        if device is None:
            raise DeviceUnknown(device_id)
        self.look_at_own_chain(tx, request.known)
        look_at_logs(tx, self.key, self.trust, request.statements, now_ms)
        heard = hear_tablet(self, tx, device, request, now_ms)
        # What is known of the sender's chain is read before anything of this batch is joined.
        known = known_of(tx, request.replica)
        sender = Sender(
            request.replica,
            device.id,
            device.team,
            request.clock_ms - now_ms,
            revoked_among(tx, self.devices_of(runs)),
        )
        out = take_in(self, tx, forks, device, (runs, one.states), sender, now_ms)
        new_forks = {replica: self.devices.get(replica) for replica in out.forked - self.forks}
        note_contact(tx, request, [*known, *out.receipts], new_forks, now_ms)
        pulled, notices, told = None, [], list[Statement]()
        if request.want & WANT_STATES and device.state != "revoked":
            device = device_row(tx, device_id) or device
            pulled = self._pull(tx, device, request, out, now_ms)
            told = statements_for(tx, self.key, self.boxes, device.id, request, self.terms, now_ms)
            told += told_fields(tx, self.fields, self.key, device.team, request, now_ms, len(told))
            notices = notices_for(tx, self.lineage, device_id, request, now_ms)
        tx.run(
            "UPDATE devices SET last_contact_ms = ?, offset_ms = ? WHERE id = ?",
            [now_ms, sender.offset_ms, device_id],
        )
        # A push is told how far the server has come: it must notice when that is taken back.
        seq = pulled.seq if pulled else self.lineage.last_seq(tx)
        lineage = self.lineage.told(request.incarnation)
        told = [*heard, *told][: STATEMENTS_MAX - 1]
        return Done(known, out, pulled, notices, lineage, seq, told)

    def _tell_apart(self, request: Request) -> None:
        """A key that named its successor writes on: its store was copied, or set back."""
        if request.replica in self.superseded and request.counter:
            with self.store.write() as tx:
                tell_apart(tx, request.replica, self.clock())
            self.reload()

    def ingest(self, tx: Transaction, forks: set[bytes], now_ms: int) -> Ingest:
        """The one write path, for one batch."""
        sift = partial(within_limits, self._limits, self.servers)
        return Ingest(tx, self.schema, forks, now_ms, sift)

    def devices_of(self, runs: Sequence[Run]) -> dict[bytes, str]:
        """The devices of the writers of runs; a revoked one's later keys are its own too."""
        keys = self.trust.keys
        return {r.replica: keys[r.replica].device for r in runs if r.replica in keys}

    def look_at_own_chain(self, tx: Transaction, known: Sequence[Known]) -> None:
        """Somebody who knows a point of this server's feed that is not on its chain: it was set
        back."""
        own = self.own
        if off_my_chain(
            known,
            own.key.replica,
            own.counter,
            lambda c: own.head_at(tx, c),
            lambda c: own.tag_at(tx, c),
        ):
            self.succeed(tx)

    @contextmanager
    def writing(self) -> Iterator[Transaction]:
        """A transaction for exchanges with other servers, alone in this process."""
        with self._lock:
            try:
                with self._writing() as tx:
                    yield tx
            except BaseException:
                # Keys learned inside it are not in the store.
                self.reload()
                raise

    @contextmanager
    def _writing(self) -> Iterator[Transaction]:
        """A transaction after which, if it is undone, the writer in memory is the stored one."""
        own, lineage, seen = self.own, self.lineage, self.around.seen
        try:
            with self.store.write() as tx:
                self.around.look(tx)
                yield tx
        except BaseException:
            # What was read is read again by the next one.
            self.own, self.lineage, self.around.seen = own, lineage, seen
            raise

    def succeed(self, tx: Transaction) -> None:
        """Go on under a new key that the old one signs."""
        new = DeviceKey.generate()
        proof = issue_succession(
            self.own.key, new, self.box.public, self.own.counter, self.own.head
        )
        self.own = self.own.succeed(tx, new, proof)
        self.load(tx)

    def go_on_as_new_writer(self) -> None:
        """Write under a new key from now on: the store was set back, or is a copy."""
        with self._lock, self._writing() as tx:
            self.succeed(tx)

    def _pull(
        self, tx: Transaction, device: Device, request: Request, out: Outcome, now_ms: int
    ) -> Pulled:
        leaves = leaves_of(tx, request.replica)
        whole = not request.counter or leaves == [(request.counter, request.head)]
        own = {tx.number_of(request.replica)} if whole else set()
        placed = self.lineage.places(request.incarnation, request.seq)
        placed = placed or (not request.incarnation and not request.held)
        now_seq = self.lineage.last_seq(tx)
        sign = (self.key.replica, self.lineage.incarnation, self.sign_page)
        cursor = read_cursor(request, placed)
        return Pull(tx, device, request, own, sign, (now_seq, now_ms)).pull(cursor)

    def signed_reply(self, done: Done, request: Request, nonce: bytes, now_ms: int) -> Reply:
        """The reply to an exchange, signed; after its commit only."""
        sign = partial(self.key.sign, b"receipts")
        who = Speaker(self.key.replica, self.own.key.replica, self.lineage, sign)
        return reply_of(done, request, who, nonce, now_ms)

    # ---- the server's own writes -----------------------------------------------------------------

    def write(
        self,
        worker: str,
        collection: str,
        record: str | None,
        sets: dict[str, Value],
        others: Sequence[tuple[str, str, Value]] = (),
        reason: str = "",
    ) -> str:
        """Write one change as this server; the id of its record.

        The writer has seen the record as it is in the store. Raises ChangeInvalid, StoreFull.
        """
        return self.write_many(worker, [(collection, record, sets, list(others))], reason)[0]

    def write_many(
        self,
        worker: str,
        writes: Sequence[tuple[str, str | None, dict[str, Value], list[tuple[str, str, Value]]]],
        reason: str = "",
        *,
        before: Callable[[Transaction], None] | None = None,
        after: Callable[[Transaction, list[Entry]], None] | None = None,
    ) -> list[str]:
        """Write many changes in one transaction, at most one a record; the ids of their records.

        In that transaction ``before`` may refuse by raising, ``after`` keeps what belongs to it.
        """
        with self._lock:
            now_ms = self.clock()
            with self._writing() as tx:
                self.erasing.refuse(w[1] for w in writes)
                if before is not None:
                    before(tx)
                if self.own.would_forget(tx, [w[1] for w in writes if w[1]]):
                    self.succeed(tx)
                seal = OfficeSeal(tx, self.schema, self.fields, now_ms)
                run, ids = self.own.build(tx, worker, writes, reason, seal)
                sender = Sender(self.own.key.replica, "", "", 0, frozenset())
                moving = areas_before(tx, [run])
                out = self.ingest(tx, self.forks, now_ms).take([run], [], sender)
                settle_areas(tx, moving, now_ms)
                if out.new_homes:
                    bump_scopes_of_areas(tx, set(out.new_homes.values()) | {""})
                if after is not None:
                    after(tx, run.entries)
            self.own.commit(run)
            self.forks |= out.forked
        return ids

    def retry(self, tx: Transaction, record: str) -> None:
        """Look again at what waits on a record, in a transaction of ``write_many``."""
        sender = Sender(self.own.key.replica, "", "", 0, frozenset())
        self.ingest(tx, self.forks, self.clock()).retry([record], sender)
