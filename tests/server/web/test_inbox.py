# SPDX-License-Identifier: Apache-2.0
"""The inbox and one conflict: what filters find and count, handing on, voiding, the live part."""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest

from fixtures.console import AREA, Visitor, World, console_world
from fixtures.waiting import until
from server.store.sqlite import SqliteTransaction

pytestmark = pytest.mark.slow

PHONE, MEDICATION, SETTLED, VOIDED = 1, 2, 3, 4
"""The conflicts of this world, in the order in which they were found."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with console_world(tmp_path_factory.mktemp("inbox")) as made:
        made.clash("h1", {"phone": "12600009001"}, {"phone": "12600009002"})
        made.clash("h2", {"medication": "阿司匹林"}, {"medication": "二甲双胍"})
        made.clash("h3", {"helper": "社工小李"}, {"helper": "志愿者小周"})
        made.clash("h4", {"phone": "12600009003"}, {"phone": "12600009004"})
        made.settle(SETTLED, "已电话核实")
        yield made


@pytest.fixture(scope="module")
def auditor(world: World) -> Iterator[Visitor]:
    with world.browse("auditor") as visitor:
        visitor.get("/language/en?next=/")
        yield visitor


def listed(visitor: Visitor, **asked: str) -> list[int]:
    text = visitor.get(f"/conflicts?{urlencode(asked)}").text
    return [int(n) for n in re.findall(r'<tr data-href="/conflicts/(\d+)"', text)]


def counted(visitor: Visitor, **asked: str) -> dict[str, int]:
    text = visitor.get(f"/conflicts?{urlencode(asked)}").text
    tabs = re.search(r'<div id="tabs">(.*?)</div>', text, re.DOTALL)
    assert tabs
    found = re.findall(r">([^<>]+) <b>(\d+)</b></a>", tabs[1])
    return {words.strip(): int(n) for words, n in found}


def seen(visitor: Visitor, number: int) -> str:
    found = re.search(
        r'name="seen" value="([0-9a-f]{16})"', visitor.get(f"/conflicts/{number}").text
    )
    assert found
    return found[1]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, [VOIDED, MEDICATION, PHONE]),
        ({"state": "office"}, [SETTLED]),
        ({"state": "settled"}, [SETTLED]),
        ({"state": "rule"}, []),
        ({"state": "door"}, []),
        ({"state": "all"}, [VOIDED, SETTLED, MEDICATION, PHONE]),
        ({"area": AREA}, [VOIDED, MEDICATION, PHONE]),
        ({"area": "440103001"}, []),
        ({"area": "440104"}, []),
        ({"team": "t1"}, [VOIDED, MEDICATION, PHONE]),
        ({"team": "t3"}, []),
        ({"worker": "张霞"}, [VOIDED, MEDICATION, PHONE]),
        ({"worker": "chenyuxuan"}, [VOIDED, MEDICATION, PHONE]),
        ({"worker": "何主任"}, []),
        ({"collection": "household"}, [VOIDED, MEDICATION, PHONE]),
        ({"collection": "person"}, []),
        ({"field": "household.phone"}, [VOIDED, PHONE]),
        ({"field": "phone"}, [VOIDED, PHONE]),
        ({"field": "person.phone"}, []),
        ({"policy": "ask"}, [VOIDED, MEDICATION, PHONE]),
        ({"policy": "highest"}, []),
        ({"older": "1"}, []),
        ({"older": "0"}, [VOIDED, MEDICATION, PHONE]),
        ({"mine": "1"}, []),
        ({"late": "1"}, []),
        ({"field": "household.phone", "state": "all", "team": "t2"}, [VOIDED, PHONE]),
    ],
)
def test_each_filter_finds_what_it_says(
    auditor: Visitor, asked: dict[str, str], found: list[int]
) -> None:
    assert listed(auditor, **asked) == found


def test_counts_are_those_of_the_filter_whatever_state_is_looked_at(auditor: Visitor) -> None:
    everything = counted(auditor)
    assert (everything["open"], everything["by an officer"], everything["all"]) == (3, 1, 4)
    assert counted(auditor, state="office") == everything
    phones = counted(auditor, field="household.phone", state="rule")
    assert (phones["open"], phones["by an officer"], phones["all"]) == (2, 0, 2)
    assert set(counted(auditor, area="440104").values()) == {0}


def test_fields_are_chosen_by_what_people_call_them(auditor: Visitor, world: World) -> None:
    assert '<option value="household.phone">Phone</option>' in auditor.get("/conflicts").text
    with world.browse("officer") as officer:
        text = officer.get("/conflicts?field=household.phone").text
    assert '<option value="household.phone" selected>电话</option>' in text


def test_the_part_that_comes_live_brings_list_and_counts_and_nothing_else(auditor: Visitor) -> None:
    part = auditor.get("/conflicts?part=1&field=household.phone").text
    assert part.lstrip().startswith('<div id="tabs">')
    assert "<b>2</b>" in part
    assert 'data-href="/conflicts/1"' in part
    assert "<form" not in part
    assert "part=1" not in part


def test_a_conflict_is_handed_to_a_colleague_with_a_day_and_words(
    world: World, auditor: Visitor
) -> None:
    answer = auditor.post(f"/conflicts/{MEDICATION}/care", assignee="supervisor", due="2026-01-02")
    assert answer.status_code == 303
    auditor.post(f"/conflicts/{MEDICATION}/comment", words="请再打一次电话")
    with world.browse("supervisor") as supervisor:
        assert listed(supervisor, mine="1") == listed(supervisor, late="1") == [MEDICATION]
        row = supervisor.get("/conflicts").text
        assert "s-late" in row
        assert "2026-01-02" in row
        assert "请再打一次电话" in supervisor.get(f"/conflicts/{MEDICATION}").text
    assert listed(auditor, mine="1") == []
    for asked in ({"assignee": "far-auditor"}, {"assignee": "officer"}, {"due": "soon"}):
        assert auditor.post(f"/conflicts/{MEDICATION}/care", **asked).status_code in (400, 404, 422)
    with world.browse("officer") as officer:
        assert officer.post(f"/conflicts/{MEDICATION}/care", assignee="").status_code == 403
    assert listed(auditor, mine="1", state="all") == []


def test_who_gets_what_is_told_before_it_is_done(auditor: Visitor) -> None:
    text = auditor.get(f"/conflicts/{PHONE}").text
    effects = re.findall(r'<p class="effects">(.*?)</p>', text, re.DOTALL)
    assert len(effects) == 2
    assert all("2 tablets get it" in one and "平板一, 平板二" in one for one in effects)
    told = ["张霞 (平板一) is told" in one for one in effects]
    assert sorted(told) == [False, True]
    assert sorted("陈宇轩 (平板二) is told" in one for one in effects) == [False, True]


def picks(visitor: Visitor, **asked: str) -> list[str]:
    """What the preview of a rule would settle: number, value and what was looked at."""
    page = visitor.get(f"/conflicts/bulk?{urlencode({'which': 'all', **asked})}").text
    return re.findall(r'name="pick" checked value="([^"]+)"', page)


def test_what_a_rule_settles_is_what_its_preview_showed_and_nothing_that_changed_since(
    auditor: Visitor,
) -> None:
    by_team = [picks(auditor, rule="team", team=team, field="phone") for team in ("t1", "t2")]
    for found in by_team:
        assert [int(one.split(":")[0]) for one in found] == [VOIDED, PHONE]
    assert not {*by_team[0]} & {*by_team[1]}
    # Without a team the rule chooses in none of them.
    assert picks(auditor, rule="team", field="phone") == []
    stale = [one[:-16] + "0" * 16 for one in by_team[0]]
    done = auditor.post("/conflicts/bulk", pick=stale, reason="以一组为准")
    assert done.status_code == 303
    assert "2 left alone" in auditor.get(done.headers["location"]).text
    assert counted(auditor)["open"] == 3


def test_a_conflict_names_the_keys_that_do_something_on_its_page_and_no_others(
    world: World, auditor: Visitor
) -> None:
    def keys(visitor: Visitor, number: int) -> str:
        found = re.search(
            r'<p class="quiet keys">(.*?)</p>', visitor.get(f"/conflicts/{number}").text
        )
        assert found
        return found[1]

    assert keys(auditor, PHONE).startswith("Keys: 1–9 choose, e another value, r reason")
    assert "undo" not in keys(auditor, PHONE)
    assert keys(auditor, SETTLED) == "Keys: u undo, j/k next/previous open"
    with world.browse("officer") as officer:
        assert keys(officer, PHONE) == "键盘：j/k 下一个/上一个待裁定"


def test_where_a_record_lies_is_told_by_name_with_the_code_beside_it(auditor: Visitor) -> None:
    name = "东漖街道 东漖社区居委会"
    record = auditor.get("/records/h1").text
    crumbs = re.search(r'<p class="crumbs">(.*?)</p>', record, re.DOTALL)
    assert crumbs
    assert f'title="{AREA}">{name}<' in crumbs[1]
    # The field, why it is shown, and the change that wrote it.
    assert record.count(f"{name} ({AREA})") == 3
    assert f'title="{AREA}">{name}<' in auditor.get(f"/conflicts/{PHONE}").text
    assert f"{name} ({AREA})" in auditor.get(f"/conflicts/{PHONE}").text


def test_a_list_reads_the_names_of_areas_once_at_most_however_long_it_is(
    auditor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    rows = SqliteTransaction.rows

    def counted(tx: SqliteTransaction, sql: str, *more: Any) -> list[tuple[Any, ...]]:
        asked.append(sql)
        return rows(tx, sql, *more)

    # What the search looks through is made ready by the first who search.
    until(lambda: auditor.get("/search?q=东漖").text.count("<tr data-href") > 2)
    monkeypatch.setattr(SqliteTransaction, "rows", counted)
    found = auditor.get("/search?q=东漖").text
    assert found.count(f'title="{AREA}">东漖街道 东漖社区居委会<') > 2
    assert asked
    assert sum("FROM areas" in sql for sql in asked) <= 1


def test_a_record_is_voided_reaches_both_tablets_and_comes_back_when_undone(
    world: World, auditor: Visitor
) -> None:
    tablets = list(world.tablets.values())
    before = seen(auditor, VOIDED)
    refused = auditor.post(f"/conflicts/{VOIDED}/decide", choice="void", seen="0" * 16, reason="错")
    assert refused.status_code == 409
    nameless = auditor.post(f"/conflicts/{VOIDED}/decide", choice="void", seen=before, reason="")
    assert nameless.status_code != 303
    assert not any(tablet.read("h4").voided for tablet in tablets)

    done = auditor.post(
        f"/conflicts/{VOIDED}/decide", choice="void", seen=before, reason="这一户不存在"
    )
    assert done.status_code == 303
    for tablet in tablets:
        tablet.sync()
        held = tablet.read("h4")
        assert held.voided
        assert held.void_reason == "这一户不存在"
    page = auditor.get(f"/conflicts/{VOIDED}").text
    assert "record void" in page
    assert "这一户不存在" in page
    assert listed(auditor, state="office") == [VOIDED, SETTLED]

    undone = auditor.post(
        f"/conflicts/{VOIDED}/undo", seen=seen(auditor, VOIDED), reason="邻居说人在"
    )
    assert undone.status_code == 303
    for tablet in tablets:
        tablet.sync()
        assert not tablet.read("h4").voided
    assert "record void" not in auditor.get(f"/conflicts/{VOIDED}").text
    assert listed(auditor, state="undone") == [VOIDED]
