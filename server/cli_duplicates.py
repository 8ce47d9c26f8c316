# SPDX-License-Identifier: Apache-2.0
"""``doorstep duplicates`` and ``doorstep repair``: households entered twice, links that broke.

What lives here: asking and showing. What must not: comparing (``duplicates.py``), the changes
(``joining.py``), finding broken links (``links.py``).
"""

from __future__ import annotations

import click

from server.cli_words import SpokenGroup, State, officer, option, spoken, state_of
from server.repair_words import REASON_WORDS, WRONG_WORDS

BY = option("--by", default=officer, show_default="account", text="经办人 ‖ the officer")
REASON = option("--reason", required=True, text="理由，写入记录 ‖ why; it stays in the record")


def add_to(main: click.Group) -> None:
    """Add these commands."""
    main.add_command(duplicates)
    main.add_command(repair)


@click.group("duplicates", cls=SpokenGroup, help="重复登记的户 ‖ Households entered twice.")
def duplicates() -> None:
    """Duplicates."""


def _saw(state: State, homes: list[str]) -> None:
    """Note in the access log what is about to be shown."""
    from server.log_access import note_seen
    from server.office import reading

    with reading(state.settings) as desk, desk.store.write() as tx:
        note_seen(tx, desk.now_ms, officer(), homes, "duplicates")


@spoken(duplicates, "list", "列出疑似重复的户及理由 ‖ List likely duplicates, and why.")
@option("--area", default="", text="区划代码前缀 ‖ prefix of an area's code")
@option("--limit", type=click.IntRange(1, 100_000), default=200, text="最多行数 ‖ most rows")
@click.pass_context
def duplicates_list(context: click.Context, /, area: str, limit: int) -> None:
    """List."""
    from server.duplicates import propose, read_entries
    from server.joining import joins_in
    from server.office import reading
    from server.words import pick

    state = state_of(context)
    with reading(state.settings) as desk, desk.store.read() as tx:
        entries = read_entries(tx, area)
        circles = joins_in(tx).circles
    for circle in circles:
        state.warn("互相并入：{homes} ‖ Joined in a circle: {homes}", homes=" ".join(circle))
    proposed = propose(entries)[:limit]
    _saw(state, [home for one in proposed for home in (one.first, one.second)])
    known = {entry.id: entry for entry in entries}
    rows = []
    for one in proposed:
        why = "; ".join(pick(REASON_WORDS[r.kind], state.lang) for r in one.reasons)
        homes = known[one.first], known[one.second]
        told = [f"{home.head} {home.address}" for home in homes]
        rows.append((one.first, one.second, f"{one.points:g}", *told, why))
    heads = [
        "户 ‖ household",
        "户 ‖ household",
        "分值 ‖ points",
        "一 ‖ one",
        "二 ‖ two",
        "理由 ‖ why",
    ]
    state.table(heads, rows)


@spoken(duplicates, "show", "并排查看两户 ‖ Show two households side by side.")
@click.argument("one")
@click.argument("two")
@click.pass_context
def duplicates_show(context: click.Context, /, one: str, two: str) -> None:
    """Show."""
    from server.audit_words import field_words, value_words
    from server.joining import both
    from server.office import reading

    state = state_of(context)
    with reading(state.settings) as desk, desk.store.read() as tx:
        found, schema, lang = both(tx, desk.schema, one, two), desk.schema, state.lang
    _saw(state, [one, two])

    def words(name: str, value: object) -> str:
        return value_words(schema, "household", name, value, lang)

    rows = []
    for name in {**found.one, **found.two}:
        shown = found.shown.get(name)
        told = words(name, shown.value) if shown else ""
        if shown and shown.conflict:
            told += " (" + " | ".join(words(name, s.value) for s in shown.siblings) + ")"
        label = field_words(schema, "household", name, lang)
        rows.append(
            (label, words(name, found.one.get(name)), words(name, found.two.get(name)), told)
        )
    state.table(["字段 ‖ field", one, two, "显示 ‖ shown"], rows)


@spoken(duplicates, "join", "把前一户并入后一户 ‖ Join the first household into the second.")
@click.argument("away")
@click.argument("into")
@REASON
@BY
@click.pass_context
def duplicates_join(context: click.Context, /, away: str, into: str, reason: str, by: str) -> None:
    """Join."""
    from server.joining import joining, share_teams
    from server.office import writing

    state = state_of(context)
    with writing(state.settings) as desk:
        with desk.store.read() as tx:
            writes = joining(tx, away, into)
        desk.writer.write_many(by, writes, reason)
        with desk.store.write() as tx:
            share_teams(tx, away, into, desk.now_ms)
    state.say("{away} 已并入 {into} ‖ {away} is read as {into} now", away=away, into=into)


@spoken(duplicates, "undo", "撤销并户 ‖ Take a join back.")
@click.argument("away")
@REASON
@BY
@click.pass_context
def duplicates_undo(context: click.Context, /, away: str, reason: str, by: str) -> None:
    """Undo."""
    from server.joining import parting
    from server.office import writing

    state = state_of(context)
    with writing(state.settings) as desk:
        with desk.store.read() as tx:
            writes = parting(tx, away)
        desk.writer.write_many(by, writes, reason)
    state.say("{away} 已恢复为单独一户 ‖ {away} is a household of its own again", away=away)


@spoken(duplicates, "apart", "确认是不同的两户 ‖ Say that two are different households.")
@click.argument("one")
@click.argument("two")
@REASON
@BY
@click.pass_context
def duplicates_apart(context: click.Context, /, one: str, two: str, reason: str, by: str) -> None:
    """Apart."""
    from server.joining import telling_apart
    from server.office import writing

    state = state_of(context)
    with writing(state.settings) as desk:
        with desk.store.read() as tx:
            writes = telling_apart(tx, one, two)
        desk.writer.write_many(by, writes, reason)
    state.say("不再提示这两户 ‖ These two are not proposed again")


@spoken(
    duplicates,
    "conflicts",
    "列出并户后互相不同的值 ‖ List values that differ because households were joined.",
)
@option("--area", default="", text="区划代码前缀 ‖ prefix of an area's code")
@click.pass_context
def duplicates_conflicts(context: click.Context, /, area: str) -> None:
    """Conflicts."""
    from server.audit import Names
    from server.audit_words import POLICY_WORDS, field_words, moment, value_words
    from server.joined_conflicts import late_in
    from server.office import reading
    from server.words import pick

    state = state_of(context)
    with reading(state.settings) as desk, desk.store.read() as tx:
        found, schema, names, lang = (
            late_in(tx, desk.schema, area),
            desk.schema,
            Names(tx),
            state.lang,
        )
    rows = [
        (
            one.home,
            one.field,
            field_words(schema, "household", one.field, lang),
            sibling.dot.hex(),
            value_words(schema, "household", one.field, sibling.value, lang),
            names.worker(sibling.worker),
            moment(sibling.stamp.ms, lang),
            pick(POLICY_WORDS.get(one.policy, one.policy), lang),
        )
        for one in found
        for sibling in one.siblings
    ]
    heads = [
        "户 ‖ household",
        "字段 ‖ field",
        "名称 ‖ name",
        "选择 ‖ choice",
        "值 ‖ value",
        "写入者 ‖ writer",
        "时间 ‖ time",
        "规则 ‖ rule",
    ]
    state.table(heads, rows)


@spoken(
    duplicates,
    "settle",
    "选定并户后的一个值 ‖ Settle a value of joined households by one of those listed.",
)
@click.argument("home")
@click.argument("field")
@click.argument("choice")
@REASON
@BY
@click.pass_context
def duplicates_settle(
    context: click.Context, /, home: str, field: str, choice: str, reason: str, by: str
) -> None:
    """Settle."""
    from server.joined_conflicts import settling
    from server.office import writing

    state = state_of(context)
    with writing(state.settings) as desk:
        with desk.store.read() as tx:
            write = settling(tx, desk.schema, home, field, choice)
        desk.writer.write_many(by, [write], reason)
    state.say("已选定 ‖ Settled")


@click.group("repair", cls=SpokenGroup, help="待修复的引用 ‖ Links that need repair.")
def repair() -> None:
    """Repair."""


@spoken(repair, "list", "列出断开的引用 ‖ List references that lead nowhere any more.")
@option("--area", default="", text="区划代码前缀 ‖ prefix of an area's code")
@option("--limit", type=click.IntRange(1, 100_000), default=1_000, text="最多行数 ‖ most rows")
@click.pass_context
def repair_list(context: click.Context, /, area: str, limit: int) -> None:
    """List."""
    from server.audit_words import field_words
    from server.links import broken_in
    from server.office import reading
    from server.words import pick

    state = state_of(context)
    with reading(state.settings) as desk, desk.store.read() as tx:
        found, schema = broken_in(tx, desk.schema, area), desk.schema
    heads = ["户 ‖ household", "记录 ‖ record", "字段 ‖ field", "指向 ‖ refers to", "问题 ‖ wrong"]
    rows = [
        (
            one.home,
            one.record,
            field_words(schema, one.collection, one.field, state.lang),
            one.to,
            pick(WRONG_WORDS[one.wrong], state.lang),
        )
        for one in found[:limit]
    ]
    state.table(heads, rows)
