# SPDX-License-Identifier: Apache-2.0
"""Each form and each report in the terminal, in both languages, by the commands themselves."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from server.cli import main
from server.reports import REPORTS
from sync.collections import SCHEMA

HAN = re.compile(r"[\u4e00-\u9fff]")
LANGS = pytest.mark.parametrize("lang", ["zh", "en"])
HOME = {"id": "h1", "area": "440103019003", "address": "龙津西路1号", "head_name": "陈桂兰"}
Doorstep = Callable[..., str]


@pytest.fixture
def doorstep(tmp_path: Path) -> Doorstep:
    def run(*arguments: str, lang: str = "en") -> str:
        base = ["--data-dir", str(tmp_path / "district"), "--lang", lang]
        # As wide as a form with its reasons: words are looked for that a line break would cut.
        found = CliRunner(env={"COLUMNS": "500"}).invoke(main, [*base, *arguments])
        assert found.exit_code == 0, found.output + repr(found.exception)
        return found.stdout

    run("init")
    return run


def flat(text: str) -> str:
    """A table's text without the breaks that its cells have."""
    return re.sub(r"[\s│┃|]+", "", text)


@LANGS
def test_each_form_is_shown_by_a_command(doorstep: Doorstep, lang: str) -> None:
    listed = doorstep("forms", "show", lang=lang)
    for name, form in SCHEMA.collections.items():
        assert name in listed
        assert form.label.text(lang) in listed
        shown = doorstep("forms", "show", name, lang=lang)
        for field in form.fields.values():
            assert field.label is not None
            assert flat(field.label.text(lang)) in flat(shown), (name, field.label)
        assert bool(HAN.search(shown)) == (lang == "zh"), name


@pytest.mark.slow
@LANGS
def test_each_report_is_shown_by_a_command_with_its_definitions(
    doorstep: Doorstep, lang: str, tmp_path: Path
) -> None:
    file = tmp_path / "homes.json"
    file.write_text(json.dumps([HOME]), "utf-8")
    doorstep("import", str(file))
    listed = doorstep("report", "list", lang=lang)
    for name, report in REPORTS.items():
        assert report.label.text(lang) in listed
        shown = flat(doorstep("report", name, "--definitions", lang=lang))
        assert flat(report.label.text(lang)) in shown
        for column in report.columns:
            assert flat(column.label.text(lang)) in shown, (name, column.name)
            assert flat(column.words.text(lang)) in shown, (name, column.name)
        assert bool(HAN.search(shown)) == (lang == "zh"), name
