# SPDX-License-Identifier: Apache-2.0
"""Declarations: what is sound, what contradicts itself, and what is not declared at all."""

from typing import Any

import pytest

from sync.collections import SCHEMA
from sync.schema import (
    FIELDS_MAX,
    NAME_CHARS_MAX,
    UNDECLARED,
    Collection,
    Field,
    Label,
    Schema,
    SchemaInvalid,
    check_schema,
    plain_schema,
)


def schema(fields: dict[str, Field], name: str = "thing") -> Schema:
    return Schema({name: Collection(name=name, label=Label(zh=name), fields=fields)})


def test_the_built_in_schema_is_sound() -> None:
    assert check_schema(SCHEMA) is SCHEMA


def test_a_field_nobody_declared_is_one_to_ask_about() -> None:
    assert SCHEMA.policy("household", "from a newer program") == "ask"
    assert SCHEMA.policy("from a newer program", "x") == "ask"
    assert SCHEMA.field("household", "unknown") is UNDECLARED
    assert SCHEMA.field("unknown", "x") is UNDECLARED


def test_names_are_taken_up_to_their_length_and_not_above() -> None:
    check_schema(schema({"f" * NAME_CHARS_MAX: Field()}, "c" * NAME_CHARS_MAX))
    for bad in (
        schema({"f" * (NAME_CHARS_MAX + 1): Field()}),
        schema({"": Field()}),
        schema({}, "c" * (NAME_CHARS_MAX + 1)),
        schema({}, ""),
        Schema({"one": Collection(name="other", label=Label(zh="x"), fields={})}),
    ):
        with pytest.raises(SchemaInvalid):
            check_schema(bad)


def test_a_collection_declares_up_to_its_most_fields() -> None:
    check_schema(schema({f"f{i}": Field() for i in range(FIELDS_MAX)}))
    with pytest.raises(SchemaInvalid):
        check_schema(schema({f"f{i}": Field() for i in range(FIELDS_MAX + 1)}))


@pytest.mark.parametrize("policy", ["latest", "ask"])
def test_a_sealed_field_merges_by_policies_that_need_not_read_it(policy: Any) -> None:
    check_schema(schema({"f": Field(policy=policy, sealed=True)}))


@pytest.mark.parametrize(
    "field",
    [
        Field(policy="highest", sealed=True),
        Field(policy="lowest", sealed=True),
        Field(policy="union", sealed=True),
        Field(policy="sum", sealed=True),
        Field(policy="append", sealed=True),
        Field(policy="ask", order=("a", "b")),
        Field(kind="choice"),
    ],
)
def test_a_declaration_that_contradicts_itself_is_refused_by_name(field: Field) -> None:
    with pytest.raises(SchemaInvalid, match=r"thing\.f"):
        check_schema(schema({"f": field}))


def test_histories_bring_their_collections_as_plain_data() -> None:
    found = plain_schema(
        {"thing": {"a": "latest", "h": {"policy": "highest", "order": ["x", "y"]}}}
    )
    assert found.policy("thing", "a") == "latest"
    assert found.field("thing", "h").order == ("x", "y")


@pytest.mark.parametrize("declared", ["newest", {"policy": "ask", "kind": "colour"}, {"policy": 1}])
def test_plain_data_that_is_no_declaration_is_refused_by_name(declared: Any) -> None:
    with pytest.raises(SchemaInvalid, match=r"thing\.f"):
        plain_schema({"thing": {"f": declared}})


def test_a_label_is_chinese_where_no_english_is_declared() -> None:
    assert Label(zh="电话").text("en") == "电话"
    assert Label(zh="电话", en="Phone").text("en") == "Phone"
    assert Label(zh="电话", en="Phone").text("zh") == "电话"
