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
from contextlib import contextmanager
from functools import partial

from crypto.certificate import issue_succession
from crypto.erasure import ERASURE
from crypto.identity import DeviceKey
from crypto.seal import BoxKey
from server.around import Around
from server.boxes import Boxes
from server.copies import superseded, tell_apart
from server.erasing import Erasing
from server.errors import DeviceUnknown
from server.exchanging import Exchanges
from server.feeds import Run
from server.field_handing import hear_words
from server.field_keys import FieldKeys, OfficeSeal
from server.forgotten import take_in_own
from server.incarnations import Lineage
from server.ingest import Ingest, Sender
from server.log_tree import begin_log
from server.opening import Asked, Check
from server.own import OwnFeed
from server.relaying import Relaying
from server.reorganising import areas_before, settle_areas
from server.replying import Done, Speaker, reply_of
from server.revocations import hear_revocations
from server.roots import Roots, follow_roots, keep_earlier
from server.scope import bump_scopes_of_areas
from server.set_aside import within_limits
from server.statements import Terms
from server.store.base import Store, Transaction
from server.trust import TABLET, Trust
from sync.change import Entry, Value
from sync.limits import Limits
from sync.messages import Known, Reply, Request
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
        self._exchanges = Exchanges(self)
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
        hear_words(tx, self, statements, now_ms)

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

    def sync_together(
        self, asked: Sequence[Asked], committing: Callable[[], None] | None = None
    ) -> list[Reply | Exception]:
        """Take in requests in order, with one durable commit for all; a reply or an error for each.

        One that fails changes nothing and hinders no other. ``committing`` is called before the
        commit: the disk is waited for then, and the processor is free.
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
            done = self._exchanges.together(asked, now_ms, committing)
        return [
            found
            if isinstance(found, Exception)
            else self.signed_reply(found, one.request, one.nonce, now_ms)
            for one, found in zip(asked, done, strict=True)
        ]

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
                with self.transaction() as tx:
                    yield tx
            except BaseException:
                # Keys learned inside it are not in the store.
                self.reload()
                raise

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
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
        with self._lock, self.transaction() as tx:
            self.succeed(tx)

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
            with self.transaction() as tx:
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
