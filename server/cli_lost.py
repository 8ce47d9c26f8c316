# SPDX-License-Identifier: Apache-2.0
"""``doorstep lost, wiped, moved``: lost tablets, and work on households that had moved.

What lives here: asking and showing. What must not: the rules, which are in ``lost``, ``devices``
and ``moved``.
"""

from __future__ import annotations

from pathlib import Path

import click

from server.cli_words import BY, State, option, spoken, state_of, when

HOMES_SHOWN = 50


def add_to(main: click.Group) -> None:
    """Add these commands."""
    for command in (lost, wiped, moved):
        main.add_command(command)


_group = click.Group()


@spoken(
    _group,
    "lost",
    "平板丢失：哪些户、哪些栏目可能被看到，缺了哪些走访 ‖ What a lost tablet held, and what of its"
    " work is missing.",
)
@click.argument("device")
@option("--all", "everything", is_flag=True, text="列出全部住户 ‖ list all households")
@BY
@click.pass_context
def lost(context: click.Context, /, device: str, everything: bool, by: str) -> None:
    """Report."""
    from server.devices import find
    from server.journal import note
    from server.lost import lost as report
    from server.office import reading

    state = state_of(context)
    with reading(state.settings) as desk:
        with desk.store.read() as tx:
            found = report(tx, find(tx, device), desk.now_ms)
        with desk.store.write() as tx:
            note(tx, desk.now_ms, by, "lost-report", found.device, "")
    state.say(
        "平板 {name}（小组 {team}，{state}）：最近联系 {contact}；吊销 {revoked}；清除证明 {wiped}"
        " ‖ Tablet {name} (team {team}, {state}): last contact {contact}; revoked {revoked};"
        " proof of wipe {wiped}",
        name=found.name,
        team=found.team,
        state=found.state,
        contact=when(found.last_contact_ms) or "—",
        revoked=when(found.revoked_at_ms) or "—",
        wiped=when(found.wiped_at_ms) or "—",
    )
    if found.copies:
        state.warn(
            "它的存储曾被复制：{copies} ‖ Its store was copied: {copies}",
            copies=", ".join(copy[:12] for copy in found.copies),
        )
    shown = found.homes if everything else found.homes[:HOMES_SHOWN]
    state.say(
        "{count} 户曾在其上，按设备自己的说法；下表列出 {shown} 户 ‖ "
        "{count} households lay on it, by its own word; {shown} are listed",
        count=len(found.homes),
        shown=len(shown),
    )
    state.table(
        ["户 ‖ household", "区划 ‖ area", "自 ‖ since", "至 ‖ until"],
        [(h.home, h.area, when(h.since_ms), when(h.until_ms)) for h in shown],
    )
    state.table(
        ["记录 ‖ records of", "条数 ‖ how many", "可读栏目 ‖ fields readable"],
        [(f.collection, f.records, " ".join(f.fields)) for f in found.readable],
    )
    unsent = found.unsent
    state.say(
        "确知缺 {missing} 条修改；按联系前每天 {pace:.1f} 条估计，另有约 {likely} 条未上传 ‖ "
        "{missing} changes are known to be missing; at its pace of {pace:.1f} a day about {likely}"
        " more are likely",
        missing=unsent.missing,
        pace=unsent.per_day,
        likely=unsent.likely,
    )
    if found.waiting:
        state.table(["等待它的记录 ‖ records that wait for it", "条数 ‖ changes"], found.waiting)


@spoken(_group, "wiped", "收下平板的清除证明文件 ‖ Take in a tablet's proof that it was wiped.")
@click.argument(
    "file", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE"
)
@BY
@click.pass_context
def wiped(context: click.Context, /, file: Path, by: str) -> None:
    """Take in."""
    from server.devices import keep_proof
    from server.journal import note
    from server.office import reading

    state = state_of(context)
    with reading(state.settings) as desk, desk.store.write() as tx:
        device = keep_proof(tx, file.read_bytes(), desk.now_ms)
        note(tx, desk.now_ms, by, "proof-taken", device, "")
    state.say(
        "{device} 的清除证明有效，已保存 ‖ The proof of {device} holds and is kept", device=device
    )


@spoken(
    _group,
    "moved",
    "已调整给别组的户上、原组平板离线写的内容，记在谁名下 ‖ Work on households that had moved to"
    " another team, credited to who did it.",
)
@option("--limit", type=click.IntRange(1, 10_000), default=200, text="最多行数 ‖ most lines")
@click.pass_context
def moved(context: click.Context, /, limit: int) -> None:
    """List."""
    from server.moved import moved_work
    from server.office import reading

    state: State = state_of(context)
    with reading(state.settings) as desk, desk.store.read() as tx:
        found = moved_work(tx, limit)
    state.table(
        [
            "收到 ‖ received",
            "谁写的 ‖ written by",
            "小组 ‖ of team",
            "户 ‖ household",
            "记录 ‖ record",
            "类别 ‖ kind",
        ],
        [(when(m.at_ms), m.worker_name, m.team, m.home, m.record, m.collection) for m in found],
    )
