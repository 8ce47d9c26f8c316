# SPDX-License-Identifier: Apache-2.0
"""Doubles are proposed with reasons, joined after a preview and parted again; broken links are
pointed elsewhere and back: by officers, in their area, with reasons."""

import re
from collections.abc import Iterator

import pytest

from fixtures.console import AREA, World, console_world
from fixtures.console import Visitor as Person
from fixtures.waiting import until

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with console_world(tmp_path_factory.mktemp("repair")) as made:
        twin = {
            "area": AREA,
            "head_name": "陈秀英",
            "address": "东漖北路十二号301",
            "phone": "12600000001",
            "medication": "降压药",
        }
        made.local.district.write_many("office", [("household", "h1b", twin, [])])
        made.local.district.write_many(
            "office", [("person", "p1", {"household": "h1", "name": "陈小明"}, [])]
        )
        made.local.district.write_many(
            "office",
            [("need", "n1", {"household": "h1", "person": "gone", "kind": "papers"}, [])],
        )
        yield made


@pytest.fixture
def auditor(world: World) -> Iterator[Person]:
    world.forget_codes("auditor")
    with world.browse("auditor") as visitor:
        yield visitor


def seen(page: str) -> str:
    found = re.search(r'name="seen" value="([0-9a-f]{16})"', page)
    assert found
    return found[1]


PAIR = "/repair/doubles/h1/h1b"


def test_doubles_are_proposed_with_reasons_joined_as_previewed_and_parted(
    world: World, auditor: Person
) -> None:
    listed = auditor.settled("/repair/doubles")
    assert f'href="{PAIR}"' in listed
    assert "地址相同" in listed
    assert "电话相同" in listed
    page = auditor.get(f"{PAIR}?into=h1").text
    assert "乙并入甲后" in page
    assert "降压药" in page
    assert "2 台平板" in page
    refused = auditor.post(f"{PAIR}/join", into="h1", reason="", seen=seen(page))
    assert refused.status_code == 422
    done = auditor.post(f"{PAIR}/join", into="h1", reason="同一家人", seen=seen(page))
    assert done.status_code == 303
    tablet = world.tablets["zhangxia"]
    tablet.sync()
    assert "h1b" not in {hit.id for hit in tablet.households()}
    assert tablet.read("h1").values["medication"] == "降压药"
    assert PAIR not in auditor.settled("/repair/doubles").split("<h2>")[0]
    # Its answer to a form that was filled in before is a refusal, and nothing is written.
    old = auditor.post(f"{PAIR}/part", away="h1b", reason="弄错了", seen=seen(page))
    assert old.status_code == 409
    joined = auditor.get(PAIR).text
    assert "已并为一户" in joined
    back = auditor.post(f"{PAIR}/part", away="h1b", reason="弄错了", seen=seen(joined))
    assert back.status_code == 303
    tablet.sync()
    assert {"h1", "h1b"} <= {hit.id for hit in tablet.households()}
    apart = auditor.post(f"{PAIR}/apart", reason="母女两户", seen=seen(auditor.get(PAIR).text))
    assert apart.status_code == 303
    assert PAIR not in auditor.settled("/repair/doubles").split("<h2>")[0]


def written_late(world: World, auditor: Person, pair: str) -> None:
    """Join ``h3b`` into ``h3``; a tablet that has not heard of it goes on writing on ``h3b``."""
    district = world.local.district
    twin = {"area": AREA, "head_name": "李桂兰", "address": "东漖南路8号2楼", "notes": "后门"}
    district.write_many("office", [("household", "h3b", twin, [])])
    knows, late = world.tablets["zhangxia"], world.tablets["chenyuxuan"]
    for tablet in (knows, late):
        tablet.sync()
    assert 'id="joined"' in auditor.get("/conflicts").text
    assert "h3b" not in auditor.get("/conflicts").text
    page = auditor.get(f"{pair}?into=h3").text
    done = auditor.post(f"{pair}/join", into="h3", reason="同一家人", seen=seen(page))
    assert done.status_code == 303
    # One tablet has not heard of it, and goes on writing on the household that is no more.
    knows.sync()
    knows.set_fields("h3", {"phone": "12600007001"})
    knows.sync()
    late.set_fields("h3b", {"phone": "12600007002"})
    late.sync()


def test_a_late_edit_of_the_one_joined_away_reaches_the_inbox_is_settled_and_undone(
    world: World, auditor: Person
) -> None:
    pair = "/repair/doubles/h3b/h3"
    written_late(world, auditor, pair)

    def counted() -> str:
        text = auditor.get("/conflicts?state=open").text
        return "" if "正在清点" in text or "清点于" in text else text

    inbox = until(counted)
    listed = inbox.split('id="joined"')[1]
    assert "共 1 个 · 待裁定 1" in listed
    for word in (f'href="{pair}#conflicts"', "12600007001", "12600007002", "张霞", "陈宇轩"):
        assert word in listed, word
    assert "另有因并户而来的冲突 1 个" in inbox
    for none in ("state=office", "field=notes&state=all", "collection=visit", "mine=1"):
        assert f'href="{pair}' not in auditor.get(f"/conflicts?{none}").text, none
    assert f'href="{pair}' in auditor.get("/conflicts?worker=陈宇轩&team=t2").text

    page = auditor.get(pair).text.split('id="conflicts"')[1]
    assert "周审核" in page
    assert "把 h3b 并入 h3" in page
    dots = re.findall(r'name="choice" value="([0-9a-f]{56})"', page)
    digest = seen(page)
    asked = {"name": "h3/phone", "seen": digest, "reason": "打过电话"}
    assert auditor.post(f"{pair}/settle", **asked).status_code == 422
    with world.browse("far-auditor") as far:
        assert far.post(f"{pair}/settle", **asked, choice=dots[0]).status_code == 404
    with world.browse("officer") as officer:
        assert officer.post(f"{pair}/settle", **asked, choice=dots[0]).status_code == 403
        read = officer.get(pair).text
        assert "12600007002" in read
        assert read.count("<form") == 1, "signing out is all there is"
    assert auditor.post(f"{pair}/settle", **asked, choice=dots[1]).status_code == 303
    chosen = re.findall(r"1260000700\d", page)[1]
    for tablet in world.tablets.values():
        tablet.sync()
        assert tablet.read("h3").values["phone"] == chosen
    page = auditor.get(pair).text.split('id="conflicts"')[1]
    assert "打过电话" in page
    stale = auditor.post(f"{pair}/unsettle", **asked | {"reason": "错了"})
    assert stale.status_code == 409
    again = {"name": "h3/phone", "seen": seen(page), "reason": "错了"}
    assert auditor.post(f"{pair}/unsettle", **again).status_code == 303
    page = auditor.get(pair).text.split('id="conflicts"')[1]
    assert "已撤销" in page
    assert 'name="name"' not in page


def test_a_broken_link_is_shown_with_what_to_do_pointed_elsewhere_and_back(
    world: World, auditor: Person
) -> None:
    listed = auditor.settled("/repair/links")
    assert "所指记录不在" in listed
    assert "先等它同步" in listed
    path = "/repair/links/n1/person"
    page = auditor.get(f"{path}?to=gone").text
    assert "陈小明" in page
    for wrong in ({"now": "h2"}, {"other": "nothing"}):
        answer = auditor.post(f"{path}/point", was="gone", reason="核实", **wrong)
        assert answer.status_code == 404, wrong
    done = auditor.post(f"{path}/point", was="gone", now="p1", reason="就是他")
    assert done.status_code == 303
    tablet = world.tablets["zhangxia"]
    tablet.sync()
    assert tablet.read("n1").values["person"] == "p1"
    assert "n1/person" not in auditor.settled("/repair/links")
    after = auditor.get(done.headers["location"]).text
    assert "撤销，指回原处" in after
    auditor.post(f"{path}/point", was="p1", now="gone", back="1", reason="看错人")
    tablet.sync()
    assert tablet.read("n1").values["person"] == "gone"


def test_who_only_reads_has_nothing_to_join_or_point_with(world: World) -> None:
    world.forget_codes("officer")
    with world.browse("officer") as visitor:
        for path in (PAIR, "/repair/links/n1/person?to=gone"):
            page = visitor.get(path)
            assert page.status_code == 200
            assert page.text.count("<form") == 1, "signing out is all there is"
        assert visitor.post(f"{PAIR}/join", into="h1", reason="x", seen="0" * 16).status_code == 403
