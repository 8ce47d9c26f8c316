# SPDX-License-Identifier: Apache-2.0
"""Tests and doses at the door (上门核酸, 接种)."""

from __future__ import annotations

from server.reports.define import Dimension, Report, Share, Source, both, count
from sync.collections.test_appointment import KINDS

TESTING = Report(
    name="testing",
    label=both("上门核酸接种", "Tests and doses at the door"),
    words=both(
        "不能出门的人：约了多少、做了多少、谁拒绝、谁该再做。已完成的按完成时间在期内计，其余为现在。",
        "For those who cannot come: how many are booked, done, refused, and due again. What was"
        " done counts in the days; the others are as they are now.",
    ),
    dimension=Dimension(name="kind", label=both("项目", "Kind"), sql="f.kind", choices=KINDS),
    sources={"appointment": Source("facts_test_appointment f")},
    figures=(
        count(
            "done",
            "appointment",
            "期内完成",
            "Done in the days",
            "完成时间在期内的。",
            "Done in the days.",
            "f.status = 'done' AND f.done_at_ms >= :start_ms AND f.done_at_ms < :end_ms",
        ),
        count(
            "done_all",
            "appointment",
            "累计完成",
            "Done in all",
            "截止时已完成的。",
            "Done by the end of the last day.",
            "f.status = 'done' AND coalesce(f.done_at_ms, 0) < :end_ms",
        ),
        count(
            "to_book",
            "appointment",
            "待预约",
            "To be booked",
            "尚未预约的。",
            "Not booked yet.",
            "f.status = 'to_book'",
        ),
        count(
            "booked",
            "appointment",
            "已预约",
            "Booked",
            "已预约的。",
            "Booked.",
            "f.status = 'booked'",
        ),
        count(
            "late",
            "appointment",
            "过期未做",
            "Booked, not done",
            "预约时间已过而未完成的。",
            "Booked for a time before the end of the last day, and not done.",
            "f.status = 'booked' AND f.booked_for_ms < :end_ms",
        ),
        count(
            "not_done",
            "appointment",
            "未做成",
            "Could not be done",
            "未在家或暂不适宜的。",
            "Not at home, or not fit.",
            "f.status IN ('not_home', 'unfit')",
        ),
        count(
            "said_no",
            "appointment",
            "拒绝",
            "Said no",
            "本人拒绝的。",
            "Refused.",
            "f.status = 'said_no'",
        ),
        count(
            "again",
            "appointment",
            "该再做",
            "Due again",
            "下次日期不晚于截止日的。",
            "To be done again on the last day or before.",
            "f.again_on <= :until",
        ),
        count("all", "appointment", "登记", "On the list", "全部登记。", "All that are listed."),
    ),
    shares=(
        Share(
            name="done_share",
            part="done_all",
            whole="all",
            label=both("完成率", "Done, share"),
            words=both("累计完成占登记。", "Done in all of those on the list."),
        ),
    ),
)
