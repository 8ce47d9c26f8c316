# SPDX-License-Identifier: Apache-2.0
"""``doorstep areas, teams, workers, assign, unassign``: the office's tables.

What lives here: asking and showing. What must not: the rules, which are in ``people``.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from server.cli_words import BY, SpokenGroup, State, option, spoken, state_of, when
from server.people import ROLES

if TYPE_CHECKING:
    from server.office import Desk

TEAM = option("--team", required=True, text="小组编号 ‖ id of the team")


def add_to(main: click.Group) -> None:
    """Add these commands."""
    for command in (areas, teams, workers, assign, unassign):
        main.add_command(command)


_group = click.Group()


@click.group("areas", cls=SpokenGroup, help="行政区划 ‖ Areas.")
def areas() -> None:
    """Areas."""


@spoken(areas, "import", "从 CSV（code,level,name）导入 ‖ Import from CSV (code,level,name).")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@BY
@click.pass_context
def areas_import(context: click.Context, /, file: Path, by: str) -> None:
    """Import."""
    from server.office import reading
    from server.people import read_areas, store_areas

    state = state_of(context)
    found = read_areas(file)
    with reading(state.settings) as desk, desk.store.write() as tx:
        count = store_areas(tx, found, by, desk.now_ms)
    state.say("区划共 {count} 个 ‖ {count} areas in all", count=count)


@spoken(areas, "list", "列出下一级区划 ‖ List the areas below one.")
@click.argument("code", default="")
@click.pass_context
def areas_list(context: click.Context, /, code: str) -> None:
    """List."""
    from server.office import reading
    from server.people import areas_below

    state = state_of(context)
    with reading(state.settings) as desk, desk.store.read() as tx:
        found = areas_below(tx, code)
    state.table(["代码 ‖ code", "级别 ‖ level", "名称 ‖ name"], found)


@click.group("teams", cls=SpokenGroup, help="小组 ‖ Teams.")
def teams() -> None:
    """Teams."""


@spoken(teams, "add", "新增小组 ‖ Add a team.")
@click.argument("team")
@click.argument("name")
@BY
@click.pass_context
def teams_add(context: click.Context, /, team: str, name: str, by: str) -> None:
    """Add."""
    from server.office import reading
    from server.people import add_team

    state = state_of(context)
    with reading(state.settings) as desk, desk.store.write() as tx:
        add_team(tx, team, name, by, desk.now_ms)
    state.say("已新增小组 {team} ‖ Added team {team}", team=team)


@spoken(teams, "list", "列出小组 ‖ List the teams.")
@click.pass_context
def teams_list(context: click.Context, /) -> None:
    """List."""
    from server.office import reading
    from server.people import teams as listed

    state = state_of(context)
    with reading(state.settings) as desk, desk.store.read() as tx:
        found = listed(tx)
    state.table(
        [
            "编号 ‖ id",
            "名称 ‖ name",
            "人员 ‖ workers",
            "平板 ‖ tablets",
            "户 ‖ households",
            "片区 ‖ areas",
        ],
        [(t.id, t.name, t.workers, t.devices, t.homes, " ".join(t.areas)) for t in found],
    )


@click.group("workers", cls=SpokenGroup, help="人员 ‖ Workers.")
def workers() -> None:
    """Workers."""


@spoken(workers, "add", "新增或修改人员 ‖ Add or change a worker.")
@click.argument("worker")
@click.argument("name")
@option("--team", default="", text="小组编号 ‖ id of the team")
@option("--role", type=click.Choice(ROLES), default="worker", text="职责 ‖ role")
@BY
@click.pass_context
def workers_add(
    context: click.Context, /, worker: str, name: str, team: str, role: str, by: str
) -> None:
    """Add."""
    from server.office import reading
    from server.people import add_worker

    state = state_of(context)
    with reading(state.settings) as desk, desk.store.write() as tx:
        add_worker(tx, worker, name, team, role, by, desk.now_ms)
    state.say("已保存人员 {worker} ‖ Saved worker {worker}", worker=worker)


@spoken(workers, "list", "列出人员 ‖ List the workers.")
@option("--team", default="", text="只列此小组 ‖ only this team")
@click.pass_context
def workers_list(context: click.Context, /, team: str) -> None:
    """List."""
    from server.office import reading
    from server.people import workers as listed

    state = state_of(context)
    with reading(state.settings) as desk, desk.store.read() as tx:
        found = listed(tx, team)
    state.table(["编号 ‖ id", "姓名 ‖ name", "小组 ‖ team", "职责 ‖ role"], found)


def _targets(homes: tuple[str, ...], listed: Path | None) -> list[str]:
    found = list(homes)
    if listed:
        found += [line.strip() for line in listed.read_text("utf-8-sig").splitlines()]
    return list(dict.fromkeys(home for home in found if home))


def _tell_plan(
    state: State, desk: Desk, team: str, what: tuple[list[str], tuple[str, ...]], *, taking: bool
) -> None:
    """Say what an assignment would do."""
    from server.moves import plan

    with desk.store.read() as tx:
        found = plan(tx, team, what[0], what[1], taking, desk.now_ms)
    state.say(
        "预演：{homes} 户、{records} 条记录、{mb:.1f} MB（每台平板）。没有任何改动 ‖ "
        "Dry run: {homes} households, {records} records, {mb:.1f} MB for each tablet. Nothing"
        " was changed",
        homes=found.homes,
        records=found.records,
        mb=found.bytes / 1e6,
    )
    state.table(
        [
            "平板 ‖ tablet",
            "其中户数 ‖ holds of them",
            "最近联系 ‖ last contact",
            "确知未到 ‖ known missing",
            "估计未传 ‖ likely unsent",
        ],
        [
            (
                one.name,
                one.homes,
                when(one.unsent.last_contact_ms),
                one.unsent.missing,
                one.unsent.likely,
            )
            for one in found.tablets
        ],
    )


_HOMES = click.argument("homes", nargs=-1)
_FILE = option(
    "--file",
    "listed",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    text="每行一个户编号的文件 ‖ file with one household id a line",
)
_DRY = option("--dry-run", is_flag=True, text="只说明影响，不执行 ‖ tell what it would do only")
_AREA = option("--area", multiple=True, text="片区代码，可多次 ‖ code of an area; may repeat")


@spoken(_group, "assign", "把户或片区分配给小组 ‖ Assign households or areas to a team.")
@TEAM
@_AREA
@_FILE
@_DRY
@_HOMES
@BY
@click.pass_context
def assign(
    context: click.Context,
    /,
    team: str,
    area: tuple[str, ...],
    listed: Path | None,
    dry_run: bool,
    homes: tuple[str, ...],
    by: str,
) -> None:
    """Assign."""
    from server.moves import parts
    from server.office import reading
    from server.people import assign_area, assign_homes, check_homes

    state = state_of(context)
    targets = _targets(homes, listed)
    count = 0
    with reading(state.settings) as desk:
        with desk.store.read() as tx:
            check_homes(tx, team, targets)
        if dry_run:
            _tell_plan(state, desk, team, (targets, area), taking=False)
            return
        for part in parts(targets):
            # One transaction each: whoever syncs meanwhile waits for one part, not for all.
            with desk.store.write() as tx:
                count += assign_homes(tx, team, part, by, desk.now_ms)
        with desk.store.write() as tx:
            within = sum(assign_area(tx, team, code, by, desk.now_ms) for code in area)
    state.say(
        "小组 {team}：新分配 {count} 户；片区内共 {within} 户 ‖ "
        "Team {team}: {count} more households; {within} within areas",
        team=team,
        count=count,
        within=within,
    )


@spoken(_group, "unassign", "从小组收回户或片区 ‖ Take households or areas from a team.")
@TEAM
@_AREA
@_FILE
@_DRY
@_HOMES
@BY
@click.pass_context
def unassign(
    context: click.Context,
    /,
    team: str,
    area: tuple[str, ...],
    listed: Path | None,
    dry_run: bool,
    homes: tuple[str, ...],
    by: str,
) -> None:
    """Unassign."""
    from server.moves import parts
    from server.office import reading
    from server.people import check_taken, unassign_area, unassign_homes

    state = state_of(context)
    targets = _targets(homes, listed)
    count = 0
    with reading(state.settings) as desk:
        with desk.store.read() as tx:
            check_taken(tx, team, targets, area)
        if dry_run:
            _tell_plan(state, desk, team, (targets, area), taking=True)
            return
        with desk.store.write() as tx:
            within = sum(unassign_area(tx, team, code, by, desk.now_ms) for code in area)
        for part in parts(targets):
            with desk.store.write() as tx:
                count += unassign_homes(tx, team, part, by, desk.now_ms)
    state.say(
        "小组 {team}：收回 {count} 户、{within} 个片区 ‖ "
        "Team {team}: {count} households and {within} areas taken back",
        team=team,
        count=count,
        within=within,
    )
