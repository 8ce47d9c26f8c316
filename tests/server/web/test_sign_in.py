# SPDX-License-Identifier: Apache-2.0
"""Signing in: passwords, second factors, waiting, sessions and their ends."""

from collections.abc import Iterator

import pyotp
import pytest

from fixtures.console import PASSWORD, World, console_world
from server.accounts import add_account, change_account, new_account
from server.app import wall_clock_ms
from server.web.sessions import IDLE_MS, LIFE_MS

pytestmark = pytest.mark.slow


class Clock:
    """The machine's clock, and what the test adds."""

    def __init__(self) -> None:
        self.more_ms = 0

    def __call__(self) -> int:
        return wall_clock_ms() + self.more_ms


@pytest.fixture(scope="module")
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, clock: Clock) -> Iterator[World]:
    with console_world(tmp_path_factory.mktemp("sign-in"), tablets=False, clock=clock) as made:
        yield made


def test_the_first_sign_in_sets_a_password_and_a_second_factor(world: World) -> None:
    with world.local.district.store.write() as tx:
        first = add_account(tx, new_account("new", "新人", "officer", "440103"), "t", 0)
    with world.browse() as visitor:
        assert visitor.post("/sign-in", account="new", password=first).headers["location"] == (
            "/sign-in/first"
        )
        assert visitor.get("/conflicts").status_code == 303
        page = visitor.get("/sign-in/first").text
        secret = "".join(page.split("<code>")[1].split("</code>")[0].split())
        code = pyotp.TOTP(secret).at(world.local.district.clock() // 1000)
        short = visitor.post("/sign-in/first", password="short", again="short", code=code)
        assert short.status_code == 422
        own = "a-password-of-my-own"
        fine = visitor.post("/sign-in/first", password=own, again=own, code=code)
        assert fine.status_code == 303
        assert visitor.get("/conflicts").status_code == 200
    with world.browse() as visitor:
        assert visitor.post("/sign-in", account="new", password=first).status_code == 403


def test_a_wrong_password_and_an_unknown_account_are_told_the_same(world: World) -> None:
    with world.browse() as visitor:
        wrong = visitor.post("/sign-in", account="auditor", password="not the password")
        nobody = visitor.post("/sign-in", account="nobody", password="not the password")
        assert wrong.status_code == nobody.status_code == 403
        assert wrong.text == nobody.text.replace("nobody", "auditor")


def test_a_code_is_good_once(world: World) -> None:
    world.forget_codes("officer")
    code = world.code("officer")
    with world.browse() as one, world.browse() as two:
        for visitor, status in ((one, 303), (two, 403)):
            visitor.post("/sign-in", account="officer", password=PASSWORD)
            assert visitor.post("/sign-in/code", code=code).status_code == status


def test_a_session_id_that_a_browser_brings_is_never_taken_up(world: World) -> None:
    world.forget_codes("auditor")
    with world.browse() as visitor:
        visitor.client.cookies.set("__Host-session", "0" * 64, domain="127.0.0.1")
        visitor.sign_in("auditor")
        held = [c.value for c in visitor.client.cookies.jar if c.name == "__Host-session"]
        assert any(value != "0" * 64 for value in held)
    with world.browse() as thief:
        thief.client.cookies.set("__Host-session", "0" * 64, domain="127.0.0.1")
        assert thief.get("/conflicts").status_code == 303


def test_the_id_of_a_session_changes_when_it_is_signed_in_wholly(world: World) -> None:
    world.forget_codes("auditor")
    with world.browse() as visitor:
        visitor.post("/sign-in", account="auditor", password=PASSWORD)
        half = visitor.client.cookies["__Host-session"]
        visitor.post("/sign-in/code", code=world.code("auditor"))
        assert visitor.client.cookies["__Host-session"] != half
    with world.browse() as thief:
        thief.client.cookies.set("__Host-session", half, domain="127.0.0.1")
        assert thief.get("/conflicts").status_code == 303


def test_the_cookies_are_of_this_host_alone_and_no_script_reads_them(world: World) -> None:
    world.forget_codes("auditor")
    with world.browse() as visitor:
        visitor.get("/sign-in")
        answer = visitor.post("/sign-in", account="auditor", password=PASSWORD)
        for line in answer.headers.get_list("set-cookie"):
            assert line.startswith("__Host-"), line
            for word in ("Secure", "HttpOnly", "SameSite=strict", "Path=/"):
                assert word in line, line
            assert "Domain" not in line


def test_a_session_ends_when_idle_and_after_its_life(world: World, clock: Clock) -> None:
    world.forget_codes("auditor")
    with world.browse("auditor") as visitor:
        clock.more_ms += IDLE_MS - 60_000
        assert visitor.get("/conflicts").status_code == 200
        clock.more_ms += IDLE_MS - 60_000
        assert visitor.get("/conflicts").status_code == 200
        clock.more_ms += IDLE_MS + 1_000
        assert visitor.get("/conflicts").status_code == 303
    world.forget_codes("auditor")
    with world.browse("auditor") as visitor:
        for _ in range(LIFE_MS // (IDLE_MS - 60_000) + 1):
            clock.more_ms += IDLE_MS - 60_000
            last = visitor.get("/conflicts").status_code
        assert last == 303


def test_signing_out_and_a_change_of_role_end_every_session(world: World) -> None:
    world.forget_codes("officer")
    with world.browse("officer") as visitor:
        held = visitor.client.cookies["__Host-session"]
        visitor.post("/sign-out")
        visitor.client.cookies.set("__Host-session", held, domain="127.0.0.1")
        assert visitor.get("/conflicts").status_code == 303
    world.forget_codes("officer")
    with world.browse("officer") as visitor:
        with world.local.district.store.write() as tx:
            change_account(tx, "officer", "officer", "440103", "active", "t", 0)
        assert visitor.get("/conflicts").status_code == 303


def test_wrong_tries_make_strangers_wait_and_not_the_officers_own_browser(
    world: World, clock: Clock
) -> None:
    world.forget_codes("supervisor")
    own = world.browse("supervisor")
    own.post("/sign-out")
    with world.browse() as stranger:
        answers = [
            stranger.post("/sign-in", account="supervisor", password="guess").status_code
            for _ in range(7)
        ]
        assert answers == [403] * 5 + [429] * 2
        assert stranger.post("/sign-in", account="supervisor", password=PASSWORD).status_code == 429
    world.forget_codes("supervisor")
    own.sign_in("supervisor")
    assert own.get("/conflicts").status_code == 200
    own.client.close()
    clock.more_ms += 16 * 60_000
    with world.browse() as stranger:
        assert stranger.post("/sign-in", account="supervisor", password=PASSWORD).status_code == 303


def test_the_way_back_after_signing_in_never_leads_elsewhere(world: World) -> None:
    for to in ("https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"):
        world.forget_codes("auditor")
        with world.browse() as visitor:
            visitor.post("/sign-in", account="auditor", password=PASSWORD, next=to)
            answer = visitor.post("/sign-in/code", code=world.code("auditor"))
            assert answer.headers["location"] == "/", to
            assert visitor.get("/language/en", params={"next": to}).headers["location"] == "/"


def test_an_administrator_gives_no_more_than_their_own_area(world: World) -> None:
    world.forget_codes("administrator")
    with world.browse("administrator") as visitor:
        visitor.step_up("administrator")
        for area in ("", "44", "440104"):
            answer = visitor.post(
                "/people/add", account=f"x{area}", name="某人", role="auditor", area=area
            )
            assert answer.status_code == 422, area
        fine = visitor.post(
            "/people/add", account="y", name="某人", role="auditor", area="440103019"
        )
        assert fine.status_code == 303
        assert "一次性密码" in visitor.get("/people").text
        assert "一次性密码" not in visitor.get("/people").text
        mine = visitor.post(
            "/people/administrator/change", role="security", area="440103", state="active"
        )
        assert mine.status_code == 422


def test_a_store_keeps_no_session_id_and_no_password(world: World) -> None:
    world.forget_codes("auditor")
    with world.browse("auditor") as visitor:
        held = visitor.client.cookies["__Host-session"]
        with world.local.district.store.read() as tx:
            everything = str(tx.rows("SELECT * FROM sessions")) + str(
                tx.rows("SELECT * FROM accounts")
            )
    assert held not in everything
    assert PASSWORD not in everything
