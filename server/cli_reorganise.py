# SPDX-License-Identifier: Apache-2.0
"""``doorstep reorganise``: all households of an area get the code of another.

What must not live here: the rules, which are in ``reorganising``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from server.cli_words import BY, State, option, spoken, state_of, when

if TYPE_CHECKING:
    from server.reorganising import Plan


@click.group()
def _group() -> None:
    """This command, until the main group takes it."""


def add_to(main: click.Group) -> None:
    """Add this command."""
    for command in _group.commands.values():
        main.add_command(command)


@spoken(
    _group,
    "reorganise",
    "把一个区划的全部住户划归另一区划（社区改属另一区县）‖ "
    "Move all households of an area to another code (a community moves to another district).",
)
@click.argument("old")
@click.argument("new")
@option("--dry-run", is_flag=True, text="只说明影响，不执行 ‖ tell what it would do only")
@BY
@click.pass_context
def reorganise(context: click.Context, /, old: str, new: str, dry_run: bool, by: str) -> None:
    """Reorganise."""
    from server import reorganising
    from server.office import reading, writing

    state = state_of(context)
    if dry_run:
        with reading(state.settings) as desk, desk.store.read() as tx:
            _tell(state, reorganising.plan(tx, old, new, desk.now_ms))
        return
    reorganising.check_codes(old, new)
    count = 0
    with writing(state.settings) as desk:
        with desk.store.read() as tx:
            homes = reorganising.homes_of(tx, old)
        # The names and the teams' areas first: whoever syncs between two parts loses nothing.
        with desk.store.write() as tx:
            teams = reorganising.rename(tx, old, new, by, desk.now_ms, len(homes))
        for part in reorganising.parts(homes):
            with desk.store.read() as tx:
                writes = reorganising.writes_for(tx, desk.schema, part, old, new)
            if writes:
                count += len(desk.writer.write_many(by, writes, f"{old} → {new}"))
    state.say(
        "已把 {count} 户从 {old} 划归 {new}，本级 {teams} 个小组的片区随之改变；上下级服务器和平板"
        "在下次交换时得知 ‖ {count} households moved from {old} to {new}; the areas of {teams}"
        " teams here followed; other servers and all tablets hear of it at their next exchange",
        count=count,
        old=old,
        new=new,
        teams=teams,
    )


def _tell(state: State, found: Plan) -> None:
    state.say(
        "预演：{homes} 户、{records} 条记录、{mb:.1f} MB（每台新接手的平板）；本级小组：{teams}。"
        "没有任何改动 ‖ Dry run: {homes} households, {records} records, {mb:.1f} MB for each tablet"
        " that gains them; teams here: {teams}. Nothing was changed",
        homes=found.homes,
        records=found.records,
        mb=found.bytes / 1e6,
        teams=" ".join(found.teams) or "—",
    )
    state.table(
        [
            "下级服务器 ‖ server below",
            "区划 ‖ area",
            "划出户数 ‖ households leaving",
            "划入户数 ‖ entering",
            "最近联系 ‖ last contact",
        ],
        [
            (one.name, one.area, one.leaving, one.entering, when(one.last_contact_ms))
            for one in found.servers
        ],
    )
    state.table(
        [
            "平板 ‖ tablet",
            "其中户数 ‖ works on of them",
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
