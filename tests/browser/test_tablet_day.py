# SPDX-License-Identifier: Apache-2.0
"""A worker's whole day in a real browser, against a real server that dies in the middle.

The app, the server and a teammate's tablet are real; the tablet's app runs in a process of its own,
so that it can be killed. At the end the browser's own folder is searched for what it was shown.
"""

import io
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, Response, expect

from client_sdk.app import media
from client_sdk.tablet import Tablet
from crypto.ticket import encode_ticket
from fixtures.district import Process, add_team, district_process, make_ticket
from fixtures.tablet_browser import (
    App,
    forget_the_wait,
    officer_confirms,
    qr_ticket,
    remembered,
    tab,
)
from server.office import reading
from server.views import query
from sync.effects import day_of

pytestmark = pytest.mark.slow

SECRET = "梁伯住三楼不下来常带药"
NAMES = ("单雄信", "秦叔宝", "程咬金", "罗士信")
CHILD = "罗焕儿"
"""Eight years old, in the last household: a guardian signs."""
PLANTED = (*NAMES, CHILD, "龙津东路", "13800138", "药吃完了", SECRET)


class Hand:
    """Taps, and counts them."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.taps = 0

    def tap(self, what: str) -> None:
        self.page.locator(what).first.tap()
        self.taps += 1


def teammate(server: Process, folder: Path) -> Tablet:
    """A teammate's tablet, which brings four households into the team's area."""
    code = encode_ticket(make_ticket(server.settings, "team", server.port))
    tablet = Tablet.enrol(
        folder,
        code,
        name="平板八号",
        worker="w2",
        secret=SECRET,
        show_digits=lambda _: None,
        keyring=None,
    )
    today = day_of(time.time_ns() // 1_000_000)
    for number, name in enumerate(NAMES):
        home = tablet.create_record(
            "household",
            {
                "area": "440103019003",
                "address": f"龙津东路12号{number + 3}01",
                "building": "12号",
                "floor": number + 3,
                "room": f"{number + 3}01",
                "head_name": name,
                "phone": f"1380013800{number}",
                "next_visit": today,
            },
        )
        tablet.create_record("person", {"household": home, "name": name, "relation": "self"})
    child = {"household": home, "name": CHILD, "relation": "grandchild"}
    tablet.create_record("person", {**child, "birth_year": int(today[:4]) - 8})
    tablet.sync()
    return tablet


def home_page(page: Page) -> None:
    page.locator("nav a").first.tap()
    page.wait_for_selector(".tabs")


def sync(page: Page, wanted: str) -> None:
    """Press the button and wait for a sentence."""
    page.locator("nav a >> nth=3").tap()
    page.locator("#sync form .main").tap()
    page.wait_for_selector(wanted)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Process]:
    with district_process(tmp_path / "district") as process:
        add_team(process.settings, "team", {"w1": "张霞", "w2": "陈宇轩"})
        caller = process.caller()
        caller.reload()
        caller.close()
        yield process


def test_a_day_from_enrolment_by_qr_to_the_evening_sync(
    browser: Browser, server: Process, tmp_path: Path
) -> None:
    mate = teammate(server, tmp_path / "mate")
    app = App(tmp_path / "tablet")
    profile = tmp_path / "profile"
    try:
        with tab(browser, profile) as page:
            enrols(page, app.start(), server)
            counts_taps(page)
            is_killed_in_the_middle(page, app)
            has_a_consent_signed(page)
            server_dies_in_the_middle(page, server)
            server.start()
            disagrees(page, mate)
            sync(page, "text=同步完成")
            assert "未上传 0" in page.inner_text(".strip")
        # The search finds what a browser keeps: where it was, but nothing of what it was shown.
        assert remembered(profile, ("127.0.0.1",)) != {}
        assert remembered(profile, PLANTED) == {}
    finally:
        app.end()
    mate.sync()
    visits = [r for h in mate.households() for r in mate.of_household(h.id, "visit")]
    assert sorted(str(visit["outcome"]) for visit in visits) == ["met", "met", "met"]
    (heard,) = [visit for visit in visits if visit["gps"]]
    assert heard["gps"] == "23.129110,113.264385"
    (sound,) = mate.of_household(heard.home, "attachment")
    assert (sound["about_record"], sound["purpose"]) == (heard.id, "voice")
    assert media.sound(mate.attachment_bytes(sound.id)) == sound["media_type"]
    (found,) = mate.search("单雄信")
    assert mate.read(found.id).fields["phone"].conflict is False
    is_signed_at_the_district(server, mate)
    mate.close()


def enrols(page: Page, address: str, server: Process) -> None:
    ticket, picture = qr_ticket(server)
    page.goto(address)
    page.set_input_files("#picture", {"name": "qr.png", "mimeType": "image/png", "buffer": picture})
    page.fill("#worker", "w1")
    page.fill("#name", "平板七号")
    page.fill("#secret", SECRET)
    page.fill("#again", SECRET)
    page.locator("form.narrow > button.main").tap()
    officer_confirms(server, ticket, page)
    page.wait_for_selector("#sync")
    page.wait_for_selector("text=同步完成")


def counts_taps(page: Page) -> None:
    """All is well: at most six taps from today's page; medicine is needed: at most ten."""
    home_page(page)
    assert page.locator(".door").count() == 4
    hand = Hand(page)
    for what in (".door:has-text('单雄信')", ".act .main", "button[value=well]"):
        hand.tap(what)
    page.wait_for_selector("h1:has-text('已保存')")
    assert hand.taps <= 6
    home_page(page)
    hand = Hand(page)
    hand.tap(".door:has-text('秦叔宝')")
    hand.tap(".act .main")
    hand.tap("label.chip:has(input[name=outcome][value=met])")
    hand.tap("label.chip:has(input[name=shortages][value=medicine])")
    hand.tap(".bar .main")
    page.wait_for_selector("h1:has-text('已保存')")
    assert hand.taps <= 10
    page.locator(".acts a").first.tap()
    assert "缺药" in page.inner_text("main") or "药品" in page.inner_text("main")


def is_killed_in_the_middle(page: Page, app: App) -> None:
    """Half a visit, then the app is gone; the other half after the PIN."""
    home_page(page)
    page.locator(".door:has-text('程咬金')").tap()
    page.locator(".act .main").tap()
    page.locator("label.chip:has(input[name=outcome][value=met])").tap()
    page.locator("[data-record]").tap()
    page.wait_for_selector(r"text=/停止 \d+:\d/")
    page.locator("[data-record]").tap()
    page.wait_for_selector("text=附件已存好")
    page.locator("[data-gps]").tap()
    expect(page.locator("#f-gps")).to_have_value("23.129110,113.264385")
    with page.expect_response(keeps("药吃完了")) as kept:
        page.fill("#notes", "药吃完了")
    assert kept.value.status == 204
    app.end(signal.SIGKILL)
    address = app.start()
    page.goto(address)
    page.fill("#secret", "不是这个口令试试看吧")
    page.locator("form.narrow button.main").tap()
    page.wait_for_selector("text=还可再试 9 次")
    # The wrong try makes everybody wait a minute; what the tests may not wait for is set back.
    forget_the_wait(app.folder)
    page.fill("#secret", SECRET)
    page.locator("form.narrow button.main").tap()
    page.locator(".said a:has-text('没填完')").first.tap()
    assert page.is_checked("input[name=outcome][value=met]")
    assert page.input_value("#notes") == "药吃完了"
    assert page.input_value("#f-gps") == "23.129110,113.264385"
    assert "已附 1 个文件" in page.inner_text("main")
    page.locator(".bar .main").tap()
    page.wait_for_selector("h1:has-text('已保存')")


def keeps(words: str) -> Callable[[Response], bool]:
    """Is this the answer to a draft with these words?"""

    def is_it(answer: Response) -> bool:
        sent = answer.request.post_data_buffer or b""
        return answer.url.endswith("/keep") and words.encode() in sent

    return is_it


def signs(page: Page) -> None:
    """Draw on the glass with a finger, as the touch screen tells it."""
    glass = page.locator(".glass")
    glass.scroll_into_view_if_needed()
    box = glass.bounding_box()
    assert box
    touch = page.context.new_cdp_session(page)
    left, top = box["x"], box["y"]
    for step in range(9):
        at = {"x": left + 30 + 20 * step, "y": top + box["height"] * (0.3 + 0.05 * step)}
        kind = "touchMove" if step else "touchStart"
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [at]})
    # A finger that is lifted in full motion would be a fling, which swallows the next tap.
    page.wait_for_timeout(150)
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    page.wait_for_selector(".glass[data-drawn='1']")


def has_a_consent_signed(page: Page) -> None:
    """A child's: refused without the guardian, and the page says that it is to be signed anew."""
    home_page(page)
    page.locator(".door:has-text('罗士信')").tap()
    page.locator(".chip:has-text('同意书')").tap()
    page.locator(f"label.chip:has-text('{CHILD} · 由监护人签字')").tap()
    for field, value in (("purpose", "photos"), ("answer", "given"), ("signed_by", "self")):
        page.locator(f"label.chip:has(input[name={field}][value={value}])").tap()
    signs(page)
    page.locator(".bar .main").tap()
    page.wait_for_selector("text=须由监护人签字")
    assert "签名没有留下" in page.inner_text("main")
    page.locator("label.chip:has(input[name=signed_by][value=guardian])").tap()
    page.fill("#f-guardian", "罗士信")
    page.fill("#f-guardian_relation", "祖父")
    signs(page)
    page.locator(".bar .main").tap()
    page.wait_for_selector("text=已保存")
    assert f"{CHILD} 拍照与录音 · 同意" in page.inner_text("main")


def is_signed_at_the_district(server: Process, mate: Tablet) -> None:
    """The one consent, and what was drawn, came by way of the district to a teammate."""
    (home,) = mate.search("罗士信")
    (consent,) = mate.of_household(home.id, "consent")
    asked = "SELECT id, signed_by, guardian, signature FROM consent"
    with reading(server.settings) as desk:
        there = query(server.settings.store_path, desk.keys.store_hex, asked).rows
    assert there == [(consent.id, "guardian", "罗士信", consent["signature"])]
    signed = mate.read(str(consent["signature"]))
    assert (signed["about_record"], signed["purpose"]) == (consent.id, "signature")
    drawn = Image.open(io.BytesIO(mate.attachment_bytes(signed.id))).convert("L")
    dark = drawn.point(lambda grey: 255 * (grey < 128)).getbbox()
    assert dark
    # A line from the left of the glass down to the right, as the finger went.
    assert dark[2] - dark[0] > drawn.width // 5
    assert len(mate.of_household(home.id, "attachment")) == 1


def server_dies_in_the_middle(page: Page, server: Process) -> None:
    """The evening sync waits for an answer when the server is gone; work goes on meanwhile."""
    os.kill(server.pid, signal.SIGSTOP)
    try:
        page.locator("nav a >> nth=3").tap()
        owed = page.inner_text(".strip .owed")
        page.locator("#sync form .main").tap()
        page.wait_for_selector("#sync progress")
        home_page(page)
        assert "正在同步" in page.inner_text(".strip")
    finally:
        server.kill()
    page.locator("nav a >> nth=3").tap()
    page.wait_for_selector("text=连接不上服务器")
    assert page.inner_text(".strip .owed") == owed


def disagrees(page: Page, mate: Tablet) -> None:
    """Both write another phone without knowing of it; it is settled at the door."""
    (hit,) = mate.search("单雄信")
    mate.edit(hit.id, phone="13800138022")
    mate.sync()
    page.locator("nav a >> nth=1").tap()
    page.fill("#q", "单雄信")
    page.wait_for_selector("#hits .door")
    page.locator("#hits .door").first.tap()
    page.locator(".chip:has-text('全部栏目')").tap()
    page.locator(".acts a:has-text('更正')").tap()
    page.fill("#f-phone", "13800138011")
    page.fill("#reason", "本人说的")
    page.locator(".bar .main").tap()
    page.wait_for_selector("text=已保存")
    sync(page, "text=同步完成")
    home_page(page)
    page.locator(".said a:has-text('冲突')").tap()
    page.locator(".dispute a").first.tap()
    page.locator("label.choice:has-text('13800138022')").tap()
    page.locator(".bar .main").tap()
    page.wait_for_selector("text=已处理")
