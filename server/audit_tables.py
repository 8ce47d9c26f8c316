# SPDX-License-Identifier: Apache-2.0
"""How a conflict, a history and a verdict look in the terminal.

What lives here: tables and lines. What must not: sentences (``audit_words.py``), finding out.
Invariant: values of records are printed as text, never as markup.
"""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from server.audit import Names
from server.audit_graph import draw
from server.audit_show import Conflict, Side
from server.audit_words import (
    FATE_WORDS,
    POLICY_WORDS,
    STATE_WORDS,
    base_words,
    decision_words,
    field_words,
    moment,
    offset_words,
    problem_words,
    seen_words,
    span,
    value_words,
    where_words,
)
from server.errors import NotFound
from server.history import History, Moment, Stored
from server.verify import Verdict
from server.why import why_shown
from server.words import fill, pick
from sync.policy import kinds, same_key, shown_fields
from sync.schema import Schema

Setting = tuple[Schema, Names, str]
"""Schema, names, language."""

PROBLEMS_PRINTED_MAX = 50


def print_conflict(out: Console, schema: Schema, found: Conflict, lang: str) -> None:
    """One conflict in full."""
    text = "冲突 {n}：{title}{field} [{state}] ‖ Conflict {n}: {title}{field} [{state}]"
    title = f"{found.title} · " if found.title else ""
    _line(
        out,
        text,
        lang,
        n=found.n,
        title=title,
        field=field_words(schema, found.collection, found.field, lang),
        state=pick(STATE_WORDS.get(found.state, found.state), lang),
    )
    _line(
        out,
        "记录 {record}，户 {home}，区划 {area}，发现于 {at} ‖ "
        "Record {record}, household {home}, area {area}, found {at}",
        lang,
        record=found.record,
        home=found.home,
        area=found.area or "-",
        at=moment(found.opened_at_ms, lang),
    )
    _line(
        out,
        "规则：{rule} ‖ Rule: {rule}",
        lang,
        rule=pick(POLICY_WORDS.get(found.policy, found.policy), lang),
    )
    _line(
        out,
        "此前各方都看过的值：{base} ‖ What all had seen before: {base}",
        lang,
        base=base_words(schema, found, lang),
    )
    table = Table("", header_style="bold", show_lines=True)
    for i, side in enumerate(found.sides, 1):
        mark = "" if side.live else pick("（已被取代） ‖  (superseded)", lang)
        if side.live and found.state == "open" and same_key(side.value) == same_key(found.shown):
            mark = pick("（暂显示） ‖  (shown for now)", lang)
        table.add_column(f"[{i}]{mark}".replace("[", "\\["), overflow="fold")
    for label, cells in _rows(schema, found, lang):
        table.add_row(pick(label, lang), *(Text(cell) for cell in cells))
    out.print(table)
    if found.shown_dots:
        shown = value_words(schema, found.collection, found.field, found.shown, lang)
        _line(out, "现在显示：{shown} ‖ Shown now: {shown}", lang, shown=shown)
    for decision in found.decisions:
        out.print(decision_words(schema, found, decision, lang), markup=False)
    if found.missing:
        _line(
            out,
            "有 {n} 处修改只随签名状态到达，原文尚未收到 ‖ "
            "{n} changes came only in signed states; their feeds have not arrived",
            lang,
            n=found.missing,
        )
    _line(out, "查看摘要 --seen {seen} ‖ digest --seen {seen}", lang, seen=found.seen)


def _rows(schema: Schema, found: Conflict, lang: str) -> list[tuple[str, list[str]]]:
    def each(words: object) -> list[str]:
        return [str(words(side)) for side in found.sides] if callable(words) else []

    return [
        (
            "值 ‖ value",
            each(lambda s: value_words(schema, found.collection, found.field, s.value, lang)),
        ),
        ("写入者 ‖ writer", each(lambda s: s.worker_name)),
        ("平板 ‖ tablet", each(lambda s: where_words(s, lang))),
        ("当时看到的 ‖ what they had seen", each(lambda s: seen_words(s, lang))),
        ("平板时间 ‖ tablet's clock", each(lambda s: moment(s.clock_ms, lang))),
        ("时钟偏差 ‖ clock offset", each(lambda s: offset_words(s.offset_ms, lang))),
        ("时间戳 ‖ stamp", each(lambda s: f"{s.stamp.ms}.{s.stamp.n}")),
        ("服务器收到 ‖ received", each(lambda s: moment(s.received_at_ms, lang))),
        ("离线多久 ‖ offline for", each(lambda s: _offline(s, lang))),
        ("写入理由 ‖ its reason", each(lambda s: s.reason)),
        (
            "已告知 ‖ told",
            each(lambda s: moment(s.told_at_ms, lang) if s.told_at_ms else "-"),
        ),
    ]


def _offline(side: Side, lang: str) -> str:
    text = "{offline}（距上次联系 {silent}） ‖ {offline} ({silent} since last contact)"
    if not side.device:
        return "-"
    return fill(text, lang, offline=span(side.offline_ms, lang), silent=span(side.silent_ms, lang))


def _line(out: Console, text: str, lang: str, **values: object) -> None:
    out.print(fill(text, lang, **values), markup=False)


def print_history(
    out: Console, setting: Setting, found: History, stored: Stored | None, at: int | None
) -> None:
    """Every change as a picture; then why each value is shown, or how it stood after ``at``."""
    schema, names, lang = setting
    numbers = {m.dot: i for i, m in enumerate(found.moments, 1)}

    def words(m: Moment) -> str:
        change = m.entry.change
        fields = [field_words(schema, found.collection, n, lang) for n in change.names]
        fields += [
            f"{op} {field_words(schema, found.collection, f, lang)}".strip()
            for op, f, _ in change.others
            if op != "reason"
        ]
        clock = moment(change.stamp_ms + change.clock_ms, lang)
        fate = "" if m.fate == "merged" else f" [{pick(FATE_WORDS[m.fate], lang)}]"
        reason = f" “{change.reason()}”" if change.reason() else ""
        tablet = names.tablet(m.dot[:16]) or pick("区服务器 ‖ district server", lang)
        return (
            f"{numbers[m.dot]}  {clock}  {names.worker(change.worker)} ({tablet})"
            f"  {' '.join(fields)}{reason}{fate}"
        )

    for line in draw(found.moments, words):
        out.print(line, markup=False)
    if found.missing:
        _line(
            out,
            "另有 {n} 处修改只随签名状态到达 ‖ {n} more changes came only in signed states",
            lang,
            n=len(found.missing),
        )
    if at is not None:
        state = found.state_at(at)
        fields = shown_fields(state, schema, found.collection)
        for name in sorted(fields):
            label = field_words(schema, found.collection, name, lang)
            value = value_words(schema, found.collection, name, fields[name].value, lang)
            out.print(f"{label}: {value}", markup=False)
        return
    for name in sorted(kinds(stored.state)) if stored else ():
        try:
            sentence = why_shown(names, schema, found, stored, name, lang) if stored else ""
        except NotFound:
            continue
        out.print(sentence, markup=False)


def print_verdict(out: Console, verdict: Verdict, seconds: float, lang: str) -> None:
    """What verification found."""
    table = Table(pick("修改的下落 ‖ what became of changes", lang), "", header_style="bold")
    for fate, count in verdict.fates.items():
        if count:
            table.add_row(pick(FATE_WORDS[fate], lang), str(count))
    table.add_row(pick("合计 ‖ in all", lang), str(sum(verdict.fates.values())), style="bold")
    out.print(table)
    _line(
        out,
        "{segments} 个片段，{changes} 处修改，{records} 条记录，{conflicts} 个冲突，{seconds} 秒 ‖ "
        "{segments} segments, {changes} changes, {records} records, {conflicts} conflicts,"
        " {seconds} s",
        lang,
        segments=verdict.segments,
        changes=verdict.changes,
        records=verdict.records,
        conflicts=verdict.conflicts,
        seconds=f"{seconds:.1f}",
    )
    for problem in verdict.problems[:PROBLEMS_PRINTED_MAX]:
        out.print(problem_words(problem, lang), markup=False)
    if verdict.holds:
        _line(
            out,
            "核对无误：每处修改都有下落，记录与重放完全一致 ‖ "
            "It holds: every change is accounted for and the record is what the feeds give",
            lang,
        )
    else:
        _line(
            out,
            "不一致 {n} 处。存储未被改动。请停止使用并从备份恢复，或报告以上各行 ‖ "
            "{n} disagreements. The store is unchanged. Restore a backup, or report these lines",
            lang,
            n=verdict.problem_count,
        )
