# SPDX-License-Identifier: Apache-2.0
"""Changes that wait or are in quarantine, as they are stored beside the record.

What lives here: their form in the store, and which changes break the limits of their fields. What
must not: what becomes of them (``ingest.py``, ``resolving.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence

import msgspec

from server.store.base import Transaction
from sync.change import Entry, decode_change
from sync.limits import Limits

LIMITS = "limits"
"""Reason of a quarantine: a value is beyond the limits of its field."""

_entry = msgspec.msgpack.Decoder(tuple[bytes, str, bytes, bytes, bytes]).decode
_pack = msgspec.msgpack.Encoder().encode


def freeze(entry: Entry) -> bytes:
    """A change that waits or is set aside, as it is stored."""
    return _pack((entry.dot, entry.record, entry.digest, entry.salt, entry.raw))


def thaw(data: bytes) -> Entry:
    """A stored change that waited or was set aside."""
    d, record, digest, salt, raw = _entry(data)
    return Entry(d, record, decode_change(raw), digest, salt, raw)


Sift = Callable[[list[Entry]], tuple[list[Entry], list[Entry]]]
"""Parts changes into those that may be merged and those that may not."""


def within_limits(
    limits: Limits, servers: Container[bytes], entries: list[Entry]
) -> tuple[list[Entry], list[Entry]]:
    """The changes that keep the limits of their fields, and those that do not.

    What a server wrote was checked where an officer answered for it: releasing a value that is
    beyond a limit must not set it aside again, here or above.
    """
    broken = limits.broken
    beyond = [e for e in entries if broken(e.change) and e.dot[:16] not in servers]
    if not beyond:
        return entries, beyond
    aside = {e.dot for e in beyond}
    return [e for e in entries if e.dot not in aside], beyond


def set_aside(tx: Transaction, entries: Sequence[Entry], reason: str, now_ms: int) -> None:
    """Keep changes in quarantine, with the reason."""
    if not entries:
        return
    rows = [(e.dot, e.record, reason, "", now_ms, freeze(e), None) for e in entries]
    tx.run_many("INSERT INTO quarantine VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING", rows)
