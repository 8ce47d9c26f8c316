# SPDX-License-Identifier: Apache-2.0
"""``POST /v1/sync``: the exchange.

What lives here: bytes to the district and back. What must not: merging. It is written on the
bare ASGI interface: the work of one request beside the exchange itself is a signature and a thread
change. Invariant: nothing is acknowledged before the
commit that stores it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from crypto.errors import RequestRefused
from server.apart import apart
from server.api.body import Receive, Scope, Send, headers_of, send_answer, target_of
from server.api.early import Early, Received
from server.api.replies import TOLD, Answer, error_answer
from server.api.signed import Signer, known_sender, spend
from server.api.together import Together
from server.errors import DeviceRevoked, NonceSpent, ServerBusy
from server.logs import Timer, log_fault, log_request
from server.opening import Asked
from server.service import Service
from server.trust import TABLET
from sync.messages import Relay, Request, decode_request, encode_exchange

PATH = "/v1/sync"


TOGETHER_MAX = 4
"""Requests in one commit: a few share most of the pages that can be shared, and none waits long for
the others."""


class Prepared(NamedTuple):
    """A request whose signature and nonce hold."""

    signer: Signer
    asked: Asked
    revoked: bool


class SyncEndpoint:
    """The ASGI endpoint."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self._together: Together[Received, Answer] = Together(
            lambda items: service.run(lambda: answer_all(service, items, self._early.begin)),
            TOGETHER_MAX,
        )
        self._early = Early(service, self._together.next)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        timer = Timer()
        service, settings, body = self.service, self.service.settings, b""
        try:
            service.places.check()
            headers = headers_of(scope)
            await known_sender(service, headers)
            body = await service.bodies.read(
                scope, receive, settings.request_bytes_max, settings.request_seconds_max
            )
            target = target_of(scope)
            with service.places.place():
                answer = await self._together.run(Received(target, headers, body))
        except TOLD as error:
            answer = failed(error)
        finally:
            service.bodies.release(body)
        await send_answer(send, answer)
        service.metrics.request(PATH, answer, len(body), timer.ms)
        log_request(PATH, answer, len(body), timer)


def failed(error: Exception, signer: Signer | None = None, nonce: bytes | None = None) -> Answer:
    """The answer to an error; one of this machine is logged with its place, not its values."""
    if isinstance(error, NonceSpent):
        nonce = error.fresh
    answer = error_answer(error, nonce=nonce, device=signer.device if signer else "")
    if answer.status >= 500 and not isinstance(error, ServerBusy):
        log_fault(error, answer.code)
    return answer


def answer_all(
    service: Service, items: Sequence[Received], committing: Callable[[], None]
) -> list[Answer | Exception]:
    """Check, exchange, answer; runs in the store's thread.

    Those that wait at the same time are stored by one durable commit; each has its own answer.
    """
    service.refresh()
    prepared = [apart(partial(_prepared, service, item)) for item in items]
    good = [one for one in prepared if isinstance(one, Prepared)]
    timer = Timer()
    replies = iter(service.district.sync_together([one.asked for one in good], committing))
    service.metrics.commit(timer.ms)
    answers: list[Answer | Exception] = []
    for one in prepared:
        if not isinstance(one, Prepared):
            answers.append(one)
            continue
        reply = next(replies)
        if not isinstance(reply, Exception):
            answers.append(_answer(service, one, encode_exchange(reply)))
        elif isinstance(reply, TOLD):
            answers.append(failed(reply, one.signer, one.asked.nonce))
        else:
            answers.append(reply)
    return answers


def _prepared(service: Service, item: Received) -> Prepared | Answer:
    """What is checked before the store is asked; the answer where it is refused."""
    signer, nonce = None, None
    try:
        early = item.early()
        signer = spend(service, early.verified if early else item.check(service))
        nonce = service.nonces.issue(signer.device)
        request = early.request if early else decode_request(item.body)
        if _is_guest(service, signer):
            return _relayed(service, signer, request, nonce)
        if request.replica != signer.replica:
            raise RequestRefused("another replica signed")
        if request.segments or request.partials or request.handed:
            service.check_disk()
        revoked = signer.device in service.revoked
        asked = Asked(
            signer.device,
            _upload_of(request) if revoked else request,
            nonce,
            early.runs if early else None,
        )
        return Prepared(signer, asked, revoked)
    except TOLD as error:
        return failed(error, signer, nonce)


def _is_guest(service: Service, signer: Signer) -> bool:
    """A server, or a tablet of another district."""
    district = service.district
    key = district.trust.keys[signer.replica]
    return key.role != TABLET or signer.replica not in district.devices


def _relayed(service: Service, signer: Signer, request: Request, nonce: bytes) -> Answer:
    """The exchange with a server or a guest, alone in its commits."""
    if signer.device in service.revoked:
        more = {"revocation": service.revoked[signer.device]}
        return error_answer(DeviceRevoked(), more=more, nonce=nonce, device=signer.device)
    service.check_disk()
    relay = request.relay or Relay()
    reply = service.district.relaying.answer(signer.device, request, relay, nonce)
    return Answer(200, encode_exchange(reply), device=signer.device)


def _answer(service: Service, one: Prepared, reply: bytes) -> Answer:
    if not one.revoked:
        return Answer(200, reply, device=one.signer.device)
    more = {"revocation": service.revoked[one.signer.device], "reply": reply}
    return error_answer(DeviceRevoked(), more=more, nonce=one.asked.nonce, device=one.signer.device)


def _upload_of(request: Request) -> Request:
    """A revoked device hands over what it has, for the auditor; it gets its wipe order only."""
    return Request(
        request.protocol,
        request.replica,
        request.counter,
        request.head,
        request.clock_ms,
        0,
        request.incarnation,
        request.seq,
        request.after,
        0,
        0,
        request.known,
        None,
        request.segments,
        request.partials,
        [],
    )
