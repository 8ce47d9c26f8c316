# SPDX-License-Identifier: Apache-2.0
"""The one place where changes and signed states become stored records.

What lives here: loading what merging needs, handing it to ``sync.batch``, storing what comes out,
inside the caller's transaction. What must not: rules of merging. Writing, syncing and meeting all
go through ``merge`` (Law 4).

Invariant: a state is stored as it came only where it surely covers all that is held of the record;
everything else goes through the full rules.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from client_sdk import field_keys, solved
from client_sdk.store.base import Store
from client_sdk.store.feeds import hear
from client_sdk.store.records import (
    Kept,
    bodies_of,
    causal_of,
    keep_records,
    recalling,
    set_waiting,
    waiting_for,
)
from client_sdk.store.signed import plainly_covers
from sync.batch import Batch
from sync.change import Entry
from sync.clock import DOT_BYTES, Dot, Stamp, dots_of
from sync.errors import MessageMalformed
from sync.messages import State
from sync.packing import Causal, decode_causal, vector_of
from sync.schema import Schema
from sync.touched import Touched

CAUSAL_PARTS = 9
"""Parts of a record's causal data (``sync.packing``)."""


class Incoming(NamedTuple):
    """A signed state that was checked: what it says, unpacked once."""

    state: State
    causal: Causal
    body: dict[str, Any]


def incoming_of(state: State) -> Incoming:
    """Unpack a state. Raises MessageMalformed where its causal data is no such thing."""
    try:
        causal = decode_causal(bytes(state.causal))
    except ValueError as error:
        raise MessageMalformed("causal data") from error
    if len(causal) != CAUSAL_PARTS or len(causal[0]) % DOT_BYTES:
        raise MessageMalformed("causal data")
    return Incoming(state, causal, dict(zip(state.names, state.values, strict=True)))


class Merged(NamedTuple):
    """What merging did: the records it touched, and how many changes wait for earlier ones."""

    records: set[str]
    waiting: int


def merge(
    store: Store,
    schema: Schema,
    entries: list[Entry],
    states: list[Incoming],
    *,
    searched: bool = True,
    own: bool = False,
) -> Merged:
    """Merge changes and signed states into the records; inside a transaction.

    ``searched``: what is touched may change search texts. ``own``: the change is this writer's, so
    it names no dot that was not heard of before. Raises what ``sync.packing`` raises for
    states that contradict themselves; the caller's transaction then undoes all.
    """
    named = {e.record for e in entries} | {s.state.record for s in states}
    stored = causal_of(store, named)
    waiting = waiting_for(store, named)
    awaited = {e.record for e in entries} | {e.record for e in waiting}
    batch = Batch(schema, store.forks, stored, recall=recalling(store))
    kept: list[Kept] = []
    direct: set[str] = set()
    repeated = _repeated(states)
    for item in states:
        record = item.state.record
        if record not in awaited and record not in repeated:
            held = stored.get(record)
            vector = vector_of(held[1]) if held else b""
            if vector == item.causal[0]:
                continue
            if plainly_covers(item.causal, vector) and _no_new_fork(store, item.causal):
                direct.add(record)
                raw = bytes(item.state.causal)
                kept.append(Kept(record, item.state.collection, raw, item.causal, item.body))
                continue
        batch.offer_state(record, item.state.collection, item.causal, item.body)
    for entry in sorted(entries, key=lambda e: e.dot):
        batch.offer(entry)
    for entry in waiting:
        batch.offer(entry)
    kept += _settled(store, batch, stored)
    left = [e for slot in batch.touched.values() for e in slot.waiting]
    if waiting or left:
        set_waiting(store, awaited, {e.dot: e for e in left}.values())
    if kept:
        if not own:
            solved.note(store, ((k.record, k.collection, k.body) for k in kept))
        names = {k.collection for k in kept} & schema.collections.keys() if searched else ()
        keep_records(store, kept, [n for n in names if schema.collections[n].searched()])
        field_keys.want(store, ((k.record, k.body) for k in kept))
    _note(store, batch, entries, states, own=own)
    return Merged({k.record for k in kept}, len(left))


def _repeated(states: list[Incoming]) -> set[str]:
    seen: set[str] = set()
    twice: set[str] = set()
    for item in states:
        (twice if item.state.record in seen else seen).add(item.state.record)
    return twice


def _no_new_fork(store: Store, causal: Causal) -> bool:
    packed: bytes = causal[0]
    if len(packed) == DOT_BYTES:
        return True
    replicas = [packed[i : i + 16] for i in range(0, len(packed), DOT_BYTES)]
    return len(set(replicas)) == len(replicas)


def _settled(store: Store, batch: Batch, stored: dict[str, tuple[str, bytes]]) -> list[Kept]:
    wanting = set(batch.wanting())
    # A quick edit patches shown values: their old ones are needed to store the whole.
    patched = {
        r
        for r, slot in batch.touched.items()
        if slot.dirty and not slot.new and r in stored and r not in wanting
    }
    bodies = bodies_of(store, wanting | patched)
    for record in wanting:
        batch.give_body(record, bodies.get(record, {}))
    batch.settle()
    return [
        _kept(slot, bodies.get(record, {})) for record, slot in batch.touched.items() if slot.dirty
    ]


def _kept(slot: Touched, before: dict[str, Any]) -> Kept:
    body = {**(slot.body if slot.full is not None and slot.body is not None else before)}
    body.update(slot.patch)
    causal_bytes = slot.causal_bytes()
    return Kept(slot.record, slot.collection, causal_bytes, decode_causal(causal_bytes), body)


def _note(
    store: Store, batch: Batch, entries: list[Entry], states: list[Incoming], *, own: bool
) -> None:
    """Remember new forks, the highest stamp, and the dots that vectors named."""
    for replica in store.forks - batch.forks_before:
        store.add_fork(replica)
    stamp = Stamp(0, 0)
    dots: set[Dot] = set()
    for entry in entries:
        stamp = max(stamp, entry.change.stamp)
        if entry.change.vector:
            dots.update(dots_of(entry.change.vector))
    for item in states:
        stamp = max(stamp, Stamp(item.causal[1], item.causal[2]))
        dots.update(dots_of(item.causal[0]))
    store.see_stamp(stamp)
    if not own:
        hear(store, dots)
