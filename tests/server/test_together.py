# SPDX-License-Identifier: Apache-2.0
"""Exchanges with one commit: each as if it were alone, all of them durable or none."""

import asyncio
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from crypto.identity import DeviceKey
from crypto.seal import BoxKey
from fixtures.district import Enrolment, admit
from fixtures.wire import Feed, household
from server.api.together import Together
from server.district import District
from server.errors import DeviceUnknown
from server.opening import Asked
from server.store.base import Transaction
from server.store.sqlite import SqliteStore
from sync.collections import SCHEMA
from sync.feed import Segment
from sync.messages import PROTOCOL, WANT_STATES, Reply, Request, unpack_pages


class Counting:
    """A store that counts its writing transactions; ``full`` lets each come to nothing."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store
        self.writes = 0
        self.full = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        self.writes += 1
        with self._store.write() as tx:
            yield tx
            if self.full:
                raise OSError("no space left on device")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Counting]:
    store = SqliteStore(tmp_path / "district.db", secrets.token_hex(32))
    yield Counting(store)
    store.close()


@pytest.fixture
def district(store: Counting) -> District:
    now = iter(range(1_700_000_000_000, 1_800_000_000_000))
    return District(store, SCHEMA, DeviceKey.generate(), BoxKey.generate(), lambda: next(now))


def asked(
    tablet: Enrolment, feed: Feed, *segments: Segment, after: Reply | None = None, held: int = 0
) -> Asked:
    """An exchange of a tablet that stands where the reply ``after`` left it."""
    request = Request(
        PROTOCOL,
        tablet.key.replica,
        feed.counter,
        feed.head,
        0,
        WANT_STATES,
        after.incarnation if after else b"",
        after.seq if after else 0,
        "",
        held,
        0,
        [],
        None,
        list(segments),
        [],
        [],
    )
    return Asked(tablet.device, request)


def has_receipt(reply: Reply | Exception) -> bool:
    return isinstance(reply, Reply) and reply.receipts is not None


def records(district: District) -> int:
    with district.store.read() as tx:
        return int(tx.rows("SELECT count(*) FROM records")[0][0])


def uploads(district: District, count: int) -> list[tuple[Enrolment, Feed, Segment]]:
    tablets = [admit(district, f"tablet{n}", "team") for n in range(count)]
    feeds = [Feed(tablet.key) for tablet in tablets]
    return [(t, f, f.segment([household()])) for t, f in zip(tablets, feeds, strict=True)]


def test_uploads_that_wait_together_have_one_commit_and_each_its_receipt(
    district: District, store: Counting
) -> None:
    three = [asked(*one) for one in uploads(district, 3)]
    before = store.writes
    replies = district.sync_together(three)
    assert store.writes == before + 1
    assert [has_receipt(reply) for reply in replies] == [True, True, True]
    assert records(district) == 3


def test_one_that_fails_is_undone_alone_and_the_others_are_kept(district: District) -> None:
    (a, feed_a, of_a), (b, feed_b, of_b), (c, feed_c, of_c) = uploads(district, 3)
    # It fails inside the transaction, after the first one was merged: its row is gone meanwhile.
    with district.store.write() as tx:
        tx.run("DELETE FROM devices WHERE id = ?", [b.device])
    group = [asked(a, feed_a, of_a), asked(b, feed_b, of_b), asked(c, feed_c, of_c)]
    first, second, third = district.sync_together(group)
    assert has_receipt(first)
    assert isinstance(second, DeviceUnknown)
    assert has_receipt(third)
    assert records(district) == 2
    with district.store.read() as tx:
        kept = {bytes(r[0]) for r in tx.rows("SELECT head FROM segments")}
    assert kept == {feed_a.head, feed_c.head}


def test_one_that_nobody_signed_hinders_no_other(district: District) -> None:
    (a, feed_a, of_a), (b, feed_b, of_b) = uploads(district, 2)
    forged = msgspec.structs.replace(of_b, signature=of_a.signature)
    first, second = district.sync_together([asked(b, feed_b, forged), asked(a, feed_a, of_a)])
    assert isinstance(first, Exception)
    assert has_receipt(second)
    assert records(district) == 1


def test_a_shared_commit_that_fails_gives_nobody_a_receipt(
    district: District, store: Counting
) -> None:
    two = [asked(*one) for one in uploads(district, 2)]
    store.full = True
    assert all(isinstance(reply, OSError) for reply in district.sync_together(two))
    store.full = False
    assert records(district) == 0
    assert all(has_receipt(reply) for reply in district.sync_together(two))
    assert records(district) == 2


def test_whoever_reads_before_another_writes_in_the_same_commit_gets_it_next_time(
    district: District,
) -> None:
    (a, feed_a, of_a), (b, feed_b, of_b) = uploads(district, 2)
    edit = feed_b.segment([household(name="李秀英")])
    first, second = district.sync_together([asked(a, feed_a, of_a), asked(b, feed_b, of_b, edit)])
    assert isinstance(first, Reply)
    assert isinstance(second, Reply)
    # Numbers of its own: a cursor at the end of the first does not stand beyond the second.
    assert 0 < first.seq < second.seq
    again = district.sync(*asked(a, feed_a, after=first)[:3])
    assert len(again.entered) == 3
    assert sum(len(page.states) for page in unpack_pages(again.pages)) == 3


# ---- who is taken together -----------------------------------------------------------------------


class Work:
    """Work that takes until it is let go; it doubles numbers, and fails where a number is odd."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.go = asyncio.Event()

    async def __call__(self, items: Sequence[int]) -> list[int | Exception]:
        self.groups.append(list(items))
        await self.go.wait()
        if 13 in items:
            raise RuntimeError("all of it")
        return [ValueError(n) if n % 2 else 2 * n for n in items]


async def several(numbers: list[int], leaver: int | None = None) -> tuple[Work, list[Any]]:
    work = Work()
    together: Together[int, int] = Together(work, 3)
    tasks = [asyncio.create_task(together.run(n)) for n in numbers]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    if leaver is not None:
        tasks[leaver].cancel()
    work.go.set()
    return work, await asyncio.gather(*tasks, return_exceptions=True)


def test_those_who_wait_are_taken_in_order_and_a_few_at_a_time() -> None:
    work, answers = asyncio.run(several([2, 4, 6, 8, 10]))
    assert work.groups == [[2, 4, 6], [8, 10]]
    assert answers == [4, 8, 12, 16, 20]


def test_an_error_reaches_the_one_it_belongs_to() -> None:
    _, answers = asyncio.run(several([2, 3, 4]))
    assert [type(answer) for answer in answers] == [int, ValueError, int]


def test_work_that_fails_as_a_whole_fails_for_its_group_alone() -> None:
    _, answers = asyncio.run(several([2, 13, 4, 6]))
    assert [type(answer) for answer in answers] == [RuntimeError] * 3 + [int]


def test_whoever_leaves_hinders_nobody() -> None:
    work, answers = asyncio.run(several([2, 4, 6, 8], leaver=1))
    assert isinstance(answers[1], asyncio.CancelledError)
    assert [answers[0], answers[2], answers[3]] == [4, 12, 16]
    assert work.groups == [[2, 4, 6], [8]]
