# SPDX-License-Identifier: Apache-2.0
"""An append-only Merkle log: hashes, proofs, signed heads (RFC 9162, sections 2.1 and 4.10).

Lives here: the tree as pure functions over numbers and hashes, and the signed head.
Must not live here: storage, what a leaf says, whom to tell.

Invariants: a leaf and a node are hashed with different first bytes, so that neither can pass for
the other; only complete subtrees are ever stored, each once, and never change; a proof is checked
to its last hash, with none left over.
"""

import hashlib
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from crypto.decoding import MALFORMED, WallClock
from crypto.errors import KeyRefused, LogRefused, SignatureRefused
from crypto.identity import REPLICA_BYTES, SIGNATURE_BYTES, DeviceKey, replica_of, verify

NODE_BYTES: Final = 32
SIZE_MAX: Final = 2**48  # leaves: a proof then has at most 48 hashes
PATH_HASHES_MAX: Final = 100  # a consistency proof of the largest tree needs no more
TREE_HEAD_BYTES_MAX: Final = 512
TREE_HEAD: Final = b"tree-head"
TREE_HEAD_FORMAT: Final = 1
EMPTY_ROOT: Final = hashlib.sha256(b"").digest()

NodeAt = Callable[[int, int], bytes]
"""Gives the hash of the complete subtree of 2**level leaves that begins at leaf index << level."""


class TreeHead(msgspec.Struct, frozen=True, array_like=True):
    """What a log said it was: so many leaves, this root, then.

    ``log`` is the replica id (16 bytes) of the server that keeps it; ``epoch`` counts the times the
    log was set back by a restore, which its keeper must own up to; ``at_ms`` is for people.
    """

    log: bytes
    epoch: int
    size: int
    root: bytes
    at_ms: WallClock
    format: int = TREE_HEAD_FORMAT


def leaf_hash(data: bytes) -> bytes:
    """The hash of one leaf (32 bytes)."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of two subtrees (32 bytes)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def append(size: int, leaf: bytes, node_at: NodeAt) -> list[tuple[int, int, bytes]]:
    """The complete subtrees that a leaf with this hash completes, as (level, index, hash).

    ``size`` is the number of leaves before it. The first of them is the leaf itself.
    """
    done = [(0, size, leaf)]
    level, index, found = 0, size, leaf
    while index & 1:
        found = node_hash(node_at(level, index - 1), found)
        level, index = level + 1, index >> 1
        done.append((level, index, found))
    return done


def root_of(size: int, node_at: NodeAt) -> bytes:
    """The root of the tree over the first ``size`` leaves."""
    return _subtree(0, size, node_at) if size else EMPTY_ROOT


def _subtree(first: int, count: int, node_at: NodeAt) -> bytes:
    """The hash over ``count`` leaves from ``first``, which begins a subtree at least that large."""
    if count & (count - 1) == 0:
        level = count.bit_length() - 1
        return node_at(level, first >> level)
    half = _half(count)
    left = _subtree(first, half, node_at)
    return node_hash(left, _subtree(first + half, count - half, node_at))


def _half(count: int) -> int:
    """The largest power of two below ``count``."""
    return 1 << ((count - 1).bit_length() - 1)


def inclusion_path(index: int, size: int, node_at: NodeAt) -> list[bytes]:
    """The hashes that lead from leaf ``index`` to the root over ``size`` leaves, lowest first.

    Raises ValueError where there is no such leaf.
    """
    if not 0 <= index < size:
        raise ValueError("there is no such leaf in a tree of this size")
    path: list[bytes] = []
    first, count = 0, size
    while count > 1:
        half = _half(count)
        if index < first + half:
            path.append(_subtree(first + half, count - half, node_at))
            count = half
        else:
            path.append(_subtree(first, half, node_at))
            first, count = first + half, count - half
    return path[::-1]


def consistency_path(old: int, new: int, node_at: NodeAt) -> list[bytes]:
    """The hashes that show that the tree of ``new`` leaves begins with that of ``old``.

    Empty where ``old`` is 0 or ``new``. Raises ValueError where ``old`` is beyond ``new``.
    """
    if not 0 <= old <= new:
        raise ValueError("the older tree is the larger")
    if old in (0, new):
        return []
    path: list[bytes] = []
    first, count, whole = 0, new, True
    while old != count:
        half = _half(count)
        if old <= half:
            path.append(_subtree(first + half, count - half, node_at))
            count = half
        else:
            path.append(_subtree(first, half, node_at))
            first, count, old, whole = first + half, count - half, old - half, False
    if not whole:
        path.append(_subtree(first, count, node_at))
    return path[::-1]


def check_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> None:
    """Check that a leaf with this hash stands at ``index`` under ``root`` (RFC 9162, 2.1.3.2).

    Raises LogRefused.
    """
    _check_path(path)
    if not 0 <= index < size <= SIZE_MAX:
        raise LogRefused("no such leaf")
    at, last, found = index, size - 1, leaf
    for step in path:
        if last == 0:
            raise LogRefused("inclusion: too many hashes")
        if at & 1 or at == last:
            found = node_hash(step, found)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            found = node_hash(found, step)
        at, last = at >> 1, last >> 1
    if last or found != root:
        raise LogRefused("inclusion")


def check_consistency(
    old: int, new: int, old_root: bytes, new_root: bytes, path: Sequence[bytes]
) -> None:
    """Check that a tree only grew (RFC 9162, 2.1.4.2). Raises LogRefused."""
    _check_path(path)
    if not 0 <= old <= new <= SIZE_MAX:
        raise LogRefused("the log became smaller")
    if old in (0, new):
        if path or (old == new and old_root != new_root) or (not old and old_root != EMPTY_ROOT):
            raise LogRefused("consistency")
        return
    steps = list(path)
    if old & (old - 1) == 0:
        steps.insert(0, old_root)
    if not steps:
        raise LogRefused("consistency: no hashes")
    at, last = old - 1, new - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    before = after = steps[0]
    for step in steps[1:]:
        if last == 0:
            raise LogRefused("consistency: too many hashes")
        if at & 1 or at == last:
            before, after = node_hash(step, before), node_hash(step, after)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            after = node_hash(after, step)
        at, last = at >> 1, last >> 1
    if last or before != old_root or after != new_root:
        raise LogRefused("consistency")


def _check_path(path: Sequence[bytes]) -> None:
    if len(path) > PATH_HASHES_MAX or any(len(step) != NODE_BYTES for step in path):
        raise LogRefused("path")


def sign_tree_head(key: DeviceKey, head: TreeHead) -> bytes:
    """Sign what the log is now; returns about 130 bytes. Raises LogRefused when it breaks a
    limit.
    """
    _check_head(head)
    body = msgspec.msgpack.encode(head)
    return key.sign(TREE_HEAD, body) + body


def check_tree_head(data: bytes, public: bytes) -> TreeHead:
    """Check a head against its log's public key and return what it says. Raises LogRefused."""
    if not SIGNATURE_BYTES < len(data) <= TREE_HEAD_BYTES_MAX:
        raise LogRefused("length")
    body = data[SIGNATURE_BYTES:]
    try:
        verify(public, TREE_HEAD, body, data[:SIGNATURE_BYTES])
        head = msgspec.msgpack.decode(body, type=TreeHead)
    except (*MALFORMED, SignatureRefused, KeyRefused):
        raise LogRefused("tree head") from None
    _check_head(head)
    if head.log != replica_of(public):
        raise LogRefused("another log")
    return head


def _check_head(head: TreeHead) -> None:
    sound = (
        head.format == TREE_HEAD_FORMAT
        and len(head.log) == REPLICA_BYTES
        and 0 <= head.epoch <= SIZE_MAX
        and 0 <= head.size <= SIZE_MAX
        and len(head.root) == NODE_BYTES
    )
    if not sound:
        raise LogRefused("format or limit")
