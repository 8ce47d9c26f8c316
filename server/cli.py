# SPDX-License-Identifier: Apache-2.0
"""``doorstep``: the command line of the district server.

What lives here: the root command with its flags, init and serve, and the list of the others. What
must not: what commands do; each family has its own ``cli_*.py``. Invariant: importing this stays
quick: the server's parts are imported when a command runs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from server import __version__
from server.cli_words import F, SpokenGroup, SpokenOption, State, option, spoken, state_of
from server.settings import ABOUT


def setting_option(name: str) -> Callable[[F], F]:
    """Decorator: the flag of a setting, named and explained as in the table of settings."""
    kind: Any = {
        "port": click.IntRange(0, 65_535),
        "lang": click.Choice(["zh", "en"]),
        "log_format": click.Choice(["json", "text"]),
        "log_level": click.Choice(["debug", "info", "warning", "error"]),
    }.get(name, str)
    flag = "--" + name.replace("_", "-")
    return click.option(
        flag,
        name,
        type=kind,
        default=None,
        cls=SpokenOption,
        help=ABOUT[name],
        is_eager=name == "lang",
    )


@click.group(
    cls=SpokenGroup,
    help="Doorstep 区服务器：离线走访的记录在此合并 ‖ The district server of Doorstep.",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@option("--config", default=None, text="TOML 配置文件 ‖ configuration file (TOML)")
@setting_option("data_dir")
@setting_option("key_dir")
@setting_option("lang")
@click.version_option(__version__, "--version", cls=SpokenOption, help="版本 ‖ the version")
@click.pass_context
def main(context: click.Context, /, config: str | None, **flags: Any) -> None:
    """The root; its options hold for every command."""
    context.obj = State(config, flags)


@spoken(
    main, "init", "建立新服务器：密钥、证书、空的加密存储 ‖ Make keys, certificate and a store."
)
@option(
    "--name",
    "names",
    multiple=True,
    text="证书中的主机名或地址，可多次 ‖ host name or address in the certificate; may repeat",
)
@click.pass_context
def init(context: click.Context, /, names: tuple[str, ...]) -> None:
    """Make a new server."""
    from server.setup import init_server

    state = state_of(context)
    keys = init_server(state.settings, names)
    state.say(
        "已建立服务器 {replica}。\n存储：{store}\n密钥：{keys}"
        "（请离线另存一份：没有它，备份也打不开）\n"
        "下一步：doorstep areas import、teams add、workers add，然后 doorstep serve ‖ "
        "Made server {replica}.\nStore: {store}\nKeys: {keys} (keep an offline copy: without"
        " them no backup opens)\n"
        "Next: doorstep areas import, teams add, workers add, then doorstep serve",
        replica=keys.sign.replica.hex(),
        store=state.settings.store_dsn or state.settings.store_path,
        keys=state.settings.keys,
    )


@spoken(main, "serve", "运行服务器，直到收到停止信号 ‖ Run the server until a signal stops it.")
@setting_option("host")
@setting_option("port")
@setting_option("log_format")
@setting_option("log_level")
@click.pass_context
def serve(context: click.Context, /, **flags: Any) -> None:
    """Serve."""
    from server.serving import Serving
    from server.serving import serve as run

    state = state_of(context)
    state.add_flags(flags)

    def told(serving: Serving) -> None:
        state.warn(
            "正在监听 https://{host}:{port} ，按 Ctrl-C 停止 ‖ "
            "Listening on https://{host}:{port}, Ctrl-C stops",
            host=serving.host,
            port=serving.port,
        )

    run(state.settings, told=told)


def _add_families() -> None:
    """Bring in the other families of commands."""
    from server import (
        cli_access,
        cli_accounts,
        cli_approvals,
        cli_audit,
        cli_bundles,
        cli_compact,
        cli_custody,
        cli_data,
        cli_devices,
        cli_districts,
        cli_doctor,
        cli_duplicates,
        cli_fields,
        cli_forms,
        cli_holds,
        cli_keys,
        cli_log,
        cli_lost,
        cli_people,
        cli_reorganise,
        cli_reports,
        cli_rights,
        cli_upstream,
        cli_withdrawals,
    )

    office = (cli_people, cli_devices, cli_lost, cli_bundles, cli_data, cli_audit, cli_doctor)
    for family in (
        *office,
        cli_access,
        cli_accounts,
        cli_approvals,
        cli_compact,
        cli_custody,
        cli_districts,
        cli_reports,
        cli_holds,
        cli_rights,
        cli_withdrawals,
        cli_duplicates,
        cli_fields,
        cli_forms,
        cli_keys,
        cli_log,
        cli_reorganise,
        cli_upstream,
    ):
        family.add_to(main)


_add_families()

if __name__ == "__main__":
    main()
