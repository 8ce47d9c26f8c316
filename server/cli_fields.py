# SPDX-License-Identifier: Apache-2.0
"""``doorstep fields``: who may read which class of sealed fields.

What lives here: asking and showing. What must not: the rules, which are in ``field_readers`` and
``field_handing``.
"""

from __future__ import annotations

import click

from server.cli_words import BY, SpokenGroup, option, spoken, state_of, when
from server.words import pick

TEAM = option("--team", text="小组编号 ‖ id of a team")
OFFICER = option("--officer", text="管理界面账户 ‖ account of the console")
_WHOSE = {"team": "小组 ‖ team", "officer": "账户 ‖ account"}


def add_to(main: click.Group) -> None:
    """Add these commands."""
    main.add_command(fields)


@click.group("fields", cls=SpokenGroup, help="封存字段 ‖ Sealed fields.")
def fields() -> None:
    """Sealed fields."""


@spoken(
    fields, "list", "列出封存字段的类别和获准阅读者 ‖ List classes of sealed fields, and who reads."
)
@click.pass_context
def fields_list(context: click.Context, /) -> None:
    """List."""
    from server.field_readers import allowed, classes_of
    from server.office import reading
    from sync.labels import heading

    state = state_of(context)
    with reading(state.settings) as desk, desk.store.read() as tx:
        rows = allowed(tx)
        schema = desk.schema
    for readers in classes_of(schema):
        named = [
            f"{one.label.text(state.lang)}·{heading(one, name, state.lang)}"
            for one in schema.collections.values()
            for name, field in one.fields.items()
            if field.reader_class == readers
        ]
        state.say(
            "{readers}：{fields} ‖ {readers}: {fields}", readers=readers, fields="、".join(named)
        )
    heads = ["类别 ‖ class", "谁 ‖ who", "编号 ‖ id"]
    state.table(heads, [(which, pick(_WHOSE[kind], state.lang), who) for kind, who, which in rows])


@spoken(fields, "allow", "准许小组或账户阅读一类封存字段 ‖ Let a team or an account read a class.")
@click.argument("readers")
@TEAM
@OFFICER
@BY
@click.pass_context
def fields_allow(
    context: click.Context, /, readers: str, team: str | None, officer: str | None, by: str
) -> None:
    """Allow."""
    from server.field_readers import allow_officer, allow_team
    from server.office import reading

    state = state_of(context)
    _one_of(team, officer)
    with reading(state.settings) as desk, desk.store.write() as tx:
        if team:
            allow_team(tx, desk.schema, team, readers, by, desk.now_ms)
        else:
            allow_officer(tx, desk.schema, officer or "", readers, by, desk.now_ms)
    state.say("已准许；平板在下次同步时得到密钥 ‖ Allowed; tablets get the keys at their next sync")


@spoken(fields, "withdraw", "收回一类封存字段的阅读权 ‖ Take a class from a team or an account.")
@click.argument("readers")
@TEAM
@OFFICER
@BY
@click.pass_context
def fields_withdraw(
    context: click.Context, /, readers: str, team: str | None, officer: str | None, by: str
) -> None:
    """Withdraw."""
    from server.errors import NotFound
    from server.field_readers import withdraw_officer, withdraw_team
    from server.office import reading

    state = state_of(context)
    _one_of(team, officer)
    with reading(state.settings) as desk, desk.store.write() as tx:
        take, who = (withdraw_team, team) if team else (withdraw_officer, officer)
        if not take(tx, who or "", readers, by, desk.now_ms):
            raise NotFound("it was not allowed")
    state.say(
        "已收回；今后写入的内容改用新密钥 ‖ Withdrawn; what is written from now on has new keys"
    )


@spoken(
    fields,
    "asked",
    "列出请求本机密钥的其他服务器（住户迁往该处）‖ List servers that ask for keys of households"
    " that moved to them.",
)
@click.pass_context
def fields_asked(context: click.Context, /) -> None:
    """List askers."""
    from server.field_handing import askers
    from server.office import reading
    from server.trust import Trust

    state = state_of(context)
    with reading(state.settings) as desk, desk.store.read() as tx:
        roots = desk.keys.roots
        trust = Trust(roots.present.public, [root.public for root in roots.keys[:-1]])
        trust.load(tx)
        found = askers(tx, trust)
    own = trust.me.hex()
    state.say("本服务器：{own} ‖ This server: {own}", own=own)
    heads = [
        "服务器 ‖ server",
        "名称 ‖ name",
        "区划 ‖ area",
        "准许 ‖ allowed",
        "待给 ‖ due",
        "已给 ‖ given",
        "请求 ‖ asked",
    ]
    state.table(
        heads,
        [(a.server, a.name, a.area, when(a.allowed_at_ms), a.due, a.given, a.asked) for a in found],
    )


@spoken(
    fields,
    "give",
    "准许一台服务器取得迁往该处住户的密钥 ‖ Let a server have the keys of households that move"
    " to it.",
)
@click.argument("server")
@BY
@click.pass_context
def fields_give(context: click.Context, /, server: str, by: str) -> None:
    """Allow a server."""
    from server.field_handing import allow_server
    from server.office import reading

    state = state_of(context)
    with reading(state.settings) as desk, desk.store.write() as tx:
        allow_server(tx, server, by, desk.now_ms)
    state.say(
        "已准许；密钥随下次与上级的交换送出 ‖ Allowed; keys go with the next exchange upwards"
    )


@spoken(
    fields,
    "keep",
    "不再给一台服务器新的密钥 ‖ Give a server no further keys.",
)
@click.argument("server")
@BY
@click.pass_context
def fields_keep(context: click.Context, /, server: str, by: str) -> None:
    """Take the leave back."""
    from server.field_handing import withdraw_server
    from server.office import reading

    state = state_of(context)
    with reading(state.settings) as desk, desk.store.write() as tx:
        withdraw_server(tx, server, by, desk.now_ms)
    state.say("已收回；已给出的密钥无法追回 ‖ Withdrawn; what was given cannot be taken back")


def _one_of(team: str | None, officer: str | None) -> None:
    if bool(team) == bool(officer):
        raise click.UsageError("--team / --officer")
