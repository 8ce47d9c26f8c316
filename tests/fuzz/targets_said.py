# SPDX-License-Identifier: Apache-2.0
"""What is said under signature, and what logs say: statements of every kind, words, exports.

What lives here: targets. What must not: the loop. Invariant: a statement is signed anew over its
wrong content, by whoever signs it, so that more than the signature check is tried.
"""

from __future__ import annotations

import base64
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import msgspec

from crypto import erasure, field_words, statement
from crypto.field import FieldKey, wrap_keys
from crypto.identity import SIGNATURE_BYTES, DeviceKey
from crypto.log import TreeHead, append, leaf_hash, root_of, sign_tree_head
from crypto.logword import (
    EPOCH,
    RUN,
    Evidence,
    Proven,
    Word,
    check_evidence,
    check_run,
    encode,
    judge,
    leaf_of,
    log_of,
    read_evidence,
    read_leaf,
    read_word,
)
from crypto.ring import RING, ReaderKeys, Ring, check_ring, issue_ring
from server.log_export import FORMAT, verify_export
from tests.fuzz.mutation import mutate_bytes, mutate_text
from tests.fuzz.running import Target
from tests.fuzz.targets_other import ALL, BOX, CRYPTO, SERVER, TABLET, Passed
from tests.fuzz.targets_sync import packed

AT_MS = 1_780_000_000_000
CASE = bytes(range(16))
Parse = Callable[[bytes, Passed], object]
Mutate = Callable[[random.Random, bytes], bytes]


def signed_again(key: DeviceKey, purpose: bytes) -> Mutate:
    """Wrong content under a right signature, and now and then a wrong signature."""

    def mutate(rng: random.Random, data: bytes) -> bytes:
        if rng.random() < 0.2:
            return mutate_bytes(rng, data, [])
        body = packed(rng, data[SIGNATURE_BYTES:])
        return key.sign(purpose, body) + body

    return mutate


def _root(rng: random.Random, data: bytes) -> bytes:
    """The word on a root: two signatures stand before the body."""
    if rng.random() < 0.2:
        return mutate_bytes(rng, data, [])
    body = packed(rng, data[2 * SIGNATURE_BYTES :])
    new = TABLET.sign(statement.ROOT_NEW, body)
    return new + SERVER.sign(statement.ROOT_OLD, body) + body


def signed(check: Callable[[bytes], object]) -> Parse:
    """A parser of a statement: what begins as a signature does is past the first check."""

    def parse(data: bytes, passed: Passed) -> object:
        if data[:1] == b"\x01" and len(data) > SIGNATURE_BYTES:
            passed()
        return check(data)

    return parse


@dataclass(frozen=True)
class Kind:
    """One kind of statement: a sample, who signs it for what, and whoever reads it."""

    name: str
    sample: bytes
    key: DeviceKey
    purpose: bytes
    check: Callable[[bytes], object]


def _erasure() -> bytes:
    changes = [(TABLET.replica, (7).to_bytes(8, "big") + b"tagg")]
    said = erasure.Erasure(CASE, SERVER.replica, AT_MS, "withdrawn", "440103", ["h1"], changes)
    return erasure.issue_erasure(SERVER, said)


def _readings() -> bytes:
    lines = [erasure.Line(AT_MS, "w1", "h1", "household visit")]
    return erasure.issue_readings(TABLET, erasure.Readings(TABLET.replica, 1, 0, lines))


def _ring() -> bytes:
    key = FieldKey(bytes(32)).id
    return issue_ring(SERVER, Ring("t1", SERVER.replica, AT_MS, (ReaderKeys("office", key, key),)))


def _keys() -> bytes:
    said = statement.ServerKeys(SERVER.public, 1, AT_MS, BOX.public, (bytes(32),))
    return statement.issue_server_keys(SERVER, said)


def _held() -> bytes:
    places = (("upstream", SERVER.replica, TABLET.replica, 7, bytes(32)),)
    return statement.issue_held(
        SERVER, statement.Held(TABLET.replica, SERVER.replica, AT_MS, places)
    )


def _reach() -> bytes:
    said = statement.Reach(SERVER.replica, AT_MS, (("backup", SERVER.replica, 7),))
    return statement.issue_reach(SERVER, said)


def _erased() -> bytes:
    said = erasure.Erased(TABLET.replica, bytes(32), AT_MS, (1, 2, 3))
    return erasure.issue_erased(TABLET, said)


def _ask() -> bytes:
    asked = ((FieldKey(bytes(32)).id, "h1"),)
    said = field_words.FieldAsk(SERVER.replica, AT_MS, BOX.public, asked)
    return field_words.issue_ask(SERVER, said)


def _given() -> bytes:
    wrapped = wrap_keys(BOX.public, [FieldKey(bytes(32))])
    said = field_words.FieldGiven(SERVER.replica, AT_MS, TABLET.replica, wrapped)
    return field_words.issue_given(SERVER, said)


@cache
def kinds() -> list[Kind]:
    """All kinds whose signature stands before one body, each sample made once."""
    server, tablet = SERVER.public, TABLET.public
    lease = statement.issue_lease(SERVER, TABLET.replica, AT_MS, 86_400_000, 86_400_000)
    wiped = statement.issue_wiped(TABLET, 1, AT_MS, 7, bytes(32), 0)
    held = erasure.issue_readings_held(SERVER, TABLET.replica, 7)
    return [
        Kind("lease", lease, SERVER, b"lease", lambda d: statement.check_lease(d, server)),
        Kind(
            "server keys",
            _keys(),
            SERVER,
            statement.KEYS,
            lambda d: statement.check_server_keys(d, server),
        ),
        Kind("held", _held(), SERVER, b"held", lambda d: statement.check_held(d, server)),
        Kind("reach", _reach(), SERVER, b"reach", lambda d: statement.check_reach(d, server)),
        Kind("field ring", _ring(), SERVER, RING, lambda d: check_ring(d, server)),
        Kind(
            "wiped",
            wiped,
            TABLET,
            b"wiped",
            lambda d: (statement.wiped_replica(d), statement.check_wiped(d, tablet)),
        ),
        Kind(
            "erasure",
            _erasure(),
            SERVER,
            b"erasure",
            lambda d: (
                erasure.issuer_of(d),
                erasure.statement_digest(d),
                list(erasure.check_erasure(d, server).dots()),
            ),
        ),
        Kind(
            "erased",
            _erased(),
            TABLET,
            b"erased",
            lambda d: (erasure.erased_by(d), erasure.check_erased(d, tablet)),
        ),
        Kind(
            "readings",
            _readings(),
            TABLET,
            b"readings",
            lambda d: (erasure.readings_by(d), erasure.check_readings(d, tablet)),
        ),
        Kind(
            "field ask",
            _ask(),
            SERVER,
            field_words.ASK,
            lambda d: (field_words.word_by(d), field_words.check_ask(d, server)),
        ),
        Kind(
            "field given",
            _given(),
            SERVER,
            field_words.GIVEN,
            lambda d: (field_words.word_by(d), field_words.check_given(d, server)),
        ),
        Kind(
            "readings held",
            held,
            SERVER,
            b"readings-held",
            lambda d: erasure.check_readings_held(d, server),
        ),
    ]


# ---- logs ----------------------------------------------------------------------------------------


def _leaves() -> list[bytes]:
    run = leaf_of(RUN, AT_MS, TABLET.replica, 1, 7, bytes(32), bytes(32))
    return [run, leaf_of("note", AT_MS, "w1", bytes(32)), run]


class _Tree:
    """A small log: its leaves, nodes and signed head."""

    def __init__(self, leaves: list[bytes], epoch: int = 0) -> None:
        nodes: dict[tuple[int, int], bytes] = {}
        for at, leaf in enumerate(leaves):
            for level, index, found in append(at, leaf_hash(leaf), lambda *p: nodes[p]):
                nodes[level, index] = found
        self.leaves = leaves
        root = root_of(len(leaves), lambda *p: nodes[p])
        self.head = sign_tree_head(SERVER, TreeHead(SERVER.replica, epoch, len(leaves), root, 1))


def _word_of(leaves: list[bytes], epoch: int) -> bytes:
    """A word whose only leaf is the whole log: its path is empty and its proof holds."""
    tree = _Tree(leaves, epoch)
    proven = [Proven(0, leaves[0], [])]
    return encode(Word(tree.head, [[]], proven if epoch else [], [] if epoch else proven))


def _epoch_leaf() -> bytes:
    return leaf_of(EPOCH, AT_MS, 1, 0, 3, _shown_root(), "restored")


def _shown_root() -> bytes:
    return bytes(32)


SHOWN = sign_tree_head(SERVER, TreeHead(SERVER.replica, 0, 3, _shown_root(), 1))


def _mutate_word(rng: random.Random, data: bytes) -> bytes:
    """Mostly a wrong leaf in a right tree: a keeper's own lie, under its own signature."""
    if rng.random() < 0.4:
        return packed(rng, data)
    word = msgspec.msgpack.decode(data, type=Word)
    leaf = [*word.turns, *word.proofs][0].leaf
    return _word_of([packed(rng, leaf)[:1_024]], rng.choice((0, 1, 2)))


def _parse_word(data: bytes, passed: Passed) -> object:
    word = read_word(data)
    passed()
    log_of(word.head)
    found = judge(SERVER.public, [SHOWN], word)
    return found, check_run(word, found.said, TABLET.replica, 5) if word.proofs else []


def _parse_leaf(data: bytes, passed: Passed) -> object:
    passed()
    return read_leaf(data)


def _parse_evidence(data: bytes, passed: Passed) -> object:
    read_evidence(data)
    passed()
    return check_evidence(data, SERVER.public)


def _mutate_evidence(rng: random.Random, data: bytes) -> bytes:
    if rng.random() < 0.5:
        return packed(rng, data)
    found = msgspec.msgpack.decode(data, type=Evidence)
    body = packed(rng, found.first[SIGNATURE_BYTES:])
    return encode(msgspec.structs.replace(found, first=SERVER.sign(b"tree-head", body) + body))


def _export_of(leaves: list[bytes]) -> bytes:
    tree = _Tree(leaves)

    def text(data: bytes) -> str:
        return base64.b64encode(data).decode()

    lines: list[dict[str, object]] = [
        {"format": FORMAT, "public": SERVER.public.hex(), "size": len(leaves), "certificates": []},
        {"heads": [text(tree.head)]},
        {"first": 0, "hashes": text(b"".join(map(leaf_hash, leaves)))},
    ]
    lines += [{"n": n, "leaf": text(leaf)} for n, leaf in enumerate(leaves)]
    return b"\n".join(map(msgspec.json.encode, lines))


def _mutate_export(rng: random.Random, data: bytes) -> bytes:
    if rng.random() < 0.5:
        return mutate_text(rng, data)
    leaves = [*_leaves(), _epoch_leaf()]
    at = rng.randrange(len(leaves))
    leaves[at] = packed(rng, leaves[at])[:1_024]
    return _export_of(leaves)


def _parse_export(data: bytes, passed: Passed) -> object:
    if b'"doorstep-log/1"' in data[:400]:
        passed()
    return verify_export(data.decode("utf-8", "replace").splitlines(), SERVER.public)


def targets() -> list[Target]:
    """All of them."""
    root = statement.issue_root(SERVER, TABLET, 1, AT_MS)
    other = sign_tree_head(SERVER, TreeHead(SERVER.replica, 0, 3, b"\1" * 32, 1))
    evidence = encode(Evidence("forked", SHOWN, other, AT_MS, TABLET.replica))
    word = _word_of([_epoch_leaf()], 1)
    run = _word_of(_leaves()[:1], 0)
    export = _export_of([*_leaves(), _epoch_leaf()])
    made = erasure.issue_certificate(SERVER, b'{"case":"c1","basis":"withdrawn"}')
    return [
        *(
            Target(k.name, (k.sample,), signed_again(k.key, k.purpose), signed(k.check), CRYPTO)
            for k in kinds()
        ),
        Target(
            "root", (root,), _root, signed(lambda d: statement.check_root(d, SERVER.public)), CRYPTO
        ),
        Target("log word", (run, word), _mutate_word, _parse_word, CRYPTO),
        Target("log leaf", tuple(_leaves()), packed, _parse_leaf, CRYPTO),
        Target("log evidence", (evidence,), _mutate_evidence, _parse_evidence, CRYPTO),
        Target("log export", (export,), _mutate_export, _parse_export, ALL),
        Target(
            "erasure certificate",
            (made,),
            signed_again(SERVER, erasure.CERTIFICATE),
            signed(lambda d: erasure.check_certificate(d, SERVER.public)),
            CRYPTO,
        ),
    ]
