# SPDX-License-Identifier: Apache-2.0
"""Opening what a request brings: signatures checked, what is sealed to this server opened.

What lives here: all of an exchange that needs no store. What must not: placing, merging. Invariant:
what is not wholly verified is not opened.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from crypto.seal import BoxKey, open_sealed
from server.feeds import Run
from sync.feed import (
    Partial,
    Segment,
    Verify,
    decode_sealed_changes,
    fill_blanks,
    verify_partial,
    verify_segment,
)
from sync.messages import Request
from sync.sealing import CARRIED_INFO
from sync.session import SignedStates, open_handed


class Asked(NamedTuple):
    """A request of a device whose signature holds; its reply carries the nonce for the next."""

    device: str
    request: Request
    nonce: bytes = b""


class Opened(NamedTuple):
    """A request whose runs and states were verified."""

    device: str
    request: Request
    nonce: bytes
    runs: list[Run]
    states: list[SignedStates]


class Check(NamedTuple):
    """What opening needs: how feeds and pages are verified, this server's box, which writers
    it knows."""

    feed: Verify
    page: Verify
    box: BoxKey
    knows: Callable[[bytes], bool]


def open_request(asked: Asked, check: Check) -> Opened:
    """The request, verified. Raises what verification raises."""
    request = asked.request
    runs = [_open_segment(segment, check) for segment in request.segments]
    runs += [run for p in request.partials if (run := _open_partial(p, check))]
    return Opened(*asked, runs, [open_handed(handed, check.page) for handed in request.handed])


def _open_segment(segment: Segment, check: Check) -> Run:
    entries, head = verify_segment(segment, check.feed)
    return Run(segment.replica, segment.first, segment.before, head, entries, segment)


def _open_partial(partial: Partial, check: Check) -> Run | None:
    """Open what is sealed to this server.

    None where a blank stays blank, or where the writer is not known (yet, or since this server was
    set back): its carrier keeps it, and the rest of the request is taken.
    """
    if not check.knows(partial.replica):
        return None
    contents = {}
    for sealed in partial.sealed:
        opened = open_sealed(check.box, CARRIED_INFO, sealed)
        for change in decode_sealed_changes(opened):
            contents[change.replica, change.counter] = change
    filled = fill_blanks(partial, contents)
    entries, blanks, head = verify_partial(filled, check.feed)
    if blanks:
        return None
    kept = Partial(filled.replica, filled.first, filled.before, filled.slots, filled.signature)
    return Run(filled.replica, filled.first, filled.before, head, entries, kept)
