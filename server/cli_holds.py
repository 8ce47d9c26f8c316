# SPDX-License-Identifier: Apache-2.0
"""``doorstep hold, retention``: what is kept from erasure, and what is due for it.

What lives here: asking and showing. What must not: the rules (``erasing_plan.py``,
``retention.py``).
"""

from __future__ import annotations

import click

from server.cli_words import BY, SpokenGroup, option, spoken, state_of, when

_WHY = option("--reason", required=True, text="理由，写入日志 ‖ reason; goes into the journal")


def add_to(main: click.Group) -> None:
    """Add these commands."""
    for command in (hold, retention):
        main.add_command(command)


@click.group("hold", cls=SpokenGroup, help="依法保全 ‖ Legal holds.")
def hold() -> None:
    """Legal holds."""


@spoken(hold, "add", "保全一条记录或一户：不得删除 ‖ Keep a record or household from erasure.")
@click.argument("target")
@_WHY
@BY
@click.pass_context
def hold_add(context: click.Context, /, target: str, reason: str, by: str) -> None:
    """Add."""
    from server.erasing_plan import add_hold
    from server.office import reading

    state = state_of(context)
    with reading(state.settings) as desk, desk.store.write() as tx:
        n = add_hold(tx, target, reason, by, desk.now_ms)
    state.say("已保全，编号 {n} ‖ Held, number {n}", n=n)


@spoken(hold, "release", "解除保全 ‖ Release a hold.")
@click.argument("number", type=int)
@_WHY
@BY
@click.pass_context
def hold_release(context: click.Context, /, number: int, reason: str, by: str) -> None:
    """Release."""
    from server.approvals import HOLD, need
    from server.erasing_plan import release_hold
    from server.office import reading

    state = state_of(context)
    with reading(state.settings) as desk, desk.store.write() as tx:
        need(tx, HOLD, str(number), by, desk.now_ms)
        release_hold(tx, number, reason, by, desk.now_ms)
    state.say("已解除 ‖ Released")


@spoken(hold, "list", "列出保全 ‖ List holds.")
@click.pass_context
def hold_list(context: click.Context, /) -> None:
    """List."""
    from server.erasing_plan import holds
    from server.office import reading

    state = state_of(context)
    with reading(state.settings) as desk, desk.store.read() as tx:
        found = holds(tx)
    state.table(
        ["编号 ‖ no", "对象 ‖ of", "理由 ‖ reason", "经办 ‖ by", "时间 ‖ when", "解除 ‖ released"],
        [(h.n, h.target, h.reason, h.who, when(h.at_ms), when(h.released_at_ms)) for h in found],
    )


@spoken(
    click.Group(),
    "retention",
    "保存期限：到期的记录；服务器每日自行删除 ‖ What is due for erasure; the server does it daily.",
)
@option("--records", "listed", is_flag=True, text="列出记录 ‖ list the records")
@click.pass_context
def retention(context: click.Context, /, listed: bool) -> None:
    """Dry run."""
    from server.office import reading
    from server.retention import due

    state = state_of(context)
    with reading(state.settings) as desk, desk.store.read() as tx:
        found = due(tx, desk.schema, desk.now_ms)
    state.table(
        ["种类 ‖ kind", "保存天数 ‖ days kept", "到期 ‖ due", "因保全保留 ‖ held"],
        [(one.collection, one.keep_days, len(one.records), one.held) for one in found],
    )
    if listed:
        for one in found:
            for record in one.records:
                state.say("{line} ‖ {line}", line=f"{one.collection} {record}")
