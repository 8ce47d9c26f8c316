# SPDX-License-Identifier: Apache-2.0
"""``doorstep person, erase``: the rights of the people in the record.

What lives here: asking and showing. What must not: collecting (``rights.py``), erasing.
Invariant: showing a person is a line of the access log before it is shown.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from server.cli_words import BY, SpokenGroup, State, option, spoken, state_of, when

if TYPE_CHECKING:
    from server.office import Desk
    from server.rights import Everything

_NEW = click.Path(path_type=Path)
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_BASIS = option(
    "--basis",
    type=click.Choice(["request", "purpose", "consent"]),
    default="request",
    text="依据：本人要求、目的已实现、撤回同意 ‖ asked for, purpose met, consent withdrawn",
)
_REDACT = option(
    "--redact",
    multiple=True,
    text="保留此记录但隐去此人 ‖ this record stays, without the person's name",
)
_WHY = option("--reason", required=True, text="理由，写入日志 ‖ reason; goes into the journal")


def add_to(main: click.Group) -> None:
    """Add these commands."""
    for command in (person, erase):
        main.add_command(command)


# ---- the person ----------------------------------------------------------------------------------


@click.group("person", cls=SpokenGroup, help="本人的权利 ‖ A person's rights.")
def person() -> None:
    """One person."""


def _read(desk: Desk, subject: str, by: str, purpose: str) -> Everything:
    """Collect, and note in the access log that it was read."""
    from server.log_access import Reading, note_readings
    from server.rights import everything

    with desk.store.read() as tx:
        found = everything(tx, desk.schema, subject, desk.now_ms)
    with desk.store.write() as tx:
        line = Reading(by, found.area, found.home, subject, "*", f"rights {purpose}"[:200])
        note_readings(tx, desk.now_ms, [line])
    return found


@spoken(person, "show", "关于一个人所保存的全部内容 ‖ Everything held about one person.")
@click.argument("subject")
@option("--json", "as_json", is_flag=True, text="以 JSON 输出 ‖ print JSON")
@option("--reason", default="", text="用途，写入查阅记录 ‖ purpose; goes into the access log")
@BY
@click.pass_context
def show(context: click.Context, /, subject: str, as_json: bool, reason: str, by: str) -> None:
    """Show."""
    from server import rights_document
    from server.audit_words import field_words, value_words
    from server.office import reading

    state = state_of(context)
    with reading(state.settings) as desk:
        found = _read(desk, subject, by, reason)
        if as_json:
            click.echo(rights_document.as_json(found).decode())
            return
        for one in found.records:
            state.say("{kind} {record} ‖ {kind} {record}", kind=one.collection, record=one.record)
            rows = [
                (
                    field_words(desk.schema, one.collection, name, state.lang),
                    value_words(desk.schema, one.collection, name, value, state.lang),
                )
                for name, value in one.values.items()
            ]
            state.table(["字段 ‖ field", "内容 ‖ value"], rows)
        state.say(
            "修改 {changes} 次，查阅 {readings} 次，存放于 {places} 处 ‖ "
            "{changes} changes, {readings} readings, held at {places} places",
            changes=sum(len(one.changes) for one in found.records),
            readings=len(found.readings),
            places=len(found.places),
        )


@spoken(person, "export", "导出给本人：.html 可打印，.json 供程序 ‖ A copy for the person.")
@click.argument("subject")
@click.argument("target", type=_NEW)
@option("--reason", default="", text="用途，写入查阅记录 ‖ purpose; goes into the access log")
@BY
@click.pass_context
def export(context: click.Context, /, subject: str, target: Path, reason: str, by: str) -> None:
    """Export."""
    import os

    from server import rights_document
    from server.area_names import read_area_names
    from server.journal import note
    from server.office import reading

    state = state_of(context)
    with reading(state.settings) as desk:
        found = _read(desk, subject, by, reason)
        with desk.store.write() as tx:
            note(tx, desk.now_ms, by, "person-export", subject, reason)
            areas = read_area_names(tx)
        if target.suffix == ".json":
            data = rights_document.as_json(found)
        else:
            data = rights_document.as_html(found, desk.schema, when, areas).encode()
    file = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(file, "wb") as out:
        out.write(data)
    state.say("已写到 {target}，请交本人 ‖ Written to {target}, for the person", target=target)


@spoken(person, "correct", "更正一个字段 ‖ Correct one field, for the person.")
@click.argument("record")
@click.argument("field")
@click.argument("value")
@_WHY
@BY
@click.pass_context
def correct(
    context: click.Context, /, record: str, field: str, value: str, reason: str, by: str
) -> None:
    """Correct."""
    from server.errors import NotFound
    from server.history import stored_record
    from server.journal import note
    from server.office import writing
    from sync.labels import value_of
    from sync.validation import problems

    state = state_of(context)
    with writing(state.settings) as desk:
        with desk.store.read() as tx:
            stored = stored_record(tx, record)
        declared = desk.schema.collections.get(stored.collection) if stored else None
        if stored is None or declared is None or field not in declared.fields:
            raise NotFound(f"{record} {field}")
        given = value_of(declared.field(field), value)
        if found := problems(declared, {field: given}, creating=False):
            raise click.UsageError(" ".join(one.message(state.lang) for one in found))
        desk.writer.write(by, stored.collection, record, {field: given}, reason=reason)
        with desk.store.write() as tx:
            note(tx, desk.now_ms, by, "person-correct", record, f"{field} {reason}")
    state.say("已更正 ‖ Corrected")


# ---- erasing -------------------------------------------------------------------------------------


@click.group("erase", cls=SpokenGroup, help="删除及其证明 ‖ Erasing, and its certificate.")
def erase() -> None:
    """Erasing."""


@spoken(erase, "plan", "试算删除：会删什么，什么不删、为什么 ‖ What erasing would do; a dry run.")
@click.argument("subject")
@option("--also", multiple=True, text="连同此记录 ‖ this record too")
@_REDACT
@_BASIS
@BY
@click.pass_context
def plan(
    context: click.Context,
    /,
    subject: str,
    also: tuple[str, ...],
    redact: tuple[str, ...],
    basis: str,
    by: str,
) -> None:
    """Plan."""
    from server.erasing_certificate import AWAY_WORDS, STAYS_WORDS
    from server.erasing_mentions import BEFORE, MENTION
    from server.erasing_plan import Chosen, plan_erasure
    from server.field_keys import FieldKeys
    from server.office import reading
    from server.words import pick

    state = state_of(context)
    with reading(state.settings) as desk, desk.store.read() as tx:
        keys = FieldKeys(desk.keys.boxes)
        found = plan_erasure(tx, desk.schema, subject, basis, "", by, Chosen(also, redact), keys)
    state.table(
        ["记录 ‖ record", "种类 ‖ kind", "名称 ‖ name", "修改 ‖ changes"],
        [(one.record, one.collection, one.title, one.changes) for one in found.records],
    )
    for one in found.kept:
        state.say(
            "保留 {record}（{kind}）：{why} {detail} ‖ Stays: {record} ({kind}): {why} {detail}",
            record=one.record,
            kind=one.collection,
            why=pick(STAYS_WORDS.get(one.why, one.why), state.lang),
            detail=one.detail,
        )
    for name in sorted(found.case.away):
        state.say("{name}: {why}", name=name, why=pick(AWAY_WORDS, state.lang))
    if any(one.why in (MENTION, BEFORE) for one in found.kept):
        state.say("隐去：加 --redact 记录 ‖ To take the name out of one: --redact RECORD")


@spoken(erase, "now", "删除一个人、一户或一条记录 ‖ Erase a person, a household or a record.")
@click.argument("subject")
@option("--also", multiple=True, text="连同此记录 ‖ this record too")
@_REDACT
@_BASIS
@_WHY
@option("--yes", is_flag=True, text="不再询问 ‖ do not ask")
@BY
@click.pass_context
def now(
    context: click.Context,
    /,
    subject: str,
    also: tuple[str, ...],
    redact: tuple[str, ...],
    basis: str,
    reason: str,
    yes: bool,
    by: str,
) -> None:
    """Erase."""
    from server.erasing_archives import away_for
    from server.erasing_certificate import AWAY_WORDS
    from server.office import writing
    from server.words import pick

    state = state_of(context)
    if not yes:
        asked = "内容不能恢复。确定删除？ ‖ It cannot be brought back. Erase?"
        click.confirm(pick(asked, state.lang), abort=True)
    with writing(state.settings) as desk:
        case = desk.erase([subject, basis, reason, by, list(also), list(redact)])
        with desk.store.read() as tx:
            away = away_for(tx, case)
    state.say(
        "已删除，案号 {case}。平板在下次联系时删除 ‖ "
        "Erased: case {case}. Tablets follow at their next contact",
        case=case.hex(),
    )
    for name in away:
        state.say("{name}: {why}", name=name, why=pick(AWAY_WORDS, state.lang))


@spoken(erase, "status", "各案进展 ‖ How each case stands.")
@click.pass_context
def status(context: click.Context, /) -> None:
    """Status."""
    from server.erasing_certificate import BACKUPS_GONE_MS, cases
    from server.office import reading

    state = state_of(context)
    with reading(state.settings) as desk, desk.store.read() as tx:
        found = cases(tx)
    state.table(
        [
            "案号 ‖ case",
            "时间 ‖ when",
            "依据 ‖ basis",
            "对象 ‖ of",
            "记录 ‖ records",
            "已确认 ‖ confirmed",
            "本机 ‖ here",
            "备份失效 ‖ backups by",
        ],
        [
            (
                one.case,
                when(one.at_ms),
                one.basis,
                one.subject,
                one.records,
                f"{one.done}/{one.places}",
                "✓" if one.pages and not one.away else " ".join(["…", *one.away]),
                when(one.at_ms + BACKUPS_GONE_MS),
            )
            for one in found
        ],
    )


@spoken(erase, "certificate", "签署的删除证明 ‖ The signed certificate of a case.")
@click.argument("case")
@option("--out", type=_NEW, default=None, text="写入新文件（签名的 JSON） ‖ to a new file, signed")
@BY
@click.pass_context
def certificate(context: click.Context, /, case: str, out: Path | None, by: str) -> None:
    """Certificate."""
    import msgspec

    from crypto.erasure import check_certificate
    from server import erasing_certificate as made
    from server.journal import note
    from server.office import reading

    state = state_of(context)
    with reading(state.settings) as desk, desk.store.write() as tx:
        data = made.certificate(tx, desk.keys.sign, case, desk.now_ms)
        facts = msgspec.json.decode(check_certificate(data, desk.keys.sign.public))
        note(tx, desk.now_ms, by, "erasure-certificate", str(facts["case"]), "")
    _tell(state, facts)
    if out is not None:
        with out.open("xb") as file:
            file.write(data)


@spoken(erase, "check", "核对删除证明的签名 ‖ Check the signature of a certificate.")
@click.argument("file", type=_FILE)
@option("--root", type=_FILE, required=True, text="服务器公钥文件 ‖ the server's public key")
@click.pass_context
def check(context: click.Context, /, file: Path, root: Path) -> None:
    """Check."""
    import msgspec

    from crypto.erasure import check_certificate

    public = bytes.fromhex(root.read_text("ascii").strip())
    _tell(state_of(context), msgspec.json.decode(check_certificate(file.read_bytes(), public)))


def _tell(state: State, facts: dict[str, object]) -> None:
    from server.erasing_certificate import sentences

    for line in sentences(facts, state.lang, when):
        state.say("{line} ‖ {line}", line=line)
