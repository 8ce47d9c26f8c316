# SPDX-License-Identifier: Apache-2.0
"""Exchanging with the upstream by itself, while the server serves.

What lives here: when an exchange is begun, how long is waited after one that failed. What must not:
the exchange (``linking.py``). Invariants
- Work on the store runs in the store's thread, a round at a time: tablets are answered in between.
- A link that is down is tried again after a wait that doubles up to the interval; it comes back by
  itself.
"""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from functools import partial

from crypto.errors import CryptoError
from server.district import District
from server.errors import LinkDown, ServerError
from server.following import LOST, find_again
from server.line import ServerLine
from server.linking import Linking, Met
from server.logs import log, log_fault
from server.relayed_blobs import lacking, next_piece, note_brought
from server.service import Service
from server.uplinks import Link, note_try
from server.upstream import upstream_of
from sync.carry.standing import ask_standing
from sync.errors import SyncError

FIRST_WAIT_SECONDS = 2.0
"""After the first failure; then twice as long each time."""
EXPECTED = (ServerError, SyncError, CryptoError)


class Climbing:
    """Begins an exchange with the upstream every so often. ``run`` ends when it is cancelled."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._interval = float(service.settings.upstream_seconds)

    async def run(self) -> None:
        """Until cancelled."""
        wait = min(FIRST_WAIT_SECONDS, self._interval)
        while True:
            try:
                code = await self.once()
            except EXPECTED as error:
                # The store does not answer, for instance while a standby takes over.
                code = error.code
            await asyncio.sleep(self._interval if code == "" else wait)
            wait = min(wait * 2, self._interval) if code else FIRST_WAIT_SECONDS

    async def once(self) -> str:
        """One exchange where there is an upstream; the code of what went wrong, empty if nothing
        did."""
        link = await self._service.run(self._link)
        if link is None:
            return ""
        lease = self._service.district.store.lease("upstream")
        with ExitStack() as held:
            # Of several processes over one database one talks to the upstream.
            if not await self._service.run(partial(held.enter_context, lease)):
                return ""
            (found,) = await asyncio.gather(exchange(self._service, link), return_exceptions=True)
            if isinstance(found, EXPECTED) and found.code in LOST:
                again = await self._find_again(link)
                if again is not None:
                    link = again
                    talk = exchange(self._service, link)
                    (found,) = await asyncio.gather(talk, return_exceptions=True)
            if not isinstance(found, BaseException):
                # Text before blobs; what breaks here breaks no exchange, and goes on next time.
                (sent,) = await asyncio.gather(
                    send_blobs(self._service, link), return_exceptions=True
                )
                if isinstance(sent, Exception) and not isinstance(sent, EXPECTED):
                    log_fault(sent, ServerError.code)
        code = ""
        if isinstance(found, EXPECTED):
            code = found.code
        elif isinstance(found, Exception):
            # A fault of this machine: it is logged with its place, and the next try may do better.
            log_fault(found, ServerError.code)
            code = ServerError.code
        elif isinstance(found, BaseException):
            raise found
        elif found.sent or found.received or found.records:
            log("upstream", sent=found.sent, received=found.received, rounds=found.rounds)
        await self._service.run(lambda: self._note(link, code))
        return code

    async def _find_again(self, link: Link) -> Link | None:
        """The link by the upstream's own words on its keys; None where they tell nothing new."""
        try:
            said = await asyncio.to_thread(ask_standing, link.addresses, LinkDown)
        except EXPECTED:
            return None
        return await self._service.run(partial(find_again, self._service.district, said))

    def _link(self) -> Link | None:
        with self._service.district.store.read() as tx:
            return upstream_of(tx)

    def _note(self, link: Link, code: str) -> None:
        district = self._service.district
        with district.store.write() as tx:
            note_try(tx, link.server, code, district.clock())


def line_to(service: Service, link: Link) -> ServerLine:
    """The line of a link, in the store's thread."""
    district = service.district
    statements = line_statements(district, link)
    line = ServerLine(link.addresses, link.pin, district.key, link.server, statements)
    line.keep_nonce(link.nonce)
    return line


async def send_blobs(service: Service, link: Link) -> int:
    """Bring the upstream attachments it lacks, as many as one turn has; how many."""
    store = service.district.store
    line = await service.run(lambda: line_to(service, link))

    def todo() -> list[tuple[str, int]]:
        with store.read() as tx:
            return lacking(tx, link.server)

    def done(name: str) -> None:
        with store.write() as tx:
            note_brought(tx, link.server, name)

    sent = 0
    try:
        for name, size in await service.run(todo):
            at = await asyncio.to_thread(line.blob_bytes, name)
            while at < size:
                piece = await service.run(partial(next_piece, store, name, at))
                at = await asyncio.to_thread(line.put_blob, name, at, size, piece)
            await service.run(partial(done, name))
            sent += 1
    finally:
        line.close()
    return sent


def line_statements(district: District, link: Link) -> list[bytes]:
    """The statements that lead from the upstream to this server's present root."""
    return [*([link.certificate] if link.certificate else []), *district.roots.words]


async def exchange(service: Service, link: Link) -> Met:
    """One whole exchange: the store's part in its thread, the waiting elsewhere."""
    line = await service.run(lambda: line_to(service, link))
    talk = Linking(service.district, link.server)
    body: bytes | None = await service.run(talk.ask)
    try:
        while body is not None:
            answer = await asyncio.to_thread(line.exchange, body)
            body = await service.run(partial(talk.hear, answer))
    finally:
        line.close()
    return talk.met()
