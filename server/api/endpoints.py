# SPDX-License-Identifier: Apache-2.0
"""Endpoints of tablets but the exchange: enrolment, succession, attachments.

What lives here: bytes to the functions of ``server`` and back. What must not: rules, SQL, status
numbers. Invariant: answers carry a nonce wherever a signature held.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, cast

import msgspec
from litestar import HttpMethod, Request, Response, get, post, put, route
from litestar.params import FromPath

from crypto.signed import STATEMENT_BYTES_MAX
from server import devices, enrolment
from server.api.body import Scope, headers_of, target_of
from server.api.replies import NONCE_HEADER, TOLD, Answer, error_answer
from server.api.signed import Signer, check_sender, check_signer
from server.api.sync import failed
from server.blobs import BlobState, blob_state, get_piece, put_piece
from server.errors import (
    BlobOffset,
    BlobUnknown,
    BodyTooLarge,
    DeviceRevoked,
    DeviceUnknown,
)
from server.logs import Timer, log_request
from server.outboxes import take_outbox
from server.service import Service
from sync.carry.stick import OUTBOX_BYTES_MAX
from sync.collections import SCHEMA
from sync.enrolment import (
    ENROLMENT_BYTES_MAX,
    INTRODUCED_MAX,
    Begin,
    Enrolled,
    Introduce,
    Introduced,
    Keys,
    Offer,
    Prove,
    Succeed,
    Succeeded,
    Waiting,
    decode,
    encode,
)
from sync.errors import MessageMalformed
from sync.messages import PROTOCOL

Work = Callable[[bytes], Answer]
AnyRequest = Request[Any, Any, Any]
_HEX64 = re.compile(r"[0-9a-f]{64}")
_HEX32 = re.compile(r"[0-9a-f]{32}")
SECONDS_BEFORE_ASKING_AGAIN = 1
HEALTH = "/v1/health"
"""Answered however busy the server is: who looks after it must see."""


def service_of(request: AnyRequest) -> Service:
    """The service this application was built over."""
    service: Service = request.app.state["service"]
    return service


def scope_of(request: AnyRequest) -> Scope:
    """The bare scope, as the functions on bodies and headers take it."""
    return cast("Scope", request.scope)


async def respond(request: AnyRequest, route: str, limit: int, work: Work) -> Response[bytes]:
    """Read the body within ``limit``, do the work in the store's thread, answer, log."""
    timer, service, body = Timer(), service_of(request), b""
    try:
        if route != HEALTH:
            service.places.check()
        body = await service.bodies.read(
            scope_of(request), request.receive, limit, service.settings.request_seconds_max
        )
        taken = body
        with service.places.place():
            answer = await service.run(lambda: work(taken))
    except TOLD as error:
        answer = failed(error)
        if b"application/json" in request.headers.get("accept", "").encode():
            answer = error_answer(error, as_json=True)
    finally:
        service.bodies.release(body)
    service.metrics.request(route, answer, len(body), timer.ms)
    log_request(route, answer, len(body), timer)
    headers = {name.decode(): value.decode() for name, value in answer.headers}
    return Response(
        answer.body,
        status_code=answer.status,
        headers=headers,
        media_type=answer.kind.decode(),
    )


# ---- enrolment -----------------------------------------------------------------------------------


@post("/v1/enrol/begin", status_code=200)
async def enrol_begin(request: AnyRequest) -> Response[bytes]:
    """Bind a ticket to a commitment: ``Begin`` → ``Offer`` (MessagePack, sync/enrolment.py)."""
    service = service_of(request)

    def work(body: bytes) -> Answer:
        district = service.district
        nonce = enrolment.begin(district.store, decode(body, Begin), district.clock())
        offer = Offer(PROTOCOL, district.key.public, district.box.public, nonce)
        return Answer(200, encode(offer))

    return await respond(request, "/v1/enrol/begin", ENROLMENT_BYTES_MAX, work)


@post("/v1/enrol", status_code=200)
async def enrol_prove(request: AnyRequest) -> Response[bytes]:
    """Prove the ticket: ``Prove`` → 202 ``Waiting`` for the officer, or 200 ``Enrolled``."""
    service = service_of(request)

    def work(body: bytes) -> Answer:
        district, message = service.district, decode(body, Prove)
        server = enrolment.Server(district.key, district.box, service.tls_pin)
        found = enrolment.prove(district.store, server, message, district.clock())
        return _progress(service, found)

    return await respond(request, "/v1/enrol", ENROLMENT_BYTES_MAX, work)


@get("/v1/enrol/{ticket:str}")
async def enrol_ask(request: AnyRequest, ticket: FromPath[str]) -> Response[bytes]:
    """Has the officer compared the digits? 202 ``Waiting`` or 200 ``Enrolled``."""
    service = service_of(request)

    def work(_: bytes) -> Answer:
        if not _HEX32.fullmatch(ticket):
            raise MessageMalformed("ticket id")
        found = enrolment.progress(service.district.store, bytes.fromhex(ticket))
        return _progress(service, found)

    return await respond(request, "/v1/enrol/{ticket}", 0, work)


def _progress(service: Service, found: enrolment.Progress) -> Answer:
    if found.state != enrolment.DONE:
        waiting = Waiting(PROTOCOL, "waiting", found.server_proof)
        again = (b"retry-after", str(SECONDS_BEFORE_ASKING_AGAIN).encode())
        return Answer(202, encode(waiting), (again,))
    district, device = service.district, found.device
    service.reload()
    with district.store.read() as tx:
        # The newest key of the device is the one that was enrolled just now.
        certificate = tx.rows(
            "SELECT certificate FROM device_keys WHERE device = ? ORDER BY since_ms DESC LIMIT 1",
            [device],
        )[0][0]
        workers = tx.rows("SELECT id, name FROM workers WHERE team = ? ORDER BY id", [found.team])
    schema = None if district.schema is SCHEMA else msgspec.json.encode(district.schema)
    enrolled = Enrolled(
        PROTOCOL,
        bytes(certificate),
        district.key.public,
        district.box.public,
        b"",
        service.nonces.current(device),
        found.team,
        [(worker, name) for worker, name in workers],
        schema,
        found.server_proof,
    )
    return Answer(200, encode(enrolled), device=device)


@post("/v1/succeed", status_code=200)
async def succeed(request: AnyRequest) -> Response[bytes]:
    """Go on under a new key, by the statement that both keys signed: ``Succeed`` →
    ``Succeeded``."""
    service = service_of(request)

    def work(body: bytes) -> Answer:
        district, message = service.district, decode(body, Succeed)
        with district.store.write() as tx:
            device, certificate = devices.succeed(
                tx, district.key, message.succession, district.clock()
            )
        service.reload()
        nonce = service.nonces.current(device)
        return Answer(200, encode(Succeeded(PROTOCOL, certificate, nonce)), device=device)

    return await respond(request, "/v1/succeed", 2 * STATEMENT_BYTES_MAX, work)


@post("/v1/introduce", status_code=200)
async def introduce(request: AnyRequest) -> Response[bytes]:
    """Learn the key of a server or tablet of the tree that was not enrolled here, by statements
    that lead to this server: ``Introduce`` → ``Introduced``. 403 where they do not."""
    service = service_of(request)

    def work(body: bytes) -> Answer:
        district, message = service.district, decode(body, Introduce)
        if not district.trust.knows(message.replica):
            with district.writing() as tx:
                district.learn(tx, message.statements, district.clock())
        if not district.trust.knows(message.replica):
            raise DeviceUnknown(message.replica.hex())
        device = district.trust.keys[message.replica].device
        nonce = service.nonces.current(device)
        answer = Introduced(PROTOCOL, district.key.replica, nonce)
        return Answer(200, encode(answer), device=device)

    return await respond(request, "/v1/introduce", INTRODUCED_MAX * STATEMENT_BYTES_MAX, work)


@get("/v1/keys")
async def server_keys(request: AnyRequest) -> Response[bytes]:
    """Under which keys this server stands now: the words that join its roots, oldest first, and its
    word on its box and TLS keys: ``Keys``. Signed inside; it tells nobody anything else."""
    service = service_of(request)

    def work(_: bytes) -> Answer:
        district = service.district
        word = district.boxes.word(district.key)[0]
        told = [*district.roots.words, *([word] if word else [])]
        return Answer(200, encode(Keys(PROTOCOL, told)))

    return await respond(request, "/v1/keys", 0, work)


@post("/v1/wiped", status_code=200)
async def wiped(request: AnyRequest) -> Response[bytes]:
    """Keep a tablet's proof that it was wiped on its revocation, signed by its own key: ``[1]``."""
    service = service_of(request)

    def work(body: bytes) -> Answer:
        district = service.district
        with district.store.write() as tx:
            device = devices.keep_proof(tx, body, district.clock())
        return Answer(200, encode([PROTOCOL]), device=device)

    return await respond(request, "/v1/wiped", STATEMENT_BYTES_MAX, work)


# ---- sealed outboxes -----------------------------------------------------------------------------


@post("/v1/outbox", status_code=200)
async def outbox_post(request: AnyRequest) -> Response[bytes]:
    """Take in one file of a sealed outbox, whoever sends it: → ``[1, changes, refused]``.

    For tablets that cannot be unlocked, and for those who carry for them. 503 server/busy where
    too many came within a minute.
    """
    service = service_of(request)

    def work(body: bytes) -> Answer:
        service.check_disk()
        found = take_outbox(service.district, service.outbox_turns, body)
        return Answer(200, encode((PROTOCOL, found.changes, found.refused)))

    return await respond(request, "/v1/outbox", OUTBOX_BYTES_MAX, work)


# ---- attachments ---------------------------------------------------------------------------------


async def _signed(
    request: AnyRequest, limit: int, act: Callable[[Signer, bytes], Answer]
) -> Response[bytes]:
    """A signed request to the attachments; the next nonce stands in the header."""
    service = service_of(request)
    headers, target = headers_of(scope_of(request)), target_of(scope_of(request))

    def work(body: bytes) -> Answer:
        signer = check_signer(service, request.method, target, headers, body)
        nonce = service.nonces.issue(signer.device)
        try:
            # Photos of a revoked tablet belong to what it hands over; it reads none.
            if signer.device in service.revoked and request.method not in ("PUT", "HEAD"):
                raise DeviceRevoked()
            answer = act(signer, body)
        except TOLD as error:
            return failed(error, signer, nonce)
        more = ((NONCE_HEADER, nonce.hex().encode()),)
        return answer._replace(headers=answer.headers + more, device=signer.device)

    def guarded(body: bytes) -> Answer:
        service.refresh()
        check_sender(service, headers)
        return work(body)

    return await respond(request, "/v1/blobs/{name}", limit, guarded)


def _name(text: str) -> bytes:
    if not _HEX64.fullmatch(text):
        raise MessageMalformed("blob name")
    return bytes.fromhex(text)


def _number(request: AnyRequest, name: str, default: int | None = None) -> int:
    text = request.query_params.get(name)
    if text is None and default is not None:
        return default
    if text is None or not re.fullmatch(r"[0-9]{1,12}", text):
        raise MessageMalformed(f"query: {name}")
    return int(text)


def _state_answer(state: BlobState) -> Answer:
    return Answer(200, encode((PROTOCOL, state.received, state.complete)))


@put("/v1/blobs/{name:str}")
async def blob_put(request: AnyRequest, name: FromPath[str]) -> Response[bytes]:
    """Send one piece, ``?offset=…&total=…`` in bytes: → ``[1, received, complete]``.

    409 server/blob-offset tells in ``received`` where to go on.
    """
    service = service_of(request)

    def act(signer: Signer, body: bytes) -> Answer:
        key, offset, total = _name(name), _number(request, "offset"), _number(request, "total")
        if not 0 < total <= service.settings.blob_bytes_max:
            raise BodyTooLarge(f"attachment: at most {service.settings.blob_bytes_max} bytes")
        service.check_disk()
        store, now_ms = service.district.store, service.district.clock()
        try:
            return _state_answer(put_piece(store, key, offset, total, body, now_ms))
        except BlobOffset as error:
            try:
                received = blob_state(store, key).received
            except BlobUnknown:
                received = 0
            return error_answer(error, more={"received": received})

    return await _signed(request, service.settings.blob_piece_bytes_max, act)


@route("/v1/blobs/{name:str}", http_method=[HttpMethod.GET, HttpMethod.HEAD])
async def blob_get(request: AnyRequest, name: FromPath[str]) -> Response[bytes]:
    """Bytes of a complete attachment, ``?offset=…&length=…``, at most 1 MiB.

    HEAD tells how much is here: ``Doorstep-Received``, ``Doorstep-Total``, ``Doorstep-Complete``
    (0 or 1).
    """
    service = service_of(request)

    def tell(signer: Signer, body: bytes) -> Answer:
        state = blob_state(service.district.store, _name(name))
        told = (
            (b"doorstep-received", str(state.received).encode()),
            (b"doorstep-total", str(state.total).encode()),
            (b"doorstep-complete", str(int(state.complete)).encode()),
        )
        return Answer(200, b"", told)

    def give(signer: Signer, body: bytes) -> Answer:
        offset = _number(request, "offset", 0)
        length = _number(request, "length", service.settings.blob_piece_bytes_max)
        piece = get_piece(service.district.store, _name(name), offset, length)
        return Answer(200, piece, kind=b"application/octet-stream")

    return await _signed(request, 0, tell if request.method == "HEAD" else give)


ENDPOINTS = [
    enrol_begin,
    enrol_prove,
    enrol_ask,
    succeed,
    introduce,
    server_keys,
    wiped,
    outbox_post,
    blob_put,
    blob_get,
]
