# SPDX-License-Identifier: Apache-2.0
"""One record while a batch is applied (``batch.py``).

What lives here: what is known of it and what is to be stored, and which edits stand beside others
without touching them. What must not: the order in which changes are taken.
"""

from __future__ import annotations

from typing import Any

from sync.change import Change, Entry
from sync.clock import DOT_BYTES, Dot
from sync.happenings import Happening
from sync.packing import encode_causal, trim, vector_of
from sync.record import RecordState


class Touched:
    """One record while a batch is applied.

    ``patch`` are shown values to set over what is stored; ``body`` replaces them all where it is
    not None. ``applied`` are the dots that were merged, ``waiting`` the changes that came too
    early. ``beside``: some of it was written beside what its writer had not seen. ``happenings``
    tell what became of conflicts, in the order it came about. ``joined`` are the vectors of the
    states that brought what the changes here did not.
    """

    __slots__ = (
        "applied",
        "beside",
        "body",
        "causal",
        "collection",
        "dirty",
        "full",
        "happenings",
        "incoming",
        "joined",
        "last_vector",
        "loaded",
        "new",
        "patch",
        "record",
        "stamp",
        "vector_before",
        "waiting",
    )

    def __init__(self, record: str, collection: str) -> None:
        self.record = record
        self.collection = collection
        self.causal: bytes | list[Any] | None = None
        self.body: dict[str, Any] | None = None
        self.patch: dict[str, Any] = {}
        self.full: RecordState | None = None
        self.waiting: list[Entry] = []
        self.applied: list[Dot] = []
        self.incoming: list[tuple[list[Any], dict[str, Any]]] = []
        self.joined: list[bytes] = []
        self.happenings: list[Happening] = []
        self.last_vector: bytes | None = None
        self.stamp = (0, 0)
        self.vector_before = b""
        self.beside = False
        self.new = True
        self.loaded = False
        self.dirty = False

    def vector(self) -> bytes:
        """The record's packed vector, as it is now."""
        if self.full is not None:
            return self.full.vector.pack()
        if isinstance(self.causal, list):
            packed: bytes = self.causal[0]
            return packed
        return vector_of(self.causal or b"")

    def causal_bytes(self) -> bytes:
        """The causal data to store."""
        if isinstance(self.causal, list):
            return encode_causal(trim(self.causal))
        return self.causal or b""


def apart(causal: list[Any], change: Change, replica: bytes) -> bool:
    """Did the change's writer see all of the record but what wrote other fields?

    Every tip that the writer names must be one that is held, or stand in the list before it: what
    the list was cut of, and what is not held at all, is for the full rules.
    """
    packed, writes, older, vector = causal[0], causal[3], causal[7], change.vector
    held = {packed[i : i + 16]: packed[i : i + DOT_BYTES] for i in range(0, len(packed), DOT_BYTES)}
    listed = {older[i : i + DOT_BYTES] for i in range(0, len(older), DOT_BYTES)}
    seen = {}
    for i in range(0, len(vector), DOT_BYTES):
        d = vector[i : i + DOT_BYTES]
        if held.get(d[:16]) != d and d not in listed:
            return False
        seen[d[:16]] = d
    if held.get(replica) != seen.get(replica) or len(held) * DOT_BYTES != len(packed):
        return False
    for row in writes:
        at = row[0]
        d = packed[at * DOT_BYTES : (at + 1) * DOT_BYTES] if type(at) is int else at
        if d[16:24] <= seen.get(d[:16], b"")[16:24]:
            continue
        if len(row) != 6 or row[4] or not set(change.names).isdisjoint(row[5]):
            return False
    return True
