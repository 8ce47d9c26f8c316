# SPDX-License-Identifier: Apache-2.0
"""What of the feeds held here goes to a server or a teammate: runs of changes, signed.

What lives here: walking feeds from what the other knows, cutting, blanking, sealing. What must not:
transport, and what is done with the answer.

Invariants: a run ends at a head that somebody signed; what a teammate may not read goes as a blank,
its content sealed to the district; every branch of a forked feed is given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from client_sdk.authority import receivers
from client_sdk.devices import SEGMENT
from client_sdk.store.base import Store
from client_sdk.store.feeds import (
    RESEED,
    FeedRow,
    add_part,
    blocks_between,
    first_unsent,
    numbered,
    parts,
    replicas_held,
    rows_of,
    signed_heads,
)
from crypto.identity import DeviceKey
from crypto.seal_many import seal_to_many
from sync.errors import MessageMalformed
from sync.feed import (
    SEGMENT_CHANGES_MAX,
    Partial,
    SealedChange,
    Segment,
    Slot,
    build_segment,
    encode_sealed_changes,
    head_message,
    salts_between,
)
from sync.messages import Known
from sync.sealing import CARRIED_INFO

RUN_BYTES_MAX = 1024 * 1024
"""Contents of one run, not yet compressed: far below what a server takes at once."""
SEALED_CHANGES_MAX = 500
"""Changes of one sealed part."""
PARTS_PER_RUN_MAX = 60
"""Sealed parts one run may name, below the limit of the message."""


class Upload(NamedTuple):
    """Runs to send: own ones whole, all else with blanks; ``rest``: more is left for another
    time."""

    segments: list[Segment]
    partials: list[Partial]
    rest: bool


def for_server(store: Store, bytes_max: int) -> Upload:
    """What no receipt covers, own feeds first; about ``bytes_max`` bytes of contents at most."""
    segments: list[Segment] = []
    partials: list[Partial] = []
    left = bytes_max
    current = store.chain.replica
    unsent = first_unsent(store)
    for replica in sorted(unsent, key=lambda r: (r != current, r)):
        key = store.key_of(replica)
        rows = rows_of(store, replica, unsent[replica])
        ends = signed_heads(store, replica)
        for path in branches(rows, lambda row: row.receipted):
            for run in cut(path, ends, key is not None, min(RUN_BYTES_MAX, max(bytes_max, 1))):
                if left <= 0:
                    return Upload(segments, partials, True)
                left -= sum(len(row.raw or b"") + 64 for row in run)
                if (
                    key is not None
                    and all(row.own and row.raw for row in run)
                    and _seeded(store, run)
                ):
                    segments.append(_segment(store, key, run))
                else:
                    partials.append(_partial(store, key, run, ends, None))
    return Upload(segments, partials, False)


def for_teammate(
    store: Store, known: Sequence[Known], readable: Callable[[str], bool]
) -> list[Partial]:
    """All feeds from what the teammate knows on; only what is ``readable`` in clear.

    Inside a transaction: what is sealed on the way is kept for the next teammate.
    """
    partials: list[Partial] = []
    for replica in replicas_held(store):
        key = store.key_of(replica)
        shown = {(k.counter, k.mark) for k in known if k.replica == replica}

        def is_shown(row: FeedRow, shown: set[tuple[int, bytes]] = shown) -> bool:
            return (row.counter, row.head) in shown

        rows = rows_of(store, replica)
        ends = signed_heads(store, replica)
        for path in branches(rows, is_shown):
            for run in cut(path, ends, key is not None, RUN_BYTES_MAX):
                partials.append(_partial(store, key, run, ends, readable))
    return partials


def blanks_filled(
    store: Store, blanks: Sequence[tuple[bytes, int, int]], readable: Callable[[str], bool]
) -> list[Partial]:
    """Runs over what a teammate holds as blanks, where something of it is readable now."""
    partials: list[Partial] = []
    for replica, first, last in blanks:
        key = store.key_of(replica)
        ends = signed_heads(store, replica)
        rows = rows_of(store, replica, first)
        wanted = {
            row.head
            for row in rows
            if row.counter <= last and row.raw and row.record and readable(row.record)
        }
        if not wanted:
            continue
        for path in branches(rows, lambda row: False):
            while path and path[0].head not in wanted:
                path.pop(0)
            for run in cut(path, ends, key is not None, RUN_BYTES_MAX):
                if any(row.head in wanted for row in run):
                    partials.append(_partial(store, key, run, ends, readable))
    return partials


def branches(rows: list[FeedRow], stop: Callable[[FeedRow], bool]) -> Iterator[list[FeedRow]]:
    """The changes of one feed in lines, each from after what ``stop`` says is known to its end.

    What two branches share stands in the first line only.
    """
    by_place = {(row.counter, row.head): row for row in rows}
    inner = {(row.counter - 1, row.before) for row in rows}
    done: set[bytes] = set()
    for leaf in rows:
        if (leaf.counter, leaf.head) in inner:
            continue
        path: list[FeedRow] = []
        at: FeedRow | None = leaf
        while at is not None and at.head not in done and not stop(at):
            done.add(at.head)
            path.append(at)
            at = by_place.get((at.counter - 1, at.before))
        if path:
            path.reverse()
            yield path


def cut(
    path: list[FeedRow], ends: dict[bytes, bytes], own: bool, bytes_max: int
) -> Iterator[list[FeedRow]]:
    """Cut a line into runs that end where a signature is, or anywhere if the key is here."""
    run: list[FeedRow] = []
    size, end = 0, 0
    for row in path:
        run.append(row)
        size += len(row.raw or b"")
        if own or row.head in ends:
            end = len(run)
        if end and (len(run) >= SEGMENT_CHANGES_MAX or size >= bytes_max):
            yield run[:end]
            run, end = run[end:], 0
            size = sum(len(r.raw or b"") for r in run)
    if end:
        yield run[:end]


def _signature(key: DeviceKey | None, row: FeedRow, ends: dict[bytes, bytes]) -> bytes:
    found = ends.get(row.head)
    if found is not None or key is None:
        return found or b""
    return key.sign(SEGMENT, head_message(row.replica, row.counter, row.head))


def _seeded(store: Store, run: list[FeedRow]) -> bool:
    """Do the salts of a run follow from seeds? Not where an erasure took one back."""
    if not store.get(RESEED, 0):
        return True
    first, last = run[0], run[-1]
    blocks = blocks_between(store, first.replica, first.counter, last.counter)
    try:
        found = salts_between(blocks, first.counter, len(run))
    except MessageMalformed:
        return False
    return found == [row.salt for row in run]


def _segment(store: Store, key: DeviceKey, run: list[FeedRow]) -> Segment:
    first, last = run[0], run[-1]
    return build_segment(
        first.replica,
        first.counter,
        first.before,
        blocks_between(store, first.replica, first.counter, last.counter),
        [row.raw or b"" for row in run],
        _signature(key, last, {}),
    )


def _partial(
    store: Store,
    key: DeviceKey | None,
    run: list[FeedRow],
    ends: dict[bytes, bytes],
    readable: Callable[[str], bool] | None,
) -> Partial:
    slots: list[Slot] = []
    named: list[bytes] = []
    to_seal: list[FeedRow] = []
    for row in run:
        clear = row.raw and (readable is None or (row.record is not None and readable(row.record)))
        if clear:
            slots.append(Slot(b"", row.salt or b"", row.raw or b""))
            continue
        slots.append(Slot(row.digest))
        if row.sealed:
            named.append(row.sealed)
        elif row.raw:
            to_seal.append(row)
    named += seal_rows(store, to_seal)
    found = parts(store, named)[:PARTS_PER_RUN_MAX]
    last = run[-1]
    return Partial(
        last.replica, run[0].counter, run[0].before, slots, _signature(key, last, ends), found
    )


def seal_rows(store: Store, rows: Sequence[FeedRow]) -> list[bytes]:
    """Seal the contents of changes to the district and note the parts at their rows."""
    names = []
    for i in range(0, len(rows), SEALED_CHANGES_MAX):
        some = [row for row in rows[i : i + SEALED_CHANGES_MAX] if row.raw and row.salt]
        if not some:
            continue
        contents = [
            SealedChange(row.replica, row.counter, row.salt or b"", row.raw or b"") for row in some
        ]
        part = seal_to_many(receivers(store), CARRIED_INFO, encode_sealed_changes(contents))
        name = numbered([add_part(store, part)])
        store.run_many(
            "UPDATE feed SET sealed = ? WHERE replica = ? AND counter = ? AND head = ?",
            ((name, row.replica, row.counter, row.head) for row in some),
        )
        names.append(name)
    return names
