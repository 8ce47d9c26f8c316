# SPDX-License-Identifier: Apache-2.0
"""What the audit says, in Chinese and English.

What lives here: sentences made from what ``audit_show`` and ``history`` found. What must not:
finding anything out. Invariants: every sentence stands in both languages; people go by name;
edits are dated by the server's clock where the tablet's offset was measured, else by the tablet's.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from server.area_names import UNNAMED, AreaNames
from server.audit_show import Conflict, Decision, Mention, Side
from server.set_aside import LIMITS
from server.verify_feeds import Problem
from server.words import fill, pick
from sync.change import Change
from sync.collections.declare import AREA_PATTERN
from sync.labels import heading, shown
from sync.limits import Limits
from sync.schema import Collection, Schema

SEEN_MAX = 3
"""Edits named as seen: the newest say most."""
MONTHS = (
    "January February March April May June July August September October November December".split()
)

STATE_WORDS = {
    "open": "待裁定 ‖ open",
    "rule": "按规则 ‖ by rule",
    "door": "入户裁定 ‖ at the door",
    "office": "已裁定 ‖ by an officer",
    "state": "随签名状态 ‖ by a signed state",
    "undone": "已撤销 ‖ undone",
}
POLICY_WORDS = {
    "ask": "须人工裁定 ‖ a person decides",
    "latest": "以最新为准 ‖ the latest is shown",
    "highest": "取最高 ‖ the highest is shown",
    "lowest": "取最低 ‖ the lowest is shown",
    "union": "合并全部 ‖ all elements together",
    "sum": "累加 ‖ added up",
    "append": "全部保留 ‖ every entry",
}
FATE_WORDS = {
    "shown": "正在显示 ‖ shown",
    "sibling": "并存未显示 ‖ sibling, not shown",
    "overwritten": "已被知情者改写 ‖ overwritten by someone who had seen it",
    "effect": "只移除或说明 ‖ took away, or gave a reason",
    "superseded": "签名状态中已被改写 ‖ overwritten in a signed state",
    "waiting": "等待前序修改 ‖ waiting",
    "quarantined": "隔离中 ‖ in quarantine",
    "released": "已放行 ‖ released from quarantine",
    "erased": "内容已删除 ‖ content erased",
}
PROBLEM_WORDS = {
    "key": "密钥与编号不符 ‖ a key that is not its replica's",
    "segment": "片段损坏或签名不符 ‖ a segment is damaged or its signature is wrong",
    "segment-row": "片段的登记与内容不符 ‖ a segment's row differs from what it holds",
    "sequence": "提交顺序不符 ‖ the commit sequence does not fit",
    "archive": "缺少归档文件，未重放记录 ‖ an archive is missing, no record was replayed",
    "gap": "链上有缺口 ‖ a gap in a feed",
    "blank": "内容缺失而无删除声明 ‖ content is missing that no erasure names",
    "erased-kept": "已删除的内容仍在 ‖ what was erased is still there",
    "leaf": "回执与所存不符 ‖ receipts and what is held differ",
    "fork": "未登记的分叉 ‖ a fork that is not known",
    "signed-state": "签名状态不符 ‖ a signed state does not hold",
    "record-extra": "多出的记录 ‖ a record no feed makes",
    "record-missing": "记录缺失 ‖ a record is missing",
    "feed-missing": "所引用的修改不在任何链上 ‖ a change that is named is in no feed",
    "stored-twice": "同一修改存了两次 ‖ a change is stored twice",
    "collection": "类别不符 ‖ another collection",
    "body": "显示值无法读取 ‖ the shown values cannot be read",
    "shown": "显示值不符 ‖ another value is shown",
    "causal": "因果数据不符 ‖ the causal data differ",
    "vector": "版本向量不符 ‖ the version vectors differ",
    "siblings": "并存值不符 ‖ the siblings differ",
    "sibling-missing": "缺少并存值 ‖ a sibling is missing",
    "sibling-extra": "多出并存值 ‖ a sibling too many",
    "voids": "作废不符 ‖ the voids differ",
    "voided": "作废状态不符 ‖ voided in one and not in the other",
    "writes": "写入者或时间戳不符 ‖ stamps or workers differ",
    "list": "前序列表不符 ‖ the list of dots differs",
    "home": "所属户不符 ‖ it lies in another household",
    "origin": "来源登记不符 ‖ the origin does not hold this state",
    "conflict": "冲突登记不符 ‖ a conflict's row differs",
    "conflict-missing": "冲突未登记 ‖ a conflict has no row",
    "conflict-false": "多出的冲突登记 ‖ a row of a conflict that never was",
    "also": "所属各户不符 ‖ the further homes differ",
    "waiting": "等待登记不符 ‖ what waits differs",
    "quarantine": "隔离登记不符 ‖ the quarantine differs",
    "home-digest": "户摘要不符 ‖ a household's digest differs",
    "home-sequence": "户序号过低 ‖ a household's sequence is too low",
    "home-area": "户所在区划不符 ‖ a household's area differs",
    "home-missing": "户未登记 ‖ a household is not listed",
    "account": "有修改下落不明 ‖ changes are not accounted for",
    "rows": "登记数不符 ‖ rows that no feed explains",
    "decision": "裁定不在任何链上 ‖ a decision that is in no feed",
    "replay": "无法重放 ‖ cannot be replayed",
}


def moment(ms: int | None, lang: str) -> str:
    """A day and time of this machine's zone; a number that is no date as it stands."""
    if ms is None:
        return pick("时间不详 ‖ an unknown time", lang)
    try:
        at = datetime.fromtimestamp(ms / 1000, UTC).astimezone()
    except (ValueError, OverflowError, OSError):
        return f"{ms} ms"
    clock = f"{at:%H:%M}"
    if lang == "zh":
        return f"{at.year}年{at.month}月{at.day}日 {clock}"
    return f"{at.day} {MONTHS[at.month - 1]} {at.year} {clock}"


def day(ms: int | None, lang: str) -> str:
    """A day alone, without its year."""
    if ms is None:
        return pick("日期不详 ‖ an unknown day", lang)
    try:
        at = datetime.fromtimestamp(ms / 1000, UTC).astimezone()
    except (ValueError, OverflowError, OSError):
        return f"{ms} ms"
    return f"{at.month}月{at.day}日" if lang == "zh" else f"{at.day} {MONTHS[at.month - 1]}"


def span(ms: int | None, lang: str) -> str:
    """A length of time in its two largest units."""
    if ms is None:
        return pick("不详 ‖ unknown", lang)
    seconds = abs(ms) // 1000
    units = (
        (86_400 * 365, "年 ‖ y"),
        (86_400, "天 ‖ d"),
        (3_600, "小时 ‖ h"),
        (60, "分 ‖ min"),
        (1, "秒 ‖ s"),
    )
    parts = []
    for size, unit in units:
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count} {pick(unit, lang)}")
        elif parts:
            break
        if len(parts) == 2:
            break
    return " ".join(parts) or f"0 {pick('秒 ‖ s', lang)}"


def offset_words(offset_ms: int | None, lang: str) -> str:
    """How far a tablet's clock was off, as measured."""
    if offset_ms is None:
        return pick("未测得（由他人转交）‖ not measured (carried by another)", lang)
    if abs(offset_ms) < 1_000:
        return pick("准 ‖ right", lang)
    text = "快 {span} ‖ {span} ahead" if offset_ms > 0 else "慢 {span} ‖ {span} behind"
    return fill(text, lang, span=span(offset_ms, lang))


def value_words(
    schema: Schema,
    collection: str,
    field: str,
    value: Any,
    lang: str,
    areas: AreaNames = UNNAMED,
) -> str:
    """A value as people read it; an empty one is said to be, an area goes by its name."""
    declared = schema.field(collection, field)
    if value is None or value in ("", []):
        return pick("（空） ‖ (empty)", lang)
    if declared.pattern == AREA_PATTERN and isinstance(value, str):
        return areas.beside(value, lang)
    return shown(declared, value, lang)


def field_words(schema: Schema, collection: str, field: str, lang: str) -> str:
    """What a field is called."""
    declared: Collection | None = schema.collections.get(collection)
    return heading(declared, field, lang) if declared else field


def whose(mention: Mention, lang: str, *, exact: bool = False) -> str:
    """An edit that is named: whose, and of which day; with the time of day where ``exact``."""
    if not mention.worker:
        text = "一处尚未收到的修改 ‖ an edit that has not arrived"
        return pick(text, lang)
    text = "{who}{day}的修改 ‖ {who}'s edit of {day}"
    if mention.own:
        text = "自己{day}的修改 ‖ their own edit of {day}"
    when = moment(mention.at_ms, lang) if exact else day(mention.at_ms, lang)
    return fill(text, lang, who=mention.worker, day=when)


def seen_words(side: Side, lang: str) -> str:
    """What a writer had seen, in one clause: ``had seen 张霞's edit of 9 June, not 陈宇轩's``."""
    seen, missed = side.had_seen[:SEEN_MAX], side.had_not_seen
    # Two edits of one person on one day are told apart by the time of day.
    exact = bool({whose(m, lang) for m in seen} & {whose(m, lang) for m in missed})
    had = _listed([whose(m, lang, exact=exact) for m in seen], lang)
    had_not = _listed([whose(m, lang, exact=exact) for m in missed], lang)
    if had and had_not:
        text = "看过{had}，没看过{missed} ‖ had seen {had}, not {missed}"
    elif had:
        text = "看过{had} ‖ had seen {had}"
    elif had_not:
        text = "此前没看过任何修改，也没看过{missed} ‖ had seen nothing before, nor {missed}"
    else:
        text = "此前没看过任何修改 ‖ had seen nothing before"
    return fill(text, lang, had=had, missed=had_not)


def _listed(parts: Sequence[str], lang: str) -> str:
    return ("、" if lang == "zh" else " and ").join(dict.fromkeys(parts))


def where_words(side: Side, lang: str) -> str:
    """On which tablet it was written, and who carried it."""
    if not side.device:
        return pick("区服务器 ‖ district server", lang)
    if side.carried_by:
        return fill(
            "{tablet}（经 {carrier} 转交） ‖ {tablet} (carried by {carrier})",
            lang,
            tablet=side.tablet,
            carrier=side.carried_by,
        )
    return side.tablet


def decision_words(
    schema: Schema,
    conflict: Conflict,
    decision: Decision,
    lang: str,
    areas: AreaNames = UNNAMED,
) -> str:
    """Who decided what, when, where and why, in one sentence."""
    value = value_words(schema, conflict.collection, conflict.field, decision.value, lang, areas)
    if decision.what == "undo":
        text = (
            "{when}，{who}撤销了裁定，恢复为“{value}”：{reason} ‖ "
            "{when}: {who} undid the decision and set “{value}” back: {reason}"
        )
    elif decision.where == "door":
        text = (
            "{when}，{who}在入户时定为“{value}”：{reason} ‖ "
            "{when}: {who} settled it at the door as “{value}”: {reason}"
        )
    elif decision.where == "state":
        text = "{when}，随签名状态定为“{value}” ‖ {when}: a signed state settled it as “{value}”"
    else:
        text = (
            "{when}，{who}裁定为“{value}”：{reason} ‖ "
            "{when}: {who} settled it as “{value}”: {reason}"
        )
    return fill(
        text,
        lang,
        when=moment(decision.at_ms, lang),
        who=decision.worker_name,
        value=value,
        reason=decision.reason or pick("未写理由 ‖ no reason given", lang),
    )


def base_words(schema: Schema, conflict: Conflict, lang: str, areas: AreaNames = UNNAMED) -> str:
    """The value that everyone had seen before, and whose it was."""
    if not conflict.base:
        return pick("各方此前没有共同看过的值 ‖ there was no value that all had seen", lang)
    return ("；" if lang == "zh" else "; ").join(
        fill(
            "“{value}”（{whose}） ‖ “{value}” ({whose})",
            lang,
            value=value_words(schema, conflict.collection, conflict.field, m.value, lang, areas),
            whose=whose(m._replace(own=False), lang),
        )
        for m in conflict.base
    )


def problem_words(problem: Problem, lang: str) -> str:
    """One disagreement: what, where, and what differs."""
    word = pick(PROBLEM_WORDS.get(problem.kind, problem.kind), lang)
    place = " ".join(part for part in (problem.record, problem.name) if part)
    return f"{word} [{problem.kind}] {place} {problem.detail}".rstrip()


ASIDE_WORDS = {
    "revoked": "平板已吊销 ‖ the tablet was revoked",
    "collection": "与该记录类别不符 ‖ another collection than its record's",
    "limits": "内容超出栏目限制 ‖ a value is beyond the limits of its field",
}
"""Why a change is in quarantine."""


def why_aside(schema: Schema, reason: str, change: Change, lang: str) -> str:
    """Why a change is in quarantine, with the sentence for each field that breaks a limit."""
    found = [pick(ASIDE_WORDS.get(reason, reason), lang)]
    if reason == LIMITS:
        found += [problem.message(lang) for problem in Limits(schema).broken(change)]
    return " ".join(found)
