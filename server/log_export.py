# SPDX-License-Identifier: Apache-2.0
"""The log as a file that anybody can check, and checking it.

What lives here: writing an export, verifying one with nothing but the root's public key, and
looking at what stands beside the log in the store. What must not: the tree's rules
(``crypto.log``). Invariants
- Verifying uses no store, no network and no clock; what it trusts is the root key alone.
- The list of hashes is believed only where its root is the signed one; then a leaf that differs
  from it is named by its number. Where leaf and list were altered alike, the signed heads at
  smaller sizes say between which leaves.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from crypto.certificate import Certificate, check_certificate
from crypto.errors import CryptoError, LogRefused
from crypto.identity import SIGNATURE_BYTES, DeviceKey, replica_of
from crypto.log import NODE_BYTES, TreeHead, append, check_tree_head, leaf_hash, root_of
from crypto.logword import ACCESS, EPOCH, NOTE, RUN, read_leaf, salted
from server.journal import said_of
from server.log_access import said_in
from server.log_tree import signed_head, stand_of
from server.store.base import Transaction
from server.uplinks import UPSTREAM
from sync.decoding import MALFORMED

FORMAT: Final = "doorstep-log/1"
HASHES_PER_LINE: Final = 4_096
LEAVES_PER_READ: Final = 5_000
LINE_BYTES_MAX: Final = 1 << 20
"""A line of an export; one with hashes is the longest, 180 KB."""

ALTERED, REMOVED, MOVED, ADDED = "altered", "removed", "moved", "added"
WITHIN, LIST, HEAD, KEY = "within", "list", "head", "key"
"""What a problem says. ``within``: leaf and list were altered alike, somewhere from ``n`` to
``upto``; ``list``: the list of hashes alone; ``head``: a signed head; ``key``: nothing leads from
the root to the key of this log."""


class Problem(NamedTuple):
    """One thing that does not hold: what, the leaf's number, and the last one it may be."""

    what: str
    n: int
    upto: int


class Verdict(NamedTuple):
    """What a check came to: leaves, heads and epochs looked at, and what does not hold."""

    leaves: int
    heads: int
    epochs: int
    problems: list[Problem]


class _Read(NamedTuple):
    public: bytes
    certificates: list[bytes]
    heads: list[bytes]
    hashes: list[bytes]
    leaves: list[tuple[int, bytes]]


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _line(**parts: Any) -> str:
    return msgspec.json.encode(parts).decode()


def export_lines(tx: Transaction, key: DeviceKey, now_ms: int) -> Iterator[str]:
    """The lines of an export, one JSON object each: keys, signed heads, hashes, leaves.

    ``tx`` writes: the head that is signed over all of it is kept.
    """
    signed_head(tx, key, now_ms, keep=True)
    size = stand_of(tx).size
    found = tx.rows("SELECT certificate FROM links WHERE kind = ?", [UPSTREAM])
    certificates = [_text(bytes(row[0])) for row in found if row[0]]
    heads = [_text(bytes(r[0])) for r in tx.rows("SELECT head FROM log_heads ORDER BY size, epoch")]
    yield _line(format=FORMAT, public=key.public.hex(), size=size, certificates=certificates)
    yield _line(heads=heads)
    for start in range(0, size, HASHES_PER_LINE):
        rows = tx.rows(
            "SELECT hash FROM log_nodes WHERE n >= ? AND n < ? AND n % 2 = 0 ORDER BY n",
            [2 * start, 2 * min(start + HASHES_PER_LINE, size)],
        )
        yield _line(first=start, hashes=_text(b"".join(bytes(row[0]) for row in rows)))
    for start in range(0, size, LEAVES_PER_READ):
        rows = tx.rows(
            "SELECT n, body FROM log_leaves WHERE n >= ? AND n < ? ORDER BY n",
            [start, start + LEAVES_PER_READ],
        )
        for n, body in rows:
            yield _line(n=int(n), leaf=_text(bytes(body)))


def _read(lines: Iterable[str]) -> _Read:
    out = _Read(b"", [], [], [], [])
    try:
        for number, line in enumerate(lines):
            if len(line) > LINE_BYTES_MAX and number > 1:
                raise LogRefused("export: a line is too long")
            said = msgspec.json.decode(line, type=dict[str, Any])
            if number == 0:
                if said["format"] != FORMAT:
                    raise LogRefused("export: format")
                out = out._replace(public=bytes.fromhex(said["public"]))
                out.certificates.extend(base64.b64decode(c) for c in said["certificates"])
            elif "heads" in said:
                out.heads.extend(base64.b64decode(head) for head in said["heads"])
            elif "hashes" in said:
                data = base64.b64decode(said["hashes"])
                at = range(0, len(data), NODE_BYTES)
                out.hashes.extend(data[start : start + NODE_BYTES] for start in at)
            else:
                out.leaves.append((int(said["n"]), base64.b64decode(said["leaf"])))
    except (*MALFORMED, ValueError, KeyError, TypeError):
        raise LogRefused("export: not readable") from None
    return out


def verify_export(lines: Iterable[str], root: bytes) -> Verdict:
    """Check an export with the root's public key (32 bytes) alone. Raises LogRefused where it is no
    export."""
    read = _read(lines)
    if not _leads(root, read.public, read.certificates):
        return Verdict(len(read.leaves), 0, 0, [Problem(KEY, 0, 0)])
    heads, problems = _heads(read)
    mine = [leaf_hash(body) for _, body in read.leaves]
    turns = _turns(read.leaves)
    whole = [h for h in heads if not any(h.epoch < e and n < h.size for n, e in turns)]
    if not whole:
        return Verdict(len(mine), 0, len(turns), [*problems, Problem(HEAD, 0, 0)])
    last = max(whole, key=lambda h: (h.epoch, h.size))
    if _holds(read.hashes, last):
        problems += _differences(mine, read.hashes[: last.size])
        problems += _shuffled(read.leaves) if not problems else []
    elif _holds(mine, last):
        problems.append(Problem(LIST, 0, last.size - 1))
    else:
        problems.append(_narrowed(mine, whole))
    for head in whole:
        if not problems and not _holds(mine, head):
            problems.append(Problem(HEAD, head.size, head.size))
    return Verdict(len(mine), len(heads), len(turns), problems)


def _leads(root: bytes, public: bytes, certificates: Sequence[bytes]) -> bool:
    """Is it the root's own key, or one that certificates lead to from there?"""
    known = {replica_of(root): root}
    for data in certificates:
        try:
            said = msgspec.msgpack.decode(data[SIGNATURE_BYTES:], type=Certificate)
            issuer = known.get(said.issuer)
            if issuer is not None:
                checked = check_certificate(data, issuer)
                known[checked.replica] = checked.public
        except (*MALFORMED, CryptoError):
            continue
    return public in known.values()


def _heads(read: _Read) -> tuple[list[TreeHead], list[Problem]]:
    heads: list[TreeHead] = []
    problems: list[Problem] = []
    for data in read.heads:
        try:
            heads.append(check_tree_head(data, read.public))
        except LogRefused:
            problems.append(Problem(HEAD, 0, 0))
    return heads, problems


def _turns(leaves: Sequence[tuple[int, bytes]]) -> list[tuple[int, int]]:
    """The leaves that began an epoch: number and epoch."""
    out = []
    for n, body in leaves:
        try:
            said = read_leaf(body)
        except LogRefused:
            continue
        if said[1] == EPOCH and len(said) > 3 and isinstance(said[3], int):
            out.append((n, said[3]))
    return out


def _holds(hashes: Sequence[bytes], head: TreeHead) -> bool:
    return len(hashes) >= head.size and _root(hashes, head.size) == head.root


def _root(hashes: Sequence[bytes], size: int) -> bytes:
    nodes: dict[tuple[int, int], bytes] = {}
    for at in range(size):
        for level, index, found in append(at, hashes[at], lambda *place: nodes[place]):
            nodes[level, index] = found
    return root_of(size, lambda *place: nodes[place])


def _differences(mine: Sequence[bytes], signed: Sequence[bytes]) -> list[Problem]:
    """Where leaves differ from the hashes that were signed."""
    if len(mine) == len(signed):
        wrong = [n for n, (a, b) in enumerate(zip(mine, signed, strict=True)) if a != b]
        moved = sorted(mine[n] for n in wrong) == sorted(signed[n] for n in wrong)
        return [Problem(MOVED if moved else ALTERED, n, n) for n in wrong]
    out: list[Problem] = []
    at = 0
    for n, value in enumerate(signed):
        if at < len(mine) and mine[at] == value:
            at += 1
        elif len(mine) - at < len(signed) - n:
            out.append(Problem(REMOVED, n, n))
        elif mine[at + 1 : at + 2] == [value]:
            out.append(Problem(ADDED, at, at))
            at += 2
        else:
            out.append(Problem(ALTERED, n, n))
            at += 1
    return out + [Problem(ADDED, n, n) for n in range(at, len(mine))]


def _shuffled(leaves: Sequence[tuple[int, bytes]]) -> list[Problem]:
    """Leaves whose own number is not their place."""
    return [Problem(MOVED, at, at) for at, (n, _) in enumerate(leaves) if n != at]


def _narrowed(mine: Sequence[bytes], heads: Sequence[TreeHead]) -> Problem:
    """Leaf and list do not hold: the smallest signed head that fails, and the largest below it that
    does not, say where."""
    good = 0
    for head in sorted(heads, key=lambda h: h.size):
        if not _holds(mine, head):
            return Problem(WITHIN, good, max(good, head.size - 1))
        good = head.size
    return Problem(WITHIN, good, max(good, len(mine) - 1))


def check_beside(tx: Transaction) -> list[Problem]:
    """What the store holds beside the log: runs, journal and access log must say what their leaves
    say; where the salt was erased, the leaf alone stands."""
    said: dict[int, list[Any]] = {}
    problems: list[Problem] = []
    runs: set[int] = set()
    for n, kind, body in tx.rows("SELECT n, kind, body FROM log_leaves"):
        said[int(n)] = read_leaf(bytes(body))
        if kind == RUN:
            runs.add(int(n))
    rows = tx.rows(
        "SELECT s.leaf, r.replica, s.first, s.last, s.before, s.head FROM segments s"
        " JOIN replicas r ON r.n = s.replica WHERE s.leaf IS NOT NULL"
    )
    for leaf, replica, first, last, before, head in rows:
        runs.discard(int(leaf))
        found = [bytes(replica), int(first), int(last), bytes(before), bytes(head)]
        if said.get(int(leaf), [])[3:] != found:
            problems.append(Problem(ALTERED, int(leaf), int(leaf)))
    problems += [Problem(REMOVED, n, n) for n in sorted(runs)]
    return problems + _lines_beside(tx, said)


def _lines_beside(tx: Transaction, said: dict[int, list[Any]]) -> list[Problem]:
    problems = []
    kept = {n for n, leaf in said.items() if leaf[1] in (NOTE, ACCESS)}
    journal = "SELECT leaf, salt, who, target, detail FROM journal WHERE leaf IS NOT NULL"
    access = (
        "SELECT leaf, salt, account, area, home, record, fields, purpose, device FROM access_log"
        " WHERE leaf IS NOT NULL"
    )
    lines = [(row, said_of) for row in tx.rows(journal)]
    lines += [(row, said_in) for row in tx.rows(access)]
    for (leaf, salt, who, *parts), said_by in lines:
        kept.discard(int(leaf))
        found = said.get(int(leaf), [])
        holds = len(found) >= 6 and found[4] == who
        if holds and salt is not None:
            holds = found[5] == salted(bytes(salt), said_by(*map(str, parts)))
        if not holds:
            problems.append(Problem(ALTERED, int(leaf), int(leaf)))
    return problems + [Problem(REMOVED, n, n) for n in sorted(kept)]
