# SPDX-License-Identifier: Apache-2.0
"""Sealed fields on pages, in forms and on the command line: read, written, or said to be sealed."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from client_sdk.app.desk import Form, Labels
from client_sdk.app.forms import Maker, read_changes, texts_of
from client_sdk.cli_show import Shower
from client_sdk.errors import EntryRefused
from client_sdk.tablet import Tablet
from client_sdk.texts import Words
from fixtures.world import World
from server import field_readers, people
from sync.collections import SCHEMA
from sync.labels import SEALED_WORDS, shown
from sync.sealing import is_sealed

ILLNESS = "帕金森综合征"
PERSON = SCHEMA.collections["person"]


@pytest.fixture
def pair(world: World, fields: dict[str, Any]) -> tuple[Tablet, Tablet, str, str]:
    """Somebody who may read, somebody who may not, a household both hold, a person of it."""
    with world.store.write() as tx:
        people.add_team(tx, "readers", "readers", "office", world.clock())
        field_readers.allow_team(tx, SCHEMA, "readers", "illness", "office", world.clock())
    reader, other = world.tablet("reader", "readers"), world.tablet("other", "others")
    reader.sync()
    home = reader.create_record("household", fields)
    one = reader.create_record("person", {"household": home, "name": "陈秀英", "illness": ILLNESS})
    reader.sync()
    with world.store.write() as tx:
        people.assign_homes(tx, "others", [home], "office", world.clock())
    world.sync(other, reader)
    return reader, other, home, one


def names(tablet: Tablet, record: str | None, home: str) -> dict[str, str]:
    """The widgets of a person's form, with the text each shows."""
    maker = Maker(tablet, home, "zh", creating=record is None)
    texts = texts_of(PERSON, tablet.read(record)) if record else {}
    return {widget.name: widget.value for widget in maker.widgets(PERSON, texts, {})}


def test_a_form_has_a_sealed_field_for_who_may_write_it_and_for_nobody_else(
    pair: tuple[Tablet, Tablet, str, str],
) -> None:
    reader, other, home, one = pair
    assert names(reader, one, home)["illness"] == ILLNESS
    assert "illness" in names(reader, None, home)
    for found in (names(reader, one, home), names(other, one, home), names(other, None, home)):
        assert "identity_number" not in found
        assert "name" in found
    assert "illness" not in names(other, one, home)


def test_a_form_never_empties_or_overwrites_what_it_could_not_show(
    pair: tuple[Tablet, Tablet, str, str],
) -> None:
    reader, other, _, one = pair
    pairs = [("asked", "illness"), ("asked", "phone"), ("phone", "12600000009"), ("illness", "")]
    form = Form(pairs, {})
    assert read_changes(PERSON, other.read(one), form).sets == {"phone": "12600000009"}
    assert read_changes(PERSON, reader.read(one), form).sets == {
        "phone": "12600000009",
        "illness": None,
    }


@pytest.mark.parametrize(("lang", "words"), [("zh", SEALED_WORDS[0]), ("en", SEALED_WORDS[1])])
def test_pages_and_command_line_say_that_it_is_sealed_and_not_for_you(
    pair: tuple[Tablet, Tablet, str, str], lang: str, words: str
) -> None:
    reader, other, home, one = pair
    labels = Labels(SCHEMA, lang)
    for tablet, expected in ((reader, ILLNESS), (other, words)):
        (hit,) = tablet.listed(home, "person")["person"]
        assert labels.value("person", "illness", hit.values["illness"]) == expected
        out = io.StringIO()
        show = Shower(Console(file=out, width=200), Words(lang), SCHEMA)
        show.record(tablet.read(one))
        assert expected in out.getvalue()
        assert "sealed/1:" not in out.getvalue()


def test_a_plain_text_that_begins_like_a_sealed_one_is_shown_as_it_stands() -> None:
    text = "sealed/1:" + "A" * 98
    assert shown(SCHEMA.field("household", "notes"), text, "zh") == text
    assert shown(PERSON.field("illness"), text, "zh") == SEALED_WORDS[0]


def test_a_conflict_that_is_not_for_you_cannot_be_settled_by_its_sealed_text(
    pair: tuple[Tablet, Tablet, str, str],
) -> None:
    _, other, _, one = pair
    sealed = other.read(one)["illness"]
    assert is_sealed(sealed)
    with pytest.raises(EntryRefused) as refused:
        other.resolve(one, "illness", sealed, reason="看不到也要定")
    assert [p.code for p in refused.value.problems] == ["value/no-key"]
