# SPDX-License-Identifier: Apache-2.0
"""Passkeys as people use them: a real server over TLS, a real browser, Chromium's own virtual
authenticator.

The console is opened by a name: browsers make passkeys for names alone.
"""

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs

import pytest
from playwright.sync_api import Browser, CDPSession, Page, expect

from fixtures.browser import open_tab, violations
from fixtures.console import PASSWORD, World, console_world, enter

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with console_world(tmp_path_factory.mktemp("passkeys"), tablets=False) as made:
        yield made


@pytest.fixture(scope="module")
def url(world: World) -> str:
    return world.url.replace("127.0.0.1", "localhost")


class Authenticator:
    """What a browser finds in its computer."""

    def __init__(self, tab: Page) -> None:
        self.cdp: CDPSession = tab.context.new_cdp_session(tab)
        self.cdp.send("WebAuthn.enable")
        options = {
            "protocol": "ctap2",
            "transport": "internal",
            "hasUserVerification": True,
            "isUserVerified": True,
            "automaticPresenceSimulation": True,
        }
        made = self.cdp.send("WebAuthn.addVirtualAuthenticator", {"options": options})
        self.id = made["authenticatorId"]

    def credentials(self) -> list[dict[str, Any]]:
        found = self.cdp.send("WebAuthn.getCredentials", {"authenticatorId": self.id})
        held: list[dict[str, Any]] = found["credentials"]
        return held

    def put(self, credential: dict[str, Any]) -> None:
        self.cdp.send("WebAuthn.clearCredentials", {"authenticatorId": self.id})
        self.cdp.send(
            "WebAuthn.addCredential", {"authenticatorId": self.id, "credential": credential}
        )


def by_password(tab: Page, account: str) -> None:
    tab.goto("/sign-in")
    tab.fill("[name=account]", account)
    tab.fill("[name=password]", PASSWORD)
    tab.click("main button")


def add_passkey(tab: Page, name: str) -> None:
    tab.goto("/me")
    tab.fill("[name=name]", name)
    tab.click("form[data-passkey] button")
    tab.wait_for_selector(".flash[role=status]")


def remove_all(world: World, account: str) -> None:
    with world.local.district.store.write() as tx:
        tx.run("DELETE FROM passkeys WHERE account = ?", [account])


@pytest.mark.parametrize(
    ("lang", "use", "remove", "only"),
    [
        ("zh", "用通行密钥", "移除", "唯一的一种，不能移除"),
        ("en", "Use a passkey", "Remove", "the only one: it stays"),
    ],
)
def test_a_passkey_is_made_signs_in_steps_up_and_the_last_factor_stays(
    world: World, url: str, browser: Browser, lang: str, use: str, remove: str, only: str
) -> None:
    remove_all(world, "supervisor")
    with open_tab(browser, url, lang) as tab:
        authenticator = Authenticator(tab)
        enter(tab, world, "supervisor", step_up=True)
        tab.goto("/me")
        expect(tab.locator("main")).to_contain_text(only)
        add_passkey(tab, "office")
        assert len(authenticator.credentials()) == 1
        assert violations(tab) == []
        tab.locator(".me form button").click()
        # Signing in by it: no code is typed anywhere.
        by_password(tab, "supervisor")
        assert violations(tab) == []
        tab.get_by_role("button", name=use).click()
        tab.wait_for_selector(".menu")
        # What weighs asks again, and the passkey does for that too.
        tab.goto("/me")
        assert "/confirm" in tab.url
        tab.get_by_role("button", name=use).click()
        tab.wait_for_selector("text=office")
        row = tab.locator("tbody tr")
        expect(row).to_have_count(2)
        row.nth(0).get_by_role("button", name=remove).click()
        tab.wait_for_selector(".flash[role=status]")
        expect(tab.locator("tbody tr")).to_have_count(1)
        expect(tab.locator("main")).to_contain_text(only)
        with world.local.district.store.read() as tx:
            assert tx.rows("SELECT totp FROM accounts WHERE id = 'supervisor'") == [(None,)]
            key = str(tx.rows("SELECT id FROM passkeys")[0][0])
        # Nor by a form that no page shows.
        token = tab.locator("[name=_csrf_token]").first.input_value()
        answer = tab.request.post(
            f"{url}/me/passkeys/remove", form={"_csrf_token": token, "id": key}
        )
        assert answer.status == 409
        assert "console/last-factor" in answer.text()
        # An authenticator comes back beside it, and then the passkey may go.
        tab.goto("/me/authenticator")
        secret = "".join(tab.locator("code").inner_text().split())
        world.people["supervisor"] = world.people["supervisor"]._replace(totp=secret)
        world.forget_codes("supervisor")
        tab.fill("[name=code]", world.code("supervisor"))
        tab.click("main form button")
        expect(tab.locator("tbody tr")).to_have_count(2)
        tab.locator("tbody tr").nth(1).get_by_role("button", name=remove).click()
        expect(tab.locator("tbody tr")).to_have_count(1)


def test_what_a_passkey_signed_is_good_once_and_a_copied_one_is_refused(
    world: World, url: str, browser: Browser
) -> None:
    remove_all(world, "auditor")
    with open_tab(browser, url) as tab:
        authenticator = Authenticator(tab)
        enter(tab, world, "auditor", step_up=True)
        add_passkey(tab, "一号")
        early = authenticator.credentials()[0]
        tab.locator(".me form button").click()
        by_password(tab, "auditor")
        with tab.expect_request("**/sign-in/passkey") as sent:
            tab.get_by_role("button", name="用通行密钥").click()
        tab.wait_for_selector(".menu")
        signed = parse_qs(sent.value.post_data or "")["credential"][0]
        with world.browse() as thief:
            thief.post("/sign-in", account="auditor", password=PASSWORD)
            thief.get("/sign-in/code")
            assert thief.post("/sign-in/passkey", credential=signed).status_code == 403
            assert thief.get("/conflicts").status_code == 303
        # A copy of the key counts from where it was copied: behind what was seen here.
        tab.locator(".me form button").click()
        authenticator.put(early | {"signCount": 0})
        by_password(tab, "auditor")
        tab.get_by_role("button", name="用通行密钥").click()
        expect(tab.locator("[role=alert]")).to_contain_text("没有通过验证")
        remove_all(world, "auditor")


def test_another_accounts_passkey_does_not_open_this_one(
    world: World, url: str, browser: Browser
) -> None:
    with open_tab(browser, url) as tab:
        Authenticator(tab)
        enter(tab, world, "officer", step_up=True)
        add_passkey(tab, "公用电脑")
        tab.locator(".me form button").click()
        by_password(tab, "officer")
        with tab.expect_request("**/sign-in/passkey") as sent:
            tab.get_by_role("button", name="用通行密钥").click()
        tab.wait_for_selector(".menu")
        signed = parse_qs(sent.value.post_data or "")["credential"][0]
        with world.browse() as other:
            other.post("/sign-in", account="security", password=PASSWORD)
            assert other.post("/sign-in/passkey", credential=signed).status_code == 403
        # By its address of digits the page says where the passkey works, and offers the code.
        with world.browse() as visitor:
            visitor.post("/sign-in", account="officer", password=PASSWORD)
            page = visitor.get("/sign-in/code").text
            assert "您的通行密钥是在 localhost 登记的" in page
            assert "data-passkey" not in page
            assert 'name="code"' in page
        remove_all(world, "officer")


def test_a_passkey_that_the_owner_does_not_confirm_changes_nothing(
    world: World, url: str, browser: Browser
) -> None:
    with open_tab(browser, url, "en") as tab:
        enter(tab, world, "security", step_up=True)
        tab.goto("/me")
        tab.evaluate("() => { navigator.credentials.create = async () => { throw Error(); }; }")
        tab.fill("[name=name]", "mine")
        tab.click("form[data-passkey] button")
        expect(tab.locator("[role=alert]")).to_contain_text("No passkey was added")
    with world.local.district.store.read() as tx:
        assert tx.rows("SELECT count(*) FROM passkeys WHERE account = 'security'") == [(0,)]
