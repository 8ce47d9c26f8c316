# SPDX-License-Identifier: Apache-2.0
"""The Merkle log: known roots, proofs against the definition in RFC 9162, signed heads."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.errors import LogRefused
from crypto.identity import DeviceKey
from crypto.log import (
    EMPTY_ROOT,
    SIZE_MAX,
    TreeHead,
    append,
    check_consistency,
    check_inclusion,
    check_tree_head,
    consistency_path,
    inclusion_path,
    leaf_hash,
    node_hash,
    root_of,
    sign_tree_head,
)

SERVER, STRANGER = (DeviceKey.from_private(bytes([n]) * 32) for n in (1, 2))

# The leaves and roots that implementations of Certificate Transparency are tested with.
KNOWN_LEAVES = [
    "",
    "00",
    "10",
    "2021",
    "3031",
    "40414243",
    "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
]
KNOWN_ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


class Tree:
    """Complete subtrees as a store would keep them: written once, never changed."""

    def __init__(self) -> None:
        self.nodes: dict[tuple[int, int], bytes] = {}
        self.leaves: list[bytes] = []

    def add(self, data: bytes) -> None:
        for level, index, found in append(len(self.leaves), leaf_hash(data), self.at):
            assert (level, index) not in self.nodes
            self.nodes[level, index] = found
        self.leaves.append(data)

    def at(self, level: int, index: int) -> bytes:
        return self.nodes[level, index]


def tree_of(count: int) -> Tree:
    tree = Tree()
    for n in range(count):
        tree.add(b"leaf %d" % n)
    return tree


def defined_root(leaves: list[bytes]) -> bytes:
    """MTH of RFC 9162, section 2.1.1, word for word."""
    if not leaves:
        return EMPTY_ROOT
    if len(leaves) == 1:
        return leaf_hash(leaves[0])
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return node_hash(defined_root(leaves[:k]), defined_root(leaves[k:]))


BIG = tree_of(130)
ROOTS = [defined_root(BIG.leaves[:n]) for n in range(131)]


def test_known_leaves_have_the_known_roots():
    tree = Tree()
    assert root_of(0, tree.at) == EMPTY_ROOT
    for data, root in zip(KNOWN_LEAVES, KNOWN_ROOTS, strict=True):
        tree.add(bytes.fromhex(data))
        assert root_of(len(tree.leaves), tree.at).hex() == root


def test_the_root_of_every_earlier_size_can_still_be_told():
    assert [root_of(n, BIG.at) for n in range(131)] == ROOTS


def test_every_leaf_of_every_size_is_proved_and_no_other_leaf_is():
    for size in range(1, 67):
        for index in range(size):
            path = inclusion_path(index, size, BIG.at)
            leaf = leaf_hash(BIG.leaves[index])
            check_inclusion(leaf, index, size, path, ROOTS[size])
            for wrong in (index + 1, index - 1):
                with pytest.raises(LogRefused):
                    check_inclusion(leaf, wrong, size, path, ROOTS[size])
            with pytest.raises(LogRefused):
                check_inclusion(leaf_hash(b"another"), index, size, path, ROOTS[size])


def test_every_growth_is_proved():
    for new in range(67):
        for old in range(new + 1):
            path = consistency_path(old, new, BIG.at)
            check_consistency(old, new, ROOTS[old], ROOTS[new], path)


@given(st.data())
def test_a_proof_with_a_hash_altered_removed_added_or_swapped_is_refused(data):
    new = data.draw(st.integers(2, 130))
    old = data.draw(st.integers(1, new - 1))
    index = data.draw(st.integers(0, new - 1))
    for path, check in (
        (
            inclusion_path(index, new, BIG.at),
            lambda p: check_inclusion(leaf_hash(BIG.leaves[index]), index, new, p, ROOTS[new]),
        ),
        (
            consistency_path(old, new, BIG.at),
            lambda p: check_consistency(old, new, ROOTS[old], ROOTS[new], p),
        ),
    ):
        check(path)
        at = data.draw(st.integers(0, len(path) - 1))
        bit = data.draw(st.integers(0, 255))
        altered = list(path)
        altered[at] = (int.from_bytes(path[at], "big") ^ (1 << bit)).to_bytes(32, "big")
        for wrong in (altered, path[:at] + path[at + 1 :], [*path, path[at]], [b"", *path[1:]]):
            with pytest.raises(LogRefused):
                check(wrong)
        if len(set(path)) > 1:
            with pytest.raises(LogRefused):
                check(path[::-1])


def test_a_log_whose_past_was_rewritten_cannot_prove_that_it_grew():
    other = Tree()
    for n in range(100):
        other.add(b"leaf %d" % n if n != 41 else b"something else")
    for old in range(42, 100):
        path = consistency_path(old, 100, other.at)
        with pytest.raises(LogRefused):
            check_consistency(old, 100, ROOTS[old], root_of(100, other.at), path)


def test_a_log_that_became_smaller_is_refused():
    with pytest.raises(LogRefused):
        check_consistency(7, 6, ROOTS[7], ROOTS[6], [])


def test_two_roots_of_one_size_are_refused():
    with pytest.raises(LogRefused):
        check_consistency(7, 7, ROOTS[7], ROOTS[6], [])


def test_proofs_of_what_is_not_there_are_not_made():
    for index, size in ((3, 3), (-1, 3), (0, 0)):
        with pytest.raises(ValueError, match="no such leaf"):
            inclusion_path(index, size, BIG.at)
    for old, new in ((4, 3), (-1, 3)):
        with pytest.raises(ValueError, match="the larger"):
            consistency_path(old, new, BIG.at)


HEAD = TreeHead(SERVER.replica, 0, 130, ROOTS[130], 1_700_000_000_000)


def test_a_signed_head_says_what_was_signed():
    assert check_tree_head(sign_tree_head(SERVER, HEAD), SERVER.public) == HEAD


def test_every_single_bit_of_a_signed_head_counts():
    signed = sign_tree_head(SERVER, HEAD)
    for bit in range(len(signed) * 8):
        altered = bytearray(signed)
        altered[bit // 8] ^= 1 << bit % 8
        with pytest.raises(LogRefused):
            check_tree_head(bytes(altered), SERVER.public)


def test_a_head_of_another_log_or_beyond_a_limit_is_refused():
    other = msgspec.structs.replace(HEAD, log=STRANGER.replica)
    with pytest.raises(LogRefused):
        check_tree_head(sign_tree_head(SERVER, other), SERVER.public)
    with pytest.raises(LogRefused):
        check_tree_head(sign_tree_head(STRANGER, HEAD), SERVER.public)
    for wrong in ({"size": -1}, {"size": SIZE_MAX + 1}, {"root": b"short"}, {"format": 2}):
        with pytest.raises(LogRefused):
            sign_tree_head(SERVER, msgspec.structs.replace(HEAD, **wrong))
    for cut in (b"", sign_tree_head(SERVER, HEAD)[:-1], bytes(4096)):
        with pytest.raises(LogRefused):
            check_tree_head(cut, SERVER.public)


def test_a_head_is_taken_up_to_its_limits_and_not_beyond() -> None:
    good = TreeHead(SERVER.replica, SIZE_MAX, SIZE_MAX, b"r" * 32, 5)
    assert check_tree_head(sign_tree_head(SERVER, good), SERVER.public) == good
    least = msgspec.structs.replace(good, epoch=0, size=0)
    assert check_tree_head(sign_tree_head(SERVER, least), SERVER.public) == least
    for change in (
        {"epoch": SIZE_MAX + 1},
        {"size": SIZE_MAX + 1},
        {"epoch": -1},
        {"size": -1},
        {"root": b"r" * 31},
        {"log": b"l" * 15},
        {"format": 2},
    ):
        bad = msgspec.structs.replace(good, **change)
        with pytest.raises(LogRefused):
            sign_tree_head(SERVER, bad)
        body = msgspec.msgpack.encode(bad)
        with pytest.raises(LogRefused):
            check_tree_head(SERVER.sign(b"tree-head", body) + body, SERVER.public)
