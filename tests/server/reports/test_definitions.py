# SPDX-License-Identifier: Apache-2.0
"""Every figure has its definition in both languages, beside it wherever it is shown."""

import re
from pathlib import Path

import pytest

from server import reports
from server.reports.define import Report
from server.reports.document import definitions
from server.reports.facts import FACTS, form_of, kinds_of
from server.reports.sheets import UNITS
from sync.collections import SCHEMA
from sync.schema import Collection, Field, Label, Schema

README = Path(reports.__file__).with_name("README.md").read_text("utf-8")
HAN = re.compile(r"[\u4e00-\u9fff]")
ALL = list(reports.REPORTS.values())


@pytest.mark.parametrize("report", ALL, ids=lambda report: report.name)
def test_every_figure_is_defined_in_both_languages(report: Report) -> None:
    texts = [report.label, report.words]
    for column in report.columns:
        texts += [column.label, column.words]
    if report.dimension:
        texts.append(report.dimension.label)
    for text in texts:
        assert HAN.search(text.zh)
        assert text.en
        assert not HAN.search(text.en)
    names = [column.name for column in report.columns]
    assert len(set(names)) == len(names)
    assert len({column.label.zh for column in report.columns}) == len(names)
    assert {figure.source for figure in report.figures} == set(report.sources)
    assert all(figure.unit in UNITS for figure in report.figures if figure.unit)
    assert all(report.figure(s.part) and report.figure(s.whole) for s in report.shares)
    assert not (report.overlapping and any(figure.amount for figure in report.figures))


def test_the_readme_has_the_definitions_of_the_code() -> None:
    assert README.rstrip().endswith(definitions().rstrip())


def test_a_declaration_that_changed_makes_the_facts_anew() -> None:
    visit = SCHEMA.collections["visit"]
    fields = dict(visit.fields) | {"at_ms": Field(label=Label(zh="时间", en="Time"))}
    other = Collection(name="visit", label=visit.label, fields=fields)
    changed = Schema(SCHEMA.collections | {"visit": other})
    assert form_of(changed) != form_of(SCHEMA)


def test_facts_name_only_fields_that_are_declared() -> None:
    for facts in FACTS:
        declared = SCHEMA.collections[facts.collection].fields
        assert {name for name, _ in kinds_of(SCHEMA, facts)} <= set(declared)
        assert set(facts.sets.split()) <= set(declared)
