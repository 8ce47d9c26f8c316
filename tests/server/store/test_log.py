# SPDX-License-Identifier: Apache-2.0
"""The provable log on both stores: real exports, spoilt in every way."""

import base64
import json
from itertools import pairwise

import pytest

from crypto.errors import LogRefused
from crypto.identity import DeviceKey
from crypto.log import append, check_tree_head, inclusion_path, leaf_hash, root_of
from crypto.logword import FORKED, read_leaf
from server.journal import note
from server.linking import Linking
from server.log_export import (
    ALTERED,
    KEY,
    LIST,
    MOVED,
    REMOVED,
    WITHIN,
    Problem,
    check_beside,
    export_lines,
    verify_export,
)
from server.log_tree import root_at, stand_of, with_nodes
from server.store.base import Store
from tests.server.pens import Office, Pen
from tests.server.store.test_district import office_on
from tests.server.test_trust import Made, made, put_under

assert made  # a fixture of its own name

LEAVES = 140


def grown(store: Store) -> Office:
    office = office_on(store)
    pen = Pen(office, "zx", "张霞")
    for turn in range(LEAVES // 20):
        for _ in range(10):
            with store.write() as tx:
                note(tx, office.now_ms, "gsy", "export", "csv", f"第{turn}次")
        for _ in range(9):
            pen.write(None, phone="1")
            pen.sync()
        office.district.write("gsy", "household", None, {"phone": "2"})
        lines(office)
    return office


def lines(office: Office) -> list[str]:
    with office.store.write() as tx:
        return list(export_lines(tx, office.first_key, office.now_ms))


def at(exported: list[str], n: int) -> int:
    """Where leaf n stands in the file."""
    return next(i for i, line in enumerate(exported) if line.startswith(f'{{"n":{n},'))


def spoilt(line: str) -> str:
    said = json.loads(line)
    body = bytearray(base64.b64decode(said["leaf"]))
    body[-1] ^= 1
    return json.dumps(said | {"leaf": base64.b64encode(body).decode()}, separators=(",", ":"))


def test_a_log_holds_and_whatever_is_spoilt_is_named_by_its_number(store: Store) -> None:
    office = grown(store)
    public = office.first_key.public
    exported = lines(office)
    verdict = verify_export(exported, public)
    assert verdict.problems == []
    assert verdict.leaves >= LEAVES
    assert verdict.heads >= LEAVES // 20

    for n in (0, 7, 64, LEAVES - 1):
        i = at(exported, n)
        altered = [*exported[:i], spoilt(exported[i]), *exported[i + 1 :]]
        assert verify_export(altered, public).problems == [Problem(ALTERED, n, n)]
        removed = exported[:i] + exported[i + 1 :]
        assert verify_export(removed, public).problems == [Problem(REMOVED, n, n)]
    i, j = at(exported, 40), at(exported, 41)
    moved = [*exported[:i], exported[j], exported[i], *exported[j + 1 :]]
    assert verify_export(moved, public).problems == [Problem(MOVED, 40, 40), Problem(MOVED, 41, 41)]
    narrowed(exported, public)
    listed(exported, public)


def narrowed(exported: list[str], public: bytes) -> None:
    """Leaf and list altered alike: the signed heads say between which leaves."""
    exported = list(exported)
    i = at(exported, 100)
    exported[i] = spoilt(exported[i])
    said = json.loads(exported[2])
    hashes = bytearray(base64.b64decode(said["hashes"]))
    hashes[3200:3232] = leaf_hash(base64.b64decode(json.loads(exported[i])["leaf"]))
    alone = json.dumps(said | {"hashes": base64.b64encode(hashes).decode()})
    (found,) = verify_export([*exported[:2], alone, *exported[3:]], public).problems
    assert found.what == WITHIN
    assert found.n <= 100 <= found.upto
    assert found.upto - found.n < 30


def listed(exported: list[str], public: bytes) -> None:
    """A list alone that was altered is told from the leaves."""
    exported = list(exported)
    said = json.loads(exported[2])
    hashes = bytes(32) + base64.b64decode(said["hashes"])[32:]
    exported[2] = json.dumps(said | {"hashes": base64.b64encode(hashes).decode()})
    (found,) = verify_export(exported, public).problems
    assert found.what == LIST


def test_an_export_of_another_server_does_not_hold_under_this_root(store: Store) -> None:
    office = office_on(store)
    exported = lines(office)
    other = DeviceKey.generate().public
    assert verify_export(exported, other).problems == [Problem(KEY, 0, 0)]
    for broken in (["{}"], ["x"], [exported[0], '{"n":"x","leaf":1}']):
        with pytest.raises(LogRefused):
            verify_export(broken, other)


def test_what_stands_beside_the_log_must_say_what_its_leaves_say(store: Store) -> None:
    office = grown(store)
    with store.read() as tx:
        assert check_beside(tx) == []
        (leaf, n), (run, m) = (
            tx.rows("SELECT leaf, n FROM journal ORDER BY n LIMIT 1")[0],
            tx.rows("SELECT leaf, n FROM segments ORDER BY n LIMIT 1")[0],
        )
    office.sql("UPDATE journal SET detail = 'nothing' WHERE n = ?", n)
    with store.read() as tx:
        assert check_beside(tx) == [Problem(ALTERED, leaf, leaf)]
    # What was said is erased, with its salt: that it was said still stands.
    office.sql("UPDATE journal SET detail = '', target = '', salt = NULL WHERE n = ?", n)
    with store.read() as tx:
        assert check_beside(tx) == []
    assert verify_export(lines(office), office.first_key.public).problems == []
    office.sql("DELETE FROM segments WHERE n = ?", m)
    with store.read() as tx:
        assert check_beside(tx) == [Problem(REMOVED, run, run)]


def test_leaves_and_proofs_in_the_store_are_those_of_the_plain_tree(store: Store) -> None:
    office = grown(store)
    with store.read() as tx:
        size = stand_of(tx).size
        bodies = [bytes(r[0]) for r in tx.rows("SELECT body FROM log_leaves ORDER BY n")]
        nodes: dict[tuple[int, int], bytes] = {}
        for n, body in enumerate(bodies):
            for level, index, found in append(n, leaf_hash(body), lambda *p: nodes[p]):
                nodes[level, index] = found
        assert len(bodies) == size
        for part in (1, 2, 3, size // 2, size):
            assert root_at(tx, part) == root_of(part, lambda *p: nodes[p])
        path = with_nodes(tx, lambda node_at: inclusion_path(5, size, node_at))
        assert path == inclusion_path(5, size, lambda *p: nodes[p])
        heads = [bytes(r[0]) for r in tx.rows("SELECT head FROM log_heads ORDER BY size")]
    sizes = [check_tree_head(head, office.first_key.public).size for head in heads]
    assert all(a < b for a, b in pairwise(sizes))
    kinds = {read_leaf(body)[1] for body in bodies}
    assert kinds == {"run", "note"}


def test_the_log_of_a_server_below_is_remembered_and_held_against_it(
    store: Store, made: Made
) -> None:
    above, below = office_on(store).district, made("below")
    hand = put_under(below, above, "")
    for _ in range(2):
        below.write("gsy", "household", None, {"phone": "1"})
        Linking(below, above.key.replica).run(hand)
        with below.store.read() as tx:
            stand = stand_of(tx)
        with store.read() as tx:
            ((head,),) = tx.rows("SELECT head FROM log_seen")
            said = check_tree_head(bytes(head), below.key.public)
            assert (said.size, said.epoch) == stand
            assert tx.rows("SELECT 1 FROM log_evidence") == []
    # Another log under the same key: what was remembered is in neither.
    with below.store.write() as tx:
        tx.run("UPDATE log_nodes SET hash = ?", [bytes(32)])
        ((peaks,),) = tx.rows("SELECT peaks FROM log_state")
        tx.run("UPDATE log_state SET peaks = ?", [bytes(len(bytes(peaks)))])
    below.write("gsy", "household", None, {"phone": "2"})
    Linking(below, above.key.replica).run(hand)
    with store.read() as tx:
        assert tx.rows("SELECT finding FROM log_evidence") == [(FORKED,)]
