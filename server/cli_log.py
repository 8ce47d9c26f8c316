# SPDX-License-Identifier: Apache-2.0
"""``doorstep log head, export, verify, evidence``: the provable log.

What lives here: asking and showing. What must not: checking (``log_export.py``). Invariant:
``verify`` of a file opens no store and reads no settings but the language.
"""

from __future__ import annotations

from pathlib import Path

import click

from server.cli_words import BY, EXIT_REFUSED, SpokenGroup, State, option, spoken, state_of, when

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_NEW = click.Path(path_type=Path)

PROBLEM_WORDS = {
    "altered": "第 {n} 条被改动 ‖ leaf {n} was altered",
    "removed": "第 {n} 条被删除 ‖ leaf {n} was removed",
    "moved": "第 {n} 条被调换位置 ‖ leaf {n} was moved",
    "added": "第 {n} 条是多出来的 ‖ leaf {n} was added",
    "within": "第 {n} 至 {upto} 条之间有一条被改动 ‖ something from leaf {n} to {upto} was altered",
    "list": "摘要清单被改动，日志各条完好 ‖ the list of hashes was altered; the leaves hold",
    "head": "有一个签名的日志头不成立（{n}）‖ a signed head does not hold ({n})",
    "key": "签名密钥不能由此根公钥证明 ‖ nothing leads from this root key to the log's key",
}
FINDING_WORDS = {
    "set-back": "服务器曾退回旧备份，并已说明 ‖ the server was set back, and says so",
    "rolled-back": "服务器的日志变短，未作说明 ‖ the server's log became shorter, without a word",
    "forked": "服务器给出互相矛盾的日志 ‖ the server shows logs that contradict each other",
    "unproven": "服务器收下了修改，却没有写进日志 ‖ the server took work in and kept off its log",
}


def add_to(main: click.Group) -> None:
    """Add these commands."""
    main.add_command(log)


@click.group("log", cls=SpokenGroup, help="可验证的日志 ‖ The log that anybody can check.")
def log() -> None:
    """The log."""


@spoken(log, "head", "显示并签署当前日志头 ‖ Show and sign the log's present head.")
@option(
    "--key",
    "target",
    type=_NEW,
    default=None,
    text="把公钥写到此文件，交给核查的人 ‖ write the public key to this file, for who checks",
)
@click.pass_context
def head(context: click.Context, /, target: Path | None) -> None:
    """Show the head."""
    from crypto.log import check_tree_head
    from server.log_tree import signed_head
    from server.office import reading

    state = state_of(context)
    with reading(state.settings) as desk:
        with desk.store.write() as tx:
            data = signed_head(tx, desk.keys.sign, desk.now_ms, keep=True)
        said = check_tree_head(data, desk.keys.sign.public)
        if target is not None:
            target.write_text(desk.keys.sign.public.hex() + "\n", encoding="ascii")
    state.say(
        "日志 {log}\n第 {epoch} 期，{size} 条\n根 {root}\n{at} ‖ "
        "Log {log}\nEpoch {epoch}, {size} leaves\nRoot {root}\n{at}",
        log=said.log.hex(),
        epoch=said.epoch,
        size=said.size,
        root=said.root.hex(),
        at=when(said.at_ms),
    )


@spoken(log, "export", "导出日志，供任何人离线核查 ‖ Export the log, for anybody to check offline.")
@click.argument("target", type=_NEW)
@BY
@click.pass_context
def export(context: click.Context, /, target: Path, by: str) -> None:
    """Export."""
    from server.journal import note
    from server.log_export import export_lines
    from server.office import reading

    state = state_of(context)
    count = 0
    with reading(state.settings) as desk, desk.store.write() as tx:
        note(tx, desk.now_ms, by, "log-export", "", "")
        with target.open("x", encoding="ascii") as file:
            for line in export_lines(tx, desk.keys.sign, desk.now_ms):
                file.write(line + "\n")
                count += line.startswith('{"n"')
    state.say(
        "已导出 {count} 条。核查：doorstep log verify {target} --root 根公钥文件 ‖ "
        "{count} leaves exported. To check: doorstep log verify {target} --root KEYFILE",
        count=count,
        target=target,
    )


@spoken(
    log,
    "verify",
    "核查导出的日志（只需根公钥）；不给文件则核查本机存储 ‖ "
    "Check an exported log with the root key alone; without a file, the store here.",
)
@click.argument("file", type=_FILE, required=False)
@option("--root", "root_file", type=_FILE, default=None, text="根公钥文件 ‖ file of the root key")
@click.pass_context
def verify(context: click.Context, /, file: Path | None, root_file: Path | None) -> None:
    """Verify."""
    from crypto.errors import KeyRefused
    from server.log_export import check_beside, export_lines, verify_export
    from server.office import reading

    state = state_of(context)
    beside = []
    if file is not None:
        if root_file is None:
            raise click.UsageError("--root")
        try:
            root = bytes.fromhex(root_file.read_text(encoding="ascii").strip())
        except ValueError:
            raise KeyRefused("root key file") from None
        with file.open(encoding="ascii", errors="replace") as lines:
            verdict = verify_export(lines, root)
    else:
        with reading(state.settings) as desk, desk.store.write() as tx:
            root = desk.keys.sign.public
            verdict = verify_export(export_lines(tx, desk.keys.sign, desk.now_ms), root)
            beside = check_beside(tx)
    problems = [*verdict.problems, *beside]
    for problem in problems:
        state.say(PROBLEM_WORDS[problem.what], n=problem.n, upto=problem.upto)
    _tell_verdict(state, len(problems), verdict.leaves, verdict.heads, verdict.epochs)
    if problems:
        context.exit(EXIT_REFUSED)


def _tell_verdict(state: State, problems: int, leaves: int, heads: int, epochs: int) -> None:
    state.say(
        "日志 {leaves} 条，签名的日志头 {heads} 个，曾退回 {epochs} 次：{found} ‖ "
        "{leaves} leaves, {heads} signed heads, set back {epochs} times: {found}",
        leaves=leaves,
        heads=heads,
        epochs=epochs,
        found=("成立" if state.lang == "zh" else "holds") if not problems else f"✗ {problems}",
    )


@spoken(
    log,
    "evidence",
    "各方带来的、服务器日志不一致的证据 ‖ Evidence against servers' logs that was brought here.",
)
@click.pass_context
def evidence(context: click.Context, /) -> None:
    """List evidence."""
    from server.log_words import evidence_in
    from server.office import reading
    from server.words import pick

    state = state_of(context)
    with reading(state.settings) as desk, desk.store.read() as tx:
        found = evidence_in(tx)
    state.table(
        [
            "时间 ‖ time",
            "服务器 ‖ server",
            "情况 ‖ finding",
            "发现者 ‖ found by",
            "先前 ‖ before",
            "后来 ‖ after",
        ],
        [
            (
                when(one.at_ms),
                one.server.hex(),
                pick(FINDING_WORDS[one.finding], state.lang),
                one.by.hex(),
                one.first.hex(),
                one.second.hex(),
            )
            for one in found
        ],
    )
