# SPDX-License-Identifier: Apache-2.0
"""``doorstep access``: who read what, by officer or by household.

What lives here: asking and showing. What must not: counting (``log_access.py``). Invariant: asking
is itself a line of the journal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from server.cli_words import BY, option, spoken, state_of, when

if TYPE_CHECKING:
    from server.log_access import Count

DAY_MS = 24 * 3_600_000


def add_to(main: click.Group) -> None:
    """Add the command."""
    main.add_command(access)


@spoken(
    click.Group(),
    "access",
    "谁查阅了什么，按人员或按户；异常的标出 ‖ "
    "Who read what, by officer or household; what is unusual stands out.",
)
@option("--officer", "by_whom", is_flag=True, text="按人员（默认） ‖ by officer (the default)")
@option("--household", "by_home", is_flag=True, text="按户 ‖ by household")
@option("--days", type=click.IntRange(1, 3_650), default=30, text="最近几天 ‖ of the last days")
@BY
@click.pass_context
def access(context: click.Context, /, by_whom: bool, by_home: bool, days: int, by: str) -> None:
    """Report."""
    from server.journal import note
    from server.log_access import (
        HOMES_PER_HOUR_MAX,
        HOMES_PER_NIGHT_MAX,
        READERS_PER_WEEK_MAX,
        by_household,
        by_officer,
    )
    from server.office import reading

    if by_whom and by_home:
        raise click.UsageError("--officer --household")
    state = state_of(context)
    with reading(state.settings) as desk:
        since_ms = desk.now_ms - days * DAY_MS
        with desk.store.write() as tx:
            note(tx, desk.now_ms, by, "access-report", "household" if by_home else "officer", "")
            found = by_household(tx, since_ms) if by_home else by_officer(tx, since_ms)
    if by_home:
        columns = [
            "户 ‖ household",
            "查阅次数 ‖ readings",
            "人数 ‖ readers",
            "最近 ‖ last",
            "异常 ‖ unusual",
        ]
        state.table(
            columns,
            [
                (c.name, c.lines, c.readers, when(c.last_ms), f"! {c.week}" if c.unusual else "")
                for c in found
            ],
        )
        state.say(
            "标准：七天内超过 {most} 人查阅。 ‖ The rule: more than {most} readers in seven days.",
            most=READERS_PER_WEEK_MAX,
        )
        return
    state.table(
        [
            "人员 ‖ officer",
            "查阅次数 ‖ readings",
            "户数 ‖ households",
            "最近 ‖ last",
            "一小时内最多户数 ‖ most in an hour",
            "异常 ‖ unusual",
        ],
        [
            (
                c.name,
                c.lines,
                c.homes,
                when(c.last_ms),
                c.most,
                _why(c),
            )
            for c in found
        ],
    )
    state.say(
        "标准：一小时内查阅超过 {most} 户，或一夜（23 至 6 时）超过 {night} 户，"
        "本人负责的冲突所在户不计；或取走全部副本（*）。平板上的查阅一并计入。 ‖ "
        "The rules: more than {most} households in one hour, or more than {night} in one night"
        " (23 to 6), not counting those with a conflict in one's own care; or a copy of"
        " everything (*). Reading on tablets counts.",
        most=HOMES_PER_HOUR_MAX,
        night=HOMES_PER_NIGHT_MAX,
    )


def _why(count: Count) -> str:
    """What is unusual about a reader: the hour, the night, copies of everything."""
    from server.log_access import HOMES_PER_HOUR_MAX, HOMES_PER_NIGHT_MAX

    out = [f"! {when(count.at_ms)}"] if count.most > HOMES_PER_HOUR_MAX else []
    out += [f"! 23–6: {count.night}"] if count.night > HOMES_PER_NIGHT_MAX else []
    out += [f"! *: {count.every}"] if count.every else []
    return " ".join(out)
