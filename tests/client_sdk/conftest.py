# SPDX-License-Identifier: Apache-2.0
"""A district and its tablets for the tests of the tablet.

What lives here: making tablets with real keys and encrypted stores, and a transport that calls a
real district in this process. What must not: tests.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from client_sdk.devices import District as Office
from client_sdk.store.opening import copy_store
from client_sdk.tablet import Identity, Tablet
from crypto.secret import SecretBytes
from fixtures.district import admit
from server import devices
from server.district import District
from server.scope import bump_scope
from server.store.sqlite import SqliteStore
from sync import enrolment
from sync.collections import SCHEMA
from sync.messages import PROTOCOL, decode_request, encode
from sync.schema import Schema

HOUSEHOLD = {
    "area": "440103019003",
    "address": "龙津东路12号301",
    "head_name": "单雄信",
    "phone": "13800138000",
}


class InProcess:
    """A transport that calls a district in this process; ``alter`` changes its answers."""

    def __init__(self, district: District) -> None:
        self.district = district
        self.alter: Callable[[bytes], bytes] = lambda answer: answer
        self.requests: list[bytes] = []

    def exchange(self, body: bytes) -> bytes:
        self.requests.append(body)
        request = decode_request(body)
        return self.alter(
            encode(self.district.sync(self.district.device_of(request.replica), request))
        )

    def succeed(self, body: bytes) -> bytes:
        message = enrolment.decode(body, enrolment.Succeed)
        with self.district.store.write() as tx:
            _, certificate = devices.succeed(tx, self.district.key, message.succession, 0)
        self.district.reload()
        return enrolment.encode(enrolment.Succeeded(PROTOCOL, certificate, b""))

    def blob_bytes(self, name: str) -> int:
        return 0

    def put_blob(self, name: str, offset: int, total: int, piece: bytes) -> int:
        return offset + len(piece)

    def get_blob(self, name: str) -> bytes:
        return b""

    def close(self) -> None:
        return


class World:
    """One district, any number of tablets, one clock that a test sets."""

    def __init__(self, folder: Path, schema: Schema = SCHEMA) -> None:
        from crypto.identity import DeviceKey
        from crypto.seal import BoxKey

        self.folder = folder
        self.now_ms = 1_700_000_000_000
        self.store = SqliteStore(folder / "district.db", secrets.token_hex(32))
        self.box = BoxKey.generate()
        self.district = District(self.store, schema, DeviceKey.generate(), self.box, self.clock)
        self.office = Office(self.district.key.public, self.box.public, "荔湾区")
        self.keys: dict[str, SecretBytes] = {}
        self.tablets: dict[str, Tablet] = {}

    def clock(self) -> int:
        self.now_ms += 1
        return self.now_ms

    def tablet(self, name: str, team: str = "team", *, certified: bool = True) -> Tablet:
        """A new tablet of a team that syncs with the district."""
        enrolled = admit(self.district, name, team)
        self.keys[name] = SecretBytes(b"x'" + os.urandom(32).hex().encode() + b"'")
        identity = Identity(
            device_key=enrolled.key,
            box_key=enrolled.box,
            district=self.office,
            certificate=enrolled.certificate if certified else None,
            name=name,
            workers=(("w-" + name, "工作人员" + name),),
        )
        self.tablets[name] = Tablet.create(
            self.folder / name,
            self.keys[name],
            identity,
            worker="w-" + name,
            clock=self.clock,
            transport=InProcess(self.district),
        )
        return self.tablets[name]

    def open(self, name: str, folder: str = "") -> Tablet:
        """Open a tablet's store again, or a copy of it."""
        tablet = Tablet.open_with(
            self.folder / (folder or name),
            self.keys[name],
            worker="w-" + name,
            clock=self.clock,
            transport=InProcess(self.district),
        )
        self.tablets[folder or name] = tablet
        return tablet

    def copy(self, source: str, target: str) -> None:
        """Copy a closed store, keys and counters included."""
        copy_store(self.folder / source, self.folder / target)

    def unassign(self, team: str, home: str) -> None:
        with self.store.write() as tx:
            tx.run("DELETE FROM assigned WHERE team = ? AND home = ?", [team, home])
            bump_scope(tx, team)

    def close(self) -> None:
        for tablet in self.tablets.values():
            tablet.close()
        self.store.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    found = World(tmp_path)
    yield found
    found.close()


@pytest.fixture
def fields() -> dict[str, str]:
    return dict(HOUSEHOLD)
