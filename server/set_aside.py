# SPDX-License-Identifier: Apache-2.0
"""Changes that wait or are in quarantine, as they are stored beside the record.

What must not live here: why they are set aside (``ingest.py``), or what becomes of them.
"""

from __future__ import annotations

import msgspec

from sync.change import Entry, decode_change

_entry = msgspec.msgpack.Decoder(tuple[bytes, str, bytes, bytes, bytes]).decode
_pack = msgspec.msgpack.Encoder().encode


def freeze(entry: Entry) -> bytes:
    """A change that waits or is set aside, as it is stored."""
    return _pack((entry.dot, entry.record, entry.digest, entry.salt, entry.raw))


def thaw(data: bytes) -> Entry:
    """A stored change that waited or was set aside."""
    d, record, digest, salt, raw = _entry(data)
    return Entry(d, record, decode_change(raw), digest, salt, raw)
