# SPDX-License-Identifier: Apache-2.0
"""``doorstep-tablet bundle, meet, outbox``: exchanging without the district's server at hand.

What lives here: commands, thin over ``Tablet``, ``carry`` and ``beside``. What must not: work,
texts (``texts_carry.py``). Invariant: what can be done without unlocking is done without.
"""

from __future__ import annotations

import io
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from client_sdk import beside
from client_sdk.bundles import BundleReport
from client_sdk.errors import TabletError
from client_sdk.lan_meeting import Met
from client_sdk.tablet import Tablet
from client_sdk.tablet_meeting import stop_after
from client_sdk.views import MeetingReport
from crypto.bundle import read_head
from crypto.errors import CryptoError
from sync.carry.frames import FRAME_MS, animation_of, read_pictures, terminal_frames
from sync.carry.spool import Outgoing
from sync.carry.stick import FOLDER, Inbox, Label, read_stick, write_atomically
from sync.errors import SyncError

if TYPE_CHECKING:
    from client_sdk.cli import Context

CARDS = "cards"
_STICK = click.Path(exists=True, file_okay=False, path_type=Path)
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
REFUSED = (TabletError, SyncError, CryptoError)


@click.group()
def bundle() -> None:
    """用 U 盘或屏幕二维码交换。 / Exchange by stick, or by codes on a screen."""


@click.group()
def meet() -> None:
    """与同事的平板当面交换，无需服务器。 / Exchange with a teammate's tablet, without a server."""


@click.group()
def outbox() -> None:
    """不解锁也能交出密封发件箱。 / Hand the sealed outbox over, without unlocking."""


def _why(obj: Context, error: TabletError | SyncError | CryptoError) -> str:
    return error.message("en" if obj.words.lang == "en" else "zh")


def add_to(cli: click.Group) -> None:
    """Add these commands."""
    for group in (bundle, meet, outbox):
        cli.add_command(group)


# ---- bundles ------------------------------------------------------------------------------------


@bundle.command(name="export")
@click.argument("stick", type=_STICK)
@click.option("--to", "teammate", default="", help="给同事而不是区里 / for a teammate")
@click.option("--room-bytes", type=int, default=None, help="最多写多少字节 / write at most")
@click.option("--piece-bytes", type=int, default=None, help="分段写出 / write in pieces")
@click.pass_obj
def export(
    obj: Context, stick: Path, teammate: str, room_bytes: int | None, piece_bytes: int | None
) -> None:
    """写一份数据包到 U 盘；放不下时分几次写。 / Write a bundle to a stick, or a part of it."""
    outgoing = Outgoing(obj.directory / "outgoing")
    with obj.open() as tablet:
        receiver = tablet.teammate_of(teammate) if teammate else tablet.district_replica
        data = outgoing.waiting(receiver)
        if data is None:
            data = tablet.export_for_teammate(receiver) if teammate else tablet.export_bundle()
    head = read_head(data)
    label = Label(head.sender, head.sequence, head.name)
    written = outgoing.write(
        stick, receiver, label, data, room_bytes=room_bytes, piece_bytes=piece_bytes
    )
    if written.complete:
        name = teammate or obj.words("the-district")
        obj.say("bundle-written", receiver=name, sequence=head.sequence, size=len(data))
    else:
        obj.say("bundle-part", done=written.done_bytes, total=written.total_bytes)


@bundle.command(name="import")
@click.argument("stick", type=_STICK)
@click.pass_obj
def import_(obj: Context, stick: Path) -> None:
    """从 U 盘导入给本机的数据包和同事名片。 / Take in bundles for this tablet, and cards."""
    inbox, refused, seen = Inbox(obj.directory / "incoming"), 0, 0
    with obj.open() as tablet:
        for path in sorted((stick / FOLDER / CARDS).glob("*.card")):
            refused += not _learn(obj, tablet, path)
        for replica in tablet.own_replicas():
            found = read_stick(stick, replica)
            wholes, missing = inbox.add(found.pieces)
            seen += len(found.bundles) + len(wholes) + bool(missing)
            for name in found.damaged:
                obj.say("bundle-damaged", file=name)
            for data in [*found.bundles, *wholes]:
                refused += not _take(obj, tablet, data)
                inbox.forget(data)
            if missing:
                obj.say("bundle-incomplete", missing=missing)
    if not seen:
        obj.say("bundle-nothing")
    if refused:
        raise SystemExit(1)


def _learn(obj: Context, tablet: Tablet, path: Path) -> bool:
    try:
        replica = tablet.learn_card(path.read_bytes())
    except REFUSED as error:
        obj.say("bundle-refused", file=path.name, why=_why(obj, error))
        return False
    if replica in tablet.teammates():
        obj.say("card-learnt", name=tablet.teammates()[replica])
    return True


def _take(obj: Context, tablet: Tablet, data: bytes) -> bool:
    """Take one bundle in and tell of it; whether it was taken."""
    try:
        report = tablet.import_bundle(data)
    except REFUSED as error:
        obj.say("bundle-refused", file=error.code, why=_why(obj, error))
        return False
    tell_bundle(obj, report)
    if report.wipe:
        obj.say("revoked-wipe")
        tablet.obey(report.wipe)
    return True


def tell_bundle(obj: Context, report: BundleReport) -> None:
    """What a bundle brought, and what is to be done."""
    obj.say(
        "bundle-taken",
        sender=report.sender or obj.words("the-district"),
        sequence=report.sequence,
        records=report.records,
        entered=report.entered,
        left=report.left,
        changes=report.changes,
        carried=report.carried,
    )
    if report.missing != (0, 0):
        obj.say("bundle-missing", first=report.missing[0], last=report.missing[1])
    for key, told in (
        ("bundle-branch", report.branch),
        ("bundle-stale", report.stale),
        ("renewed", report.succeeded),
        (f"log-{report.log}", report.log != "grown"),
        ("bundle-more", report.more),
    ):
        if told:
            obj.say(key)


@bundle.command()
@click.argument("stick", type=_STICK)
@click.pass_obj
def card(obj: Context, stick: Path) -> None:
    """写出本机名片，供同事为本机导出。 / Write this tablet's card for teammates."""
    with obj.open() as tablet:
        path = stick / FOLDER / CARDS / f"{tablet.replica.hex()}.card"
        write_atomically(path, tablet.card())
    obj.say("card-written", file=path)


@bundle.command()
@click.option("--to", "teammate", default="", help="给同事而不是区里 / for a teammate")
@click.option("--gif", type=click.Path(path_type=Path), help="写成动图 / write an animation")
@click.option("--rounds", type=int, default=0, help="播放几遍（0：一直） / rounds (0: on and on)")
@click.pass_obj
def show(obj: Context, teammate: str, gif: Path | None, rounds: int) -> None:
    """把一份小数据包显示成连续二维码。 / Show a small bundle as moving codes."""
    with obj.open() as tablet:
        if teammate:
            data = tablet.export_for_teammate(tablet.teammate_of(teammate))
        else:
            data = tablet.export_bundle()
    if gif is not None:
        write_atomically(gif, animation_of(data))
        return
    frames = terminal_frames(data)
    obj.say("bundle-codes", count=len(frames))
    shown = 0
    while not rounds or shown < rounds:
        for frame in frames:
            click.clear()
            click.echo(frame)
            time.sleep(FRAME_MS / 1000)
        shown += 1


@bundle.command()
@click.argument("pictures", type=_FILE, nargs=-1, required=True)
@click.pass_obj
def read(obj: Context, pictures: tuple[Path, ...]) -> None:
    """从二维码照片或动图导入数据包。 / Take in a bundle from pictures of codes."""
    data, missing = read_pictures(pictures)
    if data is None:
        obj.say("bundle-incomplete", missing=missing)
        raise SystemExit(1)
    with obj.open() as tablet:
        if not _take(obj, tablet, data):
            raise SystemExit(1)


# ---- meetings -----------------------------------------------------------------------------------


@meet.command()
@click.option("--host", default="", help="监听地址（空：本机） / address (empty: this device's)")
@click.option("--port", type=int, default=0)
@click.option("--seconds", type=int, default=300, help="等多久 / how long")
@click.option("--once", is_flag=True, help="碰面一次即止 / end after one meeting")
@click.option("--no-announce", is_flag=True, help="不在局域网公布 / do not tell the network")
@click.option("--take-outboxes", is_flag=True, help="代收打不开的平板的发件箱 / carry outboxes")
@click.option("--plain", is_flag=True, help="只打印码的文字 / print the code's text")
@click.pass_obj
def listen(
    obj: Context,
    host: str,
    port: int,
    seconds: int,
    once: bool,
    no_announce: bool,
    take_outboxes: bool,
    plain: bool,
) -> None:
    """等同事来碰面，并显示二维码。 / Wait for teammates and show a code."""
    over, done = stop_after(seconds), False

    def on_ready(code: str) -> None:
        if plain:
            click.echo(code)
            return
        obj.say("meet-listening", seconds=seconds)
        click.echo(_drawn(code))

    def on_met(met: Met) -> None:
        nonlocal done
        done = done or (once and met.error is None)
        _tell_met(obj, met)

    with obj.open() as tablet:
        tablet.serve_meeting(
            lambda: done or over(),
            host=host,
            port=port,
            announce=not no_announce,
            take_outboxes=take_outboxes,
            on_ready=on_ready,
            on_met=on_met,
        )


def _drawn(code: str) -> str:
    import segno

    file = io.StringIO()
    segno.make_qr(code, error="m").terminal(file, compact=True)
    return file.getvalue()


def _tell_met(obj: Context, met: Met) -> None:
    if isinstance(met.error, REFUSED):
        obj.say("met-failed", why=_why(obj, met.error))
    elif met.report is not None:
        _tell_report(obj, met.report)
    if met.outboxes:
        obj.say("met-outbox", count=met.outboxes)


def _tell_report(obj: Context, report: MeetingReport) -> None:
    obj.say(
        "met",
        given=report.given,
        taken=report.taken,
        carried=report.carried,
        records=report.records,
    )


@meet.command(name="with")
@click.argument("code")
@click.pass_obj
def with_(obj: Context, code: str) -> None:
    """与显示此码的平板碰面。 / Meet the tablet that shows this code."""
    with obj.open() as tablet:
        _tell_report(obj, tablet.meet_by_code(code))


@meet.command(name="find")
@click.option("--host", default="", help="本机地址（空：自动） / this device's address")
@click.option("--seconds", type=float, default=3.0, help="找多久 / how long")
@click.pass_obj
def find_(obj: Context, host: str, seconds: float) -> None:
    """在局域网内寻找并与找到的平板碰面。 / Find tablets nearby and meet them."""
    met = 0
    with obj.open() as tablet:
        for found in tablet.find_teammates(host, seconds):
            try:
                _tell_report(obj, tablet.meet_at(found))
                met += 1
            except REFUSED as error:
                obj.say("met-failed", why=_why(obj, error))
    if not met:
        obj.say("found-none")
        raise SystemExit(1)


# ---- sealed outboxes ----------------------------------------------------------------------------


@outbox.command(name="export")
@click.argument("stick", type=_STICK)
@click.pass_obj
def outbox_export(obj: Context, stick: Path) -> None:
    """拷贝密封发件箱到 U 盘。 / Copy the sealed outbox to a stick."""
    obj.say("outbox-copied", count=beside.export_outbox(obj.directory, stick))


@outbox.command(name="upload")
@click.option("--address", default="", help="host:port，先试这个 / tried first")
@click.pass_obj
def outbox_upload(obj: Context, address: str) -> None:
    """把密封发件箱直接发给区里。 / Send the sealed outbox to the district."""
    done = beside.upload_outbox(obj.directory, address)
    obj.say("outbox-sent", files=done.files, changes=done.changes, refused=done.refused)


@outbox.command(name="hand-over")
@click.argument("code")
@click.pass_obj
def outbox_hand_over(obj: Context, code: str) -> None:
    """把密封发件箱交给正在等待的同事。 / Hand it to a teammate who listens for it."""
    obj.say("outbox-handed", count=Tablet.hand_over_outbox(obj.directory, code))
