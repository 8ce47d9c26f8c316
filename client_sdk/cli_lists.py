# SPDX-License-Identifier: Apache-2.0
"""``doorstep-tablet form`` and ``lists``: any form filled in at the terminal, and the day's lists.

What lives here: commands, thin over ``Tablet``. What must not: counting, checks. Invariant: a form
asks for every field that is declared, in its order, and for nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import click
from rich.table import Table

from client_sdk.errors import EntryRefused
from client_sdk.tablet import Tablet
from sync import labels
from sync.schema import Collection
from sync.validation import problems

if TYPE_CHECKING:
    from client_sdk.cli import Context

Lines = Iterator[tuple[str, str, str]]
"""Household, state, detail."""


def add_to(group: click.Group) -> None:
    """Add these commands."""
    for command in (form, lists, deal):
        group.add_command(command)


@click.command()
@click.argument("collection")
@click.option("--household", default="", help="所属户 / the household it belongs to")
@click.option("--blank", is_flag=True, help="只查看，不填写 / show it, fill nothing in")
@click.pass_obj
def form(obj: Context, collection: str, household: str, blank: bool) -> None:
    """逐栏填写一张表单。 / Fill in a form, field by field."""
    with obj.open() as tablet:
        declared = tablet.schema.collections.get(collection)
        if declared is None:
            known = ", ".join(sorted(tablet.schema.collections))
            raise click.UsageError(obj.words("form-unknown", name=collection, known=known))
        if blank:
            _show(obj, declared)
            return
        obj.say("form-skip")
        given = {"household": household} if household else {}
        values = _ask(obj, declared, given)
        try:
            obj.say("saved", record=tablet.create_record(collection, values))
        except EntryRefused as refused:
            for problem in refused.problems:
                click.echo(problem.message(obj.words.lang), err=True)
            raise


def _show(obj: Context, declared: Collection) -> None:
    w = obj.words
    heads = [w(f"head-form-{name}") for name in ("field", "name", "what", "rule")]
    table = Table(*heads, title=declared.label.text(w.lang))
    for label, name, what, rule, _ in labels.form_lines(declared, w.lang):
        table.add_row(label, name, what, rule)
    obj.console.print(table)


def _ask(obj: Context, declared: Collection, given: dict[str, Any]) -> dict[str, Any]:
    values = dict(given)
    lang = obj.words.lang
    for label, name, what, _, _ in labels.form_lines(declared, lang):
        field = declared.fields[name]
        if name in values or (field.asked_when and not _asked(values, field.asked_when)):
            continue
        while True:
            text = click.prompt(f"{label} [{what}]", default="", show_default=False)
            value = labels.value_of(field, str(text))
            if value in (None, []):
                break
            wrong = problems(declared, {name: value}, False)
            if not wrong:
                values[name] = [value] if field.policy == "append" else value
                break
            click.echo(wrong[0].message(lang), err=True)
    return values


def _asked(values: dict[str, Any], when: tuple[str, ...]) -> bool:
    found = values.get(when[0])
    many = found if isinstance(found, list) else [found]
    return any(value in when[1:] for value in many)


@click.command()
@click.argument("name", type=click.Choice(["zones", "doors", "daily", "needs", "repair"]))
@click.option("--on", default="", help="日期，默认今天 / the date, today if none")
@click.pass_obj
def lists(obj: Context, name: str, on: str) -> None:
    """当天的清单：封控区、扫楼、日报、需求、断链。 / Zones, doors, reports, needs, broken links."""
    makers: dict[str, Callable[[Context, Tablet, str], Lines]] = {
        "zones": _zones,
        "doors": _doors,
        "daily": _daily,
        "needs": _needs,
        "repair": _repair,
    }
    w = obj.words
    with obj.open() as tablet:
        where = {hit.id: str(hit.values.get("address") or "") for hit in tablet.households()}
        table = Table(w("head-home"), w("head-where"), w("head-state"), w("head-detail"))
        for home, state, detail in makers[name](obj, tablet, on):
            table.add_row(home, where.get(home, ""), state, detail)
        obj.console.print(table if table.row_count else w("nothing"))


@click.command()
@click.option("--on", default="", help="日期，默认今天 / the date, today if none")
@click.pass_obj
def deal(obj: Context, on: str) -> None:
    """把电联名单分给拨打人，每户每天一人。 / Deal the call lists, one caller a household a day."""
    with obj.open() as tablet:
        for one in tablet.deal_calls(on):
            click.echo(f"{one.home}  {one.caller}")


def _zones(obj: Context, tablet: Tablet, on: str) -> Lines:
    level = tablet.schema.field("zone", "level")
    for one in tablet.in_zones(on):
        yield one.home, labels.shown(level, one.level, obj.words.lang), one.zone


def _doors(obj: Context, tablet: Tablet, on: str) -> Lines:
    for home, state in sorted(tablet.doors(on or tablet.today(), on).states.items()):
        yield home, obj.words(f"door-{state}"), ""


def _daily(obj: Context, tablet: Tablet, on: str) -> Lines:
    form = tablet.schema.collections["daily_form"]
    for line in tablet.daily(on):
        parts = {
            "health": line.health,
            "temperature_c": line.temperature_c,
            "shortages": list(line.shortages),
            "care_given": list(line.care),
        }
        told = [
            f"{labels.heading(form, n, obj.words.lang)}"
            f" {labels.shown(form.field(n), v, obj.words.lang)}"
            for n, v in parts.items()
            if v
        ]
        state = obj.words("daily-missing" if line.missing else "daily-told")
        yield line.home, state, "; ".join(told)


def _needs(obj: Context, tablet: Tablet, _: str) -> Lines:
    kind = tablet.schema.field("need", "kind")
    for need, clock in tablet.clocks():
        told = [labels.shown(kind, need.get("kind"), obj.words.lang)]
        told.append(obj.words("clock-hours", hours=clock.hours))
        told += [obj.words("clock-overdue")] if clock.overdue else []
        yield need.home, obj.words(f"clock-{clock.state}"), ", ".join(told)


def _repair(obj: Context, tablet: Tablet, _: str) -> Lines:
    for one in tablet.broken_links():
        declared = tablet.schema.collections[one.collection]
        label = labels.heading(declared, one.field, obj.words.lang)
        yield one.home, obj.words(f"link-{one.wrong}"), f"{one.record} {label} {one.to}"
