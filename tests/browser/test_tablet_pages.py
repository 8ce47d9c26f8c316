# SPDX-License-Identifier: Apache-2.0
"""The tablet's pages in a real browser: for hands in gloves, eyes in the sun, and without a script.

One tablet of a generated team serves all tests of this file.
"""

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page

from fixtures.browser import violations
from fixtures.pictures_tablet import pages_of, tablet_tab, unlock
from fixtures.tablet_app import Held, Serving, served, tablet_of_a_team

pytestmark = pytest.mark.slow

AAA = ("color-contrast-enhanced",)
# Targets under 48 px, but for rounding.
SMALL = """() => [...document.querySelectorAll('a, button, summary, input, textarea, select')]
  .filter(e => e.type !== 'hidden' && e.checkVisibility() && !e.closest('.skip')
    && !e.matches('.skip, :disabled'))
  .map(e => [e.outerHTML.slice(0, 90), e.getBoundingClientRect()])
  .filter(([, box]) => box.width < 47.5 || box.height < 47.5)
  .map(([html, box]) => `${Math.round(box.width)}x${Math.round(box.height)} ${html}`)"""
WIDER = """() => [...document.querySelectorAll('body *')].filter(e => e.checkVisibility()
    && !e.closest('.skip, .unseen') && e.getBoundingClientRect().right > innerWidth + 1)
  .map(e => e.outerHTML.slice(0, 90))"""
# What is pressed most but does not lie within the window before anything is scrolled.
FAR = """() => [...document.querySelectorAll('.bar > *, body > nav a, .unlock .main')]
  .filter(e => { const box = e.getBoundingClientRect();
    return box.top < 0 || box.left < 0 || box.bottom > innerHeight || box.right > innerWidth; })
  .map(e => `far ${e.outerHTML.slice(0, 90)}`)"""
# Words of the pages, not of people, that stayed Chinese.
UNTRANSLATED = """() => [...document.querySelectorAll('legend, label[for], nav a, .bar > *')]
  .filter(e => /[\\u4e00-\\u9fff]/.test(e.textContent))
  .map(e => `zh ${e.outerHTML.slice(0, 90)}`)"""


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Held:
    return tablet_of_a_team(tmp_path_factory.mktemp("team"))


@pytest.fixture(scope="module")
def pages(held: Held) -> Iterator[Serving]:
    with served(held.keeper()) as found:
        yield found


@contextmanager
def speaking(pages: Serving, lang: str) -> Iterator[None]:
    """The pages in one language, until the end of the block."""
    pages.app.desk.lang = lang
    try:
        yield
    finally:
        pages.app.desk.lang = "zh"


def entered(pages: Serving, page: Page) -> str:
    """Let the tab in and unlock; where the pages lie."""
    page.goto(pages.start_address())
    page.wait_for_selector("#secret")
    unlock(page)
    page.wait_for_selector(".tabs")
    return pages.url + pages.app.gate.base


@pytest.mark.parametrize(("shape", "lang"), [("portrait", "zh"), ("landscape", "en")])
def test_no_page_has_anything_that_axe_finds_or_a_target_under_48_pixels(
    browser: Browser, pages: Serving, held: Held, shape: str, lang: str
) -> None:
    found: dict[str, list[str]] = {}
    with tablet_tab(browser, shape) as page, speaking(pages, lang):
        page.goto(pages.start_address())
        page.wait_for_selector("#secret")
        found["unlock"] = [line for rule in (SMALL, FAR) for line in page.evaluate(rule)]
        found["unlock"] += violations(page, rules=AAA)
        unlock(page)
        page.wait_for_selector(".tabs")
        base = pages.url + pages.app.gate.base
        for name, path in pages_of(held).items():
            page.goto(base + path)
            found[name] = [line for rule in (SMALL, WIDER, FAR) for line in page.evaluate(rule)]
            if shape == "portrait":
                found[name] += violations(page, rules=AAA)
            if lang == "en":
                found[name] += page.evaluate(UNTRANSLATED)
    assert {name: wrong for name, wrong in found.items() if wrong} == {}


@pytest.mark.parametrize(("shape", "lang"), [("portrait", "en"), ("landscape", "zh")])
def test_text_at_200_percent_loses_nothing(
    browser: Browser, pages: Serving, held: Held, shape: str, lang: str
) -> None:
    found: dict[str, list[str]] = {}
    with tablet_tab(browser, shape, zoom=2.0) as page, speaking(pages, lang):
        base = entered(pages, page)
        for name, path in pages_of(held).items():
            page.goto(base + path)
            found[name] = page.evaluate(WIDER)
    assert {name: wrong for name, wrong in found.items() if wrong} == {}


def test_the_core_path_works_without_a_script(browser: Browser, pages: Serving, held: Held) -> None:
    with tablet_tab(browser, scripts=False) as page:
        base = entered(pages, page)
        page.locator(".door").first.tap()
        page.locator(".act .main").tap()
        page.locator("label.chip:has(input[name=outcome][value=met])").tap()
        page.locator("label.chip:has(input[name=shortages][value=medicine])").tap()
        page.locator("label.chip:has(input[name=degrees][value='36'])").tap()
        page.locator("label.chip:has(input[name=tenths][value='8'])").tap()
        page.locator(".bar .main").tap()
        page.wait_for_url("**/saved/*")
        assert "36.8" in page.inner_text("main")
        page.goto(base + "/search")
        page.fill("#q", page_name(page, base, held))
        page.locator(".ask button").tap()
        page.wait_for_selector(".door")
        page.locator(".tool:last-child button").tap()
        page.wait_for_url("**/unlock")


def test_a_consent_is_signed_on_paper_where_there_is_no_script(
    browser: Browser, pages: Serving, held: Held
) -> None:
    home = held.homes[7]
    paper = io.BytesIO()
    Image.new("RGB", (600, 400), "white").save(paper, "JPEG")
    file = {"name": "p.jpg", "mimeType": "image/jpeg", "buffer": paper.getvalue()}
    with tablet_tab(browser, scripts=False) as page:
        base = entered(pages, page)
        page.goto(f"{base}/home/{home}/new/consent")
        # The glass would be dead: it is not there, and the page says what to do instead.
        assert not page.locator(".glass").is_visible()
        assert page.locator("text=请在纸上签").is_visible()
        page.locator("label.chip:has(input[name=person])").first.tap()
        for value in ("visits", "given", "self"):
            page.locator(f"label.chip:has(input[value={value}])").tap()
        page.locator(".bar .main").tap()
        page.wait_for_selector("text=请签名")
        page.set_input_files("#photo", file)
        page.locator(".bar .main").tap()
        page.wait_for_selector("text=已保存")
    with pages.app.keeper.tablet() as tablet:
        (made,) = tablet.listed(home, "consent")["consent"]
        signed = tablet.read(str(made.values["signature"]))
        assert signed["media_type"] == "image/jpeg"


def page_name(page: Page, base: str, held: Held) -> str:
    page.goto(f"{base}/home/{held.homes[0]}")
    name = page.inner_text("h1")
    page.goto(base + "/search")
    return name


def test_what_is_tapped_is_kept_at_once_and_found_again(
    browser: Browser, pages: Serving, held: Held
) -> None:
    with tablet_tab(browser) as page:
        base = entered(pages, page)
        page.goto(f"{base}/home/{held.homes[5]}/visit")
        page.locator("label.chip:has(input[name=mood][value=low])").tap()
        page.wait_for_selector("text=已存好")
        page.goto(f"{base}/home/{held.homes[5]}/visit")
        assert page.is_checked("input[name=mood][value=low]")


def test_a_signature_on_the_glass_is_kept_with_the_visit(
    browser: Browser, pages: Serving, held: Held
) -> None:
    home = held.homes[6]
    with tablet_tab(browser) as page:
        base = entered(pages, page)
        page.goto(f"{base}/home/{home}/visit")
        box = page.locator(".glass").bounding_box()
        assert box
        page.locator(".glass").scroll_into_view_if_needed()
        box = page.locator(".glass").bounding_box()
        assert box
        page.mouse.move(box["x"] + 30, box["y"] + 40)
        page.mouse.down()
        page.mouse.move(box["x"] + 200, box["y"] + 90, steps=5)
        page.mouse.up()
        page.wait_for_selector(".glass[data-drawn='1']")
        page.locator("button[value=well]").tap()
        page.wait_for_selector("h1:has-text('已保存')")
    with pages.app.keeper.tablet() as tablet:
        (made,) = tablet.listed(home, "attachment")["attachment"]
    assert made.values["purpose"] == "signature"
    assert made.values["about_collection"] == "visit"


def test_search_finds_while_typing_by_initials(
    browser: Browser, pages: Serving, held: Held
) -> None:
    with tablet_tab(browser) as page:
        base = entered(pages, page)
        name = page_name(page, base, held)
        page.fill("#q", name[:1])
        page.wait_for_selector("#hits .door")
        assert name in page.inner_text("#hits")
        assert page.url.endswith("/search")


def test_a_page_nobody_touches_for_two_minutes_shows_nothing_more(
    browser: Browser, pages: Serving
) -> None:
    with tablet_tab(browser) as page:
        page.clock.install()
        entered(pages, page)
        page.clock.fast_forward(121_000)
        page.wait_for_url("**/unlock")
        assert pages.app.keeper.locked


def test_a_page_out_of_sight_locks_after_half_a_minute(browser: Browser, pages: Serving) -> None:
    with tablet_tab(browser) as page:
        page.clock.install()
        entered(pages, page)
        page.evaluate(
            "Object.defineProperty(document, 'hidden', {value: true});"
            "document.dispatchEvent(new Event('visibilitychange'))"
        )
        page.clock.fast_forward(31_000)
        page.wait_for_url("**/unlock")
        assert pages.app.keeper.locked


def test_a_camera_that_the_page_opened_has_the_two_minutes_and_no_more(
    browser: Browser, pages: Serving, held: Held
) -> None:
    with tablet_tab(browser) as page:
        page.clock.install()
        base = entered(pages, page)
        page.goto(f"{base}/home/{held.homes[8]}/visit")
        page.evaluate(
            "document.querySelector('#photo').dispatchEvent(new Event('click', {bubbles: true}));"
            "Object.defineProperty(document, 'hidden', {value: true});"
            "document.dispatchEvent(new Event('visibilitychange'))"
        )
        page.clock.fast_forward(60_000)
        # Whoever leaves empties the page at once.
        assert page.evaluate("document.body.childElementCount")
        page.clock.fast_forward(61_000)
        page.wait_for_url("**/unlock")
        assert pages.app.keeper.locked


def test_going_from_page_to_page_is_no_dark_screen(
    browser: Browser, pages: Serving, held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    with tablet_tab(browser) as page:
        entered(pages, page)
        monkeypatch.setattr(pages.app.keeper, "hide", lambda: told.append("hidden"))
        for number in range(5):
            page.locator("nav a").nth(number).tap()
            page.wait_for_load_state()
        page.wait_for_timeout(300)
    assert told == []


class Listener(BaseHTTPRequestHandler):
    """Another program's server on the same machine: it notes what a browser shows it."""

    cookies: list[str]

    def do_GET(self) -> None:
        self.cookies.append(self.headers.get("cookie", ""))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        return


def test_another_program_to_which_the_browser_is_sent_sees_no_cookie(
    browser: Browser, pages: Serving
) -> None:
    Listener.cookies = []
    server = HTTPServer(("127.0.0.1", 0), Listener)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        with tablet_tab(browser) as page:
            entered(pages, page)
            page.goto(f"http://127.0.0.1:{server.server_port}/")
            page.goto(f"http://127.0.0.1:{server.server_port}/search")
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    assert Listener.cookies
    assert set(Listener.cookies) == {""}
