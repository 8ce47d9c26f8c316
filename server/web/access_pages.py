# SPDX-License-Identifier: Apache-2.0
"""The access log, for those whose task it is: who saw what, when, for what.

What must not live here: the lines themselves (``access``).
"""

from __future__ import annotations

from urllib.parse import urlencode

from server.accounts import ACCESS
from server.web.access import read_log
from server.web.routing import Result, Shown, Visit, page

ROWS = 100


@page("/access", ACCESS)
def access(visit: Visit) -> Result:
    """Lines of the area, newest first."""
    account, home = visit.query("account"), visit.query("home")
    with visit.scope() as scoped:
        before = visit.query_number("before")
        found = read_log(scoped.tx, scoped.area, account, home, before, ROWS + 1)
        lines = found[:ROWS]
        kept = {"account": account, "home": home}
        values = {
            "lines": lines,
            "names": scoped.names,
            "asked": kept,
            "more": urlencode(kept | {"before": str(lines[-1].n)}) if len(found) > ROWS else "",
        }
    return Shown("access.html", values)
