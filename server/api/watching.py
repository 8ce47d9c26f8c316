# SPDX-License-Identifier: Apache-2.0
"""Endpoints for whoever looks after the server: health and figures.

What lives here: the two endpoints, and all endpoints together. What must not: personal data.
"""

from __future__ import annotations

import ipaddress

import msgspec
from litestar import Response, get

from server.api.endpoints import ENDPOINTS as OF_TABLETS
from server.api.endpoints import HEALTH, AnyRequest, respond, scope_of, service_of
from server.api.replies import JSON, Answer, error_answer
from server.errors import NotFound, StoreFull


@get(HEALTH)
async def health(request: AnyRequest) -> Response[bytes]:
    """Does the store answer, and is there room? JSON ``{"ok", "store", "disk"}``; 200 or 503."""
    service = service_of(request)

    def work(_: bytes) -> Answer:
        with service.district.store.read() as tx:
            store = tx.rows("SELECT 1") == [(1,)]
        try:
            service.check_disk()
            disk = True
        except StoreFull:
            disk = False
        body = msgspec.json.encode({"ok": store and disk, "store": store, "disk": disk})
        return Answer(200 if store and disk else 503, body, kind=JSON)

    return await respond(request, HEALTH, 0, work)


def is_near(client: tuple[str, int] | None) -> bool:
    """Does the connection come from this machine itself?"""
    try:
        return client is not None and ipaddress.ip_address(client[0]).is_loopback
    except ValueError:
        return False


@get("/metrics")
async def metrics(request: AnyRequest) -> Response[bytes]:
    """Figures in Prometheus' text format; to this machine alone, 404 to others."""
    service = service_of(request)
    if not is_near(scope_of(request).get("client")):
        answer = error_answer(NotFound())
        return Response(answer.body, status_code=answer.status, media_type=answer.kind.decode())
    page = await service.readers.run(lambda store: service.metrics.page(service, store))
    return Response(page, media_type="text/plain; version=0.0.4; charset=utf-8")


ENDPOINTS = [*OF_TABLETS, health, metrics]
