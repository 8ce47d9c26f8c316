# SPDX-License-Identifier: Apache-2.0
"""A download in several pieces: nothing that is written meanwhile is stepped over."""

from typing import Any

import pytest

import server.pull
from sync.messages import decode_reply, decode_request


@pytest.fixture
def homes(world: Any, fields: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Six households that both tablets hold; from then on a reply carries about one."""
    a, b = world.tablet("a"), world.tablet("b")
    made = [a.create_record("household", fields) for _ in range(6)]
    a.sync()
    b.sync()
    assert b.sync().agrees
    monkeypatch.setattr(server.pull, "REPLY_STATES_BYTES_MAX", 100)
    return sorted(made)


def test_a_download_in_pieces_is_whole_after_one_sync(world: Any, homes: list[str]) -> None:
    a, b = world.tablets["a"], world.tablets["b"]
    for home in homes:
        a.edit(home, phone="13900139000")
    a.sync()
    report = b.sync()
    assert report.rounds > 3
    assert [b.read(home)["phone"] for home in homes] == ["13900139000"] * 6
    assert report.agrees


def test_what_is_written_between_two_pieces_is_not_stepped_over(
    world: Any, homes: list[str]
) -> None:
    a, b = world.tablets["a"], world.tablets["b"]
    for home in homes:
        a.edit(home, phone="13900139000")
    a.sync()
    done: list[bool] = []

    def write_meanwhile(answer: bytes) -> bytes:
        # The first household was sent already; it changes before the rest is.
        if decode_reply(answer).more and not done:
            done.append(True)
            a.edit(homes[0], phone="13700137000")
            a.sync()
        return answer

    b.transport.requests.clear()
    b.transport.alter = write_meanwhile
    b.sync()
    b.sync()
    assert done
    assert b.read(homes[0])["phone"] == "13700137000"
    # It came by the cursor, not because the digests differed.
    sent = [decode_request(body) for body in b.transport.requests]
    assert not any(one.homes is not None or one.ask or one.repair for one in sent)
