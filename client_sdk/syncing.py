# SPDX-License-Identifier: Apache-2.0
"""Rounds of the exchange until both sides have said all.

What lives here: the loop, its progress, telling the server of a new key. What must not: building
and absorbing (``exchange.py``), carrying (``transport.py``). Invariant: between any two rounds the
store is whole; a sync that breaks goes on at the next one from where receipts and cursor stand.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence

from client_sdk.devices import (
    district_of,
    mark_certified,
    own_replicas,
    own_successions,
    untold_successions,
)
from client_sdk.errors import Revoked, ServerRefused, Unreachable
from client_sdk.exchange import Absorbed, Asked, absorb_reply, build_request, take_last
from client_sdk.pace import TEXT_BYTES_MAX, in_pieces, text_bytes, text_cut, text_went
from client_sdk.store.base import Clock, Store
from client_sdk.transport import Transport
from client_sdk.views import Progress, SyncReport
from client_sdk.watching import worst_of
from crypto.certificate import check_certificate
from sync import enrolment
from sync.messages import (
    EXCHANGE,
    PROTOCOL,
    WANT_PIECES,
    WANT_STATES,
    Notice,
    decode_reply,
    encode_exchange,
)
from sync.schema import Schema

ROUNDS_MAX = 2_000
"""Rounds of one sync: a first upload of years ends far below it; a server that never ends does
not."""

KEY_UNKNOWN = frozenset({"crypto/request-refused", "server/device-unknown"})
"""How a server refuses a key that it does not know."""

VERSION_UNKNOWN = "sync/protocol"
"""How a server refuses a version that it does not speak."""

OnProgress = Callable[[Progress], None]


class Syncing:
    """One sync over one transport."""

    def __init__(
        self,
        store: Store,
        schema: Schema,
        clock: Clock,
        transport: Transport,
        on_progress: OnProgress | None = None,
    ) -> None:
        self._store = store
        self._schema = schema
        self._clock = clock
        self._transport = transport
        self._on_progress = on_progress
        self._told_again = False
        self._version = EXCHANGE
        self.bytes_up = 0
        self.bytes_down = 0
        self.rounds = 0
        self.sent = 0
        self.records = 0

    def run(
        self, *, push_only: bool = False, pull_only: bool = False, piece_bytes: int = TEXT_BYTES_MAX
    ) -> SyncReport:
        """Exchange until there is no more; what came before an error stays.

        Raises Unreachable, Revoked, ServerRefused, and what ``sync`` and ``crypto`` raise for
        answers that do not hold.
        """
        entered: list[str] = []
        left: list[str] = []
        notices: list[Notice] = []
        findings: list[str] = []
        succeeded = False
        absorbed: Absorbed | None = None
        to_send = self._unsent()
        self._tell("begin", to_send)
        while self.rounds < ROUNDS_MAX:
            self._tell_successions()
            want = 0 if push_only else WANT_STATES
            absorbed = self._round(want, not pull_only, piece_bytes)
            entered += absorbed.entered
            left += absorbed.left
            notices += absorbed.notices
            findings.append(absorbed.log)
            succeeded |= absorbed.succeeded
            self.records += absorbed.records
            self.sent = max(0, to_send - self._unsent())
            self._tell("exchange", to_send)
            if not absorbed.more:
                break
        if succeeded:
            self._tell_successions()
        with self._store.noting():
            self._store.put("synced_at_ms", self._clock())
        agrees = self._store.get("differing") is None
        return SyncReport(
            self.rounds,
            self.sent,
            self.records,
            self.bytes_up,
            self.bytes_down,
            tuple(entered),
            tuple(left),
            tuple(notices),
            succeeded,
            agrees,
            log=worst_of(findings),
        )

    def hand_over(self) -> None:
        """A revoked tablet brings all it has, for as long as the district takes it.

        Raises Unreachable, ServerRefused.
        """
        left = self._unsent() + 1
        while 0 < (now := self._unsent()) < left and self.rounds < ROUNDS_MAX:
            left = now
            with contextlib.suppress(Revoked):
                self._round(0, True, TEXT_BYTES_MAX)

    def _round(self, want: int, bring: bool, piece_bytes: int) -> Absorbed:
        store = self._store

        def ask(version: int) -> tuple[Asked, bytes]:
            pieces = WANT_PIECES if want and in_pieces(store) else 0
            found = build_request(
                store,
                self._clock(),
                want=want | pieces,
                bring=bring,
                piece_bytes=min(piece_bytes, text_bytes(store)),
                version=version,
            )
            return found, encode_exchange(found.request)

        asked, body = ask(self._version)
        self.rounds += 1
        try:
            answer = self._exchange(body)
        except ServerRefused as error:
            if error.server_code != VERSION_UNKNOWN or self._version == PROTOCOL:
                raise
            # An older server: it is spoken to as it was when it was new, from here to the end.
            self._version = PROTOCOL
            asked, body = ask(PROTOCOL)
            answer = self._exchange(body)
        self.bytes_up += len(body)
        self.bytes_down += len(answer)
        return absorb_reply(store, self._schema, asked, decode_reply(answer), self._clock())

    def _exchange(self, body: bytes) -> bytes:
        """One round trip. A server that was set back may have lost this tablet's newer keys: where
        it refuses, it is told of them again, once."""
        begun = time.monotonic()
        try:
            answer = self._transport.exchange(body)
            text_went(self._store, time.monotonic() - begun)
            return answer
        except Unreachable as error:
            if error.cut:
                text_cut(self._store, len(body))
            raise
        except Revoked as error:
            if error.reply:
                take_last(self._store, decode_reply(error.reply), self._clock())
            raise
        except ServerRefused as error:
            known = own_successions(self._store)
            if self._told_again or error.server_code not in KEY_UNKNOWN or not known:
                raise
            self._told_again = True
            self._tell_successions(known)
        return self._transport.exchange(body)

    def _tell_successions(self, statements: Sequence[bytes] | None = None) -> None:
        """The server is told of every new key before anything signed with it arrives."""
        try:
            self._tell_each(untold_successions(self._store) if statements is None else statements)
        except ServerRefused as error:
            # The key that the new one succeeds may be among those it lost when it was set back.
            known = own_successions(self._store)
            if self._told_again or error.server_code not in KEY_UNKNOWN or not known:
                raise
            self._told_again = True
            self._tell_each(known)

    def _tell_each(self, statements: Sequence[bytes]) -> None:
        store = self._store
        mine = set(own_replicas(store))
        for statement in statements:
            body = enrolment.encode(enrolment.Succeed(PROTOCOL, statement))
            answer = enrolment.decode(self._transport.succeed(body), enrolment.Succeeded)
            certificate = check_certificate(answer.certificate, district_of(store).public)
            with store.transaction():
                mark_certified(store, certificate, answer.certificate)
                if certificate.replica == store.chain.replica:
                    store.put("certificate", answer.certificate)
                if certificate.replica in mine and answer.nonce:
                    store.put("nonce", answer.nonce)

    def _unsent(self) -> int:
        found = self._store.one("SELECT count(*) FROM feed WHERE receipted = 0")
        return int(found[0]) if found else 0

    def _tell(self, phase: str, to_send: int) -> None:
        if self._on_progress is not None:
            self._on_progress(
                Progress(
                    phase,
                    self.rounds,
                    self.sent,
                    to_send,
                    self.records,
                    self.bytes_up,
                    self.bytes_down,
                )
            )
