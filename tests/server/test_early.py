# SPDX-License-Identifier: Apache-2.0
"""Requests that are read while the commit before them runs: sooner, and otherwise as ever."""

import secrets
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from crypto.identity import DeviceKey
from crypto.request import sign_request
from crypto.seal import BoxKey
from fixtures.district import Enrolment, admit
from fixtures.wire import Feed, household
from server.api.early import Early, Received
from server.api.sync import PATH, answer_all
from server.district import District
from server.service import Service
from server.settings import Settings
from server.store.sqlite import SqliteStore
from sync.collections import SCHEMA
from sync.feed import Segment
from sync.messages import PROTOCOL, Request, encode_exchange

Committing = Callable[[], None]


def nothing() -> None:
    """Let nothing be read early."""


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    store = SqliteStore(tmp_path / "district.db", secrets.token_hex(32))
    now = iter(range(1_700_000_000_000, 1_800_000_000_000))
    district = District(store, SCHEMA, DeviceKey.generate(), BoxKey.generate(), lambda: next(now))
    service = Service(district, Settings(data_dir=str(tmp_path)), b"")
    yield service
    service.close()
    store.close()


def upload(
    service: Service, tablet: Enrolment, segment: Segment, nonce: bytes | None = None
) -> Received:
    feed = (segment.last, b"\0" * 32)
    request = Request(
        PROTOCOL, tablet.key.replica, *feed, 0, 0, b"", 0, "", 0, 0, [], None, [segment], [], []
    )
    body = encode_exchange(request)
    nonce = nonce or service.nonces.issue(tablet.device)
    server = service.district.key.replica
    headers = sign_request(tablet.key, "POST", PATH, body, nonce, server=server)
    return Received(PATH, headers, body)


def uploads(service: Service, count: int) -> list[Received]:
    found = []
    for n in range(count):
        tablet = admit(service.district, f"tablet{n}", "team")
        found.append(upload(service, tablet, Feed(tablet.key).segment([household()])))
    return found


def statuses(service: Service, items: list[Received], committing: Committing) -> list[int]:
    answers = answer_all(service, items, committing)
    return [0 if isinstance(one, Exception) else one.status for one in answers]


def records(service: Service) -> int:
    with service.district.store.read() as tx:
        return int(tx.rows("SELECT count(*) FROM records")[0][0])


@pytest.fixture
def read_by(service: Service) -> list[str]:
    """The threads in which the signatures of segments were checked, in their order."""
    district, found = service.district, list[str]()
    check = district.check.feed

    def noting(replica: bytes, message: bytes, signature: bytes) -> None:
        found.append(threading.current_thread().name.partition("_")[0])
        check(replica, message, signature)

    district.check = district.check._replace(feed=noting)
    return found


def test_what_waits_is_read_in_a_thread_of_its_own_while_a_commit_runs(
    service: Service, read_by: list[str]
) -> None:
    first, *others = uploads(service, 3)
    early = Early(service, lambda: others)
    assert statuses(service, [first], early.begin) == [200]
    assert statuses(service, others, nothing) == [200, 200]
    assert read_by == [threading.current_thread().name, "opener", "opener"]
    assert records(service) == 3


def test_it_is_read_early_once_however_many_commits_run_before_its_turn(
    service: Service, read_by: list[str]
) -> None:
    first, second, last = uploads(service, 3)
    early = Early(service, lambda: [last])
    for one in (first, second):
        assert statuses(service, [one], early.begin) == [200]
    assert statuses(service, [last], early.begin) == [200]
    assert read_by.count("opener") == 1


def test_a_run_that_nobody_signed_is_refused_at_its_turn_and_its_sender_can_go_on(
    service: Service,
) -> None:
    first, fine = uploads(service, 2)
    tablet = admit(service.district, "forger", "team")
    feed = Feed(tablet.key)
    good = feed.segment([household()])
    forged = upload(service, tablet, msgspec.structs.replace(good, signature=b"\1" * 64))
    early = Early(service, lambda: [forged, fine])
    assert statuses(service, [first], early.begin) == [200]
    answers = answer_all(service, [forged, fine], nothing)
    refused, taken = [one for one in answers if not isinstance(one, Exception)]
    assert refused.status >= 400
    assert taken.status == 200
    assert records(service) == 2
    again = upload(service, tablet, good, service.nonces.current(tablet.device))
    assert statuses(service, [again], nothing) == [200]


def test_a_request_that_nobody_signed_is_refused_though_it_was_read_early(
    service: Service,
) -> None:
    (first,) = uploads(service, 1)
    tablet = admit(service.district, "victim", "team")
    feed = Feed(tablet.key)
    signed = upload(service, tablet, feed.segment([household()]))
    other = upload(service, tablet, Feed(tablet.key).segment([household(name="李秀英")]))
    forged = Received(PATH, signed.headers, other.body)
    early = Early(service, lambda: [forged])
    assert statuses(service, [first], early.begin) == [200]
    assert statuses(service, [forged], nothing) == [401]
    assert records(service) == 1


def test_a_nonce_is_spent_at_its_turn_so_that_a_repetition_is_refused(service: Service) -> None:
    first, second = uploads(service, 2)
    same = Received(PATH, second.headers, second.body)
    early = Early(service, lambda: [second, same])
    assert statuses(service, [first], early.begin) == [200]
    assert statuses(service, [second, same], nothing) == [200, 401]
    assert records(service) == 2


def test_a_tablet_that_is_known_only_by_its_turn_is_taken(service: Service) -> None:
    (first,) = uploads(service, 1)
    key = DeviceKey.generate()
    tablet = admit(service.district, "late", "team", key)
    keys = service.district.trust.keys
    late = upload(service, tablet, Feed(key).segment([household()]))
    kept = keys.pop(key.replica)
    early = Early(service, lambda: [late])
    assert statuses(service, [first], early.begin) == [200]
    assert late.early() is None
    keys[key.replica] = kept
    assert statuses(service, [late], nothing) == [200]
