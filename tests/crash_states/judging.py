# SPDX-License-Identifier: Apache-2.0
"""Opening what is left after a power cut, and holding it to what was promised.

What lives here: what must hold of a tablet's folder and of a server's. What must not: drawing
states. Invariant: a store is judged by opening it as its program would.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from client_sdk.tablet import Tablet
from crypto.errors import SealRefused
from crypto.seal import BoxKey, recover_sealed_stream
from crypto.unlock import store_key
from fixtures.conformance_parts import STORE_KEY, Clock
from server.district import District
from server.keys import ServerKeys, read_keys
from server.store.sqlite import SqliteStore
from server.verify import verify_store
from sync.clock import counter_of, replica_of
from sync.feed import Segment
from sync.packing import vector_of
from sync.sealing import OUTBOX_INFO
from tests.crash_states.disk import Files
from tests.crash_states.workload import SCHEMA, START_MS

DOT_BYTES = 28


class Promises:
    """What was said so far: saved by each tablet, held by the server for each."""

    def __init__(self) -> None:
        self.saved: dict[str, int] = {}
        self.held: dict[str, int] = {}

    def hear(self, mark: bytes) -> None:
        """One mark."""
        words = mark.decode().split()
        if words[0] == "saved":
            self.saved[words[1]] = int(words[2])
        elif words[0] == "held":
            self.held[words[1]] = int(words[2])


@contextmanager
def laid_out(files: Files, name: str, room: Path) -> Iterator[Path]:
    """The files in a folder of their own."""
    try:
        os.makedirs(room / name)
        for path, data in files.items():
            target = f"{room}/{path}"
            try:
                file = os.open(target, os.O_WRONLY | os.O_CREAT, 0o600)
            except FileNotFoundError:
                os.makedirs(os.path.dirname(target))
                file = os.open(target, os.O_WRONLY | os.O_CREAT, 0o600)
            os.write(file, data)
            os.close(file)
        yield room / name
    finally:
        shutil.rmtree(room, ignore_errors=True)


def judge_tablet(
    folder: Path, name: str, replica: bytes, promises: Promises, box: BoxKey
) -> list[str]:
    """What is wrong with a tablet's folder; empty where nothing is."""
    tablet = Tablet.open_with(
        folder,
        store_key(STORE_KEY),
        worker=f"{name}-worker",
        schema=SCHEMA,
        clock=Clock(START_MS),
        checked=False,
    )
    wrong: list[str] = []
    try:
        store: Any = tablet._store
        if store.rows("PRAGMA integrity_check") != [("ok",)]:
            wrong.append("the file is damaged")
        if tablet.replica != replica:
            wrong.append("taken for a store that was set back")
        counter, saved = store.chain.counter, promises.saved.get(name, 0)
        if counter < saved:
            wrong.append(f"{saved} changes were saved, {counter} are there")
        own = store.rows("SELECT counter, record FROM feed WHERE own = 1 ORDER BY counter")
        if [row[0] for row in own] != list(range(1, counter + 1)):
            wrong.append("the feed has a hole")
        last = {record: n for n, record in own if record is not None}
        for record, causal in store.rows("SELECT id, causal FROM records"):
            tip = _tip(bytes(causal), replica)
            if tip != last.get(record, 0):
                wrong.append(f"{record} holds change {tip} of {last.get(record, 0)}")
        received = store.rows("SELECT counter FROM feed WHERE own = 1 AND receipted = 1")
        missing = set(range(1, saved + 1)) - {row[0] for row in received} - _sealed(tablet, box)
        if missing:
            wrong.append(f"the outbox lacks {sorted(missing)}")
    finally:
        tablet.close()
    return wrong


def _tip(causal: bytes, replica: bytes) -> int:
    packed = vector_of(causal)
    dots = [packed[i : i + DOT_BYTES] for i in range(0, len(packed), DOT_BYTES)]
    return max((counter_of(d) for d in dots if replica_of(d) == replica), default=0)


def _sealed(tablet: Tablet, box: BoxKey) -> set[int]:
    out: set[int] = set()
    for path in tablet.outbox_files():
        try:
            found = recover_sealed_stream(box, OUTBOX_INFO, path.read_bytes())
        except SealRefused:
            # A header that was torn before the first change behind it was saved: nothing is in it.
            continue
        for _, item in found.items:
            segment = msgspec.msgpack.decode(item, type=Segment)
            out |= set(range(segment.first, segment.last + 1))
    return out


def judge_server(
    folder: Path, keys: ServerKeys, replicas: dict[str, bytes], promises: Promises
) -> list[str]:
    """What is wrong with a server's folder; empty where nothing is."""
    store = SqliteStore(folder / "district.db", keys.store_hex)
    wrong: list[str] = []
    try:
        district = District(store, SCHEMA, keys.sign, keys.box, Clock(START_MS))
        with store.read() as tx:
            if tx.rows("PRAGMA integrity_check") != [("ok",)]:
                wrong.append("the file is damaged")
            verdict = verify_store(tx, SCHEMA, district.key.public)
            if not verdict.holds:
                wrong.append(f"verify: {verdict}")
            for name, held in promises.held.items():
                found = tx.rows(
                    "SELECT max(counter) FROM leaves WHERE replica = ?",
                    [tx.number_of(replicas[name])],
                )[0][0]
                if (found or 0) < held:
                    wrong.append(f"{held} changes of {name} had a receipt, {found} are there")
    finally:
        store.close()
    return wrong


def keys_of(folder: Path) -> ServerKeys:
    """The keys of the server that was traced."""
    return read_keys(folder / "before" / "server" / "keys")
