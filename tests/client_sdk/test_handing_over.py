# SPDX-License-Identifier: Apache-2.0
"""Sealed outboxes over the network: from tablets nobody can unlock, within strict limits."""

import os
from pathlib import Path
from typing import Any

import httpx
import pytest

from client_sdk import beside
from client_sdk.devices import District as Office
from client_sdk.errors import ServerRefused
from client_sdk.outbox import sealed_files
from client_sdk.tablet import Tablet
from client_sdk.tablet_base import Identity
from crypto.identity import DeviceKey
from crypto.seal import BoxKey, SealedWriter
from crypto.secret import SecretBytes
from fixtures.district import Local, local_district
from fixtures.wire import Feed, household, loose_client
from fixtures.world import HOUSEHOLD
from server import devices
from server.errors import ServerBusy
from server.outboxes import REFUSALS_MAX, Turns
from sync.messages import encode
from sync.sealing import OUTBOX_INFO

KEY = SecretBytes(b"x'" + b"7" * 64 + b"'")


def tablet_at(local: Local, folder: Path, name: str = "a") -> tuple[Tablet, str]:
    """A tablet of a served district that has written a visit, and the record of it."""
    enrolled = local.admit(name, "team")
    identity = Identity(
        device_key=enrolled.key,
        box_key=enrolled.box,
        district=Office(enrolled.server_public, enrolled.server_box_public, "d"),
        certificate=enrolled.certificate,
        name=name,
        addresses=(f"127.0.0.1:{local.port}",),
        pin=local.keys.tls.tls_pin,
        nonce=enrolled.nonce,
    )
    tablet = Tablet.create(folder, KEY, identity, worker="w")
    return tablet, tablet.create_record("household", HOUSEHOLD)


def ids(local: Local, sql: str) -> list[str]:
    with local.district.store.read() as tx:
        return [row[0] for row in tx.rows(sql)]


@pytest.mark.slow
def test_an_outbox_arrives_from_a_tablet_whose_store_is_damaged(tmp_path: Path) -> None:
    with local_district(tmp_path / "server") as local:
        tablet, home = tablet_at(local, tmp_path / "a")
        tablet.close()
        (tmp_path / "a" / "store.db").write_bytes(b"damaged")
        (tmp_path / "a" / "counter").unlink()
        told: list[tuple[int, int]] = []
        done = beside.upload_outbox(tmp_path / "a", on_file=lambda *at: told.append(at))
        assert done == (1, 1, 0)
        assert told == [(1, 1)]
        assert ids(local, "SELECT id FROM records") == [home]
        # Twice is once, and nothing was removed that only a receipt may remove.
        assert beside.upload_outbox(tmp_path / "a") == (1, 1, 0)
        assert len(sealed_files(tmp_path / "a")) == 1
        assert ids(local, "SELECT id FROM records") == [home]


@pytest.mark.slow
def test_an_outbox_of_a_revoked_tablet_goes_to_quarantine(tmp_path: Path) -> None:
    with local_district(tmp_path / "server") as local:
        tablet, home = tablet_at(local, tmp_path / "a")
        device = local.district.device_of(tablet.replica)
        tablet.close()
        with local.district.store.write() as tx:
            devices.revoke(tx, local.keys.sign, device, "lost", 1)
        local.service.reload()
        assert beside.upload_outbox(tmp_path / "a") == (1, 1, 0)
        assert ids(local, "SELECT record FROM quarantine") == [home]
        assert ids(local, "SELECT id FROM records") == []


def post(client: httpx.Client, body: bytes) -> int:
    return client.post("/v1/outbox", content=body).status_code


@pytest.mark.slow
def test_rubbish_and_too_much_are_refused_with_little_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with local_district(tmp_path / "server") as local, loose_client(local.url) as client:
        enrolled = local.admit("a", "team")
        assert post(client, b"") == 422
        assert post(client, os.urandom(5000)) == 422
        assert post(client, bytes(5 * 1024 * 1024 + 1)) == 413
        other = SealedWriter(BoxKey.generate().public, OUTBOX_INFO)
        assert post(client, other.header + other.seal_next(b"x")) == 422
        # Well sealed, and signed by another than it names: left after a few.
        forged = Feed(DeviceKey.generate())
        forged.key.replica = enrolled.key.replica
        writer = SealedWriter(local.district.box.public, OUTBOX_INFO)
        items = [writer.seal_next(encode(forged.segment([household()]))) for _ in range(40)]
        answer = client.post("/v1/outbox", content=writer.header + b"".join(items))
        assert answer.content == encode((1, 0, REFUSALS_MAX))
        assert ids(local, "SELECT id FROM records") == []
        monkeypatch.setattr(local.service, "outbox_turns", Turns(1))
        assert post(client, writer.header) == 200
        assert post(client, writer.header) == 503


def test_turns_come_back_with_time() -> None:
    now = [0.0]
    turns = Turns(60, lambda: now[0])
    for _ in range(60):
        turns.take()
    with pytest.raises(ServerBusy):
        turns.take()
    now[0] += 2.0
    turns.take()
    turns.take()
    with pytest.raises(ServerBusy):
        turns.take()


@pytest.mark.slow
def test_the_place_of_the_district_is_kept_beside_the_store(tmp_path: Path) -> None:
    with local_district(tmp_path / "server") as local:
        tablet, _ = tablet_at(local, tmp_path / "a")
        known = beside.read_beside(tmp_path / "a")
        assert known.addresses == [f"127.0.0.1:{local.port}"]
        tablet.set_server(["127.0.0.1:1"], b"p" * 32)
        assert beside.read_beside(tmp_path / "a") == beside.Beside(["127.0.0.1:1"], b"p" * 32)
        tablet.close()


def test_a_teammate_brings_a_carried_outbox_along(world: Any, fields: dict[str, Any]) -> None:
    a, b = world.tablet("a"), world.tablet("b")
    home = b.create_record("household", fields)
    data = b.outbox_files()[0].read_bytes()
    assert a.carry_outbox(data) == a.carry_outbox(data)
    a.sync()
    assert a.carried_files() == []
    with world.store.read() as tx:
        assert tx.rows("SELECT id FROM records") == [(home,)]


def test_a_server_that_refuses_an_outbox_leaves_it_with_its_carrier(
    world: Any, fields: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = world.tablet("a"), world.tablet("b")
    b.create_record("household", fields)
    a.carry_outbox(b.outbox_files()[0].read_bytes())

    def refuse(_body: bytes) -> bytes:
        raise ServerRefused(503, "server/busy")

    monkeypatch.setattr(a.transport, "outbox", refuse)
    with pytest.raises(ServerRefused):
        a.sync()
    assert len(a.carried_files()) == 1
