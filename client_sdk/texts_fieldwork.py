# SPDX-License-Identifier: Apache-2.0
"""What the lists of a day's work and the forms say in the terminal, in Chinese and English."""

from __future__ import annotations

FIELD_TEXTS: dict[str, tuple[str, str]] = {
    "form-unknown": (
        "没有“{name}”这张表单。可用：{known}",
        "There is no form “{name}”. There are: {known}",
    ),
    "form-skip": (
        "直接回车表示不填；* 为必填。",
        "Enter leaves a field empty; * must be filled in.",
    ),
    "head-form-field": ("栏目", "Field"),
    "head-form-name": ("名称", "Name"),
    "head-form-what": ("填写", "To fill in"),
    "head-form-rule": ("两人不同时", "Where two differ"),
    "head-home": ("住户", "Household"),
    "head-where": ("地址", "Address"),
    "head-state": ("情况", "State"),
    "head-detail": ("说明", "Detail"),
    "door-missing": ("尚未走访", "not gone to"),
    "door-shut": ("未应门，需回访", "door not opened, return visit"),
    "door-done": ("已完成", "done"),
    "door-refused": ("拒绝", "refused"),
    "door-moved": ("已搬离", "moved away"),
    "daily-missing": ("未报", "no report"),
    "daily-told": ("已报", "reported"),
    "clock-open_today": ("今日未清", "open today"),
    "clock-open_overnight": ("隔夜未清", "open overnight"),
    "clock-hours": ("已 {hours:.0f} 小时", "{hours:.0f} hours"),
    "clock-overdue": ("已过期限", "past its deadline"),
    "link-missing": ("所指记录不在本机", "not on this tablet"),
    "link-voided": ("所指记录已作废", "the record is void"),
    "link-moved": ("此人已转到别户", "the person is in another household"),
    "link-dissolved": ("小组已不存在", "the team is no more"),
    "link-circle": ("互相并入", "joined in a circle"),
}
