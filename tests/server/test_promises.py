# SPDX-License-Identifier: Apache-2.0
"""What a district promises: a receipt means durable, nothing is half-applied, signatures count."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from crypto.errors import CryptoError
from crypto.identity import DeviceKey
from crypto.seal import BoxKey
from fixtures.district import Enrolment, admit
from fixtures.wire import Feed, household
from server.district import District
from server.store.base import Transaction
from server.store.sqlite import SqliteStore
from server.store.sqlite_file import connect
from sync.collections import SCHEMA
from sync.errors import ChainBroken
from sync.feed import Segment
from sync.messages import PROTOCOL, WANT_STATES, Request, decode_known

KEY_HEX = secrets.token_hex(32)


class FailingCommit:
    """A store whose next writes come to nothing: everything is done, and then the disk is full."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        with self._store.write() as tx:
            yield tx
            raise OSError("no space left on device")


@pytest.fixture
def district(tmp_path: Path) -> Iterator[District]:
    store = SqliteStore(tmp_path / "district.db", KEY_HEX)
    now = iter(range(1_700_000_000_000, 1_800_000_000_000))
    yield District(store, SCHEMA, DeviceKey.generate(), BoxKey.generate(), lambda: next(now))
    store.close()


@pytest.fixture
def tablet(district: District) -> Enrolment:
    return admit(district, "tablet", "team")


def request(tablet: Enrolment, feed: Feed, *segments: Segment) -> Request:
    return Request(
        PROTOCOL,
        tablet.key.replica,
        feed.counter,
        feed.head,
        0,
        WANT_STATES,
        b"",
        0,
        "",
        0,
        0,
        [],
        None,
        list(segments),
        [],
        [],
    )


def records(district: District) -> int:
    with district.store.read() as tx:
        return int(tx.rows("SELECT count(*) FROM records")[0][0])


def test_a_commit_that_fails_gives_no_receipt_and_leaves_nothing(
    district: District, tablet: Enrolment
) -> None:
    feed = Feed(tablet.key)
    upload = request(tablet, feed, feed.segment([household()]))
    real = district.store
    district.store = FailingCommit(real)  # the one thing a test cannot have: a disk full on time
    with pytest.raises(OSError, match="no space"):
        district.sync(tablet.device, upload)
    district.store = real
    assert records(district) == 0
    # The same upload goes through once there is room, and only then has it a receipt.
    assert district.sync(tablet.device, request(tablet, feed)).receipts is None
    assert district.sync(tablet.device, upload).receipts is not None
    assert records(district) == 1


def test_what_a_receipt_names_can_be_read_by_another_connection(
    district: District, tablet: Enrolment, tmp_path: Path
) -> None:
    feed = Feed(tablet.key)
    reply = district.sync(tablet.device, request(tablet, feed, feed.segment([household()])))
    assert reply.receipts is not None
    assert [k.counter for k in decode_known(reply.receipts.body)] == [1]
    other = connect(tmp_path / "district.db", KEY_HEX)
    assert other.execute("SELECT count(*) FROM records").fetchone()[0] == 1
    other.close()


def test_a_write_of_the_office_that_fails_counts_nothing(district: District) -> None:
    real = district.store
    district.store = FailingCommit(real)
    with pytest.raises(OSError, match="no space"):
        district.write("officer", "household", None, {"area": "440103019003001"})
    district.store = real
    assert district.own.counter == 0
    for n in (1, 2, 3):
        district.write("officer", "household", None, {"area": "440103019003001"})
        assert district.own.counter == n
    assert records(district) == 3


def test_a_segment_nobody_signed_is_refused_whole(district: District, tablet: Enrolment) -> None:
    feed = Feed(tablet.key)
    good = feed.segment([household()])
    other = Feed(DeviceKey.generate())
    forged = msgspec.structs.replace(good, signature=other.segment([household()]).signature)
    with pytest.raises((CryptoError, ChainBroken)):
        district.sync(tablet.device, request(tablet, feed, forged))
    assert records(district) == 0
    district.sync(tablet.device, request(tablet, feed, good))
    assert records(district) == 1


def test_a_new_record_that_came_before_its_feed_is_not_stored_twice(
    district: District, tablet: Enrolment
) -> None:
    feed = Feed(tablet.key)
    upload = request(tablet, feed, feed.segment([household(), household(name="李秀英")]))
    district.sync(tablet.device, upload)
    # As where its state came by another server: the record is there, its feed is not.
    with district.store.write() as tx:
        tx.run("DELETE FROM segments")
        tx.run("DELETE FROM leaves")
        tx.run("DELETE FROM records WHERE id = (SELECT max(id) FROM records)")
    assert district.sync(tablet.device, upload).receipts is not None
    assert records(district) == 2
