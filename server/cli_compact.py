# SPDX-License-Identifier: Apache-2.0
"""``doorstep compact``: letting old changes go into archives.

What lives here: asking, words. What must not: choosing and writing (``compacting.py``).
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import click

from server.cli_words import BY, option, spoken, state_of

OLDER_DAYS = 365
"""A tablet that is away for less than this never makes the server look into an archive."""
_group = click.Group()


def add_to(main: click.Group) -> None:
    """Add this command."""
    main.add_command(compact)


@spoken(
    _group,
    "compact",
    "把已备份、上级已有的旧修改移入归档文件 ‖ "
    "Let old changes that are backed up, and with the upstream, go into archives.",
)
@option("--dry-run", is_flag=True, text="只说会怎样 ‖ only say what it would do")
@option(
    "--older-than",
    "days",
    type=click.IntRange(0, 36_500),
    default=None,
    text="早于多少天（默认 compact_days，否则 365）‖ days (default: compact_days, else 365)",
)
@option(
    "--copy",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=None,
    text="第二份归档放在何处（默认 backup_dir）‖ where a second copy goes (default: backup_dir)",
)
@BY
@click.pass_context
def compact(
    context: click.Context, /, dry_run: bool, days: int | None, folder: Path | None, by: str
) -> None:
    """Compact."""
    from server.archives import ArchiveFiles
    from server.compacting import DAY_MS, could_go
    from server.compacting import compact as let_go
    from server.office import reading

    state = state_of(context)
    settings = state.settings
    older = days if days is not None else settings.compact_days or OLDER_DAYS
    folders = (*settings.archive_folders, *([folder] if folder else []))
    with reading(settings) as desk:
        before_ms = desk.now_ms - older * DAY_MS
        if dry_run:
            with desk.store.read() as tx:
                found = could_go(tx, before_ms)
        else:
            with closing(ArchiveFiles(folders)) as files:
                district = settings.store_district
                found = let_go(desk.store, files, district, before_ms, desk.now_ms, by)
    state.say(
        "可移入归档：{runs} 段 {changes} 处修改，{mb:.1f} MB ‖ "
        "Can go into archives: {runs} runs, {changes} changes, {mb:.1f} MB"
        if dry_run
        else "已移入归档：{runs} 段 {changes} 处修改，{mb:.1f} MB ‖ "
        "Went into archives: {runs} runs, {changes} changes, {mb:.1f} MB",
        runs=found.runs,
        changes=found.changes,
        mb=found.bytes / 1e6,
    )
    for count, text in (
        (found.not_backed_up, "上次备份里没有 ‖ not in the last backup"),
        (found.not_above, "上级还没有 ‖ not with the upstream yet"),
        (found.damaged, "已损坏，请运行 doorstep verify ‖ damaged: run doorstep verify"),
    ):
        if count:
            zh, en = text.split(" ‖ ")
            state.say("留下 {count} 段：{zh} ‖ {count} runs stay: {en}", count=count, zh=zh, en=en)
