# SPDX-License-Identifier: Apache-2.0
"""The declarations hold together: names, reasons, labels, life cycle and references.

What lives here: what must be true of every collection, so that the next twenty keep to it too.
"""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import sync.collections
from sync.collections import SCHEMA
from sync.collections.declare import ENDED
from sync.collections.need import SOLVED, STAGES
from sync.labels import SEPARATORS, field_of, heading, shown, value_of
from sync.schema import Collection, Field, check_schema
from sync.session import HOME_FIELD

COLLECTIONS = list(SCHEMA.collections.values())
FIELDS = [(c, name, f) for c in COLLECTIONS for name, f in c.fields.items()]
NAME = re.compile(r"[a-z][a-z0-9_]*")


def each_field() -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        ("collection", "name", "field"), FIELDS, ids=[f"{c.name}.{n}" for c, n, _ in FIELDS]
    )


def test_the_schema_holds_all_the_districts_run_and_is_sound() -> None:
    assert {"household", "person", "visit", "need", "assessment", "attachment"} < set(
        SCHEMA.collections
    )
    assert len(SCHEMA.collections) == 40
    assert check_schema(SCHEMA) is SCHEMA


def test_each_file_of_the_folder_declares_the_collection_of_its_name() -> None:
    folder = Path(sync.collections.__file__).parent
    shared = {"__init__", "declare", "fields"}
    assert {path.stem for path in folder.glob("*.py")} - shared == set(SCHEMA.collections)


def test_reading_the_declarations_loads_nothing_that_is_slow_to_load() -> None:
    code = (
        "import sys, sync.collections\n"
        "print({'cryptography', 'litestar', 'pypinyin', 'sqlite_utils', 'rich'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    assert done.stdout.strip() == b"set()"


@each_field()
def test_every_field_has_a_plain_name_both_labels_and_a_reason(
    collection: Collection, name: str, field: Field
) -> None:
    assert NAME.fullmatch(name)
    assert field.why.endswith(".")
    assert field.label is not None
    assert field.label.zh
    assert field.label.en


@each_field()
def test_every_choice_is_a_stable_ascii_word_with_two_labels(
    collection: Collection, name: str, field: Field
) -> None:
    values = [c.value for c in field.choices]
    assert len(values) == len(set(values))
    for choice in field.choices:
        assert NAME.fullmatch(choice.value)
        assert choice.label.zh
        assert choice.label.en
        assert not SEPARATORS.search(choice.label.zh + choice.label.en)
    if field.order and field.choices:
        assert list(field.order) == values


@each_field()
def test_every_pattern_compiles_and_every_reference_names_a_collection(
    collection: Collection, name: str, field: Field
) -> None:
    re.compile(field.pattern)
    assert not field.refers_to or field.refers_to in SCHEMA.collections
    assert field.minimum is None or field.maximum is None or field.minimum < field.maximum


@each_field()
def test_a_field_named_for_a_unit_declares_that_unit(
    collection: Collection, name: str, field: Field
) -> None:
    ending = name.rsplit("_", 1)[-1]
    known = {"ms": "ms", "fen": "fen", "kg": "kg", "c": "°C", "bytes": "bytes"}
    unit = {**known, "days": "d", "minutes": "min"}.get(ending)
    assert unit is None or field.unit == unit


def test_fields_count_in_units_that_people_know_or_in_none() -> None:
    units = {"", "bytes", "d", "fen", "h", "kg", "min", "mmHg", "ms", "°", "°C"}
    assert {field.unit for _, _, field in FIELDS} == units


@pytest.mark.parametrize("collection", COLLECTIONS, ids=[c.name for c in COLLECTIONS])
def test_every_record_names_its_home_or_is_one_with_an_area(collection: Collection) -> None:
    field = collection.fields.get(HOME_FIELD)
    if field is None:
        area = collection.fields["area"]
        assert (area.policy, area.required) == ("ask", True)
        return
    assert (field.policy, field.required) == ("ask", True)
    assert HOME_FIELD not in SCHEMA.collections[field.refers_to].fields
    assert "area" not in collection.fields


@pytest.mark.parametrize("collection", COLLECTIONS, ids=[c.name for c in COLLECTIONS])
def test_both_labels_of_a_collection_are_its_own(collection: Collection) -> None:
    assert NAME.fullmatch(collection.name)
    for lang in ("zh", "en"):
        label = collection.label.text(lang)
        assert label
        assert [c.name for c in COLLECTIONS if c.label.text(lang) == label] == [collection.name]
    assert collection.label.en


@pytest.mark.parametrize(
    "collection",
    [c for c in COLLECTIONS if "status" in c.fields],
    ids=[c.name for c in COLLECTIONS if "status" in c.fields],
)
def test_in_every_life_cycle_what_leaves_work_to_do_outranks_an_end(
    collection: Collection,
) -> None:
    field = collection.fields["status"]
    assert (field.policy, field.required) == ("highest", True)
    ended = [stage in ENDED for stage in field.order]
    assert ended[0]
    assert not ended[-1]
    assert ended == sorted(ended, reverse=True)
    for back in ("reopened", "sent_back"):
        if back in field.order:
            behind = field.order[field.order.index(back) + 1 :]
            assert set(behind) <= {"reopened"}


@pytest.mark.parametrize("collection", COLLECTIONS, ids=[c.name for c in COLLECTIONS])
def test_no_two_fields_of_a_form_share_a_heading(collection: Collection) -> None:
    for lang in ("zh", "en"):
        headings = [heading(collection, name, lang) for name in collection.fields]
        assert len(headings) == len(set(headings))
        assert [field_of(collection, words) for words in headings] == list(collection.fields)


def test_the_ends_that_are_known_are_ends_of_some_life_cycle() -> None:
    assert SOLVED < ENDED
    assert {s for c in COLLECTIONS for s in c.field("status").order if s in ENDED} == ENDED


def test_an_ordered_choice_under_a_rule_never_lacks_its_order() -> None:
    for collection, name, field in FIELDS:
        if field.kind == "choice" and field.policy in ("highest", "lowest"):
            assert field.order, f"{collection.name}.{name}"


def test_money_is_whole_fen_and_never_chosen_by_a_rule() -> None:
    money = [f for _, name, f in FIELDS if f.unit == "fen" or name.endswith("_fen")]
    assert len(money) >= 10
    for field in money:
        assert (field.kind, field.unit) == ("integer", "fen")
        assert field.policy in ("ask", "sum")
    assert SCHEMA.policy("relief_application", "decision") == "ask"


def test_a_reopened_need_outranks_a_closed_one() -> None:
    order = SCHEMA.field("need", "status").order
    assert SCHEMA.policy("need", "status") == "highest"
    assert order[0] == "closed"
    assert order[-1] == "reopened"
    assert {stage.value for stage in STAGES[: len(SOLVED)]} == SOLVED
    assert all(order.index(done) < order.index("referred") for done in SOLVED)


def test_what_decides_money_reach_or_place_is_never_chosen_by_a_rule() -> None:
    for name in ("area", "address", "phone", "monthly_income_fen", "medication", "joined_into"):
        assert SCHEMA.policy("household", name) == "ask"
    assert SCHEMA.policy("person", "household") == "ask"


def test_the_least_care_needed_never_wins_a_disagreement() -> None:
    for collection in ("household", "person", "assessment"):
        order = SCHEMA.field(collection, "care_level").order
        assert order[0] == "independent"
        assert order[-1] == "full_care"
    assert SCHEMA.field("assessment", "grade").order[-1] == "poor"
    assert SCHEMA.policy("assessment", "self_care_score") == "lowest"


def test_an_undeclared_field_is_a_question() -> None:
    assert SCHEMA.policy("household", "of_next_year") == "ask"
    assert SCHEMA.policy("of_next_year", "anything") == "ask"


@each_field()
@pytest.mark.parametrize("lang", ["zh", "en"])
def test_what_is_shown_of_a_choice_reads_back(
    collection: Collection, name: str, field: Field, lang: str
) -> None:
    values = [c.value for c in field.choices]
    if field.policy == "union":
        assert value_of(field, shown(field, values, lang)) == values
    else:
        assert [value_of(field, shown(field, v, lang)) for v in values] == values


def test_an_office_cell_is_read_in_the_ways_offices_write() -> None:
    household = SCHEMA.collections["household"].fields
    wanted = ["dibao", "disabled"]
    for cell in (
        "低保、残疾",
        "低保,残疾",
        "低保 残疾",
        "低保/残疾",
        "dibao;残疾",
        " 低保 ； 残疾 ",
    ):
        assert value_of(household["categories"], cell) == wanted
    assert value_of(household["categories"], "") == []
    assert value_of(household["categories"], "低保、外星") == ["dibao", "外星"]
    assert value_of(household["floor"], "1,200") == 1200
    assert value_of(household["floor"], "三楼") == "三楼"
    assert value_of(household["phone"], "  ") is None
    assert value_of(household["address"], "龙津西路 3 号、后座") == "龙津西路 3 号、后座"


def test_a_heading_is_found_with_a_byte_order_mark_and_in_any_case() -> None:
    household = SCHEMA.collections["household"]
    assert field_of(household, "\ufeff地址") == "address"
    assert field_of(household, " ADDRESS ") == "address"
    assert field_of(household, "head of household") == "head_name"
    assert field_of(household, "星座") is None


def test_money_is_read_and_shown_in_yuan_and_stored_in_fen() -> None:
    income = SCHEMA.field("household", "monthly_income_fen")
    for cell, fen in {"1,200": 120_000, "1200.5": 120_050, "0.07": 7, "850元": 85_000}.items():
        assert value_of(income, cell) == fen
    for cell in ("1.234", "一千", "1e3", "."):
        assert value_of(income, cell) == cell
    assert [shown(income, fen, "zh") for fen in (120_050, 7, 0, -250)] == [
        "1200.50",
        "0.07",
        "0.00",
        "-2.50",
    ]
