# SPDX-License-Identifier: Apache-2.0
"""The console as its people use it: a day of an auditor, bulk decisions, roles, keys, no scripts.

Two real tablets, a real server and a real browser. One district serves all tests here; each test
uses a household of its own.
"""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from fixtures.browser import open_tab, violations
from fixtures.console import World, console_world, enter
from fixtures.pictures_console import (
    BEFORE,
    NEWCOMER,
    PAGES,
    PAPER_PX,
    enrolling,
    fill,
    signing_in,
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with console_world(tmp_path_factory.mktemp("console")) as made:
        made.filled = fill(made)
        yield made


@pytest.fixture
def auditor(world: World, browser: Browser) -> Iterator[Page]:
    with open_tab(browser, world.url) as tab:
        enter(tab, world, "auditor")
        yield tab


def open_count(tab: Page) -> int:
    return int(tab.locator('.tabs a[href="?state=open"] b').inner_text())


def test_an_auditors_day_from_a_live_conflict_to_both_tablets_and_back(
    world: World, auditor: Page
) -> None:
    tab = auditor
    tab.goto("/conflicts")
    before = open_count(tab)
    tab.keyboard.press("j")
    world.clash("h1", {"emergency_phone": "12600007001"}, {"emergency_phone": "12600007002"})
    # It appears by itself.
    row = tab.locator("[data-rows] tbody tr", has_text="紧急联系电话")
    expect(row).to_have_count(1)
    # So do the counts.
    expect(tab.locator('.tabs a[href="?state=open"] b')).to_have_text(str(before + 1))
    # The row that keys had come to is still the one that Enter opens.
    expect(tab.locator("tr.on")).to_have_count(1)
    expect(tab.locator("tr.on")).to_be_focused()
    row.get_by_role("link").click()
    expect(tab.locator("h1")).to_contain_text("陈秀英")
    expect(tab.locator(".side")).to_have_count(2)
    expect(tab.locator(".side").nth(0)).to_contain_text("张霞")
    expect(tab.locator(".side").nth(0)).to_contain_text("会被告知其值未保留")
    tab.locator(".side").nth(0).get_by_role("radio").check()
    tab.fill("#reason", "已电话核实")
    tab.uncheck("[name=then]")
    tab.click("[data-submit]")
    expect(tab.locator(".flash")).to_contain_text("已裁定")
    expect(tab.locator(".decided")).to_contain_text("周审核裁定为“12600007001”：已电话核实")
    for tablet in world.tablets.values():
        tablet.sync()
        assert tablet.read("h1").values["emergency_phone"] == "12600007001"
    told = world.tablets["chenyuxuan"].notices(unread_only=True)
    assert [one.notice.reason for one in told if one.notice.field == "emergency_phone"] == [
        "已电话核实"
    ]
    tab.fill("#undo", "对方来电更正")
    tab.get_by_role("button", name="撤销裁定").click()
    expect(tab.locator("h1")).to_contain_text("已撤销")
    for tablet in world.tablets.values():
        tablet.sync()
        assert tablet.read("h1").values["emergency_phone"] == "12600007002"
    tab.goto("/conflicts")
    assert open_count(tab) == before


def test_many_are_settled_by_one_rule_and_nothing_before_it_was_seen(
    world: World, auditor: Page
) -> None:
    tab = auditor
    world.clash("h3", {"emergency_contact": "女儿"}, {"emergency_contact": "儿子"})
    world.clash("h4", {"emergency_contact": "邻居"}, {"emergency_contact": "侄子"})
    tab.goto("/conflicts?field=emergency_contact")
    for tick in tab.locator("#rows input[type=checkbox]").all():
        tick.check()
    tab.select_option("[name=rule]", "earliest")
    tab.click(".bulk button")
    expect(tab.locator(".decided")).to_contain_text("采用最先写入的值")
    expect(tab.locator("tbody tr")).to_have_count(2)
    tab.fill("#reason", "以先入户者为准")
    with world.local.district.store.read() as tx:
        decided = tx.rows("SELECT count(*) FROM decisions")
    tab.click("[data-submit]")
    expect(tab.locator(".flash")).to_contain_text("已裁定 2 个")
    with world.local.district.store.read() as tx:
        assert tx.rows("SELECT count(*) FROM decisions")[0][0] == decided[0][0] + 2
    for tablet in world.tablets.values():
        tablet.sync()
        assert tablet.read("h3").values["emergency_contact"] == "女儿"


def test_a_decision_upon_a_record_that_changed_meanwhile_is_refused(
    world: World, auditor: Page
) -> None:
    tab = auditor
    world.clash("h5", {"emergency_contact": "老伴"}, {"emergency_contact": "大女儿"})
    tab.goto("/conflicts?field=emergency_contact")
    tab.locator("[data-rows] tbody a").first.click()
    world.set_first("h5", {"access": "后门"})
    tab.locator(".side").nth(0).get_by_role("radio").check()
    tab.fill("#reason", "已核实")
    tab.click("[data-submit]")
    expect(tab.locator("[role=alert]")).to_contain_text("又有新的修改")
    assert world.tablets["zhangxia"].read("h5").values["emergency_contact"] == "大女儿"


def keys_move_tick_and_lead_on(tab: Page) -> None:
    """In the list and between conflicts, as the help at the foot of both pages says."""
    tab.goto("/conflicts")
    rows = tab.locator("[data-rows] tbody tr")
    steps = (("j", 0), ("j", 1), ("j", 2), ("k", 1), ("k", 0), ("k", 0), ("j", 1))
    for key, at in steps:
        tab.keyboard.press(key)
        expect(tab.locator("tr.on")).to_have_count(1)
        expect(rows.nth(at)).to_be_focused()
    tick = rows.nth(1).get_by_role("checkbox")
    tab.keyboard.press("x")
    expect(tick).to_be_checked()
    assert tab.locator("#rows input:checked").count() == 1
    tab.keyboard.press("x")
    expect(tick).not_to_be_checked()
    # On the page of one conflict they lead to the next older one, and back.
    tab.goto("/conflicts/2")
    for key, path in (("j", "/conflicts/1"), ("k", "/conflicts/2"), ("k", "/conflicts/3")):
        tab.keyboard.press(key)
        tab.wait_for_url(f"**{path}")


def test_keys_alone_lead_from_the_list_to_a_decision(world: World, auditor: Page) -> None:
    tab = auditor
    keys_move_tick_and_lead_on(tab)
    world.clash("h2", {"emergency_contact": "表弟"}, {"emergency_contact": "堂兄"})
    tab.goto("/conflicts?field=emergency_contact")
    tab.keyboard.press("j")
    tab.keyboard.press("Enter")
    tab.wait_for_selector("#decide")
    tab.keyboard.press("2")
    expect(tab.locator("[data-choice='2']")).to_be_checked()
    tab.keyboard.press("r")
    tab.keyboard.type("本人说的")
    tab.keyboard.press("Control+Enter")
    expect(tab.locator(".flash")).to_contain_text("已裁定")
    world.tablets["zhangxia"].sync()
    assert world.tablets["zhangxia"].read("h2").values["emergency_contact"] == "堂兄"
    tab.goto("/conflicts?field=emergency_contact&state=office")
    tab.keyboard.press("j")
    tab.keyboard.press("Enter")
    tab.wait_for_selector("#undo")
    tab.keyboard.press("u")
    tab.keyboard.type("听错了")
    tab.keyboard.press("Enter")
    expect(tab.locator("h1")).to_contain_text("已撤销")
    tab.keyboard.press("e")
    expect(tab.locator("#other")).to_be_checked()
    expect(tab.locator("#value")).to_be_focused()


def test_without_scripts_a_conflict_is_found_decided_and_undone(
    world: World, browser: Browser
) -> None:
    world.clash("h4", {"phone2": "12600006001"}, {"phone2": "12600006002"})
    with open_tab(browser, world.url, scripts=False) as tab:
        world.forget_codes("auditor")
        tab.goto("/sign-in")
        tab.fill("[name=account]", "auditor")
        tab.fill("[name=password]", "long-enough-for-a-test")
        tab.click("main button")
        tab.fill("[name=code]", world.code("auditor"))
        tab.click("main button")
        tab.goto("/conflicts?field=phone2")
        tab.locator("[data-rows] tbody a").first.click()
        tab.check("#other")
        tab.fill("#value", "12600006003")
        tab.fill("#reason", "两个号码都旧了")
        tab.uncheck("[name=then]")
        tab.click("[data-submit]")
        assert "12600006003" in tab.locator(".decided").inner_text()
        tab.fill("#undo", "再核实")
        tab.get_by_role("button", name="撤销裁定").click()
        assert "已撤销" in tab.locator("h1").inner_text()


def test_a_tablet_is_enrolled_from_the_page_by_the_digits_both_show(
    world: World, browser: Browser
) -> None:
    with open_tab(browser, world.url) as tab:
        enter(tab, world, "supervisor", step_up=True)
        tab.goto("/tablets")
        tab.select_option("[name=team]", "t2")
        tab.get_by_role("button", name="出二维码").click()
        picture = tab.locator(".qr").screenshot()
        with world.enrolling(picture, "newcomer", "新平板") as digits:
            expect(tab.locator(".digits")).to_be_visible()
            assert tab.locator(".digits").inner_text().replace(" ", "") == digits()
            tab.get_by_role("button", name="一致，登记").click()
            expect(tab.locator(".flash")).to_contain_text("已登记")
        tab.get_by_role("link", name="查看平板").click()
        tab.get_by_role("link", name="吊销").click()
        tab.fill("[name=reason]", "交还")
        tab.get_by_role("button", name="吊销并命令清除").click()
        expect(tab.locator("h1")).to_contain_text("已吊销")


def test_an_officer_reads_but_has_nothing_to_decide_with(world: World, browser: Browser) -> None:
    with open_tab(browser, world.url) as tab:
        enter(tab, world, "officer")
        tab.goto("/conflicts/2")
        expect(tab.locator(".side")).to_have_count(2)
        expect(tab.locator("[name=choice]")).to_have_count(0)
        expect(tab.locator("[data-submit]")).to_have_count(0)
        names = [one.inner_text() for one in tab.locator(".menu a").all()]
        assert names == ["看板", "冲突", "查找", "隔离与修复", "报表", "双人审批"]


def test_at_twice_the_size_nothing_is_cut_off(world: World, browser: Browser) -> None:
    with open_tab(browser, world.url, width=1440, zoom=2.0) as tab:
        enter(tab, world, "supervisor")
        for _, path in PAGES["supervisor"]:
            tab.goto(path.format(**world.filled))
            wide = tab.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert wide <= 0, path


def test_printed_pages_fit_their_paper(world: World, browser: Browser) -> None:
    printed = ("/board", "/reports/totals", "/conflicts/2", "/records/h2", "/tablets/{device}")
    for lang in ("zh", "en"):
        with open_tab(browser, world.url, lang, width=PAPER_PX) as tab:
            enter(tab, world, "supervisor")
            tab.emulate_media(media="print")
            for path in printed:
                tab.goto(path.format(**world.filled))
                expect(tab.locator("[data-again]")).to_have_count(0)
                assert tab.evaluate("document.documentElement.scrollWidth") <= PAPER_PX, (
                    lang,
                    path,
                )
                assert not tab.locator(".menu").is_visible()
                assert tab.locator("footer .paper").is_visible()


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_axe_finds_nothing_wrong_on_any_page(world: World, browser: Browser, lang: str) -> None:
    with open_tab(browser, world.url, lang, 1024) as tab:
        for _, path in BEFORE:
            tab.goto(path)
            assert violations(tab) == [], path
        for name in signing_in(tab, world.filled[NEWCOMER]):
            assert violations(tab) == [], name
    for person, pages in PAGES.items():
        with open_tab(browser, world.url, lang, 1024) as tab:
            enter(tab, world, person, step_up=True)
            # The pages are the same in both languages but for their words: a part is enough.
            for _, path in pages if lang == "zh" else pages[:3]:
                tab.goto(path.format(**world.filled))
                assert violations(tab) == [], path
                assert tab.locator("html").get_attribute("lang") == (
                    "en" if lang == "en" else "zh-CN"
                )
            if person == "supervisor":
                for name in enrolling(tab):
                    assert violations(tab) == [], name
