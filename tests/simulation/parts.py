# SPDX-License-Identifier: Apache-2.0
"""Real tablets and a real server whose disk and line fail when told to.

What lives here: the failing connection, the failing line, nodes that open again after a crash.
What must not: what a run does (``world``). Invariant: a fault fires once, where it was armed, and
is counted when it fired.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sqlcipher3

from client_sdk.errors import TabletError, Unreachable
from crypto.errors import RequestRefused
from crypto.identity import DeviceKey
from crypto.request import check_request, sign_request
from fixtures.conformance_lines import MemoryCarrier, MemoryTransport
from fixtures.conformance_parts import Clock, ServerNode, Template
from fixtures.conformance_tablets import TabletNode
from server.erasing_keeping import NAME as ERASURES
from server.erasing_keeping import hear_outside
from sync.schema import Schema

PATH = "/v1/sync"


class Crash(BaseException):
    """The program ended here: nothing after this line ran."""


class Failing:
    """A connection that fails once, at a statement that was chosen before.

    It stands in ``store``'s attribute ``place`` for the real one while it is armed; at other times
    nothing stands between the store and its file.
    """

    def __init__(self, store: Any, place: str, fired: Counter[str]) -> None:
        self._store, self._place = store, place
        self._real = getattr(store, place)
        self._fired = fired
        self._kind = ""
        self._left = 0
        self._even = False

    def arm(self, kind: str, at: int) -> None:
        """Fail at the statement after ``at`` more."""
        self._kind, self._left, self._even = kind, at, at % 2 == 0
        setattr(self._store, self._place, self)

    def disarm(self) -> None:
        """Do not fail after all."""
        self._kind = ""
        # A store that was closed meanwhile has let its connection go.
        if getattr(self._store, self._place) is self:
            setattr(self._store, self._place, self._real)

    def execute(self, sql: str, *values: Any) -> Any:
        """One statement, or the fault."""
        if self._due(sql):
            # Half of the crashes at a commit come just after it: durable, but nobody was told.
            self._fail(lambda: self._real.execute(sql) if sql == "COMMIT" and self._even else None)
        return self._real.execute(sql, *values)

    def executemany(self, sql: str, rows: Any) -> Any:
        """One statement for many rows, or the fault."""
        if self._due(sql):
            self._fail(lambda: None)
        return self._real.executemany(sql, rows)

    def _due(self, sql: str) -> bool:
        if not self._kind or sql == "ROLLBACK":
            return False
        self._left -= 1
        return self._left < 0

    def _fail(self, first: Callable[[], object]) -> None:
        kind, self._kind = self._kind, ""
        self._fired[kind] += 1
        if kind == "crash":
            first()
            raise Crash
        text = "database or disk is full" if kind == "full" else "disk I/O error"
        raise sqlcipher3.OperationalError(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


class Line(MemoryTransport):
    """Hands a tablet's bytes to the server, or does not, or twice, or late, or altered."""

    def __init__(self, server: SimServer, tablet: SimTablet, fired: Counter[str]) -> None:
        super().__init__(server)
        self._node = tablet
        self._fired = fired
        self.server = server
        self.kind = ""
        self.round = 0
        self.bit = 0
        self.late: list[bytes] = []
        self.passed_altered = False

    def arm(self, kind: str, at_round: int, bit: int) -> None:
        """Fail in this round of the next sync."""
        self.kind, self.round, self.bit = kind, at_round, bit

    def exchange(self, body: bytes) -> bytes:
        """One request, through whatever was armed."""
        if not self.kind or self.round > 0:
            self.round -= 1
            return self._through(body)
        kind, self.kind = self.kind, ""
        self._fired[kind] += 1
        if kind == "answer lost":
            self._through(body)
        elif kind == "doubled":
            first = self._through(body)
            self._through(body)
            return first
        elif kind == "late":
            self.late.append(body)
        elif kind in ("cut", "flipped"):
            self._altered(kind, body)
        raise Unreachable(kind)

    def succeed(self, body: bytes) -> bytes:
        """One succession."""
        try:
            return super().succeed(body)
        except sqlcipher3.OperationalError as error:
            raise Unreachable("server") from error

    def deliver_late(self) -> None:
        """What the line had kept arrives now; nobody hears the answer."""
        while self.late:
            # A key that the server lost when it was set back is refused; the tablet tells it anew.
            with contextlib.suppress(TabletError):
                self._through(self.late.pop(0))

    def _through(self, body: bytes) -> bytes:
        try:
            return super().exchange(body)
        except sqlcipher3.OperationalError as error:
            # What the server's own store could not do is an answer of 5xx to the tablet.
            raise Unreachable("server") from error

    def _altered(self, kind: str, body: bytes) -> None:
        key: DeviceKey = self._node.tablet._store.key
        server = self.server.district.key.replica
        headers = sign_request(key, "POST", PATH, body, b"n" * 16, server=server)
        at = self.bit % (len(body) * 8)
        altered = bytearray(body)
        altered[at // 8] ^= 1 << at % 8
        wrong = body[: at // 8] if kind == "cut" else bytes(altered)
        try:
            check_request(lambda _: key.public, "POST", PATH, headers, wrong, server=server)
        except RequestRefused:
            return
        self.passed_altered = True


class LinkLine(MemoryCarrier):
    """Hands one server's bytes to another, or does not, or twice."""

    def __init__(self, replica: bytes, server: SimServer, below: SimServer) -> None:
        super().__init__(replica, server)
        self._below = below

    def exchange(self, body: bytes) -> bytes:
        """One request, through whatever was armed at the server below."""
        below = self._below
        if not below.line_kind or below.line_round > 0:
            below.line_round -= 1
            return super().exchange(body)
        kind, below.line_kind = below.line_kind, ""
        below.fired[f"link {kind}"] += 1
        if kind == "lost":
            raise LinkBroken(kind)
        first = super().exchange(body)
        if kind == "doubled":
            super().exchange(body)
            return first
        raise LinkBroken(kind)


class LinkBroken(OSError):
    """The line between two servers broke."""


class SimServer(ServerNode):
    """One server of a run."""

    def __init__(
        self, template: Template, folder: Path, name: str, schema: Schema, fired: Counter[str]
    ) -> None:
        self.fired = fired
        self.life = 0
        self.line_kind = ""
        self.line_round = 0
        self.acknowledged: set[int] = set()
        self.acknowledged_at_backup: set[int] | None = None
        super().__init__(template, folder, name, schema, Clock(1))

    def carrier_to(self, other: ServerNode) -> LinkLine:
        """A line that may fail."""
        above: Any = other
        return LinkLine(self.district.key.replica, above, self)

    def _open(self) -> Any:
        district = super()._open()
        self.failing = Failing(district.store, "_db", self.fired)
        return district

    def restart(self) -> None:
        """The program ends and starts again."""
        self.failing.disarm()
        self.close()
        self.open()

    def open(self) -> None:
        """Start it; what the list outside names and the store does not know is erased first."""
        super().open()
        hear_outside(self.district, self.folder)

    def restore(self) -> None:
        """Put the store back; the list of erasures beside it stays where it is."""
        listed = self.folder / ERASURES
        kept = listed.read_bytes() if listed.exists() else b""
        self.close()
        self._copy(self._aside, self.folder)
        if kept:
            listed.write_bytes(kept)
        self.open()


class SimTablet(TabletNode):
    """One tablet of a run. ``life`` counts how often its store was set back; ``device`` is whose
    keys it has."""

    def __init__(
        self,
        template: Template,
        folder: Path,
        name: str,
        server: SimServer,
        schema: Schema,
        fired: Counter[str],
    ) -> None:
        self._fired = fired
        self.life = 0
        self.device = name
        self.backup_device = ""
        self.purged: Counter[str] = Counter()
        self.server = server
        super().__init__(template, folder, name, schema, Clock(1))

    def _open(self) -> None:
        super()._open()
        self.failing = Failing(self.tablet._store, "_connection", self._fired)
        late = self.line.late if hasattr(self, "line") else []
        self.line = Line(self.server, self, self._fired)
        self.line.late = late
        self.tablet.transport = self.line

    def restart(self) -> None:
        """The program ends and starts again."""
        self.failing.disarm()
        self.close()
        self._open()

    def lives(self, record: str) -> tuple[int, int]:
        """Which life of the store, and how often the record was purged in it."""
        return self.life, self.purged[record]
