# SPDX-License-Identifier: Apache-2.0
"""``doorstep report``: figures of the record, in the terminal or as a file.

What lives here: the command. What must not: answering it, which is in ``reports.answer``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from server.cli_words import BY, option, spoken, state_of

FORMATS = ("table", "csv", "xlsx", "geojson", "json")
_group = click.Group()


def add_to(main: click.Group) -> None:
    """Add this command."""
    main.add_command(report)


@spoken(
    _group,
    "report",
    "统计报表；list 列出全部 ‖ Figures of the record; list names all reports.",
)
@click.argument("name", default="totals")
@option("--area", default="", text="只看此代码以下 ‖ only below this code")
@option(
    "--level",
    type=click.Choice(["city", "district", "street", "community", "grid"]),
    default=None,
    text="按哪一级归类 ‖ level of the rows",
)
@option(
    "--day", default="", text="日期，默认今天 ‖ day, or last day (YYYY-MM-DD); today if not given"
)
@option("--since", default="", text="起始日期 ‖ first day of several")
@option(
    "--days",
    type=click.IntRange(1, 3_660),
    default=30,
    show_default=True,
    text="多少天没有走访 ‖ days without a visit",
)
@option(
    "--format",
    "kind",
    type=click.Choice(FORMATS),
    default="table",
    text="格式 ‖ form of the output",
)
@option(
    "--out", type=click.Path(path_type=Path), default=None, text="写入新文件 ‖ write to a new file"
)
@option(
    "--records", "figure", default="", text="列出此指标的记录 ‖ list the records of this figure"
)
@option("--definitions", is_flag=True, text="附指标说明 ‖ with the definitions")
@BY
@click.pass_context
def report(context: click.Context, /, name: str, **given: Any) -> None:
    """Report."""
    from server.reports.answer import answer, list_reports

    state = state_of(context)
    if name == "list":
        list_reports(state)
    else:
        answer(state, name, given)
