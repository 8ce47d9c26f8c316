# SPDX-License-Identifier: Apache-2.0
"""``doorstep audit``: what an auditor asks and decides at the command line.

What lives here: asking and showing. What must not: finding out (``audit*.py``), deciding
(``resolving.py``). Invariant: a decision is made on what was shown: its digest goes back with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from server.cli_joined import ConflictName, decide_joined, print_joined, show_joined
from server.cli_verify import verify
from server.cli_words import SpokenGroup, State, officer, option, spoken, state_of

if TYPE_CHECKING:
    from server.audit import Filter
    from server.office import Desk

STATES = ("open", "settled", "rule", "door", "office", "state", "undone", "all")
DAY_MS = 86_400_000

__all__ = ["add_to", "audit", "verify"]


def add_to(main: click.Group) -> None:
    """Add these commands."""
    main.add_command(audit)
    main.add_command(verify)


@click.group("audit", cls=SpokenGroup, help="查看和裁定冲突 ‖ Look at conflicts and settle them.")
def audit() -> None:
    """Audit."""


BY = option("--by", default=officer, show_default="account", text="裁定人 ‖ the officer")
REASON = option("--reason", required=True, text="理由，会告知写入者 ‖ why; its writers are told")
SEEN = option(
    "--seen",
    default="",
    text="show 给出的摘要；记录若已改变则拒绝 ‖ digest from show; refused if the record changed",
)


def _saw(state: State, records: list[str], purpose: str, fields: str) -> None:
    """Note in the access log what was shown."""
    from server.log_access import note_seen
    from server.office import reading

    with reading(state.settings) as desk, desk.store.write() as tx:
        note_seen(tx, desk.now_ms, officer(), records, purpose, fields)


def decided(desk: Desk, what: str, arguments: dict[str, Any]) -> list[Any]:
    """Decide here, or in the server that has the store."""
    from server.control import Caller
    from server.effecting import Office
    from server.errors import ServerRunning
    from server.joined_deciding import decide

    writer = desk.writer
    if isinstance(writer, Caller):
        return writer.decide(what, arguments)
    if isinstance(writer, Office):
        return decide(writer.district, what, arguments)
    raise ServerRunning("another kind of writer")


@spoken(audit, "list", "列出冲突，最新的在前 ‖ List conflicts, newest first.")
@option("--state", type=click.Choice(STATES), default="all", text="状态 ‖ state")
@option("--area", default="", text="区划代码前缀 ‖ prefix of an area's code")
@option("--team", default="", text="小组 ‖ team")
@option("--worker", default="", text="写入者编号或姓名 ‖ id or name of a writer")
@option("--collection", default="", text="类别 ‖ collection")
@option("--field", default="", text="字段 ‖ field")
@option("--policy", default="", text="规则 ‖ policy")
@option("--record", default="", text="记录编号 ‖ id of a record")
@option(
    "--older-than", "older", type=float, default=None, text="至少已有几天 ‖ at least so many days"
)
@option("--limit", type=click.IntRange(1, 500), default=50, text="每页行数 ‖ rows of a page")
@option("--after", type=int, default=None, text="接着上一页 ‖ go on after this number")
@option("--joined", is_flag=True, text="因并户而来的 ‖ those that joins of households made")
@click.pass_context
def audit_list(
    context: click.Context,
    /,
    older: float | None,
    limit: int,
    after: int | None,
    joined: bool,
    **wanted: Any,
) -> None:
    """List."""
    from server.audit import Filter
    from server.joined_audit import joined_conflicts
    from server.office import reading

    state = state_of(context)
    with reading(state.settings) as desk, desk.store.read() as tx:
        before_ms = None if older is None else desk.now_ms - int(older * DAY_MS)
        asked = Filter(**wanted)._replace(before_ms=before_ms)
        if joined:
            seen = print_joined(state, desk, tx, asked, limit)
        else:
            seen = _print_list(state, desk, tx, asked, limit, after)
            besides = len(joined_conflicts(tx, desk.schema, asked))
    _saw(state, seen, "inbox", wanted["field"] or "*")
    if not joined and besides:
        state.say(
            "另有因并户而来的冲突 {n} 个：audit list --joined ‖ "
            "{n} more were made by joins of households: audit list --joined",
            n=besides,
        )


def _print_list(
    state: State, desk: Desk, tx: Any, asked: Filter, limit: int, after: int | None
) -> list[str]:
    """A page of the list, with true counts; the records that it showed."""
    from server.audit import Names, count_conflicts, list_conflicts
    from server.audit_words import STATE_WORDS, field_words, moment, value_words
    from server.words import pick

    page = list_conflicts(tx, asked, limit, after)
    counts = count_conflicts(tx, asked)
    names, schema, lang = Names(tx), desk.schema, state.lang
    state.table(
        [
            "编号 ‖ no.",
            "状态 ‖ state",
            "发现时间 ‖ since",
            "户 ‖ household",
            "字段 ‖ field",
            "各值 ‖ values",
            "写入者 ‖ writers",
        ],
        [
            (
                line.n,
                pick(STATE_WORDS.get(line.state, line.state), lang),
                moment(line.opened_at_ms, lang),
                line.home,
                field_words(schema, line.collection, line.field, lang),
                " | ".join(
                    value_words(schema, line.collection, line.field, v, lang) for v in line.values
                ),
                " | ".join(names.worker(w) for w in line.workers),
            )
            for line in page.lines
        ],
    )
    state.say(
        "共 {total} 个；{counts} ‖ {total} in all; {counts}",
        total=page.total,
        counts="，".join(f"{pick(STATE_WORDS[s], lang)} {n}" for s, n in counts.items() if n)
        if lang == "zh"
        else ", ".join(f"{pick(STATE_WORDS[s], lang)} {n}" for s, n in counts.items() if n),
    )
    if page.after is not None:
        state.say("下一页：--after {n} ‖ next page: --after {n}", n=page.after)
    return [line.record for line in page.lines]


@spoken(audit, "show", "完整查看一个冲突 ‖ Show one conflict in full.")
@click.argument("number", type=ConflictName())
@click.pass_context
def audit_show(context: click.Context, /, number: int | str) -> None:
    """Show."""
    from server.audit_show import show_conflict
    from server.audit_tables import print_conflict
    from server.history import stored_record
    from server.office import reading

    state = state_of(context)
    with reading(state.settings) as desk, desk.store.read() as tx:
        if isinstance(number, str):
            records, field = show_joined(state, desk, tx, number), number.rpartition("/")[2]
        else:
            found = show_conflict(tx, desk.schema, number)
            print_conflict(state.out, desk.schema, found, state.lang)
            if (stored := stored_record(tx, found.record)) and stored.voided:
                state.say("记录已作废 ‖ The record is void")
            records, field = [found.record], found.field
    _saw(state, records, "conflict", field)


@spoken(audit, "resolve", "裁定一个冲突 ‖ Settle a conflict.")
@click.argument("number", type=ConflictName())
@option("--choose", default=None, text="采用第几个值 ‖ take the value of this number")
@option("--value", default=None, text="另写一个值 ‖ write another value")
@option("--empty", is_flag=True, text="都不对，清空此字段 ‖ none is right: leave the field empty")
@option("--void", "voided", is_flag=True, text="整条记录作废 ‖ void the whole record")
@REASON
@BY
@SEEN
@click.pass_context
def audit_resolve(
    context: click.Context,
    /,
    number: int | str,
    reason: str,
    by: str,
    seen: str,
    **how: Any,
) -> None:
    """Resolve."""
    from server.audit_errors import DecisionIncomplete
    from server.audit_show import show_conflict
    from server.audit_words import value_words
    from server.office import writing
    from server.voiding import VOIDED, standing
    from sync.labels import value_of

    state = state_of(context)
    choose, value, voided = how["choose"], how["value"], how["voided"]
    if [choose is not None, value is not None, how["empty"], voided].count(True) != 1:
        raise DecisionIncomplete("--choose / --value / --empty / --void")
    with writing(state.settings) as desk:
        if isinstance(number, str):
            if voided:  # It lies between several records: which should not be is not said.
                raise DecisionIncomplete("--choose / --value / --empty")
            decide_joined(state, desk, "resolve_joined", number, (by, reason, seen), choose, value)
            return
        with desk.store.read() as tx:
            found = show_conflict(tx, desk.schema, number)
        arguments: dict[str, Any] = {"conflict": number, "officer": by, "reason": reason}
        arguments["seen"] = seen or found.seen
        if voided:
            decided(desk, "void", arguments | {"choice": standing(found)})
            state.say(VOIDED, n=number)
            return
        if choose is not None:
            arguments["choice"] = _choice(choose, [side.dot.hex() for side in found.sides])
        else:
            declared = desk.schema.field(found.collection, found.field)
            arguments["value"] = value_of(declared, value or "")
        done = decided(desk, "resolve", arguments)
        state.say(
            "冲突 {n} 已裁定为“{value}”（裁定人 {by}）；各平板下次同步时收到 ‖ "
            "Conflict {n} is settled as “{value}” by {by}; tablets get it at their next sync",
            n=number,
            value=value_words(desk.schema, found.collection, found.field, done[4], state.lang),
            by=by,
        )


def _choice(choose: str, dots: list[str]) -> str:
    """The n-th value as it was listed, or the beginning of a dot."""
    if choose.isdigit() and 1 <= int(choose) <= len(dots):
        return dots[int(choose) - 1]
    return choose


@spoken(audit, "undo", "撤销裁定 ‖ Undo a decision.")
@click.argument("number", type=ConflictName())
@REASON
@BY
@SEEN
@click.pass_context
def audit_undo(
    context: click.Context, /, number: int | str, reason: str, by: str, seen: str
) -> None:
    """Undo."""
    from server.audit_show import show_conflict
    from server.audit_words import value_words
    from server.office import writing

    state = state_of(context)
    with writing(state.settings) as desk:
        if isinstance(number, str):
            decide_joined(state, desk, "undo_joined", number, (by, reason, seen))
            return
        with desk.store.read() as tx:
            found = show_conflict(tx, desk.schema, number)
        done = decided(
            desk,
            "undo",
            {"conflict": number, "officer": by, "reason": reason, "seen": seen or found.seen},
        )
        state.say(
            "冲突 {n} 的裁定已撤销，恢复为“{value}” ‖ "
            "The decision on conflict {n} is undone; “{value}” is set back",
            n=number,
            value=value_words(desk.schema, found.collection, found.field, done[4], state.lang),
        )


@spoken(audit, "history", "一条记录的全部修改 ‖ Every change of a record.")
@click.argument("record")
@option("--at", type=int, default=None, text="显示前几个修改之后的样子 ‖ as it was after so many")
@click.pass_context
def audit_history(context: click.Context, /, record: str, at: int | None) -> None:
    """History."""
    from server.audit import Names
    from server.audit_tables import print_history
    from server.history import read_history, stored_record
    from server.office import reading

    state = state_of(context)
    with reading(state.settings) as desk, desk.store.read() as tx:
        found = read_history(tx, record)
        stored = stored_record(tx, record)
        print_history(state.out, (desk.schema, Names(tx), state.lang), found, stored, at)
    _saw(state, [record], "history", "*")


@click.group("quarantine", cls=SpokenGroup, help="隔离区 ‖ What is in quarantine.")
def quarantine() -> None:
    """Quarantine."""


audit.add_command(quarantine)


@spoken(quarantine, "list", "列出隔离的修改 ‖ List what is in quarantine.")
@option("--all", "released", is_flag=True, text="也列出已放行的 ‖ also what was released")
@click.pass_context
def quarantine_list(context: click.Context, /, released: bool) -> None:
    """List."""
    from server.audit import Names
    from server.audit_words import field_words, moment, why_aside
    from server.office import reading
    from server.resolving import quarantined

    state = state_of(context)
    with reading(state.settings) as desk, desk.store.read() as tx:
        names, lang = Names(tx), state.lang
        found = quarantined(tx, released=released)
        state.table(
            [
                "修改 ‖ change",
                "记录 ‖ record",
                "写入者 ‖ writer",
                "平板 ‖ tablet",
                "原因 ‖ reason",
                "收到 ‖ received",
                "字段 ‖ fields",
                "其后等待 ‖ behind it",
                "放行人 ‖ released by",
            ],
            [
                (
                    one.entry.dot.hex(),
                    one.entry.record,
                    names.worker(one.entry.change.worker),
                    names.tablet(one.entry.dot[:16]),
                    why_aside(desk.schema, one.reason, one.entry.change, lang),
                    moment(one.at_ms, lang),
                    " ".join(
                        field_words(desk.schema, one.entry.change.collection, n, lang)
                        for n in one.entry.change.names
                    ),
                    one.behind,
                    one.released_by,
                )
                for one in found
            ],
        )


@spoken(quarantine, "release", "放行一条修改 ‖ Release a change into the record.")
@click.argument("change")
@REASON
@BY
@option("--over", multiple=True, text="覆盖此字段现有的值 ‖ overwrite this field's present value")
@option("--leave", multiple=True, text="不放行此字段 ‖ leave this field out")
@click.pass_context
def quarantine_release(
    context: click.Context,
    /,
    change: str,
    reason: str,
    by: str,
    over: tuple[str, ...],
    leave: tuple[str, ...],
) -> None:
    """Release."""
    from server.office import writing

    state = state_of(context)
    with writing(state.settings) as desk:
        done = decided(
            desk,
            "release",
            {
                "dot": change,
                "officer": by,
                "reason": reason,
                "over": list(over),
                "leave": list(leave),
            },
        )
    state.say("已放行到记录 {record} ‖ Released into record {record}", record=done[0])
