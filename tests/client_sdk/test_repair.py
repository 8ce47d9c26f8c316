# SPDX-License-Identifier: Apache-2.0
"""Self-repair: what differs is found in small rounds and mended, in both directions."""

from typing import Any

import msgspec
import pytest

from client_sdk.errors import ServerRefused
from sync.messages import (
    decode_reply,
    decode_request,
    decode_state,
    encode_exchange,
    unpack_pages,
)
from sync.packing import vector_of
from sync.ranges import HAVE
from sync.session import record_digest


def homes(tablet: Any, fields: dict[str, Any], count: int) -> list[str]:
    made = [tablet.create_record("household", fields | {"address": f"{n}号"}) for n in range(count)]
    tablet.sync()
    tablet.sync()
    return made


def lose(tablet: Any, record: str) -> None:
    """As if a bad sector had taken it."""
    with tablet._store.transaction():
        for table, column in (("records", "id"), ("signed", "record"), ("feed", "record")):
            tablet._store.run(f"DELETE FROM {table} WHERE {column} = ?", [record])


def test_a_record_that_is_gone_from_a_tablet_comes_back_alone(
    world: Any, fields: dict[str, Any]
) -> None:
    a, b = world.tablet("a"), world.tablet("b")
    made = homes(a, fields, 40)
    b.sync()
    b.sync()
    lose(b, made[7])
    b.transport.requests.clear()
    report = b.sync()
    assert report.agrees
    assert report.records == 1
    assert b.read(made[7])["address"] == "7号"
    asked = [decode_request(raw) for raw in b.transport.requests]
    assert all(request.homes is None for request in asked)
    assert [len(request.repair) for request in asked] == [0, 0, 0, 1]


def test_a_state_that_the_district_lost_is_handed_back(world: Any, fields: dict[str, Any]) -> None:
    a, b = world.tablet("a"), world.tablet("b")
    made = homes(a, fields, 40)
    b.sync()
    b.sync()
    with world.store.write() as tx:
        causal = tx.causal_of([made[3]])[made[3]].causal
        vector = bytes(vector_of(causal))
        tx.run("DELETE FROM records WHERE id = ?", [made[3]])
        tx.run(
            "UPDATE homes SET digest = (digest - ?) & 281474976710655 WHERE id = ?",
            [record_digest(made[3], vector), made[3]],
        )
    assert b.sync().agrees
    with world.store.read() as tx:
        assert tx.rows("SELECT count(*) FROM records WHERE id = ?", [made[3]]) == [(1,)]


def of_one_home(tablet: Any, fields: dict[str, Any], count: int) -> tuple[str, list[str]]:
    """A household and so many visits of it, among other homes."""
    home, *_ = homes(tablet, fields, 12)
    visits = [
        tablet.create_record(
            "visit", {"household": home, "at_ms": n, "mode": "door", "outcome": "met"}
        )
        for n in range(count)
    ]
    tablet.sync()
    tablet.sync()
    return home, visits


def test_of_a_home_that_differs_only_the_records_that_differ_travel(
    world: Any, fields: dict[str, Any]
) -> None:
    a, b = world.tablet("a"), world.tablet("b")
    _home, visits = of_one_home(a, fields, 30)
    b.sync()
    b.sync()
    lose(b, visits[4])
    replies = heard(b.transport)
    assert b.sync().agrees
    assert b.read(visits[4])["at_ms"] == 4
    assert travelled(replies) == [visits[4]]


def heard(transport: Any) -> list[bytes]:
    """The answers from here on."""
    answers: list[bytes] = []

    def keep(answer: bytes) -> bytes:
        answers.append(answer)
        return answer

    transport.alter = keep
    return answers


def travelled(replies: list[bytes]) -> list[str]:
    """The records whose states these replies brought."""
    pages = [page for raw in replies for page in unpack_pages(decode_reply(raw).pages)]
    return [decode_state(raw).record for page in pages for raw in page.states]


def test_a_server_that_tells_and_reads_no_records_mends_the_whole_home(
    world: Any, fields: dict[str, Any]
) -> None:
    a, b = world.tablet("a"), world.tablet("b")
    home, visits = of_one_home(a, fields, 5)
    b.sync()
    b.sync()
    lose(b, visits[4])
    replies = heard(b.transport)
    b.transport = NoRecords(b.transport)
    assert b.sync().agrees
    assert sorted(travelled(replies)) == sorted([home, *visits])


class NoRecords:
    """A server that leaves the kind of statement out which names records, and says none itself."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def exchange(self, body: bytes) -> bytes:
        asked = decode_request(body)
        left = [one for one in asked.statements if one[0] != HAVE]
        answer: bytes = self.inner.exchange(
            encode_exchange(msgspec.structs.replace(asked, statements=left))
        )
        assert all(kind != HAVE for kind, _ in decode_reply(answer).statements)
        return answer


def test_only_what_the_district_lost_of_a_home_is_handed_back(
    world: Any, fields: dict[str, Any]
) -> None:
    a, b = world.tablet("a"), world.tablet("b")
    home, visits = of_one_home(a, fields, 6)
    b.sync()
    b.sync()
    with world.store.write() as tx:
        vector = vector_of(tx.causal_of([visits[3]])[visits[3]].causal)
        tx.run("DELETE FROM records WHERE id = ?", [visits[3]])
        tx.run(
            "UPDATE homes SET digest = (digest - ?) & 281474976710655 WHERE id = ?",
            [record_digest(visits[3], vector), home],
        )
    b.transport.requests.clear()
    assert b.sync().agrees
    requests = [decode_request(raw) for raw in b.transport.requests]
    states = [raw for one in requests for page in one.handed for _, raw in page.states]
    assert [decode_state(raw).record for raw in states] == [visits[3]]
    with world.store.read() as tx:
        assert tx.rows("SELECT count(*) FROM records WHERE id = ?", [visits[3]]) == [(1,)]


def test_what_cannot_agree_now_is_compared_once_and_not_at_every_exchange(
    world: Any, fields: dict[str, Any]
) -> None:
    a = world.tablet("a")
    made = homes(a, fields, 12)
    with world.store.write() as tx:
        tx.run("UPDATE homes SET digest = digest + 1 WHERE id = ?", [made[0]])
    assert not a.sync().agrees
    assert a.sync().rounds == 1


class FirstServer:
    """A server that speaks the first version alone, as its first field is read there."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.refused = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def exchange(self, body: bytes) -> bytes:
        if decode_request(body).protocol != 1:
            self.refused += 1
            raise ServerRefused(400, "sync/protocol")
        answer: bytes = self.inner.exchange(body)
        return answer


def test_a_newer_tablet_speaks_the_first_version_to_an_old_server(
    world: Any, fields: dict[str, Any]
) -> None:
    a, b = world.tablet("a"), world.tablet("b")
    made = homes(a, fields, 12)
    b.transport = FirstServer(b.transport)
    b.sync()
    b.sync()
    b.transport.refused = 0
    lose(b, made[2])
    assert b.sync().agrees
    assert b.transport.refused == 1
    assert b.read(made[2])["address"] == "2号"


@pytest.mark.parametrize("version", [1, 2])
def test_a_request_is_answered_in_its_own_version(
    world: Any, fields: dict[str, Any], version: int
) -> None:
    from client_sdk.exchange import build_request

    a = world.tablet("a")
    homes(a, fields, 2)
    request = build_request(a._store, 0, version=version).request
    answer = msgspec.msgpack.decode(a.transport.exchange(encode_exchange(request)))
    assert answer[0] == version
    assert len(answer) == (19 if version == 1 else 23)
