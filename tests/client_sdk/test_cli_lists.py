# SPDX-License-Identifier: Apache-2.0
"""Every form and every list of the day in the terminal, in both languages."""

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from client_sdk import cli as commands
from client_sdk.cli import Context, cli
from client_sdk.tablet import Tablet
from fixtures.world import HOUSEHOLD, World
from sync.collections import SCHEMA


@pytest.fixture
def run(world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Runs a command on the tablet ``a``, opened without a PIN."""
    world.tablet("a").close()
    monkeypatch.setattr(Context, "open", lambda obj: world.open("a"))

    def invoke(*arguments: str, typed: str = "", code: int = 0) -> str:
        monkeypatch.setenv("COLUMNS", "300")
        result = CliRunner().invoke(cli, ["--worker", "w-a", *arguments], input=typed)
        assert result.exit_code == code, (result.output, result.exception)
        return result.output

    return invoke


def tablet_of(world: World) -> Tablet:
    return world.open("a")


@pytest.mark.slow
@pytest.mark.parametrize("lang", ["zh", "en"])
def test_every_form_is_shown_in_both_languages(run: Any, lang: str) -> None:
    for name, form in SCHEMA.collections.items():
        shown = run("--lang", lang, "form", name, "--blank")
        assert form.label.text(lang) in shown, name
        labels = [field.label.text(lang) for field in form.fields.values() if field.label]
        assert all(label in shown for label in labels), name


def test_a_form_is_filled_in_field_by_field_and_says_what_is_wrong(run: Any, world: World) -> None:
    with tablet_of(world) as tablet:
        home = tablet.create_record("household", HOUSEHOLD)
    names = [n for n in SCHEMA.collections["need"].fields if n != "household"]
    answers = {"kind": "缺米", "urgency": "紧急"}
    lines = [answers.get(name, "") for name in names]
    lines.insert(names.index("kind"), "缺钱")  # no such kind: it is asked for again
    said = run("--lang", "zh", "form", "need", "--household", home, typed="\n".join(lines) + "\n")
    assert "请从列表中选择" in said
    assert "已保存" in said
    with tablet_of(world) as tablet:
        (need,) = tablet.of_household(home, "need")
        assert (need["kind"], need["urgency"], need["status"]) == ("rice", "urgent", "open")
        assert need["reporter"] == "w-a"


def test_a_form_that_is_not_there_is_named_with_those_that_are(run: Any) -> None:
    assert "daily_form" in run("form", "hamster", code=2)


@pytest.mark.parametrize(
    ("lang", "words"),
    [
        ("zh", ("尚未走访", "未报", "今日未清", "封控区", "所指记录已作废")),
        ("en", ("not gone to", "no report", "open today", "Closed", "the record is void")),
    ],
)
def test_the_lists_of_the_day_speak_both_languages(
    run: Any, world: World, lang: str, words: tuple[str, ...]
) -> None:
    with tablet_of(world) as tablet:
        home = tablet.create_record("household", HOUSEHOLD)
        person = tablet.create_record("person", {"household": home, "name": "陈小明"})
        tablet.create_record("need", {"household": home, "kind": "rice", "person": person})
        tablet.void(person, "entered by mistake")
        zone = {"area": "440103019", "name": "一", "level": "closed", "starts_on": "2020-01-01"}
        tablet.create_record("zone", zone)
        lists = {"area": HOUSEHOLD["area"], "name": "一", "group": "other"}
        tablet.create_record("call_list", {**lists, "callers": ["w-a"], "households": [home]})
    names = ("doors", "daily", "needs", "zones", "repair")
    for name, word in zip(names, words, strict=True):
        assert word in run("--lang", lang, "lists", name), name
    assert f"{home}  w-a" in run("deal")


def test_the_module_of_commands_has_them_all() -> None:
    assert {"form", "lists", "deal"} <= commands.cli.commands.keys()
