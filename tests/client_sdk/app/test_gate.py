# SPDX-License-Identifier: Apache-2.0
"""The pages answer their own browser and nobody else: asked as other programs would ask."""

import socket

import httpx

from client_sdk.app.gate import COOKIE, POLICY
from client_sdk.cli_app import RUNNING_FILE, _begin, address_again
from client_sdk.lan_finding import own_addresses
from fixtures.tablet_app import Held, Serving, Visitor


def asked(pages: Serving, path: str, **headers: str) -> httpx.Response:
    return httpx.get(pages.url + path, headers=headers)


def test_another_program_gets_nothing_whatever_it_asks_for(
    pages: Serving, visitor: Visitor
) -> None:
    visitor.unlock()
    base = pages.app.gate.base
    for path in ("/", "/unlock", base, base + "/", base + "/search", "/static/x/app.css"):
        answer = asked(pages, path)
        assert answer.status_code == 403
        assert len(answer.content) < 200
    assert asked(pages, base + "/", cookie=f"{COOKIE}=guessed").status_code == 403


def test_the_cookie_alone_and_the_path_alone_open_nothing(pages: Serving, visitor: Visitor) -> None:
    visitor.unlock()
    cookie = "; ".join(f"{c.name}={c.value}" for c in visitor.client.cookies.jar)
    assert asked(pages, "/", cookie=cookie).status_code == 403
    assert asked(pages, pages.app.gate.base + "/").status_code == 403
    assert asked(pages, pages.app.gate.base + "/", cookie=cookie).status_code == 200


def test_the_cookie_goes_to_no_script_no_other_site_and_no_other_path(pages: Serving) -> None:
    setting = httpx.get(pages.start_address()).headers["set-cookie"]
    assert "HttpOnly" in setting
    assert "SameSite=Strict" in setting
    assert f"Path={pages.app.gate.base}/" in setting


def test_a_rebound_name_and_another_origin_are_refused(pages: Serving, visitor: Visitor) -> None:
    visitor.unlock()
    port = pages.app.port
    for host in (f"evil.example:{port}", f"localhost:{port}", "127.0.0.1", f"[::1]:{port}"):
        answer = visitor.client.get(visitor.base + "/", headers={"host": host})
        assert answer.status_code == 403
    for headers in (
        {"origin": "http://127.0.0.1:1"},
        {"origin": "null"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "cross-site"},
    ):
        assert visitor.client.get(visitor.base + "/", headers=headers).status_code == 403
    # A form that another page sends has that page's origin; one without any is no browser's.
    for headers in ({"origin": "http://evil.example"}, {"origin": "null"}, {}):
        answer = visitor.client.post(visitor.base + "/lock", headers=headers)
        assert answer.status_code == 403
    assert not pages.app.keeper.locked


def test_a_start_address_is_good_once_and_locks_whoever_was_in(
    pages: Serving, visitor: Visitor
) -> None:
    visitor.unlock()
    address = pages.start_address()
    assert httpx.get(address).status_code == 200
    assert httpx.get(address).status_code == 403
    assert pages.app.keeper.locked
    assert visitor.client.get(visitor.base + "/").status_code == 403


def test_nothing_shown_may_be_kept_framed_or_run_elsewhere(visitor: Visitor) -> None:
    visitor.unlock()
    answer = visitor.get("/")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-security-policy"] == POLICY
    assert "unsafe" not in POLICY
    assert answer.headers["x-frame-options"] == "DENY"
    assert "<script>" not in answer.text
    assert " style=" not in answer.text
    assert "http" not in answer.text.replace("http-equiv", "")


def test_only_the_machine_itself_is_listened_to(pages: Serving) -> None:
    assert pages.app._socket.getsockname()[0] == "127.0.0.1"
    for address in {"127.0.0.2", *own_addresses()} - {"127.0.0.1"}:
        with socket.socket() as caller:
            caller.settimeout(1)
            assert caller.connect_ex((address, pages.app.port)) != 0


def test_a_second_start_gets_a_new_address_that_leads_to_the_pin(
    held: Held, pages: Serving, visitor: Visitor
) -> None:
    visitor.unlock()
    shown: list[str] = []
    _begin(held.folder, pages.app, shown.append)
    assert (held.folder / RUNNING_FILE).stat().st_mode & 0o077 == 0
    again = address_again(held.folder)
    assert again
    assert again != shown[0]
    with httpx.Client() as fresh:
        fresh.get(again)
        answer = fresh.get(pages.url + pages.app.gate.base + "/", follow_redirects=True)
    assert answer.url.path.endswith("/unlock")
    assert pages.app.keeper.locked


def test_a_file_of_pages_that_ended_leads_nowhere(held: Held) -> None:
    assert address_again(held.folder) == ""
    (held.folder / RUNNING_FILE).write_bytes(b'{"port": 9, "key": "x"}')
    assert address_again(held.folder) == ""
    (held.folder / RUNNING_FILE).write_bytes(b"\xff")
    assert address_again(held.folder) == ""
