# SPDX-License-Identifier: Apache-2.0
"""What goes wrong on the way: lost answers, replays, altered bytes, another server, bombs."""

import os
import resource
from pathlib import Path
from typing import Any

import msgspec
import pytest
import zstandard

from client_sdk.errors import Unreachable
from client_sdk.exchange import build_request
from crypto.errors import PinMismatch
from fixtures.district import local_district
from fixtures.wire import Feed, error_of, household
from sync.messages import MESSAGE_BYTES_MAX, Request, decode_reply, encode
from tests.faults.conftest import Place, wrapped


def refused(place: Place, tablet: Any, request: Request) -> tuple[int, str]:
    """Send a request as this tablet; the status and code of the refusal."""
    speaker = place.speaker(tablet)
    answer = speaker.send("POST", "/v1/sync", encode(request))
    return answer.status_code, error_of(answer)["code"]


def written(place: Place) -> tuple[Any, Request]:
    """A tablet with unsent work, and the request it would send."""
    tablet = place.tablet()
    home = place.home(tablet)
    for number in range(5):
        place.visit(tablet, home, f"第{number}次")
    return tablet, build_request(tablet._store, 1).request


def test_a_lost_answer_repeats_nothing_and_loses_no_notice(place: Place) -> None:
    first, second = place.tablet(), place.tablet()
    home = place.home(first)
    place.heal()
    first.edit(home, phone="12600000001")
    second.edit(home, phone="12600000002")
    first.sync()
    second.sync()
    place.server.district.write("w8", "household", home, {"phone": "12600000003"}, reason="核实")
    line = wrapped(first)
    line.lose = Unreachable
    with pytest.raises(Unreachable):
        first.sync()
    assert first.notices() == []
    line.lose = None
    told = first.sync().notices
    assert [(one.yours, one.kept, one.reason) for one in told] == [
        ("12600000001", "12600000003", "核实")
    ]
    assert first.sync().notices == ()
    assert len(first.notices()) == 1
    place.heal()


def test_an_upload_whose_answer_was_lost_is_taken_in_once(place: Place) -> None:
    tablet = place.tablet()
    home = place.home(tablet)
    tablet.count(home, "rice_given_kg", 5)
    line = wrapped(tablet)
    line.lose = Unreachable
    for _ in range(3):
        with pytest.raises(Unreachable):
            tablet.sync()
    assert len(tablet.unsent()) == 2
    line.lose = None
    place.heal()
    assert place.body(home)["rice_given_kg"] == 5


def test_a_replayed_request_is_refused_and_the_tablet_syncs_on(place: Place) -> None:
    tablet, request = written(place)
    speaker = place.speaker(tablet)
    body, nonce = encode(request), speaker.nonce
    assert speaker.send("POST", "/v1/sync", body).status_code == 200
    again = speaker.send("POST", "/v1/sync", body, nonce)
    assert (again.status_code, error_of(again)["code"]) == (401, "server/nonce")
    place.heal()


def test_an_altered_request_is_refused_and_the_tablet_syncs_on(place: Place) -> None:
    tablet, request = written(place)
    speaker = place.speaker(tablet)
    body = encode(request)
    headers = speaker.headers("POST", "/v1/sync", body)
    answer = speaker.client.post(
        "/v1/sync", content=body[:-1] + bytes([body[-1] ^ 1]), headers=headers
    )
    assert (answer.status_code, error_of(answer)["code"]) == (401, "crypto/request-refused")
    place.heal()


def test_a_segment_under_a_wrong_signature_is_refused_whole(place: Place) -> None:
    tablet, request = written(place)
    good = request.segments[0]
    forged = bytes(len(good.signature) - 1) + b"\1"
    bad = msgspec.structs.replace(good, signature=good.signature[:2] + forged[2:])
    request = msgspec.structs.replace(request, segments=[bad])
    assert refused(place, tablet, request)[1] == "crypto/signature-refused"
    assert not place.held()
    place.heal()


def test_altered_content_does_not_fit_its_signature(place: Place) -> None:
    tablet, request = written(place)
    good = request.segments[0]
    other = build_request(place_other(place)._store, 1).request.segments[0]
    bad = msgspec.structs.replace(good, payload=other.payload)
    request = msgspec.structs.replace(request, segments=[bad])
    status, code = refused(place, tablet, request)
    assert status < 500
    assert code in ("crypto/signature-refused", "sync/malformed", "sync/chain")
    assert not place.held()
    place.heal()


def place_other(place: Place) -> Any:
    """Another tablet with as much unsent work."""
    other = place.tablet()
    home = place.home(other)
    for number in range(5):
        place.visit(other, home, f"另{number}")
    return other


def test_a_gap_in_a_feed_gets_no_receipt_and_the_next_sync_closes_it(place: Place) -> None:
    tablet, _ = written(place)
    speaker = place.speaker(tablet)
    feed = Feed(tablet._store.key)
    feed.counter, feed.head = 40, os.urandom(32)
    reply = speaker.sync(speaker.request(segments=[feed.segment([household()])]))
    assert reply.receipts is None
    assert not place.held()
    place.heal()


def bomb(declared: bool) -> bytes:
    """A gigabyte of nothing in some kilobytes, made in pieces; ``declared`` says its size."""
    size = 1 << 30 if declared else -1
    packer = zstandard.ZstdCompressor(level=19).compressobj(size)
    pieces = [packer.compress(bytes(1 << 20)) for _ in range(1 << 10)]
    return b"\0" + b"".join(pieces) + packer.flush()


@pytest.mark.parametrize(("declared", "code"), [(True, "sync/limit"), (False, "sync/malformed")])
def test_a_bomb_is_refused_within_a_bounded_memory(place: Place, declared: bool, code: str) -> None:
    tablet, request = written(place)
    bad = msgspec.structs.replace(request.segments[0], payload=bomb(declared))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    answer = refused(place, tablet, msgspec.structs.replace(request, segments=[bad] * 3))
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert answer == (413 if declared else 400, code)
    assert grown < 100_000, f"{grown} KiB more"
    place.heal()


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"\xdc\x00\x10\x01" + b"\x91" * 60_000, 400, "sync/malformed"),
        (b"\x01" * (MESSAGE_BYTES_MAX + 1), 413, "server/body-too-large"),
        (b"\x9f\x63", 400, "sync/protocol"),
    ],
    ids=["nested", "oversized", "another version"],
)
def test_a_message_beyond_the_limits_is_refused_by_its_code(
    place: Place, body: bytes, status: int, code: str
) -> None:
    tablet, _ = written(place)
    speaker = place.speaker(tablet)
    answer = speaker.send("POST", "/v1/sync", body)
    assert error_of(answer)["code"] == code
    assert answer.status_code == status
    place.heal()


def test_another_server_at_the_same_address_hears_nothing(place: Place, tmp_path: Path) -> None:
    tablet, _ = written(place)
    with local_district(tmp_path / "foreign") as foreign:
        with tablet._store.transaction():
            tablet._store.put("addresses", [f"127.0.0.1:{foreign.port}"])
        tablet.transport = tablet._connection()
        with pytest.raises(PinMismatch) as caught:
            tablet.sync()
        assert caught.value.code == "crypto/pin-mismatch"
    assert len(tablet.unsent()) == 6
    with tablet._store.transaction():
        tablet._store.put("addresses", [f"127.0.0.1:{place.server.port}"])
    tablet.transport = tablet._connection()
    place.heal()


def _spoilt(answer: bytes) -> bytes:
    reply = decode_reply(answer)
    return encode(msgspec.structs.replace(reply, pages=reply.pages[:-3] + b"abc"))


def test_an_answer_altered_on_the_way_is_not_taken_in(place: Place) -> None:
    first, second = place.tablet(), place.tablet()
    home = place.home(first)
    place.heal()
    first.edit(home, phone="12600000001")
    first.sync()
    line = wrapped(second)
    line.alter = _spoilt
    with pytest.raises(Exception, match=r"(sync|crypto)/"):
        second.sync()
    assert second.read(home)["phone"] is None
    line.alter = None
    place.heal()
    assert second.read(home)["phone"] == "12600000001"
