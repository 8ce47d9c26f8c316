# SPDX-License-Identifier: Apache-2.0
"""A district on loopback TLS with real tablets, for tests in which something goes wrong.

What lives here: the place, and the proof that nothing was lost. What must not: faults themselves.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from client_sdk.enrolment import enrol, read_invitation
from client_sdk.keys import Keys
from client_sdk.tablet import Tablet
from client_sdk.transport import Transport
from fixtures.district import Enrolment, Local, add_team, local_district, ticket_text
from fixtures.kill_tablet import QUICK, SECRET
from fixtures.wire import Speaker
from server.audit import EVERYTHING, list_conflicts
from server.verify import Verdict, verify_store
from sync.schema import Schema

TEAM = "t01"
HOME = {"area": "440103019003001", "address": "龙津西路 12 号 301", "head_name": "陈桂兰"}


class Place:
    """One server, its tablets, and what their workers saved."""

    def __init__(self, folder: Path, server: Local) -> None:
        self.folder = folder
        self.server = server
        self.saved: list[str] = []
        self.tablets: list[Tablet] = []
        self.speakers: list[Speaker] = []
        workers = {f"w{n}": f"工作人员{n}" for n in range(9)}
        add_team(server.settings, TEAM, workers)

    def tablet(self, clock: Any = None, schema: Schema | None = None) -> Tablet:
        """Enrol a real tablet by ticket and open it."""
        number = len(self.tablets)
        folder = self.folder / f"tablet-{number}"
        code = ticket_text(self.server.settings, TEAM, self.server.port)
        ready = enrol(read_invitation(code), f"平板{number}", lambda digits: None)
        self.server.service.reload()
        worker = f"w{number}"
        ready = ready._replace(schema=schema)
        made = Tablet.make(folder, ready, Keys(folder), worker=worker, secret=SECRET, cost=QUICK)
        if clock is not None:
            made.close()
            made = self.open(folder, worker, clock=clock)
        self.tablets.append(made)
        return made

    def open(self, folder: Path, worker: str, secret: str = SECRET, **more: Any) -> Tablet:
        """Unlock a tablet that was closed."""
        return Tablet.open(folder, worker, secret, keyring=None, **more)

    def home(self, tablet: Tablet, **fields: Any) -> str:
        """A new household, counted as saved."""
        record = tablet.create_record("household", {**HOME, **fields})
        self.saved.append(record)
        return record

    def visit(self, tablet: Tablet, home: str, text: str) -> str:
        """A visit, counted as saved."""
        values = {
            "household": home,
            "workers": [tablet.worker],
            "at_ms": 1_780_934_400_000,
            "mode": "door",
            "outcome": "met",
            "notes": text,
        }
        record = tablet.create_record("visit", values)
        self.saved.append(record)
        return record

    def speaker(self, tablet: Tablet) -> Speaker:
        """Somebody who speaks with this tablet's own key, as wrongly as a test needs."""
        key, store = tablet._store.key, tablet._store
        district = store.get("district")
        device = self.server.district.device_of(key.replica)
        nonce = self.server.service.nonces.issue(device)
        found = Enrolment(device, key, store.box, b"", district[0], district[1], nonce, TEAM)
        self.speakers.append(Speaker(self.server.url, found))
        return self.speakers[-1]

    # ---- looking ---------------------------------------------------------------------------------

    def body(self, record: str) -> dict[str, Any]:
        """What the server shows of a record."""
        with self.server.district.store.read() as tx:
            found: dict[str, Any] = json.loads(tx.bodies_of([record])[record])
        return found

    def held(self) -> set[str]:
        """The records of the server."""
        with self.server.district.store.read() as tx:
            return {row[0] for row in tx.rows("SELECT id FROM records")}

    def conflicts(self) -> list[Any]:
        """All conflicts there ever were."""
        with self.server.district.store.read() as tx:
            return list_conflicts(tx, EVERYTHING).lines

    def verdict(self) -> Verdict:
        """``doorstep verify``."""
        district = self.server.district
        with district.store.read() as tx:
            return verify_store(tx, district.schema, district.key.public)

    def heal(self) -> None:
        """All sync, twice; then nothing saved is missing, and everything is accounted for."""
        for _ in range(2):
            for tablet in self.tablets:
                assert tablet.sync().agrees
        assert set(self.saved) <= self.held()
        for tablet in self.tablets:
            assert tablet.unsent() == []
        assert self.verdict().holds


class Wrapped:
    """A transport that lets a test see and change what passes: ``lose`` loses answers."""

    def __init__(self, inner: Transport) -> None:
        self.inner = inner
        self.bodies: list[bytes] = []
        self.lose: type[Exception] | None = None
        self.alter: Callable[[bytes], bytes] | None = None

    def exchange(self, body: bytes) -> bytes:
        self.bodies.append(body)
        answer = self.inner.exchange(body)
        if self.lose is not None:
            raise self.lose()
        return self.alter(answer) if self.alter else answer

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


def wrapped(tablet: Tablet) -> Wrapped:
    """Put a wrapper around a tablet's connection."""
    assert tablet.transport is not None
    found = Wrapped(tablet.transport)
    tablet.transport = found
    return found


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with local_district(tmp_path / "district") as server:
        found = Place(tmp_path, server)
        yield found
        for tablet in found.tablets:
            tablet.close()
        for speaker in found.speakers:
            speaker.client.close()
