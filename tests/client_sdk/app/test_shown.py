# SPDX-License-Identifier: Apache-2.0
"""What a worker reads: a household on one screen, the strip, what came in, the team's doors."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from client_sdk.app.keeper import Keeper
from client_sdk.tablet import Tablet
from fixtures.tablet_app import Serving, Visitor, served
from fixtures.world import HOUSEHOLD, World
from sync.effects import day_of


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


@pytest.fixture
def pages(world: World, tmp_path: Path) -> Iterator[Serving]:
    with served(Keeper(tmp_path / "a", clock=world.clock)) as found:
        yield found


@pytest.fixture
def worker(world: World, pages: Serving) -> Iterator[Visitor]:
    """A browser that was let in, at tablet ``a``; coming in locks, so the tablet follows."""
    with Visitor(pages) as found:
        pages.app.keeper.take(world.tablet("a"))
        yield found


def opened(pages: Serving) -> Tablet:
    found = pages.app.keeper._shared.tablet
    assert found is not None
    return found


def visit(tablet: Tablet, home: str, at_ms: int, **values: Any) -> str:
    fields = {"household": home, "at_ms": at_ms, "mode": "door", "workers": [tablet.worker]}
    return tablet.create_record("visit", {**fields, "outcome": "met", **values})


def plain(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", page))


def test_a_household_stands_on_one_screen(world: World, pages: Serving, worker: Visitor) -> None:
    tablet = opened(pages)
    home = tablet.create_record(
        "household",
        {
            **HOUSEHOLD,
            "categories": ["dibao"],
            "risk_flags": ["falls"],
            "medication": "氨氯地平，每早一片",
            "emergency_contact": "程铁牛",
            "emergency_phone": "13900139001",
        },
    )
    for name, birth_year in (("单雄信", 1950), ("单夫人", 1953)):
        member = {"household": home, "name": name, "birth_year": birth_year}
        tablet.create_record("person", member)
    for number in range(4):
        visit(tablet, home, world.now_ms - number * 86_400_000, notes=[f"第{number}次"])
    need = {"household": home, "kind": "wheelchair", "urgency": "urgent"}
    tablet.create_record("need", {**need, "status": "open", "deadline": day_of(world.now_ms)})
    tablet.create_record("need", {**need, "kind": "repair", "status": "solved"})
    page = worker.get(f"/home/{home}").text
    shown = plain(page)
    for said in ("单夫人 · 1953", "低保", "氨氯地平", "程铁牛", "轮椅", "紧急", "第0次", "第2次"):
        assert said in shown.replace("  ", " "), said
    # Three visits of four, and what was solved is not open.
    assert "第3次" not in shown
    assert "房屋修缮" not in shown
    assert re.search(r'class="mark red">.{0,200}跌倒', page, re.DOTALL)
    assert re.search(r'class="red">轮椅', page)
    assert all(f'href="tel:{number}"' in page for number in ("13800138000", "13900139001"))


def test_the_strip_says_what_is_unsent_carried_and_at_the_district(
    world: World, pages: Serving, worker: Visitor
) -> None:
    tablet, mate = opened(pages), world.tablet("b")
    home = tablet.create_record("household", HOUSEHOLD)
    strip = plain(worker.get("/").text)
    assert "还没有同步过 未上传 1 区里已收 0" in strip
    tablet.sync()
    mate.sync()
    mate.edit(home, phone="13700137000")
    tablet.meet(mate)
    tablet.edit(home, head_name="单二员外")
    strip = plain(worker.get("/").text)
    assert "未上传 1 替同事带 1 区里已收 1" in strip
    assert re.search(r"今天 \d\d:\d\d同步过", strip)


def test_who_wrote_a_value_reads_that_it_was_not_kept_and_why(
    world: World, pages: Serving, worker: Visitor
) -> None:
    tablet, mate = opened(pages), world.tablet("b")
    home = tablet.create_record("household", HOUSEHOLD)
    world.sync(tablet, mate)
    tablet.edit(home, phone="13900139000")
    mate.edit(home, phone="13700137000")
    world.sync(tablet, mate, tablet)
    mate.resolve(home, "phone", "13700137000", reason="当面问过")
    world.sync(mate, tablet)
    assert "有 1 条新消息" in worker.get("/").text
    page = plain(worker.get("/notices").text)
    assert "单雄信" in page
    assert "您写的“13900139000”没有保留，现在是“13700137000”" in page
    assert "由 w-b 决定" in page
    assert "原因：当面问过" in page
    number = re.search(r'name="notice" value="(\d+)"', worker.get("/notices").text)
    assert number
    worker.post("/notices", {"notice": number[1]})
    assert "新消息" not in worker.get("/").text


def test_my_day_counts_and_knows_the_teams_doors_once_a_teammate_was_met(
    world: World, pages: Serving, worker: Visitor
) -> None:
    tablet, mate = opened(pages), world.tablet("b")
    today = day_of(world.now_ms)
    homes = [
        tablet.create_record("household", {**HOUSEHOLD, "room": str(n), "next_visit": today})
        for n in range(3)
    ]
    world.sync(tablet, mate)
    visit(tablet, homes[0], world.now_ms, minutes=25)
    visit(mate, homes[1], world.now_ms)
    alone = plain(worker.get("/day").text)
    assert "全组还剩 2 户，今天完成 1 户" in alone
    tablet.meet(mate)
    day = plain(worker.get("/day").text)
    assert "全组还剩 1 户，今天完成 2 户" in day
    # What the teammate did is not this worker's.
    assert "走访 1 见到 1 没见到 0" in day
    assert re.search(r"从几点到几点 \d\d:\d\d–\d\d:\d\d 服务分钟 25", day)
