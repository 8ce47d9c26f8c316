# SPDX-License-Identifier: Apache-2.0
"""``doorstep doctor`` and ``doorstep service``: looking after the server's machine.

What lives here: asking, showing, the exit code. What must not: checks (``doctor.py``), the unit's
text (``service_unit.py``).
"""

from __future__ import annotations

import click
import msgspec

from server.cli_words import EXIT_REFUSED, SpokenGroup, option, spoken, state_of

_group = click.Group()


def add_to(main: click.Group) -> None:
    """Add these commands."""
    main.add_command(doctor)
    main.add_command(service)


@spoken(
    _group,
    "doctor",
    "检查本机、密钥、存储与往来，说明问题与办法 ‖ Say what is wrong and what to do.",
)
@option("--json", "as_json", is_flag=True, text="以 JSON 输出 ‖ print JSON")
@option("--quick", is_flag=True, text="不逐页核验存储 ‖ do not read every page of the store")
@click.pass_context
def doctor(context: click.Context, /, as_json: bool, quick: bool) -> None:
    """Examine."""
    from server.doctor import examine
    from server.words import pick

    state = state_of(context)
    found = examine(state.settings, whole=not quick)
    fine = all(one.grade != "wrong" for one in found)
    if as_json:
        plain = [
            {
                "name": one.name,
                "grade": one.grade,
                "text": pick(one.text, state.lang),
                "advice": pick(one.advice, state.lang),
            }
            for one in found
        ]
        click.echo(msgspec.json.encode({"ok": fine, "checks": plain}).decode())
    else:
        marks = {"good": "✓", "warning": "!", "wrong": "✗"}
        for one in found:
            state.say(
                "{mark} {name}: {what}",
                mark=marks[one.grade],
                name=one.name,
                what=pick(one.text, state.lang),
            )
            if one.advice:
                state.say("    → {advice}", advice=pick(one.advice, state.lang))
    if not fine:
        context.exit(EXIT_REFUSED)


@click.group("service", cls=SpokenGroup, help="作为 systemd 服务运行 ‖ Run as a systemd service.")
def service() -> None:
    """The service."""


_USER = option("--user", default="", text="以哪个账户运行 ‖ account to run as")


@spoken(service, "unit", "打印 systemd 单元文件 ‖ Print the systemd unit.")
@_USER
@click.pass_context
def service_unit(context: click.Context, /, user: str) -> None:
    """Print."""
    from server.service_unit import unit_text

    click.echo(unit_text(state_of(context).settings, user), nl=False)


@spoken(service, "install", "安装并启动服务 ‖ Install the service and start it.")
@_USER
@click.pass_context
def service_install(context: click.Context, /, user: str) -> None:
    """Install."""
    from server.service_unit import install
    from server.settings import need_store

    state = state_of(context)
    path = install(need_store(state.settings), user)
    state.say("已安装并启动：{path} ‖ Installed and started: {path}", path=path)


@spoken(
    service, "uninstall", "停止并移除服务；数据与密钥都留下 ‖ Stop and remove it; all data stays."
)
@click.pass_context
def service_uninstall(context: click.Context, /) -> None:
    """Uninstall."""
    from server.service_unit import uninstall

    path = uninstall()
    state_of(context).say(
        "已移除 {path}；数据与密钥未动 ‖ Removed {path}; data and keys are untouched", path=path
    )
