# SPDX-License-Identifier: Apache-2.0
"""Opening what comes next while a commit is made durable.

What lives here: signature, decoding and verification of a request before its turn, in a thread of
its own. What must not: anything that asks the store, spends a nonce, or decides. Invariants
- A commit waits for the disk and holds no lock of Python's: what is opened meanwhile costs no time.
- What could not be opened early has no error: it is opened at its turn, which says what is wrong.
- Nobody waits for it but the store's thread, when its turn has come.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from typing import NamedTuple

from crypto.request import Verified
from server.apart import apart
from server.api.signed import check_signature
from server.feeds import Run
from server.opening import open_segments
from server.service import Service
from sync.messages import Request, decode_request


class Read(NamedTuple):
    """A request that was read early: its signature holds, its nonce is not spent. ``runs`` are its
    segments, where all their writers were known by then."""

    verified: Verified
    request: Request
    runs: list[Run] | None


class Received:
    """A request as it came."""

    __slots__ = ("_reading", "body", "headers", "target")

    def __init__(self, target: str, headers: dict[str, str], body: bytes) -> None:
        self.target = target
        self.headers = headers
        self.body = body
        self._reading: Future[Read | Exception] | None = None

    def begin(self, service: Service) -> None:
        """Let it be read early."""
        if self._reading is None:
            self._reading = service.opener.submit(apart, partial(self._read, service))

    def early(self) -> Read | None:
        """What was read early, waiting for the rest of it; None where that did not come about."""
        found = None if self._reading is None else self._reading.result()
        return found if isinstance(found, Read) else None

    def check(self, service: Service) -> Verified:
        """Check the signature. Raises RequestRefused."""
        return check_signature(service, "POST", self.target, self.headers, self.body)

    def _read(self, service: Service) -> Read:
        verified, request = self.check(service), decode_request(self.body)
        check = service.district.check
        # What a server or a guest relays may be of writers whose keys come with it.
        known = request.relay is None and all(check.knows(s.replica) for s in request.segments)
        return Read(verified, request, open_segments(request, check) if known else None)


class Early:
    """Reads early those that ``waiting`` names."""

    def __init__(self, service: Service, waiting: Callable[[], Sequence[Received]]) -> None:
        self._service = service
        self._waiting = waiting

    def begin(self) -> None:
        """Begin; this does not wait."""
        for one in self._waiting():
            one.begin(self._service)
