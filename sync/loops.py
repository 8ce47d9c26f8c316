# SPDX-License-Identifier: Apache-2.0
"""The innermost loops over the changes of a batch, in Python: what ``_kernel.c`` must give.

What lives here: loops over many changes that hash, name and pack what is decoded already. What must
not: rules, limits, parsing of messages. Invariant: the same, byte for byte, as the compiled ones
(``kernel.py`` chooses; a test holds them together).
"""

from __future__ import annotations

import binascii
import hashlib
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

COUNTER_BYTES = 8
TAG_BYTES = 4
ID_TEXT_CHARS = 22
"""The id of a record made here: 16 bytes in base64."""
_STANDARD = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_SORTABLE = bytes(sorted(b"-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"))
TO_SORTABLE = bytes.maketrans(_STANDARD, _SORTABLE)
"""From base64's alphabet to one in ASCII order."""

Made = TypeVar("Made")
_encode = msgspec.msgpack.Encoder().encode


def place(
    make: Callable[..., Made],
    of_change: bytes,
    of_record: bytes,
    replica: bytes,
    first: int,
    salts: list[bytes],
    raws: list[bytes],
    changes: list[Any],
) -> list[Made]:
    """Each change of a run at its place in its feed, as ``make`` makes it of dot, record, change,
    digest, salt and bytes.

    ``of_change`` and ``of_record`` are the purposes of the hashes that give digest and new id.
    """
    begun, begun_id = hashlib.sha256(of_change + replica), hashlib.sha256(of_record + replica)
    digest_of = begun.copy
    places, digests, parts = [], [], []
    numbers = range(first, first + len(raws))
    for counter, salt, raw, change in zip(numbers, salts, raws, changes, strict=True):
        at = counter.to_bytes(COUNTER_BYTES, "big") + salt
        # A copy of a hash that was begun costs half of what making one does.
        hashed = digest_of()
        hashed.update(at + raw)
        places.append(at)
        digests.append(hashed.digest())
        if change.record is None:
            tail = begun_id.copy()
            tail.update(at)
            time = (change.stamp_ms & 0xFFFF_FFFF_FFFF).to_bytes(6, "big")
            parts.append(replica[:4] + time + tail.digest()[:6])
    ids = iter(_sortable_texts(parts))
    return [
        make(
            replica + at[:COUNTER_BYTES] + digest[:TAG_BYTES],
            change.record if change.record is not None else next(ids),
            change,
            digest,
            salt,
            raw,
        )
        for at, change, digest, salt, raw in zip(places, changes, digests, salts, raws, strict=True)
    ]


def _sortable_texts(parts: list[bytes]) -> list[str]:
    # Two bytes more make each a whole number of base64's groups of three, so that all are
    # encoded in one call; the two characters they give fall away.
    text = binascii.b2a_base64(b"\0\0".join(parts) + b"\0\0", newline=False)
    all_ids = text.translate(TO_SORTABLE).decode()
    return [all_ids[i : i + ID_TEXT_CHARS] for i in range(0, 24 * len(parts), 24)]


def chain(of_head: bytes, before: bytes, entries: list[Any]) -> bytes:
    """The head after the last of ``entries``, from the head before them."""
    begun, head = hashlib.sha256(of_head).copy, before
    for entry in entries:
        hashed = begun()
        hashed.update(head + entry.digest)
        head = hashed.digest()
    return head


def sums(of_state: bytes, records: list[str], vectors: list[bytes]) -> list[int]:
    """48 bits over each record and its vector."""
    begun, number, out = hashlib.sha256(of_state).copy, int.from_bytes, []
    for record, vector in zip(records, vectors, strict=True):
        found = begun()
        found.update(record.encode() + b"\0" + vector)
        out.append(number(found.digest()[:6], "big"))
    return out


def edit(
    causal: bytes,
    dot: bytes,
    vector: bytes,
    ms: int,
    n: int,
    worker: str,
    names: tuple[str, ...],
    older_bytes_max: int,
) -> bytes | None:
    """Causal data after a plain edit whose writer had seen all of it, or None where this is for the
    rules of ``batch.py``: here always, since unpacking it twice would gain nothing."""
    return None


def births(home_field: str, entries: list[Any]) -> list[tuple[str, bytes, str | None]]:
    """Of each record that is one plain change: its home, its causal data and its shown values as
    JSON, or None where the library is to write them, as it does here for all at once."""
    found: list[tuple[str, bytes, str | None]] = []
    for entry in entries:
        change = entry.change
        home = next(
            (v for k, v in zip(change.names, change.values, strict=True) if k == home_field), ""
        )
        home = home if isinstance(home, str) and home else entry.record
        n, row = change.stamp_n, [0, 0, change.stamp_n, change.worker, True]
        found.append((home, _encode([entry.dot, change.stamp_ms, n, [row]]), None))
    return found
