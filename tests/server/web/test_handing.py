# SPDX-License-Identifier: Apache-2.0
"""Servers that ask for keys of sealed fields, on the page of tablets and teams."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from crypto.field_words import FieldAsk, issue_ask
from crypto.identity import DeviceKey
from crypto.seal import BoxKey
from fixtures.console import FOREIGN, World, console_world
from server import field_handing
from server.field_readers import allow_team
from server.history import stored_record
from server.tiers import admit_server
from sync.sealing import key_named

pytestmark = pytest.mark.slow
NAME, HOME = "越秀区民政局", {"address": "东风路一号", "head_name": "陈秀英"}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with console_world(tmp_path, tablets=False) as made:
        yield made


def asking(world: World) -> str:
    """Another district, to which a household moved, asks for the key of an illness; its id."""
    here, key, box = world.local.district, DeviceKey.generate(), BoxKey.generate()
    now_ms = here.clock()
    with here.writing() as tx:
        admit_server(tx, here.key, NAME, FOREIGN, key.public, box.public, now_ms)
        allow_team(tx, here.schema, "t1", "illness", "o", now_ms)
    here.reload()
    home = here.write("o", "household", None, HOME | {"area": f"{FOREIGN}001001"})
    one = here.write("o", "person", None, {"household": home, "name": "陈", "illness": "哮喘"})
    with here.writing() as tx:
        held = stored_record(tx, one)
        assert held is not None
        (value,) = held.state.registers["illness"].values()
        said = FieldAsk(key.replica, now_ms, box.public, ((key_named(str(value)), one),))
        field_handing.hear_words(tx, here, [issue_ask(key, said)], now_ms)
    return key.replica.hex()


def given(world: World) -> int:
    """How many keys go with the next exchange."""
    here = world.local.district
    with here.writing() as tx:
        return field_handing.give(tx, here, here.clock())


def test_a_supervisor_names_a_server_after_a_code_and_takes_it_back(world: World) -> None:
    server = asking(world)
    path = f"/servers/{server}/keys"
    with world.browse("supervisor") as visitor:
        page = visitor.get("/tablets").text
        assert all(word in page for word in (server, NAME, world.local.district.key.replica.hex()))
        where = visitor.post(path, what="give", back="/tablets").headers["location"]
        assert where.startswith("/confirm?")
        assert given(world) == 0
        visitor.step_up("supervisor")
        assert visitor.post(path, what="wrong").status_code == 422
        assert visitor.post("/servers/00/keys", what="give").status_code == 404
        assert visitor.post(path, what="give").headers["location"] == "/tablets"
        assert given(world) == 1
        assert "不再给" in visitor.get("/tablets").text
        assert visitor.post(path, what="keep").headers["location"] == "/tablets"
        assert "编号一致，准许" in visitor.get("/tablets").text
    with world.local.district.store.read() as tx:
        found = tx.rows("SELECT what, who FROM journal WHERE what LIKE 'field-server%' ORDER BY n")
    assert found == [(f"field-server-{w}", "supervisor") for w in ("allow", "withdraw")]


def test_who_does_not_answer_for_all_teams_neither_sees_nor_names_who_asks(world: World) -> None:
    server = asking(world)
    path = f"/servers/{server}/keys"
    with world.browse("far-supervisor") as visitor:
        page = visitor.get("/tablets").text
        assert server not in page
        assert world.local.district.key.replica.hex() not in page
        visitor.step_up("far-supervisor")
        assert visitor.post(path, what="give").status_code == 404
    with world.browse("auditor") as visitor:
        assert visitor.post(path, what="give").status_code == 403
    assert given(world) == 0
