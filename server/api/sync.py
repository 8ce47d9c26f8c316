# SPDX-License-Identifier: Apache-2.0
"""``POST /v1/sync``: the exchange.

What lives here: bytes to ``District.sync`` and back. What must not: merging. It is written on the
bare ASGI interface: the work of one request beside the exchange itself is a signature and a thread
change. Invariant: nothing is acknowledged before ``District.sync`` returned.
"""

from __future__ import annotations

from crypto.errors import RequestRefused
from server.api.body import Receive, Scope, Send, headers_of, send_answer, target_of
from server.api.replies import TOLD, Answer, error_answer
from server.api.signed import Signer, check_sender, check_signer
from server.errors import DeviceRevoked, NonceSpent
from server.logs import Timer, log_fault, log_request
from server.service import Service
from sync.messages import Request, decode_request, encode_exchange

PATH = "/v1/sync"


class SyncEndpoint:
    """The ASGI endpoint."""

    def __init__(self, service: Service) -> None:
        self.service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        timer = Timer()
        service, settings, body = self.service, self.service.settings, b""
        try:
            headers = headers_of(scope)
            check_sender(service, headers)
            body = await service.bodies.read(
                scope, receive, settings.request_bytes_max, settings.request_seconds_max
            )
            target = target_of(scope)
            answer = await service.run(lambda: answer_sync(service, target, headers, body))
        except TOLD as error:
            answer = failed(error)
        finally:
            service.bodies.release(body)
        await send_answer(send, answer)
        log_request(PATH, answer, len(body), timer)


def failed(error: Exception, signer: Signer | None = None, nonce: bytes | None = None) -> Answer:
    """The answer to an error; one of this machine is logged with its place, not its values."""
    if isinstance(error, NonceSpent):
        nonce = error.fresh
    answer = error_answer(error, nonce=nonce, device=signer.device if signer else "")
    if answer.status >= 500:
        log_fault(error, answer.code)
    return answer


def answer_sync(service: Service, target: str, headers: dict[str, str], body: bytes) -> Answer:
    """Check, exchange, answer; runs in the store's thread."""
    signer = check_signer(service, "POST", target, headers, body)
    nonce = service.nonces.issue(signer.device)
    try:
        request = decode_request(body)
        if request.replica != signer.replica:
            raise RequestRefused("another replica signed")
        if request.segments or request.partials or request.handed:
            service.check_disk()
        if signer.device in service.revoked:
            return _to_quarantine(service, signer, request, nonce)
        reply = service.district.sync(signer.device, request, nonce)
        return Answer(200, encode_exchange(reply), device=signer.device)
    except TOLD as error:
        return failed(error, signer, nonce)


def _to_quarantine(service: Service, signer: Signer, request: Request, nonce: bytes) -> Answer:
    """A revoked device hands over what it has, for the auditor; it gets its wipe order only."""
    upload = Request(
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
    reply = service.district.sync(signer.device, upload, nonce)
    more = {"revocation": service.revoked[signer.device], "reply": encode_exchange(reply)}
    return error_answer(DeviceRevoked(), more=more, nonce=nonce, device=signer.device)
