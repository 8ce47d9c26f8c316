# SPDX-License-Identifier: Apache-2.0
"""``doorstep enrol, devices, revoke``: tablets.

What lives here: asking and showing. What must not: the rules, which are in ``enrolment`` and
``devices``.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from server.cli_words import BY, State, option, spoken, state_of, when

ASK_EVERY_S = 0.2


def add_to(main: click.Group) -> None:
    """Add these commands."""
    for command in (enrol, devices, revoke):
        main.add_command(command)


_group = click.Group()


@spoken(
    _group,
    "enrol",
    "登记一台平板：显示二维码，核对六位数字后确认 ‖ Enrol a tablet: QR code, six digits, your yes.",
)
@option("--team", required=True, text="平板所属小组 ‖ team of the tablet")
@option(
    "--png", type=click.Path(dir_okay=False, path_type=Path), text="另存二维码 ‖ QR code as PNG"
)
@option("--yes", is_flag=True, text="不核对，直接确认（供脚本）‖ confirm unseen, for scripts")
@option("--no-wait", is_flag=True, text="出票后即返回，需 --yes ‖ return at once; needs --yes")
@option("--plain", is_flag=True, text="只打印票文和手输码 ‖ print ticket and typed code only")
@BY
@click.pass_context
def enrol(
    context: click.Context,
    /,
    team: str,
    png: Path | None,
    yes: bool,
    no_wait: bool,
    plain: bool,
    by: str,
) -> None:
    """Make a ticket, wait for the tablet, compare, confirm."""
    from crypto.ticket import encode_ticket, typed_code
    from server.drawing import terminal_code, write_png
    from server.enrolment import make_ticket
    from server.office import reading
    from server.serving_address import port_in_use
    from server.setup import ticket_addresses

    state = state_of(context)
    if no_wait and not yes:
        raise click.UsageError("--no-wait: --yes")
    with reading(state.settings) as desk:
        addresses = ticket_addresses(state.settings, port_in_use(state.settings))
        life_ms = state.settings.ticket_minutes * 60_000
        with desk.store.write() as tx:
            ticket, name = make_ticket(
                tx, team, addresses, desk.keys.tls.tls_pin, desk.now_ms, life_ms, by, yes
            )
        text = encode_ticket(ticket)
        if png:
            write_png(text, png)
        if plain:
            state.out.print(text, markup=False)
            state.out.print(typed_code(ticket.secret), markup=False)
        else:
            state.out.print(terminal_code(text), markup=False)
            state.say(
                "用平板扫码，或输入：{code}\n服务器地址：{at}\n{minutes} 分钟内有效，只能用一次"
                " ‖ Scan with the tablet, or type: {code}\nServer: {at}\n"
                "Good once, for {minutes} minutes.",
                code=typed_code(ticket.secret),
                at=", ".join(addresses),
                minutes=state.settings.ticket_minutes,
            )
        if not no_wait:
            wait_for(state, desk, name, by)


def wait_for(state: State, desk: Any, ticket: str, by: str) -> None:
    """Wait for the tablet; compare; confirm or refuse."""
    from server import enrolment
    from server.office import tell_server

    key = bytes.fromhex(ticket)
    until = desk.now_ms + state.settings.ticket_minutes * 60_000
    found = enrolment.look(desk.store, key)
    while found.state in (enrolment.OPEN, enrolment.BEGUN):
        if desk.now_ms > until:
            state.warn("登记票已过期，请重新生成 ‖ The ticket has expired; make a new one")
            raise SystemExit(1)
        time.sleep(ASK_EVERY_S)
        found = enrolment.look(desk.store, key)
    if found.state == enrolment.PROVED:
        state.say(
            "平板“{name}”显示的六位数字应为：{digits} ‖ Tablet “{name}” should show: {digits}",
            name=found.name,
            digits=f"{found.digits[:3]} {found.digits[3:]}",
        )
        agreed = click.confirm("一致吗？" if state.lang == "zh" else "Do they agree?")
        with desk.store.write() as tx:
            if agreed:
                enrolment.confirm(tx, desk.keys.sign, ticket, by, desk.now_ms)
            else:
                enrolment.refuse(tx, ticket, by, desk.now_ms)
        if not agreed:
            state.warn("已拒绝，此票作废 ‖ Refused; the ticket is void")
            raise SystemExit(1)
        found = enrolment.look(desk.store, key)
    if found.state != enrolment.DONE:
        state.warn(
            "登记未完成，此票作废，请重新生成 ‖ Not enrolled; the ticket is void: make a new one"
        )
        raise SystemExit(1)
    tell_server(state.settings)
    state.say("已登记：{device} ‖ Enrolled: {device}", device=found.device)


@spoken(_group, "devices", "列出平板 ‖ List the tablets.")
@click.pass_context
def devices(context: click.Context, /) -> None:
    """List."""
    from server.devices import devices as listed
    from server.office import reading

    state = state_of(context)
    with reading(state.settings) as desk, desk.store.read() as tx:
        found = listed(tx)
    words = {"active": "在用 ‖ active", "revoked": "已吊销 ‖ revoked"}
    from server.words import pick

    state.table(
        [
            "设备 ‖ device",
            "名称 ‖ name",
            "小组 ‖ team",
            "状态 ‖ state",
            "登记 ‖ enrolled",
            "最近联系 ‖ last contact",
            "时钟偏差(秒) ‖ clock off (s)",
            "用过的身份 ‖ keys it had",
            "复制自 ‖ copy of",
            "清除证明 ‖ proof of wipe",
        ],
        [
            (
                d.id[:12],
                d.name,
                d.team,
                pick(words.get(d.state, d.state), state.lang),
                when(d.enrolled_at_ms),
                when(d.last_contact_ms),
                None if d.offset_ms is None else round(d.offset_ms / 1000),
                d.replicas,
                d.copy_of[:12],
                when(d.wiped_at_ms),
            )
            for d in found
        ],
    )


@spoken(_group, "revoke", "吊销平板，并命令其清除 ‖ Revoke a tablet and order its wipe.")
@click.argument("device")
@option("--reason", default="", text="原因 ‖ reason")
@BY
@click.pass_context
def revoke(context: click.Context, /, device: str, reason: str, by: str) -> None:
    """Revoke."""
    from server.approvals import need_for_wipe
    from server.devices import find
    from server.devices import revoke as take_back
    from server.journal import note
    from server.office import reading, tell_server

    state = state_of(context)
    with reading(state.settings) as desk, desk.store.write() as tx:
        found = find(tx, device)
        need_for_wipe(tx, by, desk.now_ms)
        take_back(tx, desk.keys.sign, found, reason, desk.now_ms)
        note(tx, desk.now_ms, by, "device-revoked", found, reason)
    tell_server(state.settings)
    state.say(
        "已吊销 {device}。它再次联系时会收到清除指令；它未上传的内容进入隔离区 ‖ "
        "Revoked {device}. At its next contact it gets its wipe order; what it still uploads"
        " goes to quarantine",
        device=found,
    )
