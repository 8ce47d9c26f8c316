# SPDX-License-Identifier: Apache-2.0
"""Taking in the sealed outbox of a tablet that can no longer sync.

What lives here: opening the file and handing its segments to the exchange. What must not: a second
write path. Invariants
- The outbox opens only with this server's box key; each segment is signed by its author, and goes
  through the same exchange as an upload: of a revoked device into quarantine.
- Damage costs the frames it hit, and they are counted and told; nothing is half applied.
"""

from __future__ import annotations

from contextlib import suppress
from typing import NamedTuple

import msgspec

from crypto.errors import CryptoError, SealRefused
from crypto.seal import Recovered as Stream
from crypto.seal import recover_sealed_stream
from server.district import District
from server.errors import DeviceUnknown
from sync.decoding import MALFORMED
from sync.errors import SyncError
from sync.feed import HEAD_BYTES, Segment
from sync.messages import PROTOCOL, SEGMENTS_MAX, Request
from sync.sealing import OUTBOX_INFO

_segment = msgspec.msgpack.Decoder(Segment)
PART = min(SEGMENTS_MAX, 500)
"""Segments handed in together, each of one change."""
REFUSED = (SyncError, CryptoError, DeviceUnknown)


class Recovered(NamedTuple):
    """``changes`` read from the outbox, segments that did not fit, bytes nobody could read."""

    changes: int
    refused: int
    unreadable_bytes: int


def recover(district: District, data: bytes, refusals_max: int | None = None) -> Recovered:
    """Take in the bytes of an outbox file, up to so many refusals where a stranger brings it.

    Raises SealRefused where it is not sealed to this server.
    """
    found = _opened(district, data)
    segments: list[Segment] = []
    refused = 0
    for _, item in found.items:
        try:
            segments.append(_segment.decode(item))
        except MALFORMED:
            refused += 1
    changes = 0
    for start in range(0, len(segments), PART):
        part = segments[start : start + PART]
        try:
            _hand_in(district, part)
            changes += len(part)
        except REFUSED:
            # One bad segment must not keep the others out: each is tried alone.
            for segment in part:
                if refusals_max is not None and refused >= refusals_max:
                    return Recovered(changes, refused, found.unreadable_bytes)
                try:
                    _hand_in(district, [segment])
                    changes += 1
                except REFUSED:
                    refused += 1
    return Recovered(changes, refused, found.unreadable_bytes)


def _opened(district: District, data: bytes) -> Stream:
    """An outbox that was sealed to any key this server ever had."""
    *earlier, last = district.boxes.all()
    for box in earlier:
        with suppress(SealRefused):
            return recover_sealed_stream(box, OUTBOX_INFO, data)
    return recover_sealed_stream(last, OUTBOX_INFO, data)


def _hand_in(district: District, segments: list[Segment]) -> None:
    by_replica: dict[bytes, list[Segment]] = {}
    for segment in segments:
        by_replica.setdefault(segment.replica, []).append(segment)
    for replica, own in by_replica.items():
        request = Request(
            PROTOCOL,
            replica,
            0,
            bytes(HEAD_BYTES),
            district.clock(),
            0,
            b"",
            0,
            "",
            0,
            0,
            [],
            None,
            own,
            [],
            [],
        )
        district.sync(district.device_of(replica), request)
