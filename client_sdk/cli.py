# SPDX-License-Identifier: Apache-2.0
"""``doorstep-tablet``: the tablet on the command line.

What lives here: commands, thin over ``Tablet``. What must not: drawing (``cli_show.py``), texts
(``texts.py``), work. Invariant: an error is three sentences and a code, never a trace.
"""

from __future__ import annotations

import mimetypes
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from client_sdk import cli_app, cli_carry, cli_custody, cli_lists, cli_mend, views
from client_sdk.cli_show import Shower
from client_sdk.enrolment import read_picture
from client_sdk.errors import TabletError
from client_sdk.keys import system_keyring
from client_sdk.tablet import Tablet
from client_sdk.texts import Words, language
from crypto.errors import CryptoError
from sync import labels
from sync.errors import SyncError
from sync.schema import Collection

SECRET_VARIABLE = "DOORSTEP_TABLET_SECRET"
"""For scripts and demos only: a secret in the environment is seen by other programs."""


class Context:
    """What every command needs: where the tablet is, who works, in which language."""

    def __init__(self, directory: Path, worker: str, lang: str) -> None:
        self.directory = directory
        self.given_worker = worker
        self.words = Words(lang)
        self.console = Console(soft_wrap=True)

    @property
    def worker(self) -> str:
        """The worker given, or the only one who can unlock, or asked for."""
        if self.given_worker:
            return self.given_worker
        known = Tablet.workers_of(self.directory)
        if len(known) == 1:
            return known[0]
        return str(click.prompt(self.words("ask-worker")))

    def secret(self, key: str, worker: str, *, new: bool = False) -> str:
        """A PIN or passphrase, typed unseen."""
        given = os.environ.get(SECRET_VARIABLE)
        if given is not None:
            return given
        prompt = self.words(key, worker=worker)
        return str(click.prompt(prompt, hide_input=True, confirmation_prompt=new))

    def open(self) -> Tablet:
        """Unlock the tablet."""
        worker = self.worker
        return Tablet.open(self.directory, worker, self.secret("ask-secret", worker))

    def shower(self, tablet: Tablet) -> Shower:
        """What draws."""
        return Shower(self.console, self.words, tablet.schema)

    def say(self, key: str, **values: object) -> None:
        """One sentence."""
        self.console.print(self.words(key, **values), highlight=False, markup=False)


def default_directory() -> Path:
    """Where a tablet is kept when nothing is said."""
    return Path(os.environ.get("DOORSTEP_TABLET_DIR") or Path.home() / ".doorstep-tablet")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--dir", "directory", type=click.Path(path_type=Path), default=default_directory)
@click.option("--worker", default="", envvar="DOORSTEP_TABLET_WORKER", help="工作人员 / who works")
@click.option("--lang", type=click.Choice(["zh", "en"]), default=None, help="语言 / language")
@click.pass_context
def cli(context: click.Context, directory: Path, worker: str, lang: str | None) -> None:
    """平板：没有信号也能记录，有信号时同步。 / The tablet: works offline, syncs with signal."""
    context.obj = Context(directory, worker, language(lang))


@cli.command()
@click.argument("code", required=False, default="")
@click.option(
    "--picture", type=click.Path(exists=True, path_type=Path), help="二维码照片 / QR photo"
)
@click.option("--address", default="", help="host:port，手输登记码时需要 / with a typed code")
@click.option("--name", default="tablet", help="平板名称 / what the tablet is called")
@click.pass_obj
def enrol(obj: Context, code: str, picture: Path | None, address: str, name: str) -> None:
    """登记本平板。 / Enrol this tablet by a ticket."""
    if picture is not None:
        code = read_picture(picture.read_bytes())
    worker = obj.given_worker or str(click.prompt(obj.words("ask-worker")))
    if system_keyring() is None:
        obj.say("file-secret")
    with Tablet.enrol(
        obj.directory,
        code,
        name=name,
        worker=worker,
        secret=obj.secret("ask-new-secret", worker, new=True),
        show_digits=lambda digits: obj.say("digits", digits=digits),
        address=address,
    ) as tablet:
        obj.say("enrolled", name=tablet.name, team=tablet.team)


@cli.command()
@click.pass_obj
def status(obj: Context) -> None:
    """平板现状。 / Where this tablet stands."""
    with obj.open() as tablet:
        obj.shower(tablet).status(tablet.status())


@cli.command(name="list")
@click.pass_obj
def list_(obj: Context) -> None:
    """列出住户。 / List the households."""
    with obj.open() as tablet:
        obj.shower(tablet).households(tablet.households())


@cli.command()
@click.argument("words", nargs=-1, required=True)
@click.pass_obj
def search(obj: Context, words: tuple[str, ...]) -> None:
    """按姓名、地址、电话或拼音首字母查找。 / Find by name, address, phone or pinyin initials."""
    with obj.open() as tablet:
        obj.shower(tablet).households(tablet.search(" ".join(words)))


@cli.command()
@click.argument("record")
@click.option("--all", "everything", is_flag=True, help="连同走访、需求等 / its visits, needs too")
@click.pass_obj
def show(obj: Context, record: str, everything: bool) -> None:
    """查看一条记录和每个值是谁写的。 / Show a record and who wrote what."""
    with obj.open() as tablet:
        shower = obj.shower(tablet)
        for one in tablet.of_household(record) if everything else [tablet.read(record)]:
            shower.record(one)


@cli.command()
@click.argument("collection")
@click.argument("pairs", nargs=-1)
@click.pass_obj
def new(obj: Context, collection: str, pairs: tuple[str, ...]) -> None:
    """新建记录：表名，然后 栏目=内容。 / Make a record: collection, then field=value."""
    with obj.open() as tablet:
        fields = _fields(obj, tablet.schema.collections.get(collection), pairs)
        obj.say("saved", record=tablet.create_record(collection, fields))


@cli.command()
@click.argument("record")
@click.argument("pairs", nargs=-1, required=True)
@click.option("--reason", default="", help="原因 / why")
@click.pass_obj
def edit(obj: Context, record: str, pairs: tuple[str, ...], reason: str) -> None:
    """修改：栏目=内容。 / Set fields: field=value."""
    with obj.open() as tablet:
        declared = tablet.schema.collections.get(tablet.read(record).collection)
        tablet.set_fields(record, _fields(obj, declared, pairs), reason=reason)
        obj.say("saved", record=record)


def _operation(name: str, text: str) -> None:
    @cli.command(name=name, help=text)
    @click.argument("record")
    @click.argument("field")
    @click.argument("values", nargs=-1, required=True)
    @click.pass_obj
    def command(obj: Context, record: str, field: str, values: tuple[str, ...]) -> None:
        with obj.open() as tablet:
            declared = tablet.schema.collections.get(tablet.read(record).collection)
            found = (labels.field_of(declared, field) if declared else None) or field
            read = _values(declared, found, values)
            act: Callable[..., None] = getattr(tablet, name)
            act(record, found, *read)
            obj.say("saved", record=record)


_operation("add", "添加到一组值。 / Add elements to a set.")
_operation("remove", "从一组值中去掉。 / Take elements out of a set.")
_operation("count", "计数加减。 / Add an amount to a count.")
_operation("append", "追加一条。 / Append entries.")


@cli.command()
@click.argument("record")
@click.argument("reason")
@click.pass_obj
def void(obj: Context, record: str, reason: str) -> None:
    """作废一条记录，写明原因。 / Void a record, with the reason."""
    with obj.open() as tablet:
        tablet.void(record, reason)
        obj.say("voided", record=record)


@cli.command()
@click.argument("household")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--purpose", default="other")
@click.option("--caption", default="")
@click.pass_obj
def attach(obj: Context, household: str, file: Path, purpose: str, caption: str) -> None:
    """附上照片、录音或签名。 / Attach a photo, a sound or a signature."""
    media = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    with obj.open() as tablet:
        record = tablet.attach(
            file.read_bytes(),
            household=household,
            media_type=media,
            purpose=purpose,
            caption=caption,
        )
        obj.say("attached", record=record)


@cli.command()
@click.option("--push-only", is_flag=True, help="只上传 / bring, fetch nothing")
@click.pass_obj
def sync(obj: Context, push_only: bool) -> None:
    """与区级服务器同步。 / Sync with the district."""
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[told]}"))
    with obj.open() as tablet, Progress(*columns, console=obj.console, transient=True) as bar:
        task = bar.add_task(obj.words("sending"), total=None, told="")

        def on_progress(at: views.Progress) -> None:
            told = f"↑{at.sent}/{at.to_send} ↓{at.records}"
            bar.update(task, total=at.to_send or None, completed=at.sent, told=told)

        report = tablet.sync(on_progress, push_only=push_only)
    _tell_sync(obj, report)


def _tell_sync(obj: Context, report: views.SyncReport) -> None:
    obj.say(
        "synced",
        rounds=report.rounds,
        sent=report.sent,
        records=report.records,
        up=report.bytes_up,
        down=report.bytes_down,
    )
    for key, count in (
        ("entered", len(report.entered)),
        ("left", len(report.left)),
        ("blobs-sent", report.blobs_sent),
        (f"log-{report.log}", report.log != "grown"),
    ):
        if count:
            obj.say(key, count=count)
    if report.succeeded:
        obj.say("renewed")
    if not report.agrees:
        obj.say("differs")


@cli.command()
@click.pass_obj
def unsent(obj: Context) -> None:
    """尚未上传的修改。 / What the district does not hold yet."""
    with obj.open() as tablet:
        found = tablet.unsent()
        for one in found:
            fields = ", ".join(one.fields)
            click.echo(f"{one.counter:>6}  {one.worker}  {one.collection}  {one.record}  {fields}")
        if not found:
            obj.say("all-sent")


@cli.command()
@click.pass_obj
def conflicts(obj: Context) -> None:
    """有冲突的记录。 / Records in conflict."""
    with obj.open() as tablet:
        found = tablet.conflicts()
        for one in found:
            obj.shower(tablet).record(one)
        if not found:
            obj.say("no-conflicts")


@cli.command()
@click.argument("record")
@click.argument("field")
@click.argument("value")
@click.option("--reason", default="", help="原因 / why")
@click.pass_obj
def settle(obj: Context, record: str, field: str, value: str, reason: str) -> None:
    """处理冲突：选定或另写一个值。 / Settle a conflict with one of its values or another."""
    with obj.open() as tablet:
        declared = tablet.schema.collections.get(tablet.read(record).collection)
        found = (labels.field_of(declared, field) if declared else None) or field
        tablet.resolve(record, found, _value(declared, found, value), reason=reason)
        obj.say("saved", record=record)


@cli.command()
@click.pass_obj
def notices(obj: Context) -> None:
    """我写的内容后来怎样了。 / What became of one's edits."""
    with obj.open() as tablet:
        told = tablet.notices()
        obj.shower(tablet).notices(told)
        for one in told:
            tablet.mark_read(one.id)


@cli.command(name="add-worker")
@click.argument("worker")
@click.pass_obj
def add_worker(obj: Context, worker: str) -> None:
    """让另一位工作人员也能解锁。 / Let another worker unlock."""
    mine = obj.worker
    secret = obj.secret("ask-secret", mine)
    with Tablet.open(obj.directory, mine, secret) as tablet:
        tablet.add_worker(secret, worker, obj.secret("ask-new-secret", worker, new=True))
        obj.say("worker-added", worker=worker)


@cli.command()
@click.option("--yes", is_flag=True, help="不再询问 / do not ask")
@click.pass_obj
def wipe(obj: Context, yes: bool) -> None:
    """清除本平板。 / Wipe this tablet."""
    if not yes:
        click.confirm(obj.words("wipe-sure"), abort=True)
    with obj.open() as tablet:
        tablet.wipe()
    obj.say("wiped", folder=obj.directory / "outbox")


cli_app.add_to(cli)
cli_carry.add_to(cli)
cli_custody.add_to(cli)
cli_lists.add_to(cli)
cli_mend.add_to(cli)


def _fields(obj: Context, declared: Collection | None, pairs: tuple[str, ...]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for pair in pairs:
        name, found, text = pair.partition("=")
        if not found:
            raise click.UsageError(obj.words("bad-pair", given=pair))
        field = (labels.field_of(declared, name) if declared else None) or name
        value = _value(declared, field, text)
        out[field] = [value] if _policy(declared, field) == "append" else value
    return out


def _values(declared: Collection | None, field: str, texts: tuple[str, ...]) -> list[Any]:
    """Each text read as an element; a set's text may hold several."""
    out: list[Any] = []
    for text in texts:
        value = _value(declared, field, text)
        out += value if isinstance(value, list) else [value]
    return out


def _policy(declared: Collection | None, field: str) -> str:
    return declared.field(field).policy if declared else "ask"


def _value(declared: Collection | None, field: str, text: str) -> Any:
    if declared is None:
        return text
    return labels.value_of(declared.field(field), text)


def _asked_language() -> str:
    """The language for errors that stop the program before a command could say it."""
    given = sys.argv[sys.argv.index("--lang") + 1 :][:1] if "--lang" in sys.argv else []
    return language(given[0] if given else None)


def main() -> None:
    """Run the command line; errors become three sentences and an exit code of 1."""
    lang: Literal["zh", "en"] = "en" if _asked_language() == "en" else "zh"
    try:
        cli.main(standalone_mode=True)
    except (TabletError, SyncError, CryptoError) as error:
        click.echo(f"{error.message(lang)} [{error.code}]", err=True)
        sys.exit(1)
