# SPDX-License-Identifier: Apache-2.0
"""A disk that keeps only what it must: what may lie on it after the power went.

What lives here: which bytes are durable, which are not yet, and drawing what survives. What must
not: stores. Invariants, as of a journalling file system that orders names but not data:
- What was written to a file before it was synced survives.
- Of what was written since, any part may survive: some writes and not others, some sectors of one
  write and not others.
- Names (made, removed, renamed, lengths cut) survive in order, up to some point not before the last
  sync of any file.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from tests.crash_states.tracing import Op

SECTOR_BYTES = 512
NAMES = ("create", "truncate", "remove", "rename", "folder")

Files = dict[str, bytes]


@dataclass
class _File:
    """One file: its durable bytes, and what was done to it since its last sync.

    ``end`` is where a write without a place appends.
    """

    durable: bytearray = field(default_factory=bytearray)
    pending: list[Op] = field(default_factory=list)
    end: int = 0
    copied: bytes | None = None

    def as_bytes(self) -> bytes:
        """The durable bytes, the same object until they change."""
        if self.copied is None:
            self.copied = bytes(self.durable)
        return self.copied


class Disk:
    """The folder of one store. ``apply`` follows what was done; ``draw`` cuts the power."""

    def __init__(self, before: Files) -> None:
        self._files: dict[int, _File] = {}
        self._names: dict[str, int] = {}
        self._durable_names: dict[str, int] = {}
        self._pending_names: list[tuple[Op, int]] = []
        for path, data in before.items():
            number = self._new()
            self._files[number].durable = bytearray(data)
            self._files[number].end = len(data)
            self._files[number].copied = data
            self._names[path] = self._durable_names[path] = number

    def _new(self) -> int:
        self._files[len(self._files)] = _File()
        return len(self._files) - 1

    def apply(self, op: Op) -> None:
        """One thing was done."""
        if op.kind in NAMES:
            self._name(op)
        elif op.path not in self._names:
            # A folder that is synced: names before it are durable.
            self._settle_names()
        elif op.kind == "write":
            file = self._files[self._names[op.path]]
            at = file.end if op.at < 0 else op.at
            file.pending.append(op._replace(at=at))
            file.end = max(file.end, at + len(op.data))
        elif op.kind == "cut":
            file = self._files[self._names[op.path]]
            file.pending.append(op)
            file.end = min(file.end, op.at)
        elif op.kind == "sync":
            file = self._files[self._names[op.path]]
            for one in file.pending:
                _do(file.durable, one)
                file.copied = None
            file.pending.clear()
            self._settle_names()

    def _name(self, op: Op) -> None:
        number = self._names.get(op.path, -1)
        if op.kind == "folder" or (op.kind == "create" and number >= 0):
            return
        if op.kind in ("create", "truncate"):
            number = self._names[op.path] = self._new()
        elif op.kind == "remove":
            self._names.pop(op.path, None)
        elif op.kind == "rename":
            new = op.data.decode().rpartition("/live/")[2]
            op = op._replace(data=new.encode())
            self._names[new] = self._names.pop(op.path)
        self._pending_names.append((op, number))

    def _settle_names(self) -> None:
        for op, number in self._pending_names:
            _rename(self._durable_names, op, number)
        self._pending_names.clear()

    def whole(self) -> Files:
        """All that was written: what a killed process leaves."""
        return self._files_of(self._names, lambda file: file.pending)

    def least(self) -> Files:
        """Nothing but what must survive."""
        return self._files_of(self._durable_names, lambda _: [])

    def draw(self, rng: random.Random) -> Files:
        """Something between."""
        names = dict(self._durable_names)
        upto = rng.randint(0, len(self._pending_names))
        for op, number in self._pending_names[:upto]:
            _rename(names, op, number)
        chance = rng.choice((0.1, 0.5, 0.9))
        return self._files_of(names, lambda file: _surviving(rng, file.pending, chance))

    def _files_of(self, names: dict[str, int], chosen: object) -> Files:
        out: Files = {}
        for path, number in names.items():
            file = self._files[number]
            ops = chosen(file) if callable(chosen) else []
            if not ops:
                out[path] = file.as_bytes()
                continue
            data = bytearray(file.durable)
            for op in ops:
                _do(data, op)
            out[path] = bytes(data)
        return out


def _rename(names: dict[str, int], op: Op, number: int) -> None:
    if op.kind in ("create", "truncate"):
        names[op.path] = number
    elif op.kind == "remove":
        names.pop(op.path, None)
    else:
        names.pop(op.path, None)
        names[op.data.decode()] = number


def _do(data: bytearray, op: Op) -> None:
    if op.kind == "cut":
        if len(data) > op.at:
            del data[op.at :]
        else:
            data.extend(bytes(op.at - len(data)))
        return
    if len(data) < op.at:
        data.extend(bytes(op.at - len(data)))
    data[op.at : op.at + len(op.data)] = op.data


def _surviving(rng: random.Random, pending: list[Op], chance: float) -> list[Op]:
    out: list[Op] = []
    for op in pending:
        if rng.random() < chance:
            out.append(op)
        elif op.kind == "write" and rng.random() < 0.3:
            out += _torn(rng, op)
    return out


def _torn(rng: random.Random, op: Op) -> list[Op]:
    """Some sectors of a write: a beginning, an end, or any of them."""
    parts = [
        op._replace(at=op.at + start, data=op.data[start : start + SECTOR_BYTES])
        for start in range(0, len(op.data), SECTOR_BYTES)
    ]
    at = rng.randint(0, len(parts))
    kind = rng.randrange(3)
    if kind == 0:
        return parts[:at]
    if kind == 1:
        return parts[at:]
    return [part for part in parts if rng.random() < 0.5]
