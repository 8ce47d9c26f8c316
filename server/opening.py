# SPDX-License-Identifier: Apache-2.0
"""Opening what a request brings: signatures checked, what is sealed to this server opened.

What lives here: all of an exchange that needs no store. What must not: placing, merging. Invariant:
what is not wholly verified is not opened.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NamedTuple

from crypto.errors import SealRefused
from crypto.seal_many import open_carried
from server.boxes import Boxes
from server.feeds import Run
from sync.feed import (
    Partial,
    SealedChange,
    Segment,
    Verify,
    decode_sealed_changes,
    fill_blanks,
    verify_partial,
    verify_segment,
)
from sync.messages import Handed, Request
from sync.sealing import CARRIED_INFO
from sync.session import SignedStates, open_handed


class Asked(NamedTuple):
    """A request of a device whose signature holds; its reply carries the nonce for the next.

    ``early``: its segments, where they were opened before its turn."""

    device: str
    request: Request
    nonce: bytes = b""
    early: Sequence[Run] | None = None


class Opened(NamedTuple):
    """A request whose runs and states were verified."""

    device: str
    request: Request
    nonce: bytes
    runs: list[Run]
    states: list[SignedStates]


class Check(NamedTuple):
    """What opening needs: how feeds and pages are verified, this server's boxes, which writers
    it knows, and whether the content of all these changes of a writer was erased."""

    feed: Verify
    page: Verify
    boxes: Boxes
    knows: Callable[[bytes], bool]
    erased: Callable[[bytes, Sequence[tuple[int, bytes]]], bool]


def open_request(asked: Asked, check: Check) -> Opened:
    """The request, verified. Raises what verification raises."""
    request, early = asked.request, asked.early
    segments = open_segments(request, check) if early is None else early
    runs = [*segments, *_open_partials(request.partials, check)]
    return Opened(asked.device, request, asked.nonce, runs, open_states(request.handed, check))


def open_segments(request: Request, check: Check) -> list[Run]:
    """The whole segments of a request, verified: this asks no store, and may be done early."""
    return [_open_segment(segment, check) for segment in request.segments]


def open_runs(segments: Sequence[Segment], partials: Sequence[Partial], check: Check) -> list[Run]:
    """Runs, verified; one of a writer that is not known raises."""
    runs = [_open_segment(segment, check) for segment in segments]
    return runs + _open_partials(partials, check)


def _open_partials(partials: Sequence[Partial], check: Check) -> list[Run]:
    return [run for p in partials if (run := _open_partial(p, check))]


def open_relayed(
    segments: Sequence[Segment], partials: Sequence[Partial], check: Check
) -> list[Run]:
    """Runs that another server brings, verified; those of writers not known here are left out."""
    return open_runs([s for s in segments if check.knows(s.replica)], partials, check)


def open_states(handed: Sequence[Handed], check: Check) -> list[SignedStates]:
    """States handed on, each signed by a server of the tree."""
    return [open_handed(one, check.page) for one in handed]


def _open_segment(segment: Segment, check: Check) -> Run:
    entries, head = verify_segment(segment, check.feed)
    return Run(segment.replica, segment.first, segment.before, head, entries, segment)


def _open_partial(partial: Partial, check: Check) -> Run | None:
    """Open what is sealed to this server.

    None where a blank stays blank (sealed to another server of the tree) and is none of what was
    erased, or where the writer is
    not known (yet, or since this server was set back): its carrier keeps it, and the rest of the
    request is taken.
    """
    if not check.knows(partial.replica):
        return None
    contents: dict[tuple[bytes, int], SealedChange] = {}
    for sealed in partial.sealed:
        opened = _open_sealed(check.boxes, sealed)
        for change in decode_sealed_changes(opened) if opened is not None else ():
            contents[change.replica, change.counter] = change
    filled = fill_blanks(partial, contents)
    entries, blanks, head = verify_partial(filled, check.feed)
    if blanks and not check.erased(partial.replica, blanks):
        return None
    kept = Partial(filled.replica, filled.first, filled.before, filled.slots, filled.signature)
    return Run(filled.replica, filled.first, filled.before, head, entries, kept)


def _open_sealed(boxes: Boxes, sealed: bytes) -> bytes | None:
    """What is sealed to any key this server ever had; None where it is another server's."""
    for box in boxes.all():
        with suppress(SealRefused):
            return open_carried(box, CARRIED_INFO, sealed)
    return None
