# SPDX-License-Identifier: Apache-2.0
"""``doorstep approvals``: what one person may not do alone, asked for and answered at the machine.

What must not live here: the rule (``approvals``). Invariant: who answers types a password and a
code of their own account; neither is an argument, which others could read.
"""

from __future__ import annotations

import click

from server.cli_words import BY, SpokenGroup, option, spoken, state_of, when

KINDS = ("export", "wipe", "root", "hold-release")
"""As ``approvals.KINDS``, which is imported only when a command runs."""


@click.group(
    "approvals",
    cls=SpokenGroup,
    help="双人审批：一个人不能单独办的事 ‖ The rule of two: what one person may not do alone.",
)
def approvals() -> None:
    """Approvals."""


def add_to(main: click.Group) -> None:
    """Add these commands."""
    main.add_command(approvals)


@spoken(approvals, "ask", "申请由另一人批准 ‖ Ask for another person's yes.")
@click.argument("kind", type=click.Choice(KINDS))
@option("--target", default="", text="对象 ‖ of what")
@option("--reason", required=True, text="理由 ‖ reason")
@BY
@click.pass_context
def approvals_ask(context: click.Context, /, kind: str, target: str, reason: str, by: str) -> None:
    """Ask."""
    from server.approvals import ask
    from server.office import reading

    state = state_of(context)
    with reading(state.settings) as desk, desk.store.write() as tx:
        asked = ask(tx, kind, target, by, reason, desk.now_ms)
    state.say(
        "申请编号 {n}。请另一位有审核权的人在“双人审批”页或用 doorstep approvals answer {n} 批复 ‖ "
        "Request {n}. Let another with the right to decide answer on the page Approvals or by"
        " doorstep approvals answer {n}",
        n=asked.n,
    )


@spoken(approvals, "answer", "批复另一人的申请 ‖ Answer another person's request.")
@click.argument("number", type=click.IntRange(1))
@option("--account", required=True, text="批复人的控制台账号 ‖ the answerer's account")
@option("--no", "refused", is_flag=True, text="不批准 ‖ refuse")
@click.pass_context
def approvals_answer(context: click.Context, /, number: int, account: str, refused: bool) -> None:
    """Answer."""
    from server.approvals import answer, prove
    from server.office import reading
    from server.words import pick

    state = state_of(context)
    password = click.prompt(pick("密码 ‖ Password", state.lang), hide_input=True, err=True)
    code = click.prompt(pick("动态验证码 ‖ Code", state.lang), hide_input=True, err=True)
    with reading(state.settings) as desk:
        # A code that was shown is spent, whatever comes of the answer.
        with desk.store.write() as tx:
            prove(tx, account, password, code, desk.now_ms)
        with desk.store.write() as tx:
            done = answer(tx, number, account, not refused, desk.now_ms)
    state.say(
        "申请 {n} 已批准，24 小时内有效 ‖ Request {n} is approved, for 24 hours"
        if not refused
        else "申请 {n} 未批准 ‖ Request {n} is refused",
        n=done.n,
    )


@spoken(approvals, "list", "列出申请 ‖ List the requests.")
@click.pass_context
def approvals_list(context: click.Context, /) -> None:
    """List."""
    from server.approvals import KINDS as WORDS
    from server.approvals import approvals as newest
    from server.office import reading
    from server.web.approvals import STATE_NAMES
    from server.words import pick

    state = state_of(context)
    with reading(state.settings) as desk, desk.store.read() as tx:
        found = newest(tx)
    state.table(
        [
            "编号 ‖ number",
            "事项 ‖ what",
            "对象 ‖ target",
            "申请人 ‖ asked by",
            "理由 ‖ reason",
            "状态 ‖ state",
            "批复人 ‖ answered by",
            "时间 ‖ when",
        ],
        [
            (
                one.n,
                pick(WORDS[one.kind], state.lang),
                one.target,
                one.asked_by,
                one.reason,
                pick(STATE_NAMES[one.state], state.lang),
                one.answered_by,
                when(one.answered_at_ms or one.asked_at_ms),
            )
            for one in found
        ],
    )
