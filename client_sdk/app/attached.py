# SPDX-License-Identifier: Apache-2.0
"""Photos, sounds and signatures, shown on a page of their own.

What lives here: that page and the bytes it shows. What must not: keeping them (``visit.py``,
``entry.py``), scaling (``media.py``). Invariants: nothing is shown but on a page that locks; what a
record says of its type is believed only where a browser does no more with it than show or play it.
"""

from __future__ import annotations

from typing import Any

from litestar import Request, get
from litestar.params import FromPath
from litestar.response import Response

from client_sdk.app.desk import desk_of, in_thread
from client_sdk.tablet import Tablet

_Request = Request[Any, Any, Any]
PICTURES = frozenset({"image/jpeg", "image/png"})
SOUNDS = frozenset({"audio/ogg", "audio/wav", "audio/mpeg", "audio/webm", "audio/mp4"})
OTHER = "application/octet-stream"


@get("/photo/{record:str}")
@in_thread
def attached_page(request: _Request, record: FromPath[str]) -> Response[Any]:
    """The page of one attachment; one that is not here is fetched first."""
    desk = desk_of(request)

    def work(tablet: Tablet) -> Response[Any]:
        found = tablet.read(record)
        tablet.attachment_bytes(record)
        return desk.page(
            "attached.html",
            tablet,
            record=found,
            stop=next(iter(tablet.stops([found.home])), None),
            kind=_type_of(str(found["media_type"] or "")).partition("/")[0],
            taken_by=tablet.worker_name(str(found["taken_by"] or "")),
        )

    return desk.with_tablet(work)


@get("/photo/{record:str}/data")
@in_thread
def attached_bytes(request: _Request, record: FromPath[str]) -> Response[Any]:
    """What that page shows."""
    desk = desk_of(request)

    def work(tablet: Tablet) -> Response[Any]:
        media_type = _type_of(str(tablet.read(record)["media_type"] or ""))
        return Response(tablet.attachment_bytes(record), media_type=media_type)

    return desk.with_tablet(work)


def _type_of(said: str) -> str:
    return said if said in PICTURES | SOUNDS else OTHER


HANDLERS = [attached_page, attached_bytes]
