# SPDX-License-Identifier: Apache-2.0
"""Two lines of one replica on one record, longer than a list: nothing of either is hidden."""

from __future__ import annotations

import random
from typing import Any

from sync.batch import Batch
from sync.change import Change, Entry, encode_change, entry_of, own_tips
from sync.clock import Chains, Dot
from sync.packing import OLDER_PER_REPLICA_MAX, decode_causal, pack_state, unpack_state
from sync.policy import Shown, show
from sync.record import PARTED_MAX, RecordState, join_chains, spot_forks
from tests.conftest import SEED
from tests.sync.histories import SCHEMA, Store, World, as_model, expected

A, B = b"a" * 16, b"b" * 16
LONG = OLDER_PER_REPLICA_MAX + 5

Kept = tuple[bytes, dict[str, Any]]


def entry(
    replica: bytes, counter: int, sets: dict[str, Any], vector: bytes = b"", by: str = "x"
) -> Entry:
    change = Change(
        by, "thing", tuple(sets), list(sets.values()), "r", vector, 1_000, counter, 0, []
    )
    return entry_of(replica, counter, bytes(16), encode_change(change))


def line(count: int, after: Entry | None = None, by: str = "x") -> list[Entry]:
    """So many changes of A, one after another, each of what the last one left."""
    out: list[Entry] = [] if after is None else [after]
    first = len(out) + 1
    for counter in range(first, first + count):
        vector = out[-1].dot if out else b""
        out.append(entry(A, counter, {"a": f"{by}{counter}"}, vector, by))
    return out if after is None else out[1:]


class Feeds:
    """What is held of feeds. ``asked``: how often it was looked at; ``shut``: not readable."""

    def __init__(self, *lines: list[Entry]) -> None:
        self.entries = {e.dot: e for one in lines for e in one}
        self.asked = 0
        self.shut: set[Dot] = set()

    def __call__(self, d: Dot) -> tuple[Dot, ...] | None:
        self.asked += 1
        if d in self.shut:
            raise LookupError
        return own_tips(self.entries[d]) if d in self.entries else None


def merged(
    held: Kept | None,
    entries: list[Entry],
    feeds: Feeds | None = None,
    states: list[Kept] | None = None,
    forks: set[bytes] | None = None,
) -> tuple[Kept, list[Entry]]:
    """A record after one more batch, as it is stored; and what waits."""
    known = {A} if forks is None else forks
    batch = Batch(SCHEMA, known, {"r": ("thing", held[0])} if held else {}, recall=feeds)
    for causal, body in states or []:
        batch.offer_state("r", "thing", decode_causal(causal), body)
    batch.offer_all(entries)
    for record in batch.wanting():
        assert held is not None
        batch.give_body(record, held[1])
    batch.settle()
    slot = batch.touched["r"]
    if not slot.dirty:
        assert held is not None
        return held, slot.waiting
    before = held[1] if held else {}
    body = slot.body if slot.full is not None else {**before, **slot.patch}
    assert body is not None
    return (slot.causal_bytes(), body), slot.waiting


def state_of(kept: Kept) -> RecordState:
    return unpack_state(decode_causal(kept[0]), kept[1])


def values(kept: Kept, field: str = "a") -> list[Any]:
    return sorted(map(str, state_of(kept).registers[field].values()))


def shown(kept: Kept) -> Shown:
    return show(state_of(kept), SCHEMA, "thing", {A})


def test_a_branch_that_comes_after_more_than_a_list_stands_beside_it() -> None:
    ours = line(LONG)
    (late,) = line(1, ours[0], "copy")
    feeds = Feeds(ours, [late])
    held, _ = merged(None, ours, feeds, forks=set())
    assert feeds.asked == 0, "an ordinary feed asks nothing"
    held, waiting = merged(held, [late], feeds)
    assert waiting == []
    assert values(held) == ["copy2", f"x{LONG}"]
    # What came before the two parted is older than both, however far back it lies.
    again, _ = merged(held, ours[:-1], feeds)
    assert again == held


def test_who_has_the_state_tells_the_lines_apart_without_any_feed() -> None:
    ours = line(LONG)
    (late,) = line(1, ours[0], "copy")
    theirs, _ = merged(None, ours)
    feeds = Feeds(ours, [late])
    told, _ = merged(theirs, [late], feeds)
    longer = ours + line(LONG + 7, None)[LONG:]
    further, _ = merged(None, longer)
    for held in (theirs, merged(None, ours[:3])[0], merged(None, [ours[0], late])[0], further):
        last = "x27" if held == further else f"x{LONG}"
        for one, other in ((held, told), (told, held)):
            both, _ = merged(one, [], None, [other], set())
            assert values(both) == ["copy2", last]
            # And so it goes on: the list is kept whole.
            seen = state_of(both).vector.pack()
            settled, _ = merged(both, [entry(B, 1, {"a": "settled"}, seen)], None, None, set())
            assert values(settled) == ["settled"]


def test_feeds_are_asked_too_where_a_state_brings_the_other_line() -> None:
    ours = line(LONG)
    (late,) = line(1, ours[0], "copy")
    held, _ = merged(None, ours)
    other, _ = merged(None, [ours[0], late])
    feeds = Feeds(ours, [late])
    kept, _ = merged(held, [], feeds, [other])
    assert feeds.asked
    assert values(kept) == ["copy2", f"x{LONG}"]


def test_a_copy_that_first_writes_the_record_later_begins_a_line_of_its_own() -> None:
    ours = line(LONG)
    late = entry(A, 5, {"a": "copy"})
    feeds = Feeds(ours, [late])
    held, _ = merged(merged(None, ours)[0], [late], feeds)
    assert values(held) == ["copy", f"x{LONG}"]
    bare, _ = merged(merged(None, ours)[0], [], None, [held], set())
    assert values(bare) == ["copy", f"x{LONG}"]


def test_three_lines_are_told_apart_though_the_third_parts_further_down() -> None:
    ours = line(LONG)
    second = line(LONG, ours[0], "b")
    third = entry(A, 2, {"b": "third"}, ours[0].dot, "c")
    feeds = Feeds(ours, second, [third])
    held, _ = merged(merged(None, ours)[0], second, feeds)
    held, _ = merged(held, [third], feeds)
    assert values(held) == [f"b{LONG + 1}", f"x{LONG}"]
    assert values(held, "b") == ["third"]
    assert len(state_of(held).vector.of(A)) == 3


def test_a_change_that_saw_one_long_line_leaves_what_the_other_wrote() -> None:
    ours = line(LONG)
    other = [entry(A, 2, {"b": "copy"}, ours[0].dot, "copy")]
    for counter in range(3, LONG + 9):
        other.append(entry(A, counter, {"n": counter}, other[-1].dot, "copy"))
    feeds = Feeds(ours, other)
    held, _ = merged(merged(None, ours)[0], other, feeds)
    reply = entry(B, 1, {"b": "hers"}, ours[-1].dot)
    for without_feeds in (feeds, None):
        both, _ = merged(held, [reply], without_feeds)
        assert values(both, "b") == ["copy", "hers"]


def test_while_a_feed_cannot_be_read_what_it_decides_waits() -> None:
    ours = line(LONG)
    (late,) = line(1, ours[0], "copy")
    new = entry(A, 5, {"a": "begun"})
    feeds = Feeds(ours, [late], [new])
    held, _ = merged(None, ours, feeds)
    feeds.shut = set(feeds.entries)
    # Whether what it builds on is there cannot be told; what builds on nothing is not taken for
    # older than what is there.
    held, waiting = merged(held, [late, new], feeds)
    assert waiting == [late]
    assert values(held) == ["begun", f"x{LONG}"]
    feeds.shut = set()
    held, waiting = merged(held, waiting, feeds)
    assert waiting == []
    assert values(held) == ["begun", "copy2", f"x{LONG}"]


def test_without_any_feed_one_line_is_assumed_until_a_state_tells_more() -> None:
    ours = line(LONG)
    (late,) = line(1, ours[0], "copy")
    held, _ = merged(merged(None, ours)[0], [late], None)
    assert values(held) == [f"x{LONG}"]
    told, _ = merged(merged(None, ours)[0], [late], Feeds(ours, [late]))
    assert values(merged(held, [], None, [told], set())[0]) == ["copy2", f"x{LONG}"]


def listed(*preds: tuple[int, ...]) -> RecordState:
    """A state whose list has these dots of A, by number, each with those before it."""
    state = RecordState()
    for counter, *before in preds:
        state.preds[numbered(counter)] = tuple(map(numbered, before))
    state.vector.take_in((numbered(9),), Chains(set(), state.preds))
    return state


def numbered(counter: int, tag: bytes = b"here") -> Dot:
    return A + counter.to_bytes(8, "big") + tag


def forked(state: RecordState, *named: Dot) -> bool:
    forks = set[bytes]()
    spot_forks(state, list(named), forks)
    return forks == {A}


def test_a_list_that_is_whole_lacks_what_another_line_wrote_before_its_first() -> None:
    assert forked(listed((5,), (9, 5)), numbered(3))
    assert forked(listed((9,)), numbered(3))
    assert forked(listed(), numbered(3))
    assert not forked(listed((5,), (9, 5)), numbered(5), numbered(10))


def test_a_list_that_is_cut_says_nothing_of_what_is_older_than_its_first() -> None:
    cut = listed((5, 4), (9, 5))
    assert not forked(cut, numbered(3))
    assert not forked(cut, numbered(4), numbered(4, b"gone"))
    assert forked(cut, numbered(5, b"gone"))
    assert forked(cut, numbered(6))


def test_joining_knows_a_fork_by_two_tips_and_by_nothing_less() -> None:
    one, two = listed((5, 4), (9, 5)), listed((9,))
    two.preds[numbered(9, b"gone")] = ()
    two.vector.take_in((numbered(9, b"gone"),), Chains({A}, two.preds))
    for state, known in ((one, set[bytes]()), (two, {A})):
        for pair in ((state, RecordState()), (RecordState(), state)):
            forks = set[bytes]()
            join_chains(*pair, forks)
            assert forks == known


def test_a_list_of_two_lines_has_an_end() -> None:
    ours, other = line(PARTED_MAX), line(PARTED_MAX // 5, line(1)[0], "b")
    held, _ = merged(None, ours + other, Feeds(ours, other))
    listed = len(decode_causal(held[0])[7]) // 28
    assert PARTED_MAX - 2 <= listed <= PARTED_MAX + OLDER_PER_REPLICA_MAX
    assert values(held) == [f"b{PARTED_MAX // 5 + 1}", f"x{PARTED_MAX}"]
    assert len(held[0]) < 200_000, "a page of states carries it"


def test_an_ordinary_list_is_cut_as_ever() -> None:
    feeds = Feeds(line(LONG))
    held, _ = merged(None, line(LONG), feeds)
    assert len(decode_causal(held[0])[7]) == OLDER_PER_REPLICA_MAX * 28
    assert pack_state(state_of(held), SCHEMA, "thing") == held
    assert feeds.asked == 0


class Keeper(Store):
    """A store that holds the feeds it is given, and knows which forked: a server."""

    def recall(self, d: Dot) -> tuple[Dot, ...] | None:
        return next(
            (own_tips(w.entry) for n in self.log if (w := self.world.writes[n]).entry.dot == d),
            None,
        )

    def check(self, record: str, parted: set[bytes]) -> None:
        """It shows what the model says, and covers all it was given."""
        self.forks |= parted
        state, merged = self.state(record), self.merged(record)
        assert as_model(self.shown(record)) == expected(self.world, record, merged)
        chains = Chains(self.forks, dict(state.preds), self.recall)
        given = [self.world.writes[n].entry.dot for n in merged]
        assert all(state.vector.covers(d, chains) for d in given)
        assert state.vector.pack() == self.plain[record].vector.pack()


def lived(seed: int) -> tuple[World, Store, set[bytes]]:
    """Three servers write, are set back and meet, on one record; and one that only sees states."""
    rng = random.Random(seed)
    world = World(0, 1)
    (record,) = world.records
    keepers = [Keeper(world.new_replica(), world) for _ in range(3)]
    world.stores = list[Store](keepers)
    bare, parted = Store(b"bare" * 4, world), set[bytes]()
    for step in range(110):
        store, kind = rng.choice(keepers), rng.random()
        if kind < 0.8:
            sets: dict[str, Any] = {rng.choice("ab"): step}
            store.write(record, sets, [("count", "c", 1)] if kind < 0.1 else [], step)
        elif kind < 0.86:
            world.give_changes(rng.choice(keepers), store, rng)
        elif kind < 0.9:
            bare.take_state(store, record)
        elif keepers.index(store) in world.backups and rng.random() < 0.6:
            store.restore(world.backups[keepers.index(store)])
            parted.add(store.replica)
        else:
            world.backups[keepers.index(store)] = store.backup()
        for one in keepers:
            one.forks |= parted
    world.meet_all(rng)
    for one in keepers:
        one.check(record, parted)
    return world, bare, parted


def test_long_histories_of_parted_feeds_give_what_the_model_says() -> None:
    several = 0
    for seed in range(5):
        world, bare, parted = lived(SEED + seed)
        (record,) = world.records
        # Who only ever saw states, and assumed one line meanwhile, sees it once a server tells it.
        bare.take_state(world.stores[0], record)
        everything = {w.n for w in world.writes}
        assert as_model(bare.shown(record)) == expected(world, record, everything)
        for replica, tips in world.stores[0].state(record).vector.tips.items():
            wrote = sum(w.entry.dot[:16] == replica for w in world.writes)
            several += len(tips) > 1 and wrote > 2 * OLDER_PER_REPLICA_MAX
            assert len(tips) == 1 or replica in parted
    # Histories without long lines that part would prove nothing.
    assert several
