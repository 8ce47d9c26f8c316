# SPDX-License-Identifier: Apache-2.0
"""All that the tablet's command line says, in Chinese and English.

What lives here: sentences. What must not: logic. Invariants: every text has both languages with the
same placeholders; Chinese is the default.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from client_sdk.texts_carry import CARRY_TEXTS
from client_sdk.texts_fieldwork import FIELD_TEXTS
from client_sdk.texts_mending import MENDING_TEXTS

_TEXTS: dict[str, tuple[str, str]] = {
    "ask-secret": ("{worker} 的 PIN 或口令", "PIN or passphrase of {worker}"),
    "ask-new-secret": ("为 {worker} 设定 PIN 或口令", "Choose a PIN or passphrase for {worker}"),
    "ask-worker": ("工作人员编号", "Worker id"),
    "digits": (
        "两边屏幕应显示同样的六位数字：{digits}。请与管理员核对，等待确认……",
        "Both screens must show the same six digits: {digits}. Compare with the officer and wait …",
    ),
    "enrolled": (
        "登记完成：{name}，所属小组 {team}。",
        "Enrolled: {name}, team {team}.",
    ),
    "file-secret": (
        "此设备没有系统密钥库，请设定至少十个字符的口令（不能全是数字）。",
        "This device has no key store: choose ten characters or more, not all digits.",
    ),
    "saved": ("已保存：{record}", "Saved: {record}"),
    "attached": ("附件已保存：{record}", "Attachment saved: {record}"),
    "voided": ("已作废：{record}", "Voided: {record}"),
    "synced": (
        "同步完成：往返 {rounds} 次，上传 {sent} 条，更新 {records} 条，上下行 {up}/{down} 字节。",
        "Synced: {rounds} round trips, {sent} sent, {records} records, {up}/{down} bytes up/down.",
    ),
    "blobs-sent": ("上传附件 {count} 个。", "{count} attachments uploaded."),
    "differs": (
        "与服务器仍有差异：有修改在等待或待审核。",
        "Not yet the same as the server: a change waits or is held for the auditor.",
    ),
    "renewed": (
        "发现这是旧副本，平板已换用新的身份继续。",
        "This store was a copy or set back; the tablet goes on under a new key.",
    ),
    "entered": ("新增住户 {count} 户。", "{count} households entered."),
    "left": ("移出住户 {count} 户。", "{count} households left."),
    "sending": ("同步中", "Syncing"),
    "nothing": ("没有内容。", "Nothing to show."),
    "all-sent": ("全部修改都已由区级服务器收妥。", "The district holds everything written here."),
    "no-conflicts": ("没有待处理的冲突。", "No conflicts."),
    "wipe-sure": (
        "清除后本机数据无法恢复（密封发件箱保留）。确定吗？",
        "The data on this device cannot be brought back (the sealed outbox stays). Sure?",
    ),
    "wiped": ("已清除。密封发件箱：{folder}", "Wiped. Sealed outbox: {folder}"),
    "worker-added": ("{worker} 现在可以解锁本平板。", "{worker} can unlock this tablet now."),
    "worker-removed": ("{worker} 不能再解锁本平板。", "{worker} can no longer unlock this tablet."),
    "secret-changed": ("已更改。", "Changed."),
    "bad-pair": (
        "请写成 栏目=内容：{given}",
        "Write it as field=value: {given}",
    ),
    "no-field": ("没有这一栏：{given}", "No such field: {given}"),
    "conflict": ("冲突", "conflict"),
    "settled-by-rule": ("按规则取值", "settled by rule"),
    "to-decide": ("待人工决定", "to be decided"),
    "shown": ("显示", "shown"),
    "void": ("已作废", "void"),
    "by": ("{worker} · {device} · {when}", "{worker} · {device} · {when}"),
    "had-seen": ("看过{whose}的修改", "had seen the edit by {whose}"),
    "had-not-seen": ("没看过{whose}的修改", "had not seen the edit by {whose}"),
    "of-day": ("{worker} {day}", "{worker} of {day}"),
    "and": ("、", ", "),
    "head-field": ("栏目", "Field"),
    "head-value": ("内容", "Value"),
    "head-who": ("谁写的", "Written by"),
    "head-id": ("编号", "Id"),
    "head-name": ("户主", "Head"),
    "head-address": ("地址", "Address"),
    "head-state": ("状态", "State"),
    "head-record": ("记录", "Record"),
    "head-time": ("时间", "Time"),
    "head-where": ("现在在哪里", "Where it is"),
    "place-tablet": ("本机", "on this tablet"),
    "place-carried": ("由 {who} 携带", "carried by {who}"),
    "place-district": ("已到区级 {who}", "at the district {who}"),
    "place-above": ("已到上级 {who}", "at the server above, {who}"),
    "place-city": ("已到市级 {who}", "at the city {who}"),
    "place-province": ("已到省级 {who}", "at the province {who}"),
    "place-backup": ("已在备份中 {who}", "in the backup {who}"),
    "head-yours": ("您写的", "Yours"),
    "head-kept": ("保留的", "Kept"),
    "head-reason": ("原因", "Reason"),
    "status-name": ("平板", "Tablet"),
    "status-worker": ("工作人员", "Worker"),
    "status-households": ("住户", "Households"),
    "status-records": ("记录", "Records"),
    "status-unsent": ("未上传的修改", "Changes not yet sent"),
    "status-carried": ("替同事携带的修改", "Changes carried for teammates"),
    "status-blobs": ("未上传的附件", "Attachments not yet sent"),
    "status-waiting": ("等待前文的修改", "Changes waiting for earlier ones"),
    "status-conflicts": ("有冲突的记录", "Records in conflict"),
    "status-notices": ("未读通知", "Unread notices"),
    "status-synced": ("上次同步", "Last sync"),
    "app-address": (
        "页面地址（只能打开一次）：{address}",
        "The pages, good for one opening: {address}",
    ),
    "app-no-browser": ("请在浏览器里打开上面的地址。", "Open the address above in a browser."),
    "app-stop": ("按 Ctrl+C 结束。", "Ctrl+C ends it."),
    "app-stopped": ("已结束，平板已锁定。", "Ended; the tablet is locked."),
    "never": ("从未", "never"),
}


_TEXTS |= CARRY_TEXTS | FIELD_TEXTS | MENDING_TEXTS


def language(given: str | None = None) -> str:
    """``zh`` or ``en``: what was asked for, else what the environment says, else Chinese."""
    chosen = given or os.environ.get("DOORSTEP_LANG") or os.environ.get("LANG") or "zh"
    return "en" if chosen.lower().startswith("en") else "zh"


class Words:
    """The texts of one catalogue (key -> Chinese, English) in one language."""

    def __init__(self, lang: str, catalogue: Mapping[str, tuple[str, str]] = _TEXTS) -> None:
        self.lang = lang
        self._catalogue = catalogue

    def __call__(self, key: str, **values: object) -> str:
        """One text with its placeholders filled."""
        zh, en = self._catalogue[key]
        return (en if self.lang == "en" else zh).format(**values)


def texts() -> dict[str, tuple[str, str]]:
    """Key -> (Chinese, English)."""
    return dict(_TEXTS)
