# SPDX-License-Identifier: Apache-2.0
"""Board, tablets, teams and records as an officer reads them: each figure leads to its list, a dry
run changes nothing, and a change's whereabouts are told."""

import re
from collections.abc import Iterator

import pytest

from fixtures.console import AREA, Visitor, World, console_world
from server.custody_places import note_backup
from server.web import board, reports

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with console_world(tmp_path_factory.mktemp("district")) as made:
        for tablet in made.tablets.values():
            tablet.sync()
        made.set_first("h1", {"phone": "12600005001"})
        yield made


@pytest.fixture(scope="module")
def supervisor(world: World) -> Iterator[Visitor]:
    with world.browse("supervisor") as visitor:
        visitor.step_up("supervisor")
        yield visitor


def test_every_figure_of_the_board_leads_to_as_many_records(supervisor: Visitor) -> None:
    page = supervisor.settled("/board")
    found = re.findall(r'href="(/reports/[a-z-]+/figures/[^"]+)"[^>]*>(?:<b>)?([\d,]+)<', page)
    figures = {path.replace("&amp;", "&"): int(n.replace(",", "")) for path, n in found}
    assert len(figures) > 5
    assert any(figures.values())
    for path, figure in figures.items():
        listed = re.search(r"共 ([\d,]+) 条", supervisor.settled(path))
        assert listed, path
        assert int(listed[1].replace(",", "")) == figure, path


@pytest.mark.parametrize("path", ["/board", "/reports/totals", "/reports/coverage/figures/due"])
def test_before_there_are_figures_a_page_says_so_and_comes_again(
    supervisor: Visitor, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    # As in the first moment of a server that has not read its record yet.
    for module in (reports, board):
        monkeypatch.setattr(module, "ready", lambda _: False)
    answer = supervisor.get(path)
    assert answer.status_code == 200
    assert "data-again" in answer.text


def test_the_map_of_grids_has_the_figures_of_the_table(supervisor: Visitor) -> None:
    page = supervisor.settled("/board")
    tiles = re.findall(r'<a class="tile bad" href="/reports/coverage[^>]*area=(\d+)', page)
    assert AREA in tiles
    assert "<b>0/5</b>" in page
    assert "缺 5" in page


def test_a_dry_run_tells_tablets_work_and_bytes_and_changes_nothing(
    world: World, supervisor: Visitor
) -> None:
    asked = f"/teams/t1?what=unassign&area={AREA}"
    page = supervisor.get(asked).text
    assert re.search(r"涉及 5 户、5 条记录；每台平板约 \d+ KB", page)
    assert "平板一" in page
    assert "平板二" not in page
    assert "没有确知未到的" in page
    assert supervisor.get(asked).text.count("涉及 5 户") == 1
    world.tablets["zhangxia"].sync()
    assert len(world.tablets["zhangxia"].households()) == 5
    # Then it is done, and done back.
    for what in ("unassign", "assign"):
        done = supervisor.post("/teams/t1/change", what=what, area=AREA)
        assert done.status_code == 303
        world.tablets["zhangxia"].sync()
        assert bool(world.tablets["zhangxia"].households()) is (what == "assign")


def test_a_tablets_page_tells_what_is_known_of_it_and_what_was_readable_on_it(
    world: World, supervisor: Visitor
) -> None:
    for tablet in world.tablets.values():
        tablet.sync()
    device = world.names_for_addresses()["device"]
    page = supervisor.get(f"/tablets/{device}").text
    for words in ("东漖一组", "最近联系", "准", "程序版本", "Doorstep 用了", "一个，未更换过"):
        assert words in page, words
    assert "没有确知未到的" in page
    assert "地址、网格、户主、电话" in page
    homes = re.findall(r'<a href="/records/(h\d)">', page)
    assert sorted(set(homes)) == ["h1", "h2", "h3", "h4", "h5"]
    assert "张霞" in supervisor.get("/tablets").text


def test_where_a_change_is_by_now_is_told_of_the_record_and_of_its_tablet(
    world: World, supervisor: Visitor
) -> None:
    device = world.names_for_addresses()["device"]
    alone = supervisor.get(f"/tablets/{device}").text
    assert "没有上级，也没有经校验的备份" in alone
    assert "也在" not in supervisor.get("/records/h1").text
    store = world.local.service.district.store
    with store.write() as tx:
        seq = int(tx.rows("SELECT max(seq) FROM segments")[0][0])
        note_backup(tx, seq, world.local.district.clock())
    world.set_first("h1", {"phone": "12600005002"})
    here = re.search(
        r"本服务器 (\d+) 个修改、备份 (\d+)<", supervisor.get(f"/tablets/{device}").text
    )
    assert here
    assert int(here[1]) == int(here[2]) + 1 > 1
    rows = re.findall(
        r"<tr><td class=\"num\">\d+</td>.*?</tr>", supervisor.get("/records/h1").text, re.S
    )
    assert "12600005002" in rows[0]
    assert "只在本服务器" in rows[0]
    assert "12600005001" in rows[1]
    assert ">备份<" in rows[1]


def test_wrong_clocks_and_forked_tablets_are_listed_with_what_to_do(
    world: World, supervisor: Visitor
) -> None:
    before = supervisor.get("/repair").text
    for words in ("改回自动时间", "这台平板被复制或恢复过"):
        assert words not in before
    with world.local.service.district.store.write() as tx:
        tx.run("UPDATE devices SET offset_ms = ? WHERE name = '平板二'", [-7_200_000])
        tx.run(
            "INSERT INTO forks (replica, seq, at_ms) SELECT k.replica, 0, 0 FROM device_keys k"
            " JOIN devices d ON d.id = k.device WHERE d.name = '平板一'"
        )
    page = supervisor.get("/repair").text
    clocks, forks = page.split("时钟不准的平板</h2>")[1].split("分叉的平板</h2>")
    assert "改回自动时间" in clocks
    assert re.search(r">平板二</a>：慢 2 小时<", clocks)
    assert "平板一" not in clocks
    assert "这台平板被复制或恢复过" in forks
    assert ">平板一</a>" in forks


def test_a_record_is_shown_as_it_was_after_any_of_its_changes(supervisor: Visitor) -> None:
    for at, phone in ((1, "12600000001"), (2, "12600005001"), (3, "12600005002")):
        page = supervisor.get(f"/records/h1?at={at}").text
        then = page.split('<section class="decided">')[1].partition("</section>")[0]
        assert f"第 {at} 个修改之后" in then
        assert phone in then
    now = supervisor.get("/records/h1").text
    assert "电话是“12600005002”：张霞于" in now
    assert supervisor.get("/records/h1?at=4").status_code == 404
