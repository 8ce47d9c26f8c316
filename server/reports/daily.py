# SPDX-License-Identifier: Apache-2.0
"""The daily report (日报): what was done on a day, or in some days, by area."""

from __future__ import annotations

from server.reports.common import COVERED, NEEDS_OPEN, REACHED_SQL, SOLVED_MS, SOLVED_SQL, VISITS
from server.reports.define import Report, Share, Source, both, count

DONE = "f.at_ms >= :start_ms AND f.at_ms < :end_ms"

DAILY = Report(
    name="daily",
    label=both("日报", "Daily report"),
    words=both(
        "所报日期内（含首尾两日，按北京时间）所做的工作，以及截止时仍未解决的问题。",
        "What was done in the days reported (first and last included, by Beijing time), and what"
        " was unsolved at their end.",
    ),
    sources={
        "visit": VISITS,
        "covered": COVERED,
        "found": Source("facts_need f", "f.found_at_ms >= :start_ms AND f.found_at_ms < :end_ms"),
        "solved": Source(
            "facts_need f",
            f"{SOLVED_SQL} AND {SOLVED_MS} >= :start_ms AND {SOLVED_MS} < :end_ms",
        ),
        "open": NEEDS_OPEN,
        "call": Source("facts_call f", f"f.status = 'done' AND {DONE}"),
        "form": Source("facts_daily_form f", 'f."on" >= :since AND f."on" <= :until'),
        "parcel": Source(
            "facts_parcel f",
            "f.status = 'handed_over' AND f.handed_over_at_ms >= :start_ms"
            " AND f.handed_over_at_ms < :end_ms",
        ),
    },
    figures=(
        count(
            "visits",
            "visit",
            "服务记录",
            "Service records",
            "期内的走访与电话，敲门未应的也计。",
            "Visits and telephone calls in the days, doors that stayed shut included.",
        ),
        count(
            "phone",
            "visit",
            "其中电话",
            "of them by telephone",
            "方式为电话的服务记录。",
            "Service records made by telephone.",
            "f.mode = 'phone'",
        ),
        count(
            "missed",
            "visit",
            "未见到",
            "Nobody reached",
            "没有见到人、也没有由他人告知的服务记录。",
            "Service records at which nobody was met or told by another.",
            f"NOT coalesce(f.{REACHED_SQL}, 1 = 0)",
        ),
        count(
            "reached",
            "covered",
            "走访到的户",
            "Households reached",
            "期内至少一次见到人或由他人告知的户。",
            "Households where someone was met or told by another in the days.",
            "b.best = 4",
        ),
        count(
            "found",
            "found",
            "发现问题",
            "Problems found",
            "发现时间在期内的问题。",
            "Problems found in the days.",
        ),
        count(
            "solved",
            "solved",
            "解决问题",
            "Problems solved",
            "期内解决且未重新打开的问题，不论何时发现。",
            "Problems solved in the days and not reopened, whenever found.",
        ),
        count(
            "open",
            "open",
            "未解决问题",
            "Problems unsolved",
            "截止时尚未解决的问题，不论何时发现。",
            "Problems unsolved at the end of the days, whenever found.",
        ),
        count(
            "urgent",
            "open",
            "其中紧急",
            "of them urgent",
            "未解决的问题中，紧急或危及生命的。",
            "Unsolved problems that are urgent or put a life at risk.",
            "f.urgency IN ('urgent', 'life')",
        ),
        count(
            "calls",
            "call",
            "电联",
            "Calls",
            "名单电联中期内已通话的。",
            "Calls of the call lists made in the days.",
        ),
        count(
            "forms",
            "form",
            "每日一报",
            "Daily forms",
            "日期在期内的每日一报。",
            "Daily forms for the days.",
        ),
        count(
            "parcels",
            "parcel",
            "送达物资",
            "Parcels handed over",
            "期内送达的物资配送。",
            "Parcels handed over in the days.",
        ),
    ),
    shares=(
        Share(
            name="phone_share",
            part="phone",
            whole="visits",
            label=both("电话占比", "By telephone, share"),
            words=both("电话占服务记录。", "Telephone calls of all service records."),
        ),
    ),
)
