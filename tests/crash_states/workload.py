# SPDX-License-Identifier: Apache-2.0
"""What is traced: two tablets and a server in one process, writing, syncing, closing, opening.

    python -m tests.crash_states.workload FOLDER [--synchronous OFF]

What lives here: the work, and marks of what was promised when. What must not: tracing, judging.
Invariant: a mark is written, by its own write, right after the promise it stands for; the stores
are as in FOLDER/before when the mark ``begin`` is written.
"""

from __future__ import annotations

import argparse
import os
import shutil
from pathlib import Path
from typing import Any

from client_sdk.store import opening
from fixtures.conformance_lines import MemoryTransport
from fixtures.conformance_parts import Cast, Clock, ServerNode, Template
from fixtures.conformance_tablets import TabletNode
from server.store import sqlite
from sync.schema import plain_schema

SCHEMA = plain_schema(
    {"household": {"mine": "latest", "shared": "ask", "visits": "sum", "log": "append"}}
)
SERVER = "server"
TABLETS = ("t0", "t1")
RECORDS = 4
START_MS = 1_780_000_000_000
ROUNDS = 3
WRITES = 5


class Weak:
    """A connection that was told not to wait for the disk: what the harness must find out."""

    def __init__(self, real: Any) -> None:
        self._real = real

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def execute(self, sql: str, *values: Any) -> Any:
        """One statement."""
        if "synchronous" in sql:
            sql = "PRAGMA synchronous = OFF"
        return self._real.execute(sql, *values)


class Loose:
    """The package, but that its connections do not wait."""

    def __init__(self, package: Any) -> None:
        self._package = package

    def __getattr__(self, name: str) -> Any:
        return getattr(self._package, name)

    def connect(self, *args: Any, **named: Any) -> Weak:
        """A connection."""
        return Weak(self._package.connect(*args, **named))


def weaken() -> None:
    """Let every connection made from now on leave the disk to itself."""
    for module in (opening, sqlite):
        module.sqlcipher3 = Loose(module.sqlcipher3)


class Marks:
    """Promises, in the order they were made."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def say(self, *words: object) -> None:
        """One promise."""
        os.write(self._file, (" ".join(map(str, words)) + "\n").encode())


def prepare(folder: Path) -> tuple[ServerNode, dict[str, TabletNode]]:
    """A district with two tablets that hold everything; all stores closed and copied aside."""
    cast = Cast((SERVER,), tuple((name, SERVER) for name in TABLETS))
    template = Template(folder / "template", cast, http=False)
    server = ServerNode(template, folder / "live" / SERVER, SERVER, SCHEMA, Clock(START_MS))
    tablets = {}
    for name in TABLETS:
        server.assign_everything(name)
        tablets[name] = TabletNode(template, folder / "live" / name, name, SCHEMA, Clock(START_MS))
    server.close()
    for node in tablets.values():
        node.close()
    shutil.copytree(folder / "live", folder / "before")
    return server, tablets


def work(server: ServerNode, tablets: dict[str, TabletNode], marks: Marks) -> None:
    """Write, sync, close, open again."""
    server.district = server._open()
    for node in tablets.values():
        node._open()
    number = 0
    for turn in range(ROUNDS):
        for name, node in tablets.items():
            for n in range(WRITES):
                number += 1
                node.clock.now_ms += 1_000
                record = f"household/h{(n + turn) % RECORDS}"
                put(node, name, record, number, n)
                marks.say("saved", name, node.tablet._store.chain.counter)
        for name, node in tablets.items():
            node.tablet.transport = MemoryTransport(server)
            node.tablet.sync()
            marks.say("held", name, node.tablet._store.chain.counter)
        # Closing writes the log back into the file: other pages, other order.
        if turn == 1:
            server.close()
            server.district = server._open()
            for node in tablets.values():
                node.close()
                node._open()
    server.close()
    for node in tablets.values():
        node.close()


def put(node: TabletNode, name: str, record: str, number: int, n: int) -> None:
    """One write; ``mine`` of a record is written by one tablet alone."""
    tablet = node.tablet
    if n == 3:
        tablet.append(record, "log", f"{name}:{number}", collection="household")
    elif n == 4:
        tablet.count(record, "visits", 1, collection="household")
    else:
        values = {"shared": f"{name}:{number}"}
        if name == TABLETS[0]:
            values["mine"] = f"{number}"
        tablet.set_fields(record, values, collection="household")


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--synchronous", choices=("FULL", "OFF"), default="FULL")
    chosen = parser.parse_args()
    server, tablets = prepare(chosen.folder)
    if chosen.synchronous == "OFF":
        weaken()
    marks = Marks(chosen.folder / "marks")
    marks.say("begin")
    work(server, tablets, marks)
    marks.say("end")


if __name__ == "__main__":
    main()
