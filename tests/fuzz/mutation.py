# SPDX-License-Identifier: Apache-2.0
"""Wrong bytes made from right ones: by structure where there is one, byte by byte beside it.

What lives here: mutations, all drawn from one ``random.Random``. What must not: any parser.
Invariant: one seed, one sequence of cases.
"""

from __future__ import annotations

import random
from typing import Any

import msgspec

Tree = Any

NUMBERS = [0, 1, -1, 2, 31, 32, 127, 128, 255, 256, 65_535, 2**31, 2**32 - 1, 2**48, 2**53]
NUMBERS += [2**63 - 1, -(2**63), 2**64 - 1]
TEXTS = [
    "",
    "\0",
    "a" * 70,
    "好" * 40,
    "\u202e",
    "'",
    '"',
    "\\",
    "$.x",
    "=1+1",
    "\ud7ff",
    "x" * 20_000,
]
CUTS = [0, 1, 15, 16, 17, 27, 28, 31, 32, 33, 64, 65]
CASE_BYTES_MAX = 1 << 20
"""Larger cases only show that size is checked first, which other tests do."""
DEPTH_OF_NESTS = [8, 64, 600, 5_000]


def mutate_bytes(rng: random.Random, data: bytes, others: list[bytes]) -> bytes:
    """A few changes of single bytes, runs, lengths, or a splice with another sample."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4))):
        at = rng.randrange(len(out) + 1)
        kind = rng.randrange(8)
        if kind == 0 and out:
            out[at % len(out)] ^= 1 << rng.randrange(8)
        elif kind == 1 and out:
            out[at % len(out)] = rng.choice((0, 0x7F, 0x80, 0x90, 0x9F, 0xC1, 0xDC, 0xDD, 0xFF))
        elif kind == 2:
            del out[at:]
        elif kind == 3:
            out[at:at] = rng.randbytes(rng.choice((1, 2, 4, 16)))
        elif kind == 4:
            del out[at : at + rng.choice((1, 2, 4, 16))]
        elif kind == 5:
            length = rng.choice((1, 8, 64))
            out[at:at] = out[at : at + length]
        elif kind == 6 and others:
            other = rng.choice(others)
            out[at:] = other[rng.randrange(len(other) + 1) :]
        else:
            # A MessagePack header that promises four thousand million bytes, entries or pairs.
            out[at:at] = rng.choice((b"\xc6", b"\xdb", b"\xdd", b"\xdf")) + b"\xff\xff\xff\xff"
    return bytes(out)


def mutate_packed(rng: random.Random, data: bytes) -> bytes:
    """MessagePack with one to three of its values replaced, moved, repeated or left out."""
    try:
        tree = msgspec.msgpack.decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return data
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        tree = mutate_tree(rng, tree)
    try:
        out = msgspec.msgpack.encode(tree)
    except (OverflowError, RecursionError, UnicodeEncodeError):
        return data
    return out if len(out) <= CASE_BYTES_MAX else data


def mutate_tree(rng: random.Random, tree: Tree) -> Tree:
    """The tree with one node changed, chosen by walking down."""
    if isinstance(tree, list) and tree and rng.random() < 0.8:
        return _in_list(rng, list(tree))
    if isinstance(tree, dict) and tree and rng.random() < 0.8:
        out = dict(tree)
        key = rng.choice(list(out))
        if rng.random() < 0.2:
            del out[key]
        else:
            out[key] = mutate_tree(rng, out[key])
        return out
    return _leaf(rng, tree)


def _in_list(rng: random.Random, items: list[Tree]) -> list[Tree]:
    at = rng.randrange(len(items))
    kind = rng.random()
    if kind < 0.7:
        items[at] = mutate_tree(rng, items[at])
    elif kind < 0.78:
        del items[at]
    elif kind < 0.86:
        items.insert(at, items[at])
    elif kind < 0.92:
        other = rng.randrange(len(items))
        items[at], items[other] = items[other], items[at]
    elif kind < 0.96:
        items.append(_leaf(rng, None))
    else:
        times = rng.choice((130, 1_100))
        # A repetition of repetitions would be larger than memory before it was too large a case.
        if times * len(msgspec.msgpack.encode(items[at])) <= CASE_BYTES_MAX:
            items += [items[at]] * times
    return items


def _leaf(rng: random.Random, value: Tree) -> Tree:
    if rng.random() < 0.6:
        if isinstance(value, bytes):
            return _bytes(rng, value)
        if isinstance(value, str):
            return rng.choice([*TEXTS, value + "\0", value[1:], value * 2])
        if type(value) is int:
            near = [value + 1, value - 1, value ^ 1 << rng.randrange(60)]
            return rng.choice([n for n in near if -(2**63) <= n < 2**64] + NUMBERS)
    return rng.choice(
        [
            None,
            True,
            [],
            {},
            b"",
            "",
            rng.choice(NUMBERS),
            rng.choice(TEXTS),
            rng.randbytes(rng.choice(CUTS)),
            float("nan"),
            float("inf"),
            1.5,
            {"a": [1, {"b": None}]},
            nest(rng.choice(DEPTH_OF_NESTS[:2])),
        ]
    )


def _bytes(rng: random.Random, value: bytes) -> bytes:
    kind = rng.random()
    if kind < 0.3:
        # Packed values lie within packed values: half of what is interesting lies deeper.
        inner = mutate_packed(rng, value)
        if inner != value:
            return inner
    if kind < 0.5:
        return value[: rng.choice(CUTS)]
    if kind < 0.6:
        return value + rng.randbytes(rng.choice((1, 28, 32)))
    return mutate_bytes(rng, value, [])


def nest(depth: int) -> Tree:
    """A list in a list in a list."""
    tree: Tree = 0
    for _ in range(depth):
        tree = [tree]
    return tree


def deep(rng: random.Random) -> bytes:
    """Bytes of a nest far deeper than any stack is."""
    return b"\x91" * rng.choice(DEPTH_OF_NESTS) + b"\x00"


PIECES = [
    '"',
    "'",
    ",",
    "\n",
    "\r",
    "\0",
    "\ufeff",
    "=",
    "@",
    "\t",
    "{",
    "[",
    "]",
    "}",
    ":",
    "é",
    "１",
]
PIECES += [
    "null",
    "-1",
    "1e999",
    "9" * 400,
    "[" * 3_000,
    '{"a":' * 2_000,
    "\\u0000",
    "\\ud800",
    "😀",
]


def mutate_text(rng: random.Random, data: bytes) -> bytes:
    """Text with pieces put in, taken out, doubled; now and then not UTF-8 at all."""
    text = data.decode("utf-8", "replace")
    for _ in range(rng.choice((1, 1, 2, 5))):
        at = rng.randrange(len(text) + 1)
        kind = rng.random()
        if kind < 0.5:
            text = text[:at] + rng.choice(PIECES) + text[at:]
        elif kind < 0.7:
            text = text[:at] + text[at + rng.choice((1, 3, 20)) :]
        elif kind < 0.85:
            text = text[:at] + text[at : at + 40] * 2 + text[at + 40 :]
        else:
            text = (
                text[:at] + chr(rng.choice((0x41, 0x4E00, 0x202E, 0x1F600, 0x30))) + text[at + 1 :]
            )
    out = text.encode("utf-8", "surrogatepass")
    return mutate_bytes(rng, out, []) if rng.random() < 0.1 else out
