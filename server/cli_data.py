# SPDX-License-Identifier: Apache-2.0
"""``doorstep import, export, sql, backup, restore, move, recover, journal``: the record in bulk.

What lives here: asking and showing. What must not: the rules, which are in ``imports``,
``reports``, ``backups`` and ``recovery``.
"""

from __future__ import annotations

from pathlib import Path

import click

from server.cli_words import BY, SpokenGroup, option, spoken, state_of

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_NEW = click.Path(path_type=Path)


def add_to(main: click.Group) -> None:
    """Add these commands."""
    for command in (import_, export, sql, backup, restore, move, recover, journal):
        main.add_command(command)


_group = click.Group()


@spoken(
    _group,
    "import",
    "从 CSV 或 JSON 导入户、人员等；重复导入不产生新修改 ‖ "
    "Import households, persons and others from CSV or JSON; repeating it changes nothing.",
)
@click.argument("file", type=_FILE)
@option("--collection", default="household", text="记录种类 ‖ kind of record")
@option("--check", is_flag=True, text="只检查，不导入 ‖ check only")
@BY
@click.pass_context
def import_(context: click.Context, /, file: Path, collection: str, check: bool, by: str) -> None:
    """Import."""
    from server.errors import NotFound
    from server.field_keys import FieldKeys
    from server.imports import begun, check_rows, check_steps, in_parts, plan, read_rows
    from server.journal import note
    from server.office import reading, writing
    from sync.effects import Moment

    state = state_of(context)
    with (reading if check else writing)(state.settings) as desk:
        declared = desk.schema.collections.get(collection)
        if declared is None:
            raise NotFound(", ".join(desk.schema.collections))
        rows = read_rows(file, declared)
        with desk.store.read() as tx:
            rows, known = begun(tx, rows, declared, Moment(desk.now_ms, by))
            check_rows(rows, declared, known, state.lang)
            check_steps(tx, rows, desk.schema, collection, state.lang)
            writes = plan(tx, rows, declared, FieldKeys(desk.keys.boxes))
        if not check:
            with state.progress("导入 ‖ Importing", len(writes)) as bar:
                for part in in_parts(writes, bar):
                    desk.writer.write_many(by, part, "import")
            with desk.store.write() as tx:
                note(tx, desk.now_ms, by, "import", collection, str(len(writes)))
    state.say(
        "文件 {rows} 行；写入 {writes} 条修改 ‖ {rows} rows in the file; {writes} changes written"
        if not check
        else "文件 {rows} 行，无误；将写入 {writes} 条修改 ‖ "
        "{rows} rows, all fit; {writes} changes would be written",
        rows=len(rows),
        writes=len(writes),
    )


@spoken(
    _group,
    "export",
    "导出明文副本，记入日志 ‖ Export a plain copy; the journal notes it.",
)
@click.argument("target", type=_NEW)
@option(
    "--format",
    "kind",
    type=click.Choice(["sqlite", "sql", "csv", "json"]),
    default="sqlite",
    text="格式；sqlite 可用 Datasette 打开 ‖ form; sqlite opens in Datasette",
)
@option("--reason", default="", text="用途，写入日志 ‖ purpose; goes into the journal")
@BY
@click.pass_context
def export(context: click.Context, /, target: Path, kind: str, reason: str, by: str) -> None:
    """Export."""
    from server.approvals import need_for_export
    from server.journal import note
    from server.log_access import note_all_seen
    from server.office import reading
    from server.reports.exports import export as write_out

    state = state_of(context)
    with reading(state.settings) as desk:
        with desk.store.write() as tx:
            need_for_export(tx, by, desk.now_ms)
            note(tx, desk.now_ms, by, "export", kind, reason)
            note_all_seen(tx, desk.now_ms, by, f"export {kind} {reason}".strip())
        total = 0
        with (
            state.progress("导出 ‖ Exporting", len(desk.schema.collections)) as bar,
            desk.store.read() as tx,
        ):
            for _, count in write_out(tx, desk.schema, kind, target, state.lang):
                total += count
                bar(1)
    state.say(
        "已导出 {total} 条记录到 {target}。这是明文，请妥善保管 ‖ "
        "Exported {total} records to {target}. It is not encrypted: guard it",
        total=total,
        target=target,
    )


@spoken(_group, "sql", "对视图执行一条只读查询 ‖ Run one reading query on the views.")
@click.argument("query")
@option("--csv", "as_csv", is_flag=True, text="以 CSV 输出 ‖ print CSV")
@option("--limit", type=click.IntRange(1, 100_000), default=1_000, text="最多行数 ‖ most rows")
@BY
@click.pass_context
def sql(context: click.Context, /, query: str, as_csv: bool, limit: int, by: str) -> None:
    """Query."""
    import csv
    import sys

    from server.approvals import need_for_lines
    from server.errors import QueryRefused
    from server.journal import note
    from server.log_access import note_all_seen
    from server.office import reading
    from server.views import query as run

    state = state_of(context)
    with reading(state.settings) as desk:
        if state.settings.store_dsn:
            raise QueryRefused("kept in PostgreSQL: ask there, in the district's schema")
        found = run(state.settings.store_path, desk.keys.store_hex, query, (), limit)
        with desk.store.write() as tx:
            note(tx, desk.now_ms, by, "query", "", query[:2_000])
            need_for_lines(tx, len(found.rows), by, desk.now_ms)
            note_all_seen(tx, desk.now_ms, by, "sql", f"{len(found.columns)} × {len(found.rows)}")
    if as_csv:
        writer = csv.writer(sys.stdout)
        writer.writerow(found.columns)
        writer.writerows(found.rows)
    else:
        state.table(found.columns, found.rows)
    if found.cut:
        state.warn("只显示前 {limit} 行 ‖ Only the first {limit} rows", limit=limit)


@spoken(
    _group,
    "backup",
    "备份存储（服务器可继续运行），并校验 ‖ Back the store up while serving, and check the copy.",
)
@click.argument("target", type=_NEW)
@BY
@click.pass_context
def backup(context: click.Context, /, target: Path, by: str) -> None:
    """Back up."""
    from server.backups import back_up
    from server.custody_places import note_backup
    from server.journal import note
    from server.office import reading

    state = state_of(context)
    with reading(state.settings) as desk:
        begun_ms = desk.now_ms
        with desk.store.write() as tx:
            note(tx, begun_ms, by, "backup", "", "")
        with state.progress("备份 ‖ Backing up", 100) as bar:
            done = 0

            def told(copied: int, total: int) -> None:
                nonlocal done
                part = copied * 100 // max(total, 1)
                bar(part - done)
                done = part

            checked = back_up(desk.store, desk.keys, target, told)
        with desk.store.write() as tx:
            note_backup(tx, checked.seq, begun_ms)
    state.say(
        "已备份并校验：{records} 条记录，{mb:.1f} MB。没有密钥目录打不开它 ‖ "
        "Backed up and checked: {records} records, {mb:.1f} MB. It opens with the key folder"
        " only",
        records=checked.records,
        mb=checked.bytes / 1e6,
    )


@spoken(
    _group,
    "restore",
    "用备份替换存储（须先停止服务器）；旧存储改名保留 ‖ Put a backup back; stop the server first.",
)
@click.argument("source", type=_FILE)
@option("--yes", is_flag=True, text="不询问 ‖ do not ask")
@click.pass_context
def restore(context: click.Context, /, source: Path, yes: bool) -> None:
    """Restore."""
    from server.app import wall_clock_ms
    from server.archives import ArchiveFiles
    from server.backups import check_backup
    from server.backups import restore as put_back
    from server.keys import read_keys

    state = state_of(context)
    keys = read_keys(state.settings.keys)
    checked = check_backup(source, keys)
    question = "用此备份替换现有存储？" if state.lang == "zh" else "Replace the store by it?"
    if not yes and not click.confirm(f"{checked.records} · {question}"):
        raise SystemExit(1)
    put_back(state.settings, keys, source, wall_clock_ms())
    state.say(
        "已恢复。平板下次同步会补回备份之后的修改；备份之后吊销的设备请重新吊销 ‖ "
        "Restored. Tablets bring back at their next sync what came after the backup; devices"
        " revoked since must be revoked again",
    )
    files = ArchiveFiles(state.settings.archive_folders)
    for name in checked.archives:
        if not files.places(name):
            state.warn(
                "缺少归档文件 {name}：请放回 {folder}，否则较早的历史看不到、verify 不能核对 ‖ "
                "The archive {name} is missing: put it back into {folder}; without it older"
                " history is not shown and verify cannot check it",
                name=name,
                folder=files.folders[0],
            )


@spoken(
    _group,
    "move",
    "把存储移到 PostgreSQL，或移回加密文件；先停止所有服务器进程 ‖ "
    "Move the store to PostgreSQL or back to a file; stop all server processes first.",
)
@option(
    "--to",
    "target",
    required=True,
    text="DSN（host=… 或 postgresql://…），或新文件 ‖ DSN (host=… or postgresql://…) or a new file",
)
@click.pass_context
def move(context: click.Context, /, target: str) -> None:
    """Move."""
    from server.moving import move as move_store
    from server.moving import rows_in, tables_of
    from server.office import opened_ends

    state = state_of(context)
    with opened_ends(state.settings, target) as (source, other, keys, schema):
        with source.read() as here, other.read() as there:
            total = rows_in(here, tables_of(here, there))
        with state.progress("移动 ‖ Moving", total) as bar:
            moved = move_store(source, other, schema, keys.sign.public, bar)
    state.say(
        "已移动 {tables} 个表、{rows} 行；两端各核对 {changes} 个修改，一致。\n"
        "现在请相应设置 store_dsn 和 store_district（移回文件则清空 store_dsn），然后启动。"
        "原存储未改动，请勿再用它启动服务器 ‖ "
        "Moved {tables} tables, {rows} rows; both ends verified with {changes} changes.\n"
        "Now set store_dsn and store_district accordingly (empty store_dsn for the file) and"
        " start. The old store is as it was: do not serve from it again",
        tables=moved.tables,
        rows=moved.rows,
        changes=moved.target.changes,
    )


@spoken(
    _group,
    "recover",
    "收回平板的密封发件箱（损坏、锁定或已吊销的平板）‖ Take in a tablet's sealed outbox.",
)
@click.argument("files", nargs=-1, required=True, type=_FILE)
@BY
@click.pass_context
def recover(context: click.Context, /, files: tuple[Path, ...], by: str) -> None:
    """Recover."""
    from crypto.errors import SealRefused
    from server.journal import note
    from server.office import writing

    state = state_of(context)
    changes = refused = unreadable = 0
    with writing(state.settings) as desk:
        with state.progress("读取 ‖ Reading", len(files)) as bar:
            for file in sorted(files):
                data = file.read_bytes()
                bar(1)
                try:
                    found = desk.recover(data)
                except SealRefused:
                    # Not for this server, or torn before its first change: the others still count.
                    unreadable += len(data)
                    state.warn("打不开：{file} ‖ Does not open: {file}", file=file.name)
                    continue
                changes += found.changes
                refused += found.refused
                unreadable += found.unreadable_bytes
        with desk.store.write() as tx:
            note(tx, desk.now_ms, by, "recover", "", f"{changes} {refused} {unreadable}")
    state.say(
        "收回 {changes} 条修改；不能接受 {refused} 条；读不出 {unreadable} 字节 ‖ "
        "{changes} changes taken in; {refused} refused; {unreadable} bytes unreadable",
        changes=changes,
        refused=refused,
        unreadable=unreadable,
    )


@click.group("journal", cls=SpokenGroup, help="办公日志 ‖ The journal of the office.")
def journal() -> None:
    """The journal."""


@spoken(journal, "list", "谁在何时做了什么，最新在前 ‖ Who did what and when, newest first.")
@option("--limit", type=click.IntRange(1, 10_000), default=50, text="最多行数 ‖ most lines")
@click.pass_context
def journal_list(context: click.Context, /, limit: int) -> None:
    """List."""
    from datetime import datetime

    from server.journal import lines
    from server.office import reading

    state = state_of(context)
    with reading(state.settings) as desk, desk.store.read() as tx:
        found = lines(tx, limit)
    state.table(
        ["时间 ‖ time", "谁 ‖ who", "事项 ‖ what", "对象 ‖ target", "说明 ‖ detail"],
        [
            (
                datetime.fromtimestamp(line.at_ms / 1000).astimezone().strftime("%Y-%m-%d %H:%M"),
                *line[1:],
            )
            for line in found
        ],
    )
