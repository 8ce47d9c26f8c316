# SPDX-License-Identifier: Apache-2.0
"""What a log's keeper says of it, and what one who remembers an earlier head makes of that.

Lives here: leaves, the word that travels (a signed head and its proofs), judging it against a head
shown before, and evidence: two signed heads that cannot both be honest.
Must not live here: storage, whom to tell, the tree itself (``crypto.log``).

Invariants: a judgement rests on signed heads alone; a set-back that its keeper owns up to by a leaf
of the new epoch is no fraud, one that it keeps quiet about is; nothing here stops an exchange.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Annotated, Any, Final, NamedTuple

import msgspec
from msgspec import Meta

from crypto.decoding import MALFORMED
from crypto.errors import LogRefused
from crypto.identity import SIGNATURE_BYTES
from crypto.log import (
    NODE_BYTES,
    PATH_HASHES_MAX,
    SIZE_MAX,
    TREE_HEAD_BYTES_MAX,
    TreeHead,
    check_consistency,
    check_inclusion,
    check_tree_head,
    leaf_hash,
)

SHOWN: Final = "tree-head"
WORD: Final = "log"
EVIDENCE: Final = "log-evidence"
ASKED: Final = "log-asked"
"""Kinds of statement: a head that is remembered, a keeper's word, evidence against a keeper, points
of feeds whose leaves the next word is to show."""

RUN, NOTE, ACCESS, EPOCH = "run", "note", "access", "epoch"
"""Kinds of leaf: a stored run, a line of the journal, a reading, the beginning of an epoch."""

GROWN, SET_BACK = "grown", "set-back"
FORKED, ROLLED_BACK, UNPROVEN = "forked", "rolled-back", "unproven"
"""Findings: it grew; it was set back and owns up; it denies what it said; it is shorter and says
nothing of it; it took something in and does not show that it is in the log."""
FRAUD: Final = frozenset({FORKED, ROLLED_BACK, UNPROVEN})

LEAF_FORMAT: Final = 1
LEAF_BYTES_MAX: Final = 1_024
SALT_BYTES: Final = 16
WORD_BYTES_MAX: Final = 8 * 1024
SHOWN_MAX: Final = 2
"""Heads shown in one request: the one remembered, and one heard of from somebody else."""
TURNS_MAX: Final = 4
PROOFS_MAX: Final = 4

Hash = Annotated[bytes, Meta(min_length=NODE_BYTES, max_length=NODE_BYTES)]
Path = Annotated[list[Hash], Meta(max_length=PATH_HASHES_MAX)]
HeadBytes = Annotated[bytes, Meta(max_length=TREE_HEAD_BYTES_MAX)]


class Proven(msgspec.Struct, frozen=True, array_like=True):
    """A leaf, its number, and the hashes that lead from it to the root."""

    index: Annotated[int, Meta(ge=0, le=SIZE_MAX)]
    leaf: Annotated[bytes, Meta(max_length=LEAF_BYTES_MAX)]
    path: Path


class Word(msgspec.Struct, frozen=True, array_like=True):
    """What a keeper says: its signed head; for each head it was shown, the hashes that show growth;
    the leaves by which it owned up to set-backs since; and leaves of what it just took in."""

    head: HeadBytes
    paths: Annotated[list[Path], Meta(max_length=SHOWN_MAX)]
    turns: Annotated[list[Proven], Meta(max_length=TURNS_MAX)]
    proofs: Annotated[list[Proven], Meta(max_length=PROOFS_MAX)]


class Evidence(msgspec.Struct, frozen=True, array_like=True):
    """Two signed heads of one log, what was found, when and by whom (replica, 16 bytes)."""

    finding: Annotated[str, Meta(max_length=16)]
    first: HeadBytes
    second: HeadBytes
    at_ms: int
    by: Annotated[bytes, Meta(max_length=16)]


class Judged(NamedTuple):
    """What came of a word. ``head``: what is to be remembered now, as the bytes received."""

    finding: str
    head: bytes
    said: TreeHead
    against: bytes


_word = msgspec.msgpack.Decoder(Word)
_evidence = msgspec.msgpack.Decoder(Evidence)
encode = msgspec.msgpack.Encoder().encode


def leaf_of(kind: str, at_ms: int, *parts: Any) -> bytes:
    """The bytes of a leaf: format, kind, time, and what the kind says."""
    return encode([LEAF_FORMAT, kind, at_ms, *parts])


def read_leaf(data: bytes) -> list[Any]:
    """A leaf's parts: format, kind, time, and the rest. Raises LogRefused."""
    try:
        found = msgspec.msgpack.decode(data, type=list[Any])
    except MALFORMED:
        raise LogRefused("leaf") from None
    if len(found) < 3 or found[0] != LEAF_FORMAT:
        raise LogRefused("leaf")
    return found


def salted(salt: bytes, detail: str) -> bytes:
    """What a leaf holds of a detail that may be erased: its digest with a salt (32 bytes)."""
    return hashlib.sha256(b"doorstep/log-detail\0" + salt + detail.encode()).digest()


def read_word(data: bytes) -> Word:
    """Read a keeper's word. Raises LogRefused."""
    try:
        return _word.decode(data)
    except MALFORMED:
        raise LogRefused("word") from None


def judge(public: bytes, shown: Sequence[bytes], word: Word) -> Judged:
    """Compare a word with the heads that were shown to its keeper; the worst that was found.

    Raises LogRefused where the word's own head is not signed by this log: nothing can be held
    against its keeper then.
    """
    said = check_tree_head(word.head, public)
    worst, against = GROWN, b""
    order = (GROWN, SET_BACK, UNPROVEN, ROLLED_BACK, FORKED)
    for place, one in enumerate(shown):
        path = word.paths[place] if place < len(word.paths) else []
        found = _against(check_tree_head(one, public), said, path, word.turns)
        if order.index(found) > order.index(worst):
            worst, against = found, one
    return Judged(worst, word.head, said, against)


def _against(before: TreeHead, said: TreeHead, path: Path, turns: Sequence[Proven]) -> str:
    if said.epoch < before.epoch:
        return ROLLED_BACK
    if said.epoch > before.epoch:
        return _owned_up(before, said, path, turns)
    if said.size < before.size:
        return ROLLED_BACK
    return GROWN if _grew(before, said, path) else FORKED


def _grew(before: TreeHead, said: TreeHead, path: Path) -> bool:
    try:
        check_consistency(before.size, said.size, before.root, said.root, path)
    except LogRefused:
        return False
    return True


def _owned_up(before: TreeHead, said: TreeHead, path: Path, turns: Sequence[Proven]) -> str:
    """A new epoch: the leaf that began it must stand in the log, and what came before it stay."""
    began: list[int] = []
    named = False
    for turn in turns:
        try:
            check_inclusion(leaf_hash(turn.leaf), turn.index, said.size, turn.path, said.root)
            leaf = read_leaf(turn.leaf)
        except LogRefused:
            return ROLLED_BACK
        if leaf[1] != EPOCH or len(leaf) < 7 or not isinstance(leaf[3], int):
            return ROLLED_BACK
        if not before.epoch < leaf[3] <= said.epoch:
            return ROLLED_BACK
        began.append(turn.index)
        named |= leaf[4:7] == [before.epoch, before.size, before.root]
    if not began:
        return ROLLED_BACK
    if named or before.size > min(began):
        return SET_BACK
    return GROWN if before.size <= said.size and _grew(before, said, path) else FORKED


def check_run(word: Word, said: TreeHead, replica: bytes, counter: int) -> list[Any]:
    """The leaf of a stored run that reaches a counter of this feed: kind, time, replica, first,
    last, head before, head. Raises LogRefused where none is shown that holds."""
    for proof in word.proofs:
        leaf = read_leaf(proof.leaf)
        if leaf[1] != RUN or len(leaf) < 8 or not isinstance(leaf[5], int):
            continue
        if leaf[3] == replica and leaf[5] >= counter:
            check_inclusion(leaf_hash(proof.leaf), proof.index, said.size, proof.path, said.root)
            return leaf[1:]
    raise LogRefused("no leaf of it is shown")


def contradict(first: TreeHead, second: TreeHead) -> bool:
    """Two heads of one size and epoch with different roots: nobody honest signs both."""
    same = (first.log, first.epoch, first.size) == (second.log, second.epoch, second.size)
    return same and first.root != second.root


def read_evidence(data: bytes) -> Evidence:
    """Read evidence; its heads are to be checked against the log's key. Raises LogRefused."""
    try:
        return _evidence.decode(data)
    except MALFORMED:
        raise LogRefused("evidence") from None


def log_of(head: bytes) -> bytes:
    """The log that a head names (16 bytes), before its signature was checked. Raises LogRefused."""
    try:
        return msgspec.msgpack.decode(head[SIGNATURE_BYTES:], type=TreeHead).log
    except MALFORMED:
        raise LogRefused("tree head") from None


def check_evidence(data: bytes, public: bytes) -> Evidence:
    """Evidence whose two heads this key signed. Raises LogRefused."""
    found = read_evidence(data)
    if check_tree_head(found.first, public) == check_tree_head(found.second, public):
        raise LogRefused("evidence: one head twice")
    return found
