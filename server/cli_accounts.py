# SPDX-License-Identifier: Apache-2.0
"""``doorstep accounts``: who may sign in to the console.

What lives here: asking and showing; the first administrator is made here, at the machine. What must
not: the rules, which are in ``accounts``.
"""

from __future__ import annotations

import click

from server.cli_words import BY, SpokenGroup, option, spoken, state_of

ROLES = ("officer", "auditor", "supervisor", "administrator", "security")
"""As ``accounts.RIGHTS``, which is imported only when a command runs."""


@click.group("accounts", cls=SpokenGroup, help="控制台账户 ‖ Accounts of the console.")
def accounts() -> None:
    """Accounts."""


def add_to(main: click.Group) -> None:
    """Add these commands."""
    main.add_command(accounts)


@spoken(accounts, "add", "新建账户，给出一次性密码 ‖ Add an account; prints a first password.")
@click.argument("account")
@click.argument("name")
@option("--role", type=click.Choice(ROLES), required=True, text="角色 ‖ role")
@option("--area", default="", text="辖区代码前缀，空为全部 ‖ prefix of area codes; empty: all")
@BY
@click.pass_context
def accounts_add(
    context: click.Context, /, account: str, name: str, role: str, area: str, by: str
) -> None:
    """Add."""
    from server.accounts import add_account, new_account
    from server.office import reading

    state = state_of(context)
    wanted = new_account(account, name, role, area, state.lang)
    with reading(state.settings) as desk, desk.store.write() as tx:
        first = add_account(tx, wanted, by, desk.now_ms)
    _say_first(context, account, first)


def _say_first(context: click.Context, account: str, first: str) -> None:
    state_of(context).say(
        "账户 {account} 的一次性密码：{first}\n首次登录时须另设密码，并绑定动态验证码 ‖ "
        "First password of {account}: {first}\nAt the first sign-in a password of one's own and a"
        " second factor are set up",
        account=account,
        first=first,
    )


@spoken(accounts, "list", "列出账户 ‖ List the accounts.")
@click.pass_context
def accounts_list(context: click.Context, /) -> None:
    """List."""
    from server.accounts import ROLE_WORDS, accounts_in
    from server.audit_words import moment
    from server.office import reading
    from server.words import pick

    state = state_of(context)
    with reading(state.settings) as desk, desk.store.read() as tx:
        found = accounts_in(tx, "")
    states = {"active": "在用 ‖ active", "closed": "已停用 ‖ closed"}
    state.table(
        [
            "账号 ‖ account",
            "姓名 ‖ name",
            "角色 ‖ role",
            "辖区 ‖ area",
            "状态 ‖ state",
            "登录 ‖ seen",
        ],
        [
            (
                one.id,
                one.name,
                pick(ROLE_WORDS[one.role], state.lang),
                one.area,
                pick(states[one.state], state.lang),
                moment(one.seen_at_ms, state.lang) if one.seen_at_ms else "",
            )
            for one in found
        ],
    )


@spoken(accounts, "reset", "重设密码与验证码 ‖ A new first password; second factor anew.")
@click.argument("account")
@BY
@click.pass_context
def accounts_reset(context: click.Context, /, account: str, by: str) -> None:
    """Reset."""
    from server.accounts import reset_account
    from server.office import reading

    state = state_of(context)
    with reading(state.settings) as desk, desk.store.write() as tx:
        first = reset_account(tx, account, by, desk.now_ms)
    _say_first(context, account, first)


@spoken(accounts, "close", "停用账户，结束其登录 ‖ Close an account and end its sessions.")
@click.argument("account")
@BY
@click.pass_context
def accounts_close(context: click.Context, /, account: str, by: str) -> None:
    """Close."""
    from server.accounts import CLOSED, change_account, find_account
    from server.errors import NotFound
    from server.office import reading

    state = state_of(context)
    with reading(state.settings) as desk, desk.store.write() as tx:
        known = find_account(tx, account)
        if known is None:
            raise NotFound("account")
        change_account(tx, account, known.role, known.area, CLOSED, by, desk.now_ms)
    state.say("账户 {account} 已停用 ‖ Account {account} is closed", account=account)
