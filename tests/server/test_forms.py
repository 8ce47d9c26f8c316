# SPDX-License-Identifier: Apache-2.0
"""Forms as XLSForm: out and in again the same, others' forms in, nothing dropped unsaid."""

import io
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook
from pyxform.xls2xform import convert

from server.errors import ImportRefused
from server.forms import keep_form, known_schema
from server.settings import Settings
from server.xlsform import exported, imported
from sync.collections import SCHEMA
from sync.labels import form_lines
from sync.schema import Collection
from sync.validation import problems

COLLECTIONS = list(SCHEMA.collections.values())


def workbook(survey: list[list[Any]], choices: list[list[Any]] | None = None) -> bytes:
    book = Workbook()
    book.active.title = "survey"
    for row in survey:
        book.active.append(row)
    sheet = book.create_sheet("choices")
    for row in [["list_name", "name", "label::中文", "label::English"], *(choices or [])]:
        sheet.append(row)
    settings = book.create_sheet("settings")
    settings.append(["form_title", "form_id"])
    settings.append(["摸底", "census"])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


@pytest.mark.slow
@pytest.mark.parametrize("collection", COLLECTIONS, ids=lambda c: c.name)
def test_a_form_that_goes_out_comes_back_the_same(collection: Collection) -> None:
    data = exported(collection)
    assert "<h:html" in convert(io.BytesIO(data), file_type=".xlsx").xform
    back = imported(data)
    assert back.unmapped == ()
    assert (back.collection.name, back.collection.label) == (collection.name, collection.label)
    assert list(back.collection.fields) == list(collection.fields)
    for name, field in collection.fields.items():
        assert back.collection.fields[name] == field, name


def test_a_form_from_elsewhere_comes_in_and_what_has_no_place_is_named() -> None:
    head = ["type", "name", "label::中文", "label::English", "required", "constraint", "relevant"]
    data = workbook(
        [
            head,
            ["start", "began", "", "", "", "", ""],
            ["text", "head", "户主", "Head", "yes", "string-length(.) <= 20", ""],
            ["integer", "people", "人数", "People", "", ". >= 1 and . <= 40", ""],
            ["select_one water", "water", "用水", "Water", "yes", "", ""],
            ["select_multiple water", "others", "其他", "Others", "", "", "${water} = 'well'"],
            ["text", "depth", "井深", "Depth", "", "", "${people} > 3"],
            ["geopoint", "place", "位置", "Place", "", "", ""],
            ["image", "picture", "照片", "Picture", "", "", ""],
            ["calculate", "twice", "", "", "", "", ""],
            ["hologram", "ghost", "全息", "Ghost", "", "", ""],
            ["rank water", "favourite", "排序", "Rank", "", "", ""],
        ],
        [["water", "mains", "自来水", "Mains"], ["water", "well", "井", "Well"]],
    )
    found = imported(data)
    fields = found.collection.fields
    assert list(fields) == ["head", "people", "water", "others", "depth", "place", "picture"]
    assert fields["head"].label is not None
    assert (fields["head"].label.zh, fields["head"].label.en) == ("户主", "Head")
    assert (fields["people"].minimum, fields["people"].maximum) == (1, 40)
    assert fields["others"].asked_when == ("water", "well")
    assert fields["others"].policy == "union"
    assert fields["picture"].refers_to == "attachment"
    assert "Missing calculation" in found.unmapped[0]
    assert found.unmapped[1:] == (
        "2: start began",
        "7: relevant ${people} > 3",
        "10: calculate twice",
        "11: hologram ghost",
        "12: rank favourite",
    )
    bad = problems(found.collection, {"people": 50, "water": "river"}, True)
    assert [p.code for p in bad] == ["value/required", "value/too-large", "value/choice"]


def test_what_is_no_xlsform_is_refused() -> None:
    for data in (b"", b"no workbook", workbook([["type", "name"], ["note", "x"]])):
        with pytest.raises(ImportRefused):
            imported(data)


def test_a_form_brought_in_is_known_beside_the_declared_ones(tmp_path: Path) -> None:
    settings = Settings(data_dir=str(tmp_path))
    assert known_schema(settings) is SCHEMA
    head = ["type", "name", "label::中文", "label::English"]
    form = imported(workbook([head, ["text", "answer", "回答", "Answer"]])).collection
    keep_form(settings, form)
    assert known_schema(settings).collections["census"] == form
    assert known_schema(settings).collections["visit"] == SCHEMA.collections["visit"]
    with pytest.raises(ImportRefused):
        keep_form(settings, SCHEMA.collections["visit"])


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_every_form_can_be_shown_in_both_languages(lang: str) -> None:
    for collection in COLLECTIONS:
        lines = form_lines(collection, lang)
        assert len(lines) == len(collection.fields)
        assert all(label and what and rule for label, _, what, rule, _ in lines)
