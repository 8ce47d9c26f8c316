# SPDX-License-Identifier: Apache-2.0
"""The access log, for those whose task it is: who saw what, when, for what.

What must not live here: the lines themselves (``access``).
"""

from __future__ import annotations

from urllib.parse import urlencode

from server.accounts import ACCESS
from server.log_access import DAY_MS, by_household, by_officer
from server.web.access import read_log
from server.web.routing import Result, Shown, Visit, page

ROWS = 100
REPORT_DAYS, REPORT_ROWS = 30, 20
"""What the page reports above the lines: what is unusual stands first in it."""
PURPOSES = {
    "inbox": "冲突收件箱 ‖ conflict inbox",
    "conflict": "冲突 ‖ conflict",
    "bulk": "批量裁定 ‖ settling many",
    "history": "记录与历史 ‖ record and history",
    "photo": "照片 ‖ photo",
    "search": "查找 ‖ search",
    "repair": "隔离与修复 ‖ quarantine and repair",
    "quarantine": "隔离中的修改 ‖ change in quarantine",
    "report": "报表明细 ‖ records behind a figure",
    "export": "导出 ‖ export",
    "tablet": "平板 ‖ tablet",
    "tablet-opened": "在平板上打开 ‖ opened on a tablet",
    "rights": "本人权利 ‖ the person's rights",
    "duplicates": "疑似重复户 ‖ likely duplicates",
    "sql": "查询 ‖ query",
}
"""What the first word of a purpose means."""


@page("/access", ACCESS)
def access(visit: Visit) -> Result:
    """Lines of the area, newest first."""
    account, home = visit.query("account"), visit.query("home")
    with visit.scope() as scoped:
        before = visit.query_number("before")
        found = read_log(scoped.tx, scoped.area, account, home, before, ROWS + 1)
        lines = found[:ROWS]
        kept = {"account": account, "home": home}
        whole = not (account or home or before)
        since_ms = visit.now_ms - REPORT_DAYS * DAY_MS
        values = {
            "lines": lines,
            "names": scoped.names,
            "asked": kept,
            "purposes": PURPOSES,
            "days": REPORT_DAYS,
            "readers": by_officer(scoped.tx, since_ms, scoped.area)[:REPORT_ROWS] if whole else [],
            "read": by_household(scoped.tx, since_ms, scoped.area)[:REPORT_ROWS] if whole else [],
            "more": urlencode(kept | {"before": str(lines[-1].n)}) if len(found) > ROWS else "",
        }
    return Shown("access.html", values)
