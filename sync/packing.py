# SPDX-License-Identifier: Apache-2.0
"""The packed form of a record's state: a few dozen bytes of causal data beside the shown values.

What lives here: packing and unpacking, nothing else. What must not: rules of merging.

The causal data is a MessagePack array; trailing empty parts are left out:

0 vector (bytes) · 1 stamp ms · 2 stamp n · 3 writes · 4 losers · 5 voids · 6 edits · 7 older · 8
preds

- a write is ``[dot, ms, n, worker, rest, sets, adds, counts, appends]``, trailing empties left out.
  ``dot`` is the position of a tip in the vector, or the dot's bytes; ``ms`` is counted back from
  the record's stamp. ``rest`` is true for at most one write: every shown register field that no
  write names is its. ``sets`` are names, ``adds`` are ``[field, element]``, ``counts`` ``[field,
  amount]``, ``appends`` ``[field, entries]``.
- a loser is ``[write, field, value]``: a register value that is not the shown one, or an appended
  list whose field shows something else.
- a void is ``[dot, ms, n, worker, reason, what it had seen]``.
- ``edits`` is a vector, left out where it equals the record's.
- ``older`` are dots taken in that are no tips, per replica in order: the last 15 of a replica, and
  where it has several tips those from where its lines part; ``preds`` are ``[dot, its
  predecessors]`` where these are not the dot before it in ``older``.

Invariant: ``unpack(pack(s))`` is ``s`` up to what the cut list forgets; equal states pack to equal
bytes.
"""

from __future__ import annotations

from typing import Any

import msgspec

from sync.clock import DOT_BYTES, Chains, Dot, Stamp, VersionVector
from sync.errors import StateInvalid
from sync.policy import append_value, choose, exact_key, kinds, siblings_of, union_value
from sync.record import RecordState, Void, Write, parted
from sync.schema import Schema

OLDER_PER_REPLICA_MAX = 15
"""Dots listed beside the tip: enough to tell branches apart when they meet within a few
exchanges. Beyond it servers ask their feeds (``clock.Recall``), once a replica is known to have
forked: an ordinary list needs no more."""

Causal = list[Any]

encode_causal = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Any]).decode


def decode_causal(data: bytes) -> Causal:
    """The causal data as the array described above, padded to its nine parts.

    Raises StateInvalid where it is no such array.
    """
    try:
        causal = _decode(data)
    except (ValueError, RecursionError) as error:
        raise StateInvalid("causal data") from error
    if len(causal) < 4 or type(causal[0]) is not bytes or len(causal[0]) % DOT_BYTES:
        raise StateInvalid("causal data")
    if len(causal) < 9:
        causal += [[], [], None, b"", []][len(causal) - 4 :]
    return causal


def vector_of(data: bytes) -> bytes:
    """The vector in causal data, the rest of which is not read.

    Raises StateInvalid where there is none.
    """
    # An array of at most nine parts has one byte before its first, which is binary.
    mark = data[1] if len(data) > 3 else 0
    if mark == 0xC4:
        start, length = 3, data[2]
    elif mark == 0xC5:
        start, length = 4, int.from_bytes(data[2:4], "big")
    else:
        start, length = 0, -1
    if length < 0 or len(data) < start + length:
        return bytes(decode_causal(data)[0])
    return data[start : start + length]


def trim(causal: Causal) -> Causal:
    """Leave out trailing empty parts; an empty vector of edits says that there are only voids."""
    while len(causal) > 4 and not causal[-1] and not (len(causal) == 7 and causal[-1] == b""):
        causal.pop()
    return causal


def birth(vector: Dot, ms: int, n: int, worker: str) -> bytes:
    """The causal data of a record that is one plain change."""
    return encode_causal([vector, ms, n, [[0, 0, n, worker, True]]])


def pack_state(state: RecordState, schema: Schema, collection: str) -> tuple[bytes, dict[str, Any]]:
    """Causal data and shown values of a state."""
    packed = state.vector.pack()
    tips = {packed[i : i + DOT_BYTES]: i // DOT_BYTES for i in range(0, len(packed), DOT_BYTES)}
    by_kind = kinds(state)
    body = _shown_values(state, schema, collection, by_kind)
    order = sorted(state.writes, key=lambda d: (state.writes[d].stamp, d))
    position = {d: i for i, d in enumerate(d for d in order if d not in state.voids)}
    named = _names(state, position)
    mixed = _mixed(state)
    rest = _rest_write(state, position, named, mixed)
    writes = []
    for d in position:
        who, names = state.writes[d], named[d]
        if d == rest:
            names[0] = [f for f in names[0] if _shared(state, f, mixed)]
        row: list[Any] = [
            tips.get(d, d),
            state.stamp.ms - who.stamp.ms,
            who.stamp.n,
            who.worker,
            d == rest,
            *names,
        ]
        while len(row) > 4 and not row[-1]:
            row.pop()
        writes.append(row)
    voids = [_pack_void(state, d, tips) for d in sorted(state.voids)]
    edits = state.edits.pack()
    older, preds = _pack_list(state, tips)
    causal = [
        packed,
        state.stamp.ms,
        state.stamp.n,
        writes,
        _losers(state, body, by_kind, position),
        voids,
        edits if edits != packed else None,
        older,
        preds,
    ]
    return encode_causal(trim(causal)), body


def _shown_values(
    state: RecordState, schema: Schema, collection: str, by_kind: dict[str, str]
) -> dict[str, Any]:
    body: dict[str, Any] = {}
    for name in sorted(by_kind):
        kind = by_kind[name]
        if kind == "register":
            by_dot = state.registers[name]
            if len(by_dot) == 1:
                (body[name],) = by_dot.values()
            else:
                declared = schema.field(collection, name)
                body[name] = choose(siblings_of(state, name), declared).value
        elif kind == "union":
            body[name] = union_value(state, name)
        elif kind == "sum":
            body[name] = sum(state.counts[name].values())
        else:
            body[name] = append_value(state, name)
    return body


def _names(state: RecordState, position: dict[Dot, int]) -> dict[Dot, list[list[Any]]]:
    named: dict[Dot, list[list[Any]]] = {d: [[], [], [], []] for d in position}
    for field in sorted(state.registers):
        for d in state.registers[field]:
            named[d][0].append(field)
    for (field, element), dots in sorted(
        state.elements.items(), key=lambda i: (i[0][0], isinstance(i[0][1], str), i[0][1])
    ):
        for d in dots:
            named[d][1].append([field, element])
    for field in sorted(state.counts):
        for d, amount in state.counts[field].items():
            named[d][2].append([field, amount])
    for field in sorted(state.appends):
        for d, values in state.appends[field].items():
            named[d][3].append([field, len(values)])
    return named


def _mixed(state: RecordState) -> set[str]:
    """Fields that operations of other kinds stand under too: a name tells their writes."""
    return {*state.counts, *state.appends, *(field for field, _ in state.elements)}


def _shared(state: RecordState, field: str, mixed: set[str]) -> bool:
    return len(state.registers[field]) > 1 or field in mixed


def _rest_write(
    state: RecordState,
    position: dict[Dot, int],
    named: dict[Dot, list[list[Any]]],
    mixed: set[str],
) -> Dot | None:
    best, most = None, 0
    for d in position:
        alone = sum(not _shared(state, f, mixed) for f in named[d][0])
        if alone > most:
            best, most = d, alone
    return best


def _losers(
    state: RecordState, body: dict[str, Any], by_kind: dict[str, str], position: dict[Dot, int]
) -> list[list[Any]]:
    losers: list[list[Any]] = []
    for field, by_dot in state.registers.items():
        if len(by_dot) == 1 and by_kind[field] == "register":
            continue
        shown = exact_key(body[field])
        for d, value in by_dot.items():
            if by_kind[field] != "register" or exact_key(value) != shown:
                losers.append([position[d], field, value])
    for field in sorted(state.appends):
        if by_kind[field] != "append":
            for d, values in state.appends[field].items():
                losers.append([position[d], field, values])
    return sorted(losers, key=lambda x: (x[0], x[1]))


def _pack_void(state: RecordState, d: Dot, tips: dict[Dot, int]) -> list[Any]:
    who, void = state.writes[d], state.voids[d]
    ms = state.stamp.ms - who.stamp.ms
    return [tips.get(d, d), ms, who.stamp.n, who.worker, void.reason, void.seen.pack()]


def _pack_list(state: RecordState, tips: dict[Dot, int]) -> tuple[bytes, list[Any]]:
    """``older`` and ``preds``: the dots taken in, cut to the last of each replica, and to where its
    lines part."""
    apart: set[Dot] = set()
    for several in state.vector.tips.values():
        if len(several) > 1:
            apart.update(parted(several, Chains(set(), state.preds)))
    by_replica: dict[bytes, list[Dot]] = {}
    for d in sorted(state.preds):
        by_replica.setdefault(d[:16], []).append(d)
    older: list[Dot] = []
    exceptions: list[Any] = []
    for dots in by_replica.values():
        before = [d for d in dots if d not in tips]
        one_line = [d for d in before if d not in apart] if apart else before
        if len(one_line) > OLDER_PER_REPLICA_MAX:
            cut = set(one_line[:-OLDER_PER_REPLICA_MAX])
            before = [d for d in before if d not in cut]
        older += before
        expected: tuple[Dot, ...] = ()
        for d in before + [d for d in dots if d in tips]:
            if state.preds[d] != expected:
                exceptions.append([d, b"".join(state.preds[d])])
            if d not in tips:
                expected = (d,)
    return b"".join(older), exceptions


def unpack_state(causal: Causal, body: dict[str, Any]) -> RecordState:
    """The working form of a packed state. Raises StateInvalid where it contradicts itself."""
    try:
        return _unpack(causal, body)
    except (IndexError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise StateInvalid(f"packed state: {type(error).__name__}") from error


def _unpack(causal: Causal, body: dict[str, Any]) -> RecordState:
    packed, ms, n, writes, losers, voids, edits, older, preds = causal
    state = RecordState()
    state.vector = VersionVector(packed)
    state.edits = VersionVector(packed if edits is None else edits)
    state.stamp = Stamp(ms, n)
    state.preds = unpack_list(packed, older, preds)
    losing: dict[tuple[int, str], Any] = {(i, field): value for i, field, value in losers}
    rest: Dot | None = None
    named: set[str] = set()
    appended: dict[str, list[tuple[Dot, int]]] = {}
    for i, row in enumerate(writes):
        d = packed[row[0] * 28 : row[0] * 28 + 28] if type(row[0]) is int else row[0]
        state.writes[d] = Write(Stamp(ms - row[1], row[2]), row[3])
        if len(row) > 4 and row[4]:
            rest = d
        for field in row[5] if len(row) > 5 else ():
            value = losing[i, field] if (i, field) in losing else body[field]
            state.registers.setdefault(field, {})[d] = value
            named.add(field)
        for field, element in row[6] if len(row) > 6 else ():
            state.elements.setdefault((field, element), {})[d] = None
            named.add(field)
        for field, amount in row[7] if len(row) > 7 else ():
            state.counts.setdefault(field, {})[d] = amount
            named.add(field)
        for field, count in row[8] if len(row) > 8 else ():
            if (i, field) in losing:
                state.appends.setdefault(field, {})[d] = losing[i, field]
            else:
                appended.setdefault(field, []).append((d, count))
            named.add(field)
    for field, parts in appended.items():
        _split_appended(state, field, parts, body[field])
    if rest is not None:
        unnamed = [field for field in body if field not in named]
        for field in unnamed:
            state.registers[field] = {rest: body[field]}
        if not unnamed:
            # The quick path cannot see that nothing is left of it, since it does not read the body.
            state.drop_dead()
    for ref, back, count, worker, reason, seen in voids:
        d = packed[ref * 28 : ref * 28 + 28] if type(ref) is int else ref
        state.writes[d] = Write(Stamp(ms - back, count), worker)
        state.voids[d] = Void(VersionVector(seen), reason)
    return state


def _split_appended(
    state: RecordState, field: str, parts: list[tuple[Dot, int]], values: list[Any]
) -> None:
    at = 0
    for d, count in sorted(parts, key=lambda p: (state.writes[p[0]].stamp, p[0])):
        state.appends.setdefault(field, {})[d] = values[at : at + count]
        at += count
    if at != len(values):
        raise ValueError("appended entries do not fit")


def unpack_list(packed: bytes, older: bytes, exceptions: list[Any]) -> dict[Dot, tuple[Dot, ...]]:
    """Dot -> its predecessors, from the packed list."""
    given = {d: tuple(p[i : i + 28] for i in range(0, len(p), 28)) for d, p in exceptions}
    preds: dict[Dot, tuple[Dot, ...]] = {}
    last: dict[bytes, tuple[Dot, ...]] = {}
    for i in range(0, len(older), 28):
        d = older[i : i + 28]
        preds[d] = given.get(d, last.get(d[:16], ()))
        last[d[:16]] = (d,)
    for i in range(0, len(packed), 28):
        d = packed[i : i + 28]
        preds[d] = given.get(d, last.get(d[:16], ()))
    return preds
