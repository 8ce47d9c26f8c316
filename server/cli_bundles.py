# SPDX-License-Identifier: Apache-2.0
"""``doorstep bundle import, export``: the exchange by stick.

What lives here: reading sticks, showing what came, writing answers. What must not: the rules, which
are in ``bundles`` and ``recovery``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from server.cli_words import BY, SpokenGroup, State, option, spoken, state_of

if TYPE_CHECKING:
    from server.bundles import Lines, TakenBundle
    from server.office import Desk

UPSTREAM = "upstream"
_STICK = click.Path(exists=True, file_okay=False, path_type=Path)
_ROOM = option(
    "--room-bytes", type=click.IntRange(1), default=None, text="最多写多少字节 ‖ write at most"
)


def add_to(main: click.Group) -> None:
    """Add these commands."""
    main.add_command(bundle)


@click.group("bundle", cls=SpokenGroup, help="用 U 盘交换 ‖ Exchange by stick.")
def bundle() -> None:
    """Bundles."""


@spoken(
    bundle,
    "import",
    "从 U 盘导入平板和其他服务器的数据包及密封发件箱，并写回回程数据包 ‖ "
    "Take in bundles of tablets and other servers, and sealed outboxes, and write the answers.",
)
@click.argument("stick", type=_STICK)
@_ROOM
@BY
@click.pass_context
def import_(context: click.Context, /, stick: Path, room_bytes: int | None, by: str) -> None:
    """Import."""
    from crypto.errors import CryptoError
    from server.bundles import Lines
    from server.errors import ServerError
    from server.journal import note
    from server.office import writing
    from sync.carry.stick import Inbox, read_stick
    from sync.errors import SyncError

    state = state_of(context)
    refused = 0
    with writing(state.settings) as desk:
        lines = Lines(state.settings.data)
        inbox = Inbox(lines.incoming)
        # What is addressed to an earlier root of this server is for it too.
        sticks = [read_stick(stick, replica) for replica in desk.keys.roots.replicas]
        pieces = [piece for found in sticks for piece in found.pieces]
        wholes, missing = inbox.add(pieces)
        for name in [name for found in sticks for name in found.damaged]:
            state.warn("已损坏的文件：{name} ‖ Damaged file: {name}", name=name)
        bundles = [data for found in sticks for data in found.bundles]
        for data in [*bundles, *wholes]:
            try:
                taken = desk.take_bundle(data)
                if not taken.above:
                    _write(state, lines, stick, taken, room_bytes)
            except (SyncError, CryptoError, ServerError) as error:
                refused += 1
                text = error.message("en" if state.lang == "en" else "zh")
                state.err.print(f"{text} [{error.code}]", markup=False)
                continue
            finally:
                inbox.forget(data)
            with desk.store.write() as tx:
                note(tx, desk.now_ms, by, "bundle", taken.device, str(taken.sequence))
            _tell(state, taken)
        changes = sum(_outboxes(state, desk, stick))
        seen = bool(bundles or wholes or pieces or changes)
    if missing:
        state.warn(
            "数据包尚缺 {missing} 字节，已收到的各段已保存，请接着插入下一个 U 盘 ‖ "
            "{missing} bytes of a bundle are missing; the pieces are kept: import the next stick",
            missing=missing,
        )
    if not seen and not refused:
        state.warn("没有找到给本服务器的数据包 ‖ No bundle for this server was found")
    if refused:
        raise SystemExit(1)


def _outboxes(state: State, desk: Desk, stick: Path) -> Iterator[int]:
    """Take in the sealed outboxes of a stick; the changes of each."""
    from crypto.errors import SealRefused
    from sync.carry.stick import read_outboxes

    for path in read_outboxes(stick):
        try:
            found = desk.recover(path.read_bytes())
        except SealRefused:
            state.warn("不是给本服务器的发件箱：{file} ‖ Not for us: {file}", file=path.name)
            continue
        state.say(
            "密封发件箱 {file}：收回 {changes} 条修改，不能接受 {refused} 条 ‖ "
            "Sealed outbox {file}: {changes} changes taken in, {refused} refused",
            file=path.name,
            changes=found.changes,
            refused=found.refused,
        )
        yield found.changes


def _export_up(state: State, stick: Path, room_bytes: int | None) -> None:
    """The next bundle for the upstream, or the rest of one that did not fit."""
    from crypto.bundle import read_head
    from server.bundles import Lines
    from server.office import writing
    from server.upstream import need_upstream
    from sync.carry.spool import Outgoing
    from sync.carry.stick import Label

    with writing(state.settings) as desk:
        outgoing = Outgoing(Lines(state.settings.data).outgoing)
        with desk.store.read() as tx:
            above = need_upstream(tx).server
        data = outgoing.waiting(above)
        if data is None:
            above, _, data = desk.make_for_upstream()
    head = read_head(data)
    label = Label(head.sender, head.sequence, head.name)
    written = outgoing.write(stick, above, label, data, room_bytes=room_bytes)
    state.say(
        "给上级的第 {number} 号数据包已写到 U 盘；在上级 bundle import 后把回程数据包带回来 ‖ "
        "Bundle {number} for the upstream is on the stick; import it there, and bring its answer"
        " back",
        number=head.sequence,
    )
    _tell_part(state, written.done_bytes, written.total_bytes)


def _tell(state: State, taken: TakenBundle) -> None:
    if taken.above:
        state.say(
            "上级的第 {number} 号回程数据包已导入，更新 {records} 条记录 ‖ "
            "Answer {number} of the upstream taken in; {records} records changed",
            number=taken.sequence,
            records=taken.records,
        )
        if taken.more:
            state.warn(
                "还有内容要带给上级，请再导出一次 ‖ There is more for the upstream: export again"
            )
        return
    if taken.old_key:
        state.warn(
            "平板“{name}”的数据包用的是已停用的旧密钥，未导入；新密钥已写到 U 盘："
            "请在平板上导入后再导出一次 ‖ "
            "The bundle of tablet “{name}” is sealed to a key no longer in use, and was not taken"
            " in; the new key is on the stick: import it on the tablet, then export once more",
            name=taken.name,
        )
        return
    state.say(
        "平板“{name}”的第 {number} 号数据包已导入；回程数据包已写到 U 盘 ‖ "
        "Bundle {number} of tablet “{name}” taken in; the answer is on the stick",
        name=taken.name,
        number=taken.sequence,
    )
    if taken.missing != (0, 0):
        state.warn(
            "第 {first} 至 {last} 号没有收到。不会丢失内容：这一份已包含 ‖ "
            "Numbers {first} to {last} did not arrive. Nothing is lost: this one holds their work",
            first=taken.missing[0],
            last=taken.missing[1],
        )
    if taken.branch:
        state.warn(
            "它来自一份副本或被还原过的平板；双方修改都已保留，见审核 ‖ "
            "It comes from a copy, or a tablet that was set back; both keep their work, see audit"
        )
    if taken.revoked:
        state.warn(
            "此平板已被吊销：内容在隔离区，回程数据包带有清除指令 ‖ "
            "This tablet was revoked: its work is in quarantine, the answer orders its wipe"
        )


def _write(
    state: State, lines: Lines, stick: Path, taken: TakenBundle, room_bytes: int | None
) -> None:
    """Keep the answer, and write it, or as much of it as there is room for."""
    from crypto.bundle import read_head
    from sync.carry.spool import Outgoing
    from sync.carry.stick import Label

    lines.keep_answer(taken.sender, taken.answer)
    head = read_head(taken.answer)
    label = Label(head.sender, head.sequence, head.name)
    written = Outgoing(lines.outgoing).write(
        stick, taken.sender, label, taken.answer, room_bytes=room_bytes
    )
    _tell_part(state, written.done_bytes, written.total_bytes)


def _tell_part(state: State, done_bytes: int, total_bytes: int) -> None:
    if done_bytes < total_bytes:
        state.warn(
            "U 盘只放得下一部分（{done}/{total} 字节），其余请用 bundle export 写到下一个 ‖ "
            "The stick holds a part ({done} of {total} bytes); write the rest by bundle export",
            done=done_bytes,
            total=total_bytes,
        )


@spoken(
    bundle,
    "export",
    "再写一次给某台平板的回程数据包，或接着写其余部分 ‖ "
    "Write the last answer to a tablet again, or the rest of it.",
)
@click.argument("stick", type=_STICK)
@option(
    "--to",
    "device",
    required=True,
    text="平板或下级服务器；upstream 为上级 ‖ the tablet or server below; upstream: the one above",
)
@_ROOM
@click.pass_context
def export(context: click.Context, /, stick: Path, device: str, room_bytes: int | None) -> None:
    """Export."""
    from crypto.bundle import read_head
    from server.bundles import Lines
    from server.devices import find
    from server.errors import NotFound
    from server.office import reading
    from sync.carry.spool import Outgoing
    from sync.carry.stick import Label

    state = state_of(context)
    if device == UPSTREAM:
        _export_up(state, stick, room_bytes)
        return
    with reading(state.settings) as desk, desk.store.read() as tx:
        found = find(tx, device)
        newest = tx.rows(
            "SELECT replica FROM device_keys WHERE device = ? ORDER BY since_ms DESC", [found]
        )
    lines = Lines(state.settings.data)
    outgoing = Outgoing(lines.outgoing)
    for (replica,) in newest:
        data = outgoing.waiting(bytes(replica)) or lines.answer(bytes(replica))
        if data is None:
            continue
        head = read_head(data)
        label = Label(head.sender, head.sequence, head.name)
        written = outgoing.write(stick, bytes(replica), label, data, room_bytes=room_bytes)
        state.say("已写出第 {number} 号回程数据包 ‖ Answer {number} written", number=head.sequence)
        _tell_part(state, written.done_bytes, written.total_bytes)
        return
    raise NotFound("no answer for this tablet: import its bundle first")
