# SPDX-License-Identifier: Apache-2.0
"""What a log's keeper says, judged by one who remembers an earlier head."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import msgspec
import pytest

from crypto.errors import LogRefused
from crypto.identity import DeviceKey
from crypto.log import (
    TreeHead,
    append,
    consistency_path,
    inclusion_path,
    leaf_hash,
    root_of,
    sign_tree_head,
)
from crypto.logword import (
    ACCESS,
    EPOCH,
    FORKED,
    FRAUD,
    GROWN,
    ROLLED_BACK,
    RUN,
    SET_BACK,
    UNPROVEN,
    Evidence,
    Proven,
    Word,
    check_evidence,
    check_run,
    contradict,
    encode,
    judge,
    leaf_of,
    log_of,
    read_evidence,
    read_leaf,
    read_word,
    salted,
)

KEEPER, STRANGER = (DeviceKey.from_private(bytes([n]) * 32) for n in (1, 2))
FEED = b"f" * 16


class Log:
    """A log in memory; a copy of it goes its own way."""

    def __init__(self, leaves: Sequence[bytes] = (), epoch: int = 0) -> None:
        self.nodes: dict[tuple[int, int], bytes] = {}
        self.leaves: list[bytes] = []
        self.epoch = epoch
        for leaf in leaves:
            self.add(leaf)

    def at(self, level: int, index: int) -> bytes:
        return self.nodes[level, index]

    def add(self, leaf: bytes) -> int:
        for level, index, found in append(len(self.leaves), leaf_hash(leaf), self.at):
            self.nodes[level, index] = found
        self.leaves.append(leaf)
        return len(self.leaves) - 1

    def says(self) -> TreeHead:
        size = len(self.leaves)
        return TreeHead(KEEPER.replica, self.epoch, size, root_of(size, self.at), 7)

    def head(self) -> bytes:
        return sign_tree_head(KEEPER, self.says())

    def proven(self, index: int) -> Proven:
        path = inclusion_path(index, len(self.leaves), self.at)
        return Proven(index, self.leaves[index], path)

    def word(self, *shown: int, turns: Sequence[int] = (), proofs: Sequence[int] = ()) -> Word:
        """To heads of these sizes."""
        size = len(self.leaves)
        paths = [consistency_path(old, size, self.at) if old <= size else [] for old in shown]
        turned, proved = ([self.proven(n) for n in some] for some in (turns, proofs))
        return Word(self.head(), paths, turned, proved)


def lines(count: int, word: str = "line") -> list[bytes]:
    return [leaf_of(ACCESS, n, f"{word} {n}") for n in range(count)]


def set_back(keep: int, before: TreeHead, more: int = 2) -> tuple[Log, int]:
    """A log restored with some of its leaves, which owns up to what it had said."""
    log = Log(lines(keep), before.epoch + 1)
    named = [before.epoch, before.size, before.root]
    turn = log.add(leaf_of(EPOCH, 9, before.epoch + 1, *named))
    for leaf in lines(more, "later"):
        log.add(leaf)
    return log, turn


def finding(word: Word, *shown: bytes) -> str:
    return judge(KEEPER.public, shown, word).finding


def test_a_log_that_grew_or_stands_still_is_believed_and_its_head_remembered() -> None:
    old, new = Log(lines(5)), Log(lines(9))
    for log, size in ((old, 5), (new, 5)):
        word = log.word(size)
        found = judge(KEEPER.public, [old.head()], word)
        assert found == (GROWN, word.head, log.says(), b"")
    assert judge(KEEPER.public, [], new.word()).finding == GROWN


def test_a_log_that_denies_a_line_forked_and_is_held_against_the_head_it_denies() -> None:
    before = Log(lines(5)).head()
    other = Log(lines(9, "other"))
    found = judge(KEEPER.public, [before], other.word(5))
    assert (found.finding, found.against) == (FORKED, before)
    # Of the size it had, with another root; and without the hashes that show growth.
    assert finding(Log(lines(5, "other")).word(5), before) == FORKED
    assert finding(Word(Log(lines(9)).head(), [], [], []), before) == FORKED


def test_a_log_that_is_shorter_or_of_an_older_epoch_was_rolled_back() -> None:
    before = Log(lines(5)).head()
    assert finding(Log(lines(4)).word(5), before) == ROLLED_BACK
    assert finding(Log(lines(9)).word(5), Log(lines(5), epoch=1).head()) == ROLLED_BACK


def test_of_several_heads_the_worst_finding_counts_whatever_their_order() -> None:
    good, denied = Log(lines(5)).head(), Log(lines(6, "other")).head()
    log = Log(lines(9))
    for shown in ([good, denied], [denied, good]):
        sizes = [5 if one == good else 6 for one in shown]
        found = judge(KEEPER.public, shown, log.word(*sizes))
        assert (found.finding, found.against) == (FORKED, denied)
    longer = Log(lines(12)).head()
    found = judge(KEEPER.public, [longer, denied], log.word(12, 6))
    assert (found.finding, found.against) == (FORKED, denied)
    found = judge(KEEPER.public, [denied, longer], log.word(6, 12))
    assert (found.finding, found.against) == (FORKED, denied)
    assert {FORKED, ROLLED_BACK, UNPROVEN} == FRAUD


def test_a_set_back_that_its_keeper_owns_up_to_is_no_fraud() -> None:
    before = Log(lines(8))
    log, turn = set_back(5, before.says())
    assert finding(log.word(8, turns=[turn]), before.head()) == SET_BACK
    # One who had heard of less than was lost sees that it grew.
    early = Log(lines(4)).head()
    assert finding(log.word(4, turns=[turn]), early) == GROWN
    # Who remembers just what was kept, too.
    assert finding(log.word(5, turns=[turn]), Log(lines(5)).head()) == GROWN
    assert finding(log.word(6, turns=[turn]), Log(lines(6)).head()) == SET_BACK


def test_a_set_back_that_denies_what_came_before_it_forked() -> None:
    log, turn = set_back(5, Log(lines(8)).says())
    other = Log(lines(4, "other")).head()
    assert finding(log.word(4, turns=[turn]), other) == FORKED
    assert finding(Word(log.head(), [], [log.proven(turn)], []), Log(lines(4)).head()) == FORKED


def test_a_new_epoch_that_nothing_shows_was_rolled_back() -> None:
    before = Log(lines(8))
    log, turn = set_back(5, before.says())
    assert finding(log.word(8), before.head()) == ROLLED_BACK
    # A leaf that is no turn, one of another epoch, and one that does not stand in the log.
    assert finding(log.word(8, turns=[0]), before.head()) == ROLLED_BACK
    stands = log.proven(turn)
    elsewhere = msgspec.structs.replace(stands, index=turn - 1)
    word = msgspec.structs.replace(log.word(8), turns=[elsewhere])
    assert finding(word, before.head()) == ROLLED_BACK
    # One good turn does not make up for one that is none.
    assert finding(log.word(8, turns=[turn, 0]), before.head()) == ROLLED_BACK


@pytest.mark.parametrize("epoch", [0, 2])
def test_a_turn_counts_for_the_epochs_between_the_two_heads_alone(epoch: int) -> None:
    before = Log(lines(8)).says()
    log = Log(lines(5), 1)
    turn = log.add(leaf_of(EPOCH, 9, epoch, 0, before.size, before.root))
    assert finding(log.word(8, turns=[turn]), Log(lines(8)).head()) == ROLLED_BACK


def test_a_turn_must_be_whole_and_of_its_kind() -> None:
    before = Log(lines(8))
    said = [1, 0, 8, before.says().root]
    for leaf in (
        leaf_of(EPOCH, 9, *said[:3]),
        leaf_of(ACCESS, 9, *said),
        b"no leaf",
        encode([2, EPOCH, 9, *said]),
    ):
        log = Log(lines(5), 1)
        turn = log.add(leaf)
        assert finding(log.word(8, turns=[turn]), before.head()) == ROLLED_BACK
    log = Log(lines(5), 1)
    turn = log.add(leaf_of(EPOCH, 9, *said))
    assert finding(log.word(8, turns=[turn]), before.head()) == SET_BACK


def test_of_two_set_backs_the_one_that_names_the_head_answers_for_it() -> None:
    first = Log(lines(4))
    log, one = set_back(4, first.says(), more=0)
    second = log.says()
    log.epoch = 2
    two = log.add(leaf_of(EPOCH, 11, 2, second.epoch, second.size, b"r" * 32))
    word = log.word(4, turns=[one, two])
    assert finding(word, first.head()) == SET_BACK
    # What lies before the first turn is held to, and what lies behind it is lost with it.
    assert finding(log.word(3, turns=[one, two]), Log(lines(3)).head()) == GROWN
    behind = Log([*lines(4), *lines(2, "lost")]).head()
    assert finding(log.word(6, turns=[two, one]), behind) == SET_BACK


def test_a_head_of_another_log_says_nothing_against_this_one() -> None:
    log = Log(lines(5))
    with pytest.raises(LogRefused):
        judge(STRANGER.public, [], log.word())
    theirs = sign_tree_head(
        STRANGER, msgspec.structs.replace(Log(lines(3)).says(), log=STRANGER.replica)
    )
    with pytest.raises(LogRefused):
        judge(KEEPER.public, [theirs], log.word(3))


def test_a_stored_run_is_shown_by_a_leaf_that_reaches_its_counter() -> None:
    def run(feed: bytes, first: int, last: int, kind: str = RUN) -> bytes:
        return leaf_of(kind, 5, feed, first, last, b"b" * 32, b"h" * 32)

    other = run(b"o" * 16, 1, 9)
    short = leaf_of(RUN, 5, FEED, 1, 9)
    log = Log([*lines(2), other, run(FEED, 1, 9, ACCESS), short, run(FEED, 1, 4), run(FEED, 5, 9)])
    word, said = log.word(proofs=[0, 2, 3, 4, 5, 6]), log.says()
    assert check_run(word, said, FEED, 4)[2:5] == [FEED, 1, 4]
    assert check_run(word, said, FEED, 5) == [RUN, 5, FEED, 5, 9, b"b" * 32, b"h" * 32]
    for feed, counter in ((FEED, 10), (b"x" * 16, 1)):
        with pytest.raises(LogRefused):
            check_run(word, said, feed, counter)
    with pytest.raises(LogRefused):
        check_run(log.word(), said, FEED, 4)
    # A leaf that says so but does not stand in the log.
    lie = Proven(5, run(FEED, 1, 99), log.proven(5).path)
    with pytest.raises(LogRefused):
        check_run(msgspec.structs.replace(word, proofs=[lie]), said, FEED, 50)


def test_two_heads_contradict_each_other_where_all_but_the_root_and_the_time_is_equal() -> None:
    one, two = Log(lines(5)).says(), Log(lines(5, "other")).says()
    assert contradict(one, two)
    assert not contradict(one, msgspec.structs.replace(one, at_ms=8))
    assert not contradict(one, Log(lines(6)).says())
    assert not contradict(one, msgspec.structs.replace(two, epoch=1))
    assert not contradict(one, msgspec.structs.replace(two, log=STRANGER.replica))


def test_evidence_is_two_heads_that_one_key_signed() -> None:
    one, two = Log(lines(5)).head(), Log(lines(5, "other")).head()
    told = Evidence(FORKED, one, two, 9, b"w" * 16)
    assert read_evidence(encode(told)) == check_evidence(encode(told), KEEPER.public) == told
    bad = bytearray(two)
    bad[3] ^= 1
    for first, second, public in (
        (one, one, KEEPER.public),
        (one, two, STRANGER.public),
        (one, bytes(bad), KEEPER.public),
        (bytes(bad), one, KEEPER.public),
    ):
        with pytest.raises(LogRefused):
            check_evidence(encode(Evidence(FORKED, first, second, 9, b"w" * 16)), public)
    assert log_of(one) == KEEPER.replica


@pytest.mark.parametrize("read", [read_word, read_evidence, read_leaf])
@pytest.mark.parametrize("data", [b"", b"\xc1", b"\x93\x01", b"\xa1\xff", b"\x91" * 2_000, b"\xc0"])
def test_what_is_no_word_evidence_or_leaf_is_refused(read: object, data: bytes) -> None:
    assert callable(read)
    with pytest.raises(LogRefused):
        read(data)
    with pytest.raises(LogRefused):
        log_of(b"s" * 65 + data)


def test_a_leaf_holds_its_format_its_kind_its_time_and_what_the_kind_says() -> None:
    assert read_leaf(leaf_of(ACCESS, 5, "a", 1)) == [1, ACCESS, 5, "a", 1]
    assert read_leaf(leaf_of(ACCESS, 5)) == [1, ACCESS, 5]
    for bad in ([1, ACCESS], [2, ACCESS, 5], []):
        with pytest.raises(LogRefused):
            read_leaf(encode(bad))
    word = Log(lines(3)).word(2, proofs=[1])
    assert read_word(encode(word)) == word


def test_a_detail_that_may_be_erased_is_in_the_log_as_a_digest_with_a_salt() -> None:
    told = salted(b"s" * 16, "张三")
    assert told == hashlib.sha256(b"doorstep/log-detail\0" + b"s" * 16 + "张三".encode()).digest()
