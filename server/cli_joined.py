# SPDX-License-Identifier: Apache-2.0
"""What ``doorstep audit`` shows and decides of conflicts that joins of households made.

What lives here: their list, one in full, the way to a decision. What must not: finding them
(``joined_audit.py``), deciding (``joined_deciding.py``). Invariant: what is shown is what a
decision is made on: its digest goes back with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from server.cli_words import State

if TYPE_CHECKING:
    from server.audit import Filter, Names
    from server.joined_audit import JoinedConflict
    from server.office import Desk
    from sync.schema import Schema


class ConflictName(click.ParamType[int | str]):
    """A conflict's number, or HOUSEHOLD/FIELD of one that a join of households made."""

    name = "number"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | str:
        """The number or the name."""
        text = str(value)
        if text.isdecimal():
            return int(text)
        home, _, field = text.rpartition("/")
        if not (home and field):
            self.fail("编号，或 户/字段 ‖ a number, or HOUSEHOLD/FIELD", param, ctx)
        return text


def print_joined(state: State, desk: Desk, tx: Any, asked: Filter, limit: int) -> list[str]:
    """The list of a filter, newest first, with true counts; the households that it showed."""
    from server.audit import Names
    from server.audit_words import STATE_WORDS, field_words, moment
    from server.joined_audit import counts_of, in_state, joined_conflicts
    from server.words import pick

    names, lang = Names(tx), state.lang
    every = joined_conflicts(tx, desk.schema, asked._replace(state="all"), names)
    found = [one for one in every if in_state(one, asked.state)]
    rows = []
    for one in found[:limit]:
        rows.append(
            (
                one.name,
                pick(STATE_WORDS.get(one.state, one.state), lang),
                moment(one.opened_at_ms, lang),
                field_words(desk.schema, "household", one.field, lang),
                " | ".join(_value(desk.schema, one, side.value, lang) for side in one.sides),
                " | ".join(names.worker(side.worker) for side in one.sides),
                " ".join(f"{join.away} → {join.into}" for join in one.joins),
            )
        )
    heads = [
        "名称 ‖ name",
        "状态 ‖ state",
        "发现时间 ‖ since",
        "字段 ‖ field",
        "各值 ‖ values",
        "写入者 ‖ writers",
        "并户 ‖ joined",
    ]
    state.table(heads, rows)
    counts = counts_of(every)
    told = [f"{pick(STATE_WORDS[s], lang)} {n}" for s, n in sorted(counts.items())]
    state.say(
        "因并户而来的共 {total} 个；{counts} ‖ {total} made by joins in all; {counts}",
        total=len(found),
        counts=("，" if lang == "zh" else ", ").join(told),
    )
    return [one.home for one in found[:limit]]


def _value(schema: Schema, one: JoinedConflict, value: Any, lang: str) -> str:
    from server.audit_words import value_words

    return value_words(schema, "household", one.field, value, lang)


def show_joined(state: State, desk: Desk, tx: Any, name: str) -> list[str]:
    """One in full; the households that it showed."""
    from server.audit import Names
    from server.audit_words import POLICY_WORDS, STATE_WORDS, field_words, moment
    from server.joined_audit import joined_conflict
    from server.words import pick

    found, names, lang = joined_conflict(tx, desk.schema, name), Names(tx), state.lang
    state.say(
        "冲突 {name}：{field} [{state}]；规则：{rule} ‖ "
        "Conflict {name}: {field} [{state}]; rule: {rule}",
        name=found.name,
        field=field_words(desk.schema, "household", found.field, lang),
        state=pick(STATE_WORDS.get(found.state, found.state), lang),
        rule=pick(POLICY_WORDS.get(found.policy, found.policy), lang),
    )
    for join in found.joins:
        state.say(
            "{who} 于 {at} 把 {away} 并入 {into}：“{reason}” ‖ "
            "{who} joined {away} into {into} on {at}: “{reason}”",
            who=names.worker(join.worker),
            at=moment(join.at_ms, lang),
            away=join.away,
            into=join.into,
            reason=join.reason,
        )
    state.table(
        [
            "",
            "值 ‖ value",
            "写入者 ‖ writer",
            "平板 ‖ tablet",
            "写在哪一户 ‖ written on",
            "收到 ‖ received",
        ],
        [
            (
                str(n),
                _value(desk.schema, found, side.value, lang),
                names.worker(side.worker),
                names.tablet(side.dot[:16]) or "-",
                side.record,
                moment(side.at_ms, lang),
            )
            for n, side in enumerate(found.sides, 1)
        ],
    )
    _print_decisions(state, desk, found, names)
    state.say("查看摘要 --seen {seen} ‖ digest --seen {seen}", seen=found.seen)
    return [found.home, *(join.away for join in found.joins)]


def _print_decisions(state: State, desk: Desk, found: JoinedConflict, names: Names) -> None:
    from server.audit_words import moment

    settled = (
        "{who} 于 {at} 裁定为“{value}”：“{reason}” ‖ "
        "{who} settled it as “{value}” on {at}: “{reason}”"
    )
    undone = (
        "{who} 于 {at} 撤销，恢复为“{value}”：“{reason}” ‖ "
        "{who} undid that on {at}, “{value}” is set back: “{reason}”"
    )
    for done, text in ((found.settled, settled), (found.undone, undone)):
        if done is not None:
            state.say(
                text,
                who=names.worker(done.worker),
                at=moment(done.at_ms, state.lang),
                value=_value(desk.schema, found, done.value, state.lang),
                reason=done.reason,
            )


def _arguments(desk: Desk, tx: Any, name: str, choose: str | None, value: str | None) -> Any:
    """What settles one: the digest of what is held, and the value; or the digest alone."""
    from server.joined_audit import joined_conflict
    from sync.labels import value_of

    found = joined_conflict(tx, desk.schema, name)
    arguments: dict[str, Any] = {"name": name, "seen": found.seen}
    if choose is not None:
        number = int(choose) if choose.isdecimal() and len(choose) < 4 else 0
        listed = 1 <= number <= len(found.sides)
        arguments["choice"] = found.sides[number - 1].dot.hex() if listed else choose
    elif value is not None:
        arguments["value"] = value_of(desk.schema.field("household", found.field), value)
    return arguments


def decide_joined(
    state: State,
    desk: Desk,
    what: str,
    name: str,
    said: tuple[str, str, str],
    choose: str | None = None,
    value: str | None = None,
) -> None:
    """Settle or undo one that a join of households made; ``said``: officer, reason, digest."""
    from server.audit_words import value_words
    from server.cli_audit import decided

    by, reason, seen = said
    with desk.store.read() as tx:
        arguments = _arguments(desk, tx, name, choose, value)
    arguments |= {"officer": by, "reason": reason, "seen": seen or arguments["seen"]}
    home, field, kept = decided(desk, what, arguments)
    state.say(
        "户 {home} 及并入的各户现为“{value}”（裁定人 {by}）；各平板下次同步时收到 ‖ "
        "Household {home} and what was joined into it: “{value}” now, by {by}; tablets get it at"
        " their next sync",
        home=home,
        value=value_words(desk.schema, "household", field, kept, state.lang),
        by=by,
    )
