# SPDX-License-Identifier: Apache-2.0
"""Every route of the console × every role × a foreign area, from the application's own table.

A route that is added without an example here, or without a right, fails.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

import httpx
import pytest

from fixtures.console import AREA, FOREIGN, HOMES, Visitor, World, console_world
from server import approvals
from server.accounts import RIGHTS
from server.app import build_app
from server.office import reading
from server.web.routing import PUBLIC, SIGNED_IN

pytestmark = pytest.mark.slow

OPEN_TO_ALL = {
    "GET /",
    "GET /static/{name:str}",
    "GET /sign-in",
    "POST /sign-in",
    "GET /sign-in/code",
    "POST /sign-in/code",
    "POST /sign-in/passkey",
    "GET /sign-in/first",
    "POST /sign-in/first",
    "GET /language/{lang:str}",
}
"""What anybody may ask for: a new public route must be written down here."""
LISTS = {
    "/conflicts",
    "/conflicts/bulk",
    "/conflicts/live",
    "/repair",
    "/repair/doubles",
    "/repair/links",
    "/search",
    "/tablets",
    "/people",
    "/access",
    "/withdrawn",
    "/approvals",
    "/approvals/ask",
    "/sign-out",
    "/confirm",
    "/confirm/passkey",
    "/me",
    "/me/passkeys/add",
    "/me/passkeys/remove",
    "/me/authenticator",
    "/me/authenticator/set",
    "/me/authenticator/remove",
    "/tickets",
    "/people/add",
    "/reports",
    "/v1/reports",
    "/board",
}
"""Routes that name nothing of an area: a stranger gets them without what is not theirs."""
SECRETS = [word for home in HOMES for word in home[1:]] + ["12600009001", "平板一", "张霞"]


FIELDS = {
    "reason": "核实",
    "words": "看一下",
    "choice": "empty",
    "seen": "0" * 16,
    "pick": f"1:00:{'0' * 16}",
    "team": "t1",
    "area": FOREIGN,
    "role": "officer",
    "state": "active",
    "account": "officer",
    "name": "某人",
    "agree": "yes",
    "what": "unassign",
    "into": "h1",
    "away": "h1",
    "now": "h2",
    "kind": "export",
    "target": "",
    "yes": "yes",
}
"""What forms are sent with: nothing that is missing may hide a missing look at the area."""


class Route(NamedTuple):
    method: str
    path: str
    right: str
    sure: bool

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"


OF_MACHINES = ("/v1/", "/metrics")
"""Not for people: signed by tablets and servers, or figures for this machine alone."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with console_world(tmp_path_factory.mktemp("routes")) as made:
        made.clash("h1", {"phone": "12600009001"}, {"phone": "12600009002"})
        made.revoke_and_send("h2", {"phone": "12600009003"})
        with made.local.service.district.store.write() as tx:
            approvals.ask(tx, "export", "", "officer", "年报", made.local.service.district.clock())
        yield made


@pytest.fixture(scope="module")
def routes(world: World) -> list[Route]:
    found = []
    for route in build_app(world.local.service).routes:
        for handler in getattr(route, "route_handlers", []):
            if route.path.startswith(OF_MACHINES) and not handler.opt.get("console"):
                continue
            for method in sorted(handler.http_methods - {"OPTIONS", "HEAD"}):
                opt = handler.opt
                assert opt.get("console"), f"{route.path}: made without a right"
                found.append(Route(method, route.path, opt["right"], bool(opt.get("sure"))))
    assert len(found) > 25
    return found


@pytest.fixture(scope="module")
def examples(world: World) -> dict[str, str]:
    with reading(world.local.settings) as desk, desk.store.read() as tx:
        dot = bytes(tx.rows("SELECT dot FROM quarantine")[0][0]).hex()
        device = str(tx.rows("SELECT id FROM devices WHERE name = '平板一'")[0][0])
        ticket = str(tx.rows("SELECT id FROM tickets WHERE team = 't1'")[0][0])
    return {
        "{name:str}": "console.css",
        "{lang:str}": "en",
        "{n:int}": "1",
        "{record:str}": "h1",
        "{dot:str}": dot,
        "{device:str}": device,
        "{ticket:str}": ticket,
        "{team:str}": "t1",
        "{account:str}": "officer",
        "{one:str}": "h1",
        "{two:str}": "h2",
        "{field:str}": "joined_into",
        "{report:str}": "coverage",
        "{figure:str}": "due",
        "{format:str}": "csv",
        "{server:str}": "00" * 16,
    }


@pytest.fixture(scope="module")
def visitors(world: World) -> Iterator[dict[str, Visitor]]:
    made = {account: world.browse(account) for account in world.people}
    yield made
    for visitor in made.values():
        visitor.client.close()


def address(route: Route, examples: dict[str, str]) -> str:
    path = route.path
    for pattern in re.findall(r"\{[^}]+\}", path):
        assert pattern in examples, f"{route.name}: no example for {pattern}"
        path = path.replace(pattern, examples[pattern])
    return path + ("?q=h" if route.path == "/search" else "")


def ask(visitor: Visitor, route: Route, path: str, *, token: bool = True) -> httpx.Response:
    if route.path == "/conflicts/live":
        with visitor.client.stream("GET", path) as answer:
            return httpx.Response(answer.status_code)
    if route.method == "GET":
        return visitor.fetch(path)
    if not token:
        return visitor.client.post(path, data=FIELDS)
    return visitor.post(path, **FIELDS)


def test_every_route_states_its_right_and_what_is_open_to_all_is_written_down(
    routes: list[Route],
) -> None:
    known = {right for rights in RIGHTS.values() for right in rights} | {PUBLIC, SIGNED_IN}
    assert {route.right for route in routes} <= known
    assert {route.name for route in routes if route.right == PUBLIC} == OPEN_TO_ALL


def test_who_has_not_signed_in_gets_no_page_but_those_for_signing_in(
    world: World, routes: list[Route], examples: dict[str, str]
) -> None:
    with world.browse() as stranger:
        stranger.get("/sign-in")
        for route in routes:
            if route.right == PUBLIC:
                continue
            answer = ask(stranger, route, address(route, examples))
            if route.path == "/conflicts/live" or route.path.startswith("/v1/"):
                assert answer.status_code == 403, route.name
                continue
            assert answer.status_code == 303, route.name
            assert answer.headers["location"].startswith("/sign-in"), route.name


def test_no_role_gets_beyond_its_rights(
    routes: list[Route], examples: dict[str, str], visitors: dict[str, Visitor]
) -> None:
    for role, rights in RIGHTS.items():
        for route in routes:
            if route.right in (PUBLIC, SIGNED_IN, *rights):
                continue
            answer = ask(visitors[role], route, address(route, examples))
            assert answer.status_code == 403, (role, route.name)
            assert not [s for s in SECRETS if s in answer.text], (role, route.name)


def test_a_foreign_area_sees_and_changes_nothing(
    world: World, routes: list[Route], examples: dict[str, str], visitors: dict[str, Visitor]
) -> None:
    before = _everything(world)
    for role, rights in RIGHTS.items():
        far = visitors[f"far-{role}"]
        for route in routes:
            if route.right not in rights:
                continue
            if route.sure:
                world.forget_codes(f"far-{role}")
                far.step_up(f"far-{role}")
            answer = ask(far, route, address(route, examples))
            where = (role, route.name)
            assert not [s for s in SECRETS if s in answer.text], where
            assert AREA not in answer.text, where
            named = "{" in route.path and "{report" not in route.path
            if named:
                assert answer.status_code == 404, where
            else:
                assert route.path in LISTS or "{report" in route.path, where
    assert _everything(world) == before


def _everything(world: World) -> list[object]:
    with reading(world.local.settings) as desk, desk.store.read() as tx:
        tables = "decisions conflict_care conflict_comments devices team_areas accounts releases"
        return [tx.rows(f"SELECT count(*) FROM {table}") for table in tables.split()] + [
            tx.rows("SELECT id, role, area, state, password FROM accounts ORDER BY id"),
            tx.rows("SELECT id, state FROM devices ORDER BY id"),
        ]


def test_who_has_the_right_gets_every_page(
    world: World, routes: list[Route], examples: dict[str, str], visitors: dict[str, Visitor]
) -> None:
    for role, rights in RIGHTS.items():
        for route in routes:
            if route.method != "GET" or route.right not in rights or "/photos/" in route.path:
                continue
            if route.sure:
                world.forget_codes(role)
                visitors[role].step_up(role)
            answer = ask(visitors[role], route, address(route, examples))
            assert answer.status_code == 200, (role, route.name, answer.text[-600:])


def test_a_form_without_its_token_changes_nothing(
    world: World, routes: list[Route], examples: dict[str, str], visitors: dict[str, Visitor]
) -> None:
    before = _everything(world)
    for route in routes:
        if route.method == "POST":
            answer = ask(visitors["supervisor"], route, address(route, examples), token=False)
            assert answer.status_code == 403, route.name
            assert "console/form-token" in answer.text, route.name
    assert _everything(world) == before


def test_what_weighs_asks_for_a_code_again(
    world: World, routes: list[Route], examples: dict[str, str]
) -> None:
    sure = [route for route in routes if route.sure]
    assert {"POST /tablets/{device:str}/revoke", "POST /people/{account:str}/change"} <= {
        route.name for route in sure
    }
    for role, rights in RIGHTS.items():
        mine = [route for route in sure if route.right in (SIGNED_IN, *rights)]
        if not mine:
            continue
        world.forget_codes(role)
        with world.browse(role) as visitor:
            for route in mine:
                answer = ask(visitor, route, address(route, examples))
                assert answer.status_code == 303, route.name
                assert answer.headers["location"].startswith("/confirm?"), route.name


def test_every_answer_carries_the_headers_that_browsers_obey(
    routes: list[Route], examples: dict[str, str], visitors: dict[str, Visitor]
) -> None:
    for route in routes:
        if route.path == "/conflicts/live":
            continue
        headers = ask(visitors["auditor"], route, address(route, examples)).headers
        policy = headers["content-security-policy"]
        assert "script-src 'self'" in policy, route.name
        assert "unsafe" not in policy, route.name
        assert "frame-ancestors 'none'" in policy, route.name
        assert headers["x-content-type-options"] == "nosniff", route.name
        assert "max-age" in headers["strict-transport-security"], route.name
        if not route.path.startswith("/static/"):
            assert headers["cache-control"] == "no-store", route.name
