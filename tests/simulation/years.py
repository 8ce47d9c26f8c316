# SPDX-License-Identifier: Apache-2.0
"""What happens over years: programs that are older than others, contents that are to be gone.

What lives here: upgrades, a client of the first version, erasures, and what they change in what
must be. What must not: drawing steps (``plan``), the other steps (``world``). Invariants
- An older program shows what it does not know, merges it, and writes none of it.
- What a client of the first version wrote is held like any other work; it keeps nothing, so what a
  district forgot of it is gone unless another server has it.
- Of an erased record nobody shows anything in the end, whoever wrote on it meanwhile.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from functools import cache

from crypto.identity import DeviceKey
from crypto.seal import BoxKey
from fixtures.conformance_parts import EVERYTHING
from fixtures.first.client import Client
from fixtures.judge import SET, Model
from server import devices
from server.erasing_keeping import keep_outside
from server.erasing_plan import plan_erasure
from server.people import add_team
from sync.messages import decode_request, encode_exchange
from sync.schema import Schema
from tests.simulation.parts import SimServer, SimTablet
from tests.simulation.plan import ERASABLE, FIRST_HOME, OLD_AT_FIRST, Step
from tests.simulation.values import OLD_SCHEMA, SCHEMA

FIRST = "first"


def schema_of(name: str) -> Schema:
    """The declarations of the program that a tablet or server begins with."""
    return OLD_SCHEMA if name in OLD_AT_FIRST else SCHEMA


def knows(node: SimTablet, step: Step) -> Step | None:
    """What of a write the program of this tablet knows of; None for nothing."""
    known = node.schema.collections["household"].fields
    needed = {"add": "tags", "remove": "tags", "append": "log", "count": "visits"}
    if step["op"] != SET:
        return step if needed.get(step["op"], "ask") in known else None
    fields = [name for name in step["fields"] if name in known]
    return {**step, "fields": fields} if fields else None


@cache
def _box_public() -> bytes:
    return BoxKey.from_private(bytes(32)).public


class FirstClient:
    """A client of the first version at one district, which was admitted by hand."""

    def __init__(self, server: SimServer, life: int) -> None:
        self.life = life
        private = hashlib.sha256(f"simulated first client {life}".encode()).digest()
        key, district = DeviceKey.from_private(private), server.district
        with district.store.write() as tx:
            if not tx.rows("SELECT 1 FROM teams WHERE id = ?", [FIRST]):
                add_team(tx, FIRST, FIRST, "office", 1)
                tx.run("INSERT INTO team_areas VALUES (?, ?, ?)", [FIRST, EVERYTHING, 1])
            name = f"{FIRST}-{life}"
            devices.admit(tx, district.key, name, FIRST, key.public, _box_public(), 1)
        district.reload()
        self._server = server
        self.client = Client(private, district.key.public, b"\0", self._send)

    def _send(self, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        # The nonce of a real line is not asked for here; the signature of each feed is checked.
        district, request = self._server.district, decode_request(body)
        reply = district.sync(district.device_of(request.replica), request)
        return 200, {}, encode_exchange(reply)


class Years:
    """The steps of a ``World`` that have to do with age."""

    servers: dict[str, SimServer]
    tablets: dict[str, SimTablet]
    model: Model
    fired: Counter[str]
    complaints: list[str]

    def __init__(self) -> None:
        self.erased = False
        self._first: FirstClient | None = None
        self._first_lives = 0

    # ---- upgrades --------------------------------------------------------------------------------

    def upgrade(self, step: Step) -> None:
        """A program is replaced by a newer one, with the store that is there."""
        node = {**self.servers, **self.tablets}[step["of"]]
        if node.schema is not SCHEMA:
            self.fired["upgrade"] += 1
            node.schema = SCHEMA
            node.restart()

    def upgrade_all(self) -> None:
        """All that are still old."""
        for name in OLD_AT_FIRST:
            self.upgrade({"of": name})

    # ---- a client of the first version -----------------------------------------------------------

    def first_client(self, step: Step) -> None:
        """It writes a household and syncs."""
        server = self.servers[FIRST_HOME]
        if self._first is None:
            self._first = FirstClient(server, self._first_lives)
            self._first_lives += 1
        value, client = f"w{step['number']}", self._first.client
        record = client.write("household", {"ask": value}, server.clock.now_ms)
        life = (self._first.life, 0)
        write = self.model.write(FIRST, life, record, SET, ("ask",), value, None)
        client.sync()
        if client.receipted:
            self.model.happened(write, life)
            server.acknowledged |= self.model.acknowledge(FIRST, self._first.life)
            self.fired["first client"] += 1

    def first_forgotten(self, server: str) -> int:
        """Its district was set back: it is begun anew; the life that counts from now on."""
        if server == FIRST_HOME:
            self._first = None
        return self._first_lives

    # ---- erasures --------------------------------------------------------------------------------

    def erase(self, step: Step) -> None:
        """An office erases a record that its server has."""
        district = self.servers[step["at"]].district
        with district.store.read() as tx:
            if not tx.rows("SELECT 1 FROM records WHERE id = ?", [ERASABLE]):
                return
            plan = plan_erasure(tx, SCHEMA, ERASABLE, "request", "本人要求", "office")
        district.erasing.carry_out(plan.case)
        district.reload()
        keep_outside(district, self.servers[step["at"]].folder)
        self.erased = True
        self.fired["erase"] += 1

    def keep_erasures(self, *servers: SimServer) -> None:
        """What a server does beside its answers: list outside what it was told to erase."""
        if self.erased:
            for server in servers:
                keep_outside(server.district, server.folder)

    def is_gone(self, record: str) -> bool:
        """Was it erased, so that nothing is to be expected of it?"""
        return self.erased and record == ERASABLE
