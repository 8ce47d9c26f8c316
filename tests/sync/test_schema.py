# SPDX-License-Identifier: Apache-2.0
"""Declarations: what is sound, what contradicts itself, and what is not declared at all."""

from typing import Any

import pytest

from sync.behaviour import Fill, Follows, Opens, Step
from sync.collections import SCHEMA
from sync.collections.declare import READERS
from sync.schema import (
    FIELDS_MAX,
    NAME_CHARS_MAX,
    SEALED_CHARS_MAX,
    SENSITIVE,
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


REFUSED: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"policy": "highest"}, {}, "ask or latest, not highest"),
    ({"policy": "lowest"}, {}, "ask or latest, not lowest"),
    ({"policy": "union"}, {}, "ask or latest, not union"),
    ({"policy": "sum"}, {}, "ask or latest, not sum"),
    ({"policy": "append"}, {}, "ask or latest, not append"),
    ({"refers_to": "person"}, {}, "a reference is followed"),
    ({"names": "team"}, {}, "a reference is followed"),
    ({"chars_max": SEALED_CHARS_MAX + 1}, {}, "at most 2000 characters"),
    ({"readers": "two words"}, {}, "a word of 24 letters"),
    ({"readers": "x" * 25}, {}, "a word of 24 letters"),
    ({}, {"one_per": ("f",)}, "tells no records apart"),
    ({}, {"fills": (Fill(why="w", field="f", sets={"g": 1}),)}, "nothing follows"),
    ({}, {"fills": (Fill(why="w", field="g", sets={"g": "=f"}),)}, "nothing follows"),
    (
        {},
        {"opens": (Opens(why="w", field="g", collection="x", key=("=f",), sets={}),)},
        "nothing follows",
    ),
    (
        {},
        {"follows": (Follows(why="w", field="g", values=("1",), link="f", sets={}),)},
        "nothing follows",
    ),
    ({}, {"steps": (Step(why="w", field="f", values=("x",)),)}, "nothing follows"),
    ({}, {"fills": (Fill(why="w", field="g", firsts={"g": "=f"}),)}, "nothing follows"),
    ({}, {"fills": (Fill(why="w", field="g", adds={"g": "=f"}),)}, "nothing follows"),
    (
        {},
        {"opens": (Opens(why="w", field="g", collection="x", key=(), sets={}, again={"s": "=f"}),)},
        "nothing follows",
    ),
]


@pytest.mark.parametrize(("field", "more", "words"), REFUSED)
def test_whatever_needs_the_value_of_a_sealed_field_is_refused_by_name_and_with_the_reason(
    field: dict[str, Any], more: dict[str, Any], words: str
) -> None:
    fields = {"f": Field(sealed=True, **field), "g": Field()}
    declared = Collection(name="thing", label=Label(zh="x"), fields=fields, **more)
    with pytest.raises(SchemaInvalid, match=words) as refused:
        check_schema(Schema({"thing": declared}))
    assert str(refused.value).startswith("thing.f: ")


def test_a_dot_in_a_name_hides_no_sealed_field_from_its_checks() -> None:
    for called, key in (("x.y", "f"), ("x", "a.f")):
        sealed = {key: Field(sealed=True)}
        thing = Collection(name=called, label=Label(zh="x"), fields=sealed, one_per=(key,))
        with pytest.raises(SchemaInvalid, match="tells no records apart"):
            check_schema(Schema({called: thing}))


def test_a_sealed_field_is_declared_up_to_its_limits() -> None:
    at_most = Field(sealed=True, chars_max=SEALED_CHARS_MAX, readers="r" * 24)
    check_schema(schema({"f": at_most}))


def test_names_of_one_letter_and_orders_of_either_policy_are_sound() -> None:
    check_schema(schema({"f": Field(policy="lowest", order=("a", "b"))}, "x"))
    check_schema(schema({"f": Field(policy="highest", order=("a", "b"))}))


@pytest.mark.parametrize("kept", [{"keep_days": -1}, {"kept_from": "unknown"}])
def test_a_collection_says_soundly_how_long_it_is_kept(kept: dict[str, Any]) -> None:
    declared = Collection(name="thing", label=Label(zh="x"), fields={"f": Field()}, **kept)
    with pytest.raises(SchemaInvalid, match="how long it is kept"):
        check_schema(Schema({"thing": declared}))


def test_no_field_is_asked_for_by_what_nobody_may_read() -> None:
    asked = {"f": Field(sealed=True), "g": Field(asked_when=("f", "x"))}
    with pytest.raises(SchemaInvalid, match="no field is asked for"):
        check_schema(schema(asked))


@pytest.mark.parametrize("name", ["household", "area"])
def test_what_decides_who_holds_a_record_is_never_sealed(name: str) -> None:
    with pytest.raises(SchemaInvalid, match="not sealed"):
        check_schema(schema({name: Field(sealed=True)}))


def test_a_sealed_field_has_a_class_of_readers_and_no_other_field_has_one() -> None:
    assert Field(sealed=True).reader_class == SENSITIVE
    assert Field(sealed=True, readers="child").reader_class == "child"
    assert Field().reader_class == ""
    with pytest.raises(SchemaInvalid, match="readers are named"):
        check_schema(schema({"f": Field(readers="child")}))


def test_identity_illness_and_child_protection_are_sealed_each_for_its_readers() -> None:
    found = {
        (name, field): one.reader_class
        for name, collection in SCHEMA.collections.items()
        for field, one in collection.fields.items()
        if one.sealed
    }
    assert found == {
        ("person", "identity_number"): "identity",
        ("person", "illness"): "illness",
        ("person", "protection"): "child",
        ("child_check", "concern"): "child",
    }
    assert set(found.values()) == {choice.value for choice in READERS}


def test_a_declaration_of_before_sealed_fields_reads_as_it_was() -> None:
    old = plain_schema({"person": {"illnesses": "union", "illness": {"sealed": True}}})
    assert old.policy("person", "illnesses") == "union"
    assert old.field("person", "illness").reader_class == SENSITIVE
