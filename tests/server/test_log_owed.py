# SPDX-License-Identifier: Apache-2.0
"""A word shows a few leaves; of all other feeds that came with it each is shown in its turn."""

from collections.abc import Callable

import msgspec
import pytest

from crypto.logword import ASKED, PROOFS_MAX, UNPROVEN, WORD, read_leaf, read_word
from server.errors import LinkDown
from server.linking import Linking
from sync.messages import Request, Statement
from tests.server.test_log_below import HOME, Line, Pair, only, without
from tests.server.test_trust import Hand, Made, made, put_under

assert made  # a fixture of its own name
STREETS = 6


class Tree:
    """A city, a district under it, and streets under that: each is a feed that the district
    brings."""

    def __init__(self, make: Made) -> None:
        self.below, above = make("district"), make("city")
        put_under(self.below, above, "440103")
        self.pair = Pair(self.below, above, Line(self.below, above))
        self.streets = [make(f"street{i}") for i in range(STREETS)]
        self.hands = [put_under(street, self.below, "440103") for street in self.streets]
        self.work()

    @property
    def feeds(self) -> set[bytes]:
        return {street.own.key.replica for street in self.streets}

    def work(self) -> None:
        """Every street writes, and brings it to the district."""
        for street, hand in zip(self.streets, self.hands, strict=True):
            street.write("gsy", "household", None, dict(HOME))
            Linking(street, self.below.key.replica).run(hand)

    def owed(self) -> int:
        with self.pair.above.store.read() as tx:
            return len(tx.rows("SELECT 1 FROM log_owed"))


@pytest.fixture
def tree(made: Made) -> Tree:
    return Tree(made)


def feeds_in(request: Request) -> list[bytes]:
    """The feeds of which a request shows a leaf."""
    words = [read_word(data) for data in only(request.statements, WORD)]
    return [read_leaf(proof.leaf)[3] for word in words for proof in word.proofs]


def test_every_feed_of_a_request_is_shown_in_the_end_and_few_at_a_time(tree: Tree) -> None:
    assert tree.pair.sync() == 2
    assert len(tree.pair.line.asked[1].segments) >= STREETS
    assert tree.owed() == STREETS - PROOFS_MAX
    tree.pair.sync()
    shown = [feeds_in(request) for request in tree.pair.line.asked]
    assert all(len(some) <= PROOFS_MAX for some in shown)
    assert {feed for some in shown for feed in some} >= tree.feeds
    assert tree.owed() == 0
    assert tree.pair.found() == []
    # Nothing is owed, and nothing is asked or shown any more.
    assert tree.pair.sync() == 1
    assert only(tree.pair.line.told[-1].statements, ASKED) == []
    assert only(tree.pair.line.asked[-1].statements, WORD) == []


def test_none_waits_for_ever_where_every_request_brings_more_than_it_shows(tree: Tree) -> None:
    tree.pair.sync()
    tree.pair.line.asked.clear()
    for _ in range(3):
        tree.work()
        tree.pair.sync()
    assert all(len(request.segments) >= STREETS for request in tree.pair.line.asked[::2])
    assert {feed for r in tree.pair.line.asked for feed in feeds_in(r)} >= tree.feeds
    assert tree.pair.found() == []


def leaving_out(feed: bytes) -> Callable[[list[Statement]], list[Statement]]:
    """The word without the leaf of one feed."""

    def spoil(said: list[Statement]) -> list[Statement]:
        out: list[Statement] = []
        for kind, data in said:
            if kind == WORD:
                word = read_word(data)
                kept = [p for p in word.proofs if read_leaf(p.leaf)[3] != feed]
                out.append(
                    (kind, msgspec.msgpack.encode(msgspec.structs.replace(word, proofs=kept)))
                )
            else:
                out.append((kind, data))
        return out

    return spoil


@pytest.mark.parametrize("at", [0, STREETS - 1])
def test_a_feed_that_was_left_out_of_the_log_is_noticed_wherever_it_stands(
    tree: Tree, at: int
) -> None:
    feed = sorted(tree.feeds)[at]
    tree.pair.line.up = leaving_out(feed)
    for _ in range(3):
        tree.work()
        tree.pair.sync()
    assert set(tree.pair.found()) == {UNPROVEN}


def test_who_says_nothing_where_it_was_asked_is_noticed(tree: Tree) -> None:
    tree.pair.sync()
    assert tree.owed() > 0
    tree.pair.line.up = without(WORD)
    for _ in range(3):
        # Something new above: by its cursor the district shows which answers it took in.
        tree.pair.above.write("city", "household", None, dict(HOME))
        tree.pair.sync()
    assert UNPROVEN in tree.pair.found()


def test_who_does_not_answer_what_it_was_asked_is_noticed_however_much_it_shows(
    tree: Tree,
) -> None:
    tree.pair.line.down = without(ASKED)
    for _ in range(3):
        tree.work()
        tree.pair.sync()
    assert UNPROVEN in tree.pair.found()


def lost(times: int) -> Callable[[list[Statement]], list[Statement]]:
    """So many answers with a question in them do not arrive."""
    left = [None] * times

    def spoil(said: list[Statement]) -> list[Statement]:
        if only(said, ASKED) and left:
            left.pop()
            raise LinkDown("lost")
        return said

    return spoil


def test_lost_questions_and_late_requests_accuse_nobody(tree: Tree) -> None:
    late = Linking(tree.below, tree.pair.above.key.replica).ask()
    tree.pair.line.down = lost(2)
    for _ in range(2):
        with pytest.raises(LinkDown):
            tree.pair.sync()
        tree.work()
    tree.pair.sync()
    assert tree.owed() > 0
    Hand.exchange(tree.pair.line, late)
    # What was asked for goes before what comes now, which is asked for then.
    for _ in range(4):
        tree.pair.sync(writes=True)
    assert tree.pair.found() == []
    assert tree.owed() == 0
