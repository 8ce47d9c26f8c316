# SPDX-License-Identifier: Apache-2.0
"""Asking a server under which keys it stands now.

What lives here: one question over a line that is not pinned. What must not: believing the answer.
Invariant: nothing is sent but the question; what comes back counts only where a root that is known
leads to it, and so does the key that the server shows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from sync.carry.line import Line
from sync.enrolment import Keys, decode
from sync.errors import SyncError

OK = 200


class Standing(NamedTuple):
    """What a server says of its keys, and the pin (32 bytes) of the TLS key it shows."""

    statements: list[bytes]
    seen: bytes


def ask_standing(addresses: Sequence[str], down: Callable[[str], Exception]) -> Standing:
    """``GET /v1/keys``. Raises what ``down`` makes; no statements from a server that has none."""
    line = Line(addresses, None, down)
    try:
        answer = line.request("GET", "/v1/keys", {}, b"")
        seen = line.seen_pin
    finally:
        line.close()
    if answer.status != OK:
        # An older program, or another one.
        return Standing([], seen)
    try:
        return Standing(decode(answer.body, Keys).statements, seen)
    except SyncError:
        return Standing([], seen)
