# SPDX-License-Identifier: Apache-2.0
"""``doorstep upstream, servers``: the server above this one, and those below it.

What lives here: asking and showing. What must not: the rules, which are in ``upstream``,
``enrolment`` and ``linking``.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from server.cli_devices import wait_for
from server.cli_words import BY, SpokenGroup, State, option, spoken, state_of, when

if TYPE_CHECKING:
    from server.district import District
    from server.linking import Met
    from server.uplinks import Link


def add_to(main: click.Group) -> None:
    """Add these commands."""
    main.add_command(upstream)
    main.add_command(servers)


@click.group(cls=SpokenGroup, help="上级服务器 ‖ The server above this one.")
def upstream() -> None:
    """The server above this one."""


@click.group(cls=SpokenGroup, help="下级服务器 ‖ The servers below this one.")
def servers() -> None:
    """The servers below this one."""


@spoken(upstream, "add", "登记到上级服务器 ‖ Enrol this server at its upstream.")
@click.argument("code")
@option("--address", default="", text="上级地址 host:port，手输码时必填 ‖ its host:port")
@option("--name", required=True, text="本服务器在上级显示的名称 ‖ this server's name there")
@BY
@click.pass_context
def add(context: click.Context, /, code: str, address: str, name: str, by: str) -> None:
    """Enrol by a ticket's text or a typed code."""
    from server.journal import note
    from server.office import reading, tell_server
    from server.upstream import join, keep_upstream, read_invitation, upstream_of

    state = state_of(context)

    def show(digits: str) -> None:
        state.say(
            "请与上级核对六位数字：{digits} ‖ Compare with the upstream: {digits}",
            digits=f"{digits[:3]} {digits[3:]}",
        )

    with reading(state.settings) as desk:
        new = join(desk.keys, read_invitation(code, address), name, show)
        with desk.store.write() as tx:
            keep_upstream(tx, desk.keys, new, desk.now_ms)
            link = upstream_of(tx)
            note(tx, desk.now_ms, by, "upstream-added", link.server.hex() if link else "", new.area)
    tell_server(state.settings)
    state.say(
        "已登记到上级，区划：{area}。服务运行时每隔一段时间自动交换 ‖ "
        "Enrolled at the upstream for area {area}; a running server exchanges by itself",
        area=new.area or "*",
    )


@spoken(upstream, "show", "显示上级及交换情况 ‖ Show the upstream and how the exchange stands.")
@click.pass_context
def show_upstream(context: click.Context, /) -> None:
    """Show."""
    from server.office import reading
    from server.uplinks import changes_after, standing
    from server.upstream import upstream_of

    state = state_of(context)
    with reading(state.settings) as desk, desk.store.read() as tx:
        link = upstream_of(tx)
        stands = standing(tx, link.server) if link else None
        waits = changes_after(tx, link.up_seq) if link else 0
    if link is None or stands is None:
        state.say("没有上级服务器 ‖ There is no upstream")
        return
    state.table(
        [
            "上级 ‖ upstream",
            "地址 ‖ addresses",
            "区划 ‖ area",
            "最近完成 ‖ last done",
            "最近尝试 ‖ last tried",
            "问题 ‖ trouble",
            "待发送 ‖ to be sent",
        ],
        [
            (
                link.server.hex()[:12],
                ", ".join(link.addresses),
                link.area or "*",
                when(stands.met_at_ms),
                when(stands.tried_at_ms),
                stands.code,
                waits,
            )
        ],
    )


@spoken(upstream, "remove", "解除上级；记录都保留 ‖ Give the upstream up; all records stay.")
@BY
@click.pass_context
def remove(context: click.Context, /, by: str) -> None:
    """Remove."""
    from server.journal import note
    from server.office import reading, tell_server
    from server.upstream import remove_upstream

    state = state_of(context)
    with reading(state.settings) as desk, desk.store.write() as tx:
        link = remove_upstream(tx)
        note(tx, desk.now_ms, by, "upstream-removed", link.server.hex(), link.area)
    tell_server(state.settings)
    state.say("已解除上级 {server} ‖ Gave up {server}", server=link.server.hex()[:12])


@spoken(upstream, "sync", "现在就与上级交换一次 ‖ Exchange with the upstream now.")
@click.pass_context
def sync(context: click.Context, /) -> None:
    """Exchange once; the server itself is to be stopped, since it exchanges by itself."""
    from server.app import opened_district
    from server.climbing import EXPECTED
    from server.errors import LinkDown
    from server.following import LOST, find_again
    from server.uplinks import note_try
    from server.upstream import need_upstream
    from sync.carry.standing import ask_standing

    state = state_of(context)
    with opened_district(state.settings) as (district, _):
        with district.store.read() as tx:
            link = need_upstream(tx)
        try:
            met = _exchange(district, link)
        except EXPECTED as error:
            if error.code not in LOST:
                raise
            again = find_again(district, ask_standing(link.addresses, LinkDown))
            if again is None:
                raise
            link = again
            met = _exchange(district, link)
        with district.store.write() as tx:
            note_try(tx, link.server, "", district.clock())
    state.say(
        "已交换：发出 {sent} 段，收到 {received} 段，更新 {records} 条 ‖ "
        "Exchanged: {sent} runs sent, {received} received, {records} changes applied",
        sent=met.sent,
        received=met.received,
        records=met.records,
    )


def _exchange(district: District, link: Link) -> Met:
    from server.climbing import line_statements
    from server.line import ServerLine
    from server.linking import Linking

    known = line_statements(district, link)
    line = ServerLine(link.addresses, link.pin, district.key, link.server, known)
    with closing(line):
        return Linking(district, link.server).run(line)


@spoken(servers, "enrol", "为下级服务器出登记票 ‖ Make a ticket for a server below this one.")
@option("--area", required=True, text="下级的区划代码；* 为全部 ‖ its area code; * for all")
@option("--png", type=click.Path(dir_okay=False, path_type=Path), text="另存二维码 ‖ QR as PNG")
@option("--yes", is_flag=True, text="不核对，直接确认（供脚本）‖ confirm unseen, for scripts")
@option("--no-wait", is_flag=True, text="出票后即返回，需 --yes ‖ return at once; needs --yes")
@option("--plain", is_flag=True, text="只打印票文和手输码 ‖ print ticket and typed code only")
@BY
@click.pass_context
def enrol(
    context: click.Context,
    /,
    area: str,
    png: Path | None,
    yes: bool,
    no_wait: bool,
    plain: bool,
    by: str,
) -> None:
    """Make a ticket, wait for the server, compare, confirm."""
    from crypto.ticket import encode_ticket, typed_code
    from server.drawing import terminal_code, write_png
    from server.enrolment import make_server_ticket
    from server.office import reading
    from server.serving_address import port_in_use
    from server.setup import ticket_addresses

    state = state_of(context)
    if no_wait and not yes:
        raise click.UsageError("--no-wait: --yes")
    if area != "*" and not area.isdigit():
        raise click.UsageError("--area")
    with reading(state.settings) as desk:
        addresses = ticket_addresses(state.settings, port_in_use(state.settings))
        life_ms = state.settings.ticket_minutes * 60_000
        pin, named = desk.keys.tls.tls_pin, "" if area == "*" else area
        with desk.store.write() as tx:
            ticket, name = make_server_ticket(
                tx, named, addresses, pin, desk.now_ms, life_ms, by, yes
            )
        text = encode_ticket(ticket)
        if png:
            write_png(text, png)
        if not plain:
            state.out.print(terminal_code(text), markup=False)
        state.out.print(text, markup=False)
        state.out.print(typed_code(ticket.secret), markup=False)
        if not no_wait:
            wait_for(state, desk, name, by)


@spoken(servers, "list", "列出下级服务器 ‖ List the servers below.")
@click.pass_context
def list_servers(context: click.Context, /) -> None:
    """List."""
    from server.office import reading
    from server.tiers import servers_below

    state = state_of(context)
    with reading(state.settings) as desk, desk.store.read() as tx:
        found = servers_below(tx)
    _table(state, found)


def _table(state: State, found: list[tuple[str, str, str, str, int, int | None]]) -> None:
    from server.words import pick

    words = {"active": "在用 ‖ active", "revoked": "已吊销 ‖ revoked"}
    state.table(
        [
            "服务器 ‖ server",
            "名称 ‖ name",
            "区划 ‖ area",
            "状态 ‖ state",
            "登记 ‖ enrolled",
            "最近联系 ‖ last contact",
        ],
        [
            (
                server[:12],
                name,
                area or "*",
                pick(words.get(is_, is_), state.lang),
                when(since),
                when(met),
            )
            for server, name, area, is_, since, met in found
        ],
    )
