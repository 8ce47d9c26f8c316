# SPDX-License-Identifier: Apache-2.0
"""Where each change is: on the tablet, with whom, at the district, above it, in a backup.

What lives here: the page. What must not: how it is known (``client_sdk.custody``). Invariant: a
place is shown only where it was heard; nothing is promised.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from litestar import Request, get
from litestar.response import Response

from client_sdk.app.desk import desk_of, in_thread
from client_sdk.app.today import number_of
from client_sdk.tablet import Tablet
from client_sdk.views import Custody

_Request = Request[Any, Any, Any]
CHANGES_A_PAGE = 30


class Group(NamedTuple):
    """What was written on one record in one go, and is at the same places."""

    first: Custody
    fields: tuple[str, ...]
    home: str
    name: str


@get("/custody")
@in_thread
def custody_page(request: _Request) -> Response[Any]:
    """The newest changes, each with the places it is known to be at."""
    desk = desk_of(request)
    offset = max(0, number_of(request.query_params.get("from"), 0))

    def work(tablet: Tablet) -> Response[Any]:
        found = tablet.custody(limit=CHANGES_A_PAGE + 1, offset=offset)
        shown = groups_of(tablet, found[:CHANGES_A_PAGE])
        return desk.page(
            "custody.html",
            tablet,
            groups=shown,
            before=max(0, offset - CHANGES_A_PAGE) if offset else None,
            after=offset + CHANGES_A_PAGE if len(found) > CHANGES_A_PAGE else None,
        )

    return desk.with_tablet(work)


def groups_of(tablet: Tablet, changes: list[Custody]) -> list[Group]:
    """Changes of one record that follow one another and are at the same places, as one line."""
    out: list[Group] = []
    homes = tablet.homes_of(one.record for one in changes)
    for one in changes:
        if out and _goes_with(out[-1].first, one):
            fields = tuple(dict.fromkeys((*out[-1].fields, *one.fields)))
            out[-1] = out[-1]._replace(fields=fields)
            continue
        home = homes.get(one.record, "")
        out.append(Group(one, one.fields, home, tablet.name_of_record(home) if home else ""))
    return out


def _goes_with(first: Custody, one: Custody) -> bool:
    if not one.record or (first.record, first.worker) != (one.record, one.worker):
        return False
    return [(p.kind, p.who) for p in first.places] == [(p.kind, p.who) for p in one.places]


HANDLERS = [custody_page]
