# SPDX-License-Identifier: Apache-2.0
"""The access log, for those whose task it is: who saw what, when, for what.

What must not live here: the lines themselves (``access``).
"""

from __future__ import annotations

from urllib.parse import urlencode

from server.accounts import ACCESS
from server.audit_words import field_words
from server.log_access import DAY_MS, by_household, by_officer
from server.reports import REPORTS
from server.web.access import read_log
from server.web.routing import Result, Shown, Visit, page
from server.web.scoped_base import OPENED
from server.words import pick
from sync.schema import Schema

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
    "tablet-listed": "平板上的列表 ‖ listed on a tablet",
    "rights": "本人权利 ‖ the person's rights",
    "duplicates": "疑似重复户 ‖ likely duplicates",
    "sql": "查询 ‖ query",
}
"""What the first word of a purpose means."""
LISTS = {
    "search": "查找 ‖ search",
    "today": "今日 ‖ today",
    "households": "住户名册 ‖ households",
}
"""Which list a tablet showed; how many households it had follows."""
FIELDS = {
    "*": "全部 ‖ all",
    "name": "姓名 ‖ name",
    "figures": "统计数字 ‖ figures",
}
"""Names of fields that are no record's."""
FIRST = ("household", "person")
"""What a field is called where several collections have it: most readings are of these."""


class Saying:
    """The lines of the log in words: they hold the names of fields, reports and figures."""

    def __init__(self, schema: Schema, lang: str) -> None:
        self._schema, self._lang = schema, lang
        kinds = [*FIRST, *(name for name in schema.collections if name not in FIRST)]
        self._kind = {
            field: kind for kind in reversed(kinds) for field in schema.collections[kind].fields
        }

    def fields(self, names: str) -> str:
        """What was shown of a record."""
        return ("、" if self._lang == "zh" else ", ").join(map(self._field, names.split()))

    def _field(self, name: str) -> str:
        if name.startswith(OPENED):
            opened = self._field(name.removeprefix(OPENED))
            return pick(f"拆封：{opened} ‖ opened: {opened}", self._lang)
        if name in FIELDS:
            return pick(FIELDS[name], self._lang)
        return field_words(self._schema, self._kind.get(name, ""), name, self._lang)

    def purpose(self, purpose: str) -> str:
        """What it was read for."""
        first, *rest = purpose.split(" ")
        said = pick(PURPOSES.get(first, first), self._lang)
        if first in ("report", "export") and rest:
            rest = [self.report(rest[0]), *(self._figure(rest[0], word) for word in rest[1:])]
        if first == "tablet-listed" and rest:
            rest = [pick(LISTS.get(rest[0], rest[0]), self._lang), *rest[1:]]
        return " ".join([said, *rest])

    def report(self, name: str) -> str:
        """What a report is called."""
        return REPORTS[name].label.text(self._lang) if name in REPORTS else name

    def _figure(self, report: str, name: str) -> str:
        columns = REPORTS[report].columns if report in REPORTS else []
        return next((c.label.text(self._lang) for c in columns if c.name == name), name)


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
            "say": Saying(scoped.schema, visit.lang),
            "days": REPORT_DAYS,
            "readers": by_officer(scoped.tx, since_ms, scoped.area)[:REPORT_ROWS] if whole else [],
            "read": by_household(scoped.tx, since_ms, scoped.area)[:REPORT_ROWS] if whole else [],
            "more": urlencode(kept | {"before": str(lines[-1].n)}) if len(found) > ROWS else "",
        }
    return Shown("access.html", values)
