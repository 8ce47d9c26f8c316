# SPDX-License-Identifier: Apache-2.0
"""A server above remembers the logs of those below it, and notices what is done to them."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

from crypto.log import check_tree_head
from crypto.logword import EVIDENCE, FORKED, ROLLED_BACK, SET_BACK, SHOWN, UNPROVEN, WORD
from server.district import District
from server.errors import LinkDown
from server.linking import Linking
from server.log_tree import stand_of
from server.log_words import evidence_in
from server.store.sqlite import SqliteStore
from sync.collections import SCHEMA
from sync.messages import (
    Reply,
    Request,
    Statement,
    decode_reply,
    decode_request,
    encode_exchange,
)
from tests.server.test_trust import STORE_KEY, Hand, Made, made, put_under

assert made  # a fixture of its own name
HOME = {"area": "440103019003", "address": "龙津东路1号", "head_name": "单雄信"}
Spoil = Callable[[list[Statement]], list[Statement]]


class Line(Hand):
    """Carries requests, and counts them; what is said of logs may be altered on either way, or the
    answer lost."""

    def __init__(self, below: District, above: District) -> None:
        super().__init__(below, above)
        self.up: Spoil = list
        self.down: Spoil = list
        self.loses = False
        self.asked: list[Request] = []
        self.told: list[Reply] = []

    def exchange(self, body: bytes) -> bytes:
        request = decode_request(body)
        request = msgspec.structs.replace(request, statements=self.up(request.statements))
        self.asked.append(request)
        reply = decode_reply(super().exchange(encode_exchange(request)))
        if self.loses:
            raise LinkDown("lost")
        self.told.append(reply)
        return encode_exchange(
            msgspec.structs.replace(reply, statements=self.down(reply.statements))
        )


class Pair(NamedTuple):
    """A district, the city above it, the line between them."""

    below: District
    above: District
    line: Line

    def bring(self, times: int = 1, by: District | None = None) -> list[str]:
        """So often: a household is written below, and brought; what the city found."""
        for _ in range(times):
            self.sync(by, writes=True)
        return self.found()

    def sync(self, by: District | None = None, *, writes: bool = False) -> int:
        """An exchange; how many requests it took."""
        below, count = by or self.below, len(self.line.asked)
        if writes:
            below.write("gsy", "household", None, dict(HOME))
        Linking(below, self.above.key.replica).run(self.line)
        return len(self.line.asked) - count

    def found(self) -> list[str]:
        """What the city holds against the district, oldest first."""
        me = self.below.key.replica
        with self.above.store.read() as tx:
            return [e.finding for e in evidence_in(tx) if e.server == me][::-1]

    def copy(self, folder: Path, name: str) -> SqliteStore:
        """The district's store as it is now."""
        assert isinstance(self.below.store, SqliteStore)
        self.below.store.backup(str(folder / name))
        return SqliteStore(folder / name, STORE_KEY)

    def again(self, store: SqliteStore) -> District:
        """The district from such a copy."""
        return District(store, SCHEMA, self.below.key, self.below.box, lambda: 1)


@pytest.fixture
def pair(made: Made) -> Pair:
    below, above = made("below"), made("above")
    put_under(below, above, "440103")
    return Pair(below, above, Line(below, above))


def without(*kinds: str) -> Spoil:
    return lambda said: [one for one in said if one[0] not in kinds]


def only(said: Sequence[Statement], kind: str) -> list[bytes]:
    return [data for which, data in said if which == kind]


def test_the_log_of_a_server_below_is_remembered_and_led_on_with_every_exchange(
    pair: Pair,
) -> None:
    for _ in range(4):
        assert pair.bring() == []
        with pair.above.store.read() as tx:
            ((head,),) = tx.rows("SELECT head FROM log_seen")
        said = check_tree_head(bytes(head), pair.below.key.public)
        with pair.below.store.read() as tx:
            assert (said.size, said.epoch) == stand_of(tx)
    # Where nothing grew the head that is remembered is named, and nothing is said of it.
    assert pair.sync() == 1
    assert only(pair.line.asked[-1].statements, WORD) == []
    assert only(pair.line.told[-1].statements, SHOWN) == []


@pytest.mark.parametrize("lost", [1, 3])
def test_answers_that_were_lost_accuse_nobody(pair: Pair, lost: int) -> None:
    pair.bring(2)
    pair.line.loses = True
    for _ in range(lost):
        with pytest.raises(LinkDown):
            pair.bring()
    pair.line.loses = False
    # The city shows what it remembers, and is led from there within the same exchange.
    assert pair.sync(writes=True) == 2
    assert pair.bring(2) == []


def test_a_server_below_that_is_set_back_in_silence_is_found_out(
    pair: Pair, tmp_path: Path
) -> None:
    pair.bring(2)
    earlier = pair.copy(tmp_path, "earlier")
    pair.bring(3)
    back = pair.again(earlier)
    try:
        # It hears no head that is remembered of it, and so owns up to nothing.
        pair.line.down = without(SHOWN)
        pair.bring(2, by=back)
    finally:
        earlier.close()
    assert set(pair.found()) <= {FORKED, ROLLED_BACK}
    with pair.above.store.read() as tx:
        found = evidence_in(tx)[0]
        told = tx.rows("SELECT target FROM journal WHERE what = 'log-evidence'")
    heads = [check_tree_head(h, pair.below.key.public) for h in (found.first, found.second)]
    assert heads[0] != heads[1]
    assert set(told) == {(pair.below.key.replica.hex(),)}


def test_a_server_below_that_hears_what_it_lost_owns_up_to_it(pair: Pair, tmp_path: Path) -> None:
    pair.bring()
    earlier = pair.copy(tmp_path, "earlier")
    pair.bring(3)
    back = pair.again(earlier)
    try:
        assert pair.bring(2, by=back) == [SET_BACK]
        with back.store.read() as tx:
            assert stand_of(tx).epoch == 1
    finally:
        earlier.close()


def test_two_logs_of_a_server_below_contradict_each_other(pair: Pair, tmp_path: Path) -> None:
    pair.bring()
    copy = pair.copy(tmp_path, "twin")
    pair.bring(2)
    twin = pair.again(copy)
    try:
        pair.line.down = without(SHOWN)
        assert pair.bring(3, by=twin)[-1] in {FORKED, ROLLED_BACK}
        # Each goes on by itself, and each change of side is found.
        count = len(pair.found())
        pair.bring(2)
        assert len(pair.found()) > count
    finally:
        copy.close()


def left_out(said: list[Statement]) -> list[Statement]:
    """The word without the leaves of what is brought."""
    return [(kind, leafless(data) if kind == WORD else data) for kind, data in said]


def leafless(word: bytes) -> bytes:
    parts = msgspec.msgpack.decode(word)
    parts[3] = []
    return msgspec.msgpack.encode(parts)


def test_what_a_server_below_brings_and_left_out_of_its_log_is_noticed(pair: Pair) -> None:
    assert pair.bring() == []
    pair.line.up = left_out
    assert pair.bring() == [UNPROVEN]


def unread(said: list[Statement]) -> list[Statement]:
    """A word that cannot be read counts as none."""
    return [(kind, b"\xc1" if kind == WORD else data) for kind, data in said]


@pytest.mark.parametrize("spoil", [without(WORD), without(WORD, SHOWN), unread])
def test_who_kept_a_log_and_says_nothing_of_it_any_more_is_noticed(
    pair: Pair, spoil: Spoil
) -> None:
    pair.bring(2)
    pair.line.up = spoil
    assert pair.bring(3)[-1:] == [UNPROVEN]


def test_a_head_that_a_server_below_did_not_sign_changes_nothing(pair: Pair, made: Made) -> None:
    pair.bring()
    stranger = made("stranger")
    stranger.write("gsy", "household", None, dict(HOME))
    forged: list[Statement] = []
    put_under(stranger, pair.above, "440105")
    other = Line(stranger, pair.above)
    Linking(stranger, pair.above.key.replica).run(other)
    forged = [one for one in other.asked[0].statements if one[0] == WORD]
    assert forged
    pair.line.up = lambda said: [*without(WORD)(said), *forged]
    before = seen(pair.above)
    pair.bring()
    assert seen(pair.above) == before
    pair.line.up = list
    assert pair.sync(writes=True) == 1
    assert FORKED not in pair.found()


def seen(district: District) -> list[tuple[object, ...]]:
    with district.store.read() as tx:
        return [tuple(row) for row in tx.rows("SELECT server, head FROM log_seen ORDER BY server")]


def test_a_request_that_was_long_on_its_way_moves_nothing_back_and_accuses_nobody(
    pair: Pair,
) -> None:
    pair.bring()
    late = Linking(pair.below, pair.above.key.replica).ask()
    pair.bring(3)
    before = seen(pair.above)
    reply = decode_reply(Hand.exchange(pair.line, late))
    assert seen(pair.above) == before
    assert only(reply.statements, SHOWN) == [before[0][1]]
    assert pair.bring(2) == []


def test_evidence_of_what_was_found_goes_no_way_but_with_requests(pair: Pair) -> None:
    pair.bring()
    pair.line.up = left_out
    pair.bring(2)
    assert only(pair.line.told[-1].statements, EVIDENCE) == []
