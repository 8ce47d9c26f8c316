# SPDX-License-Identifier: Apache-2.0
"""The ring: which field keys a team's tablets may have."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
import pytest

from crypto.algorithms import prefix
from crypto.errors import StatementRefused
from crypto.identity import DeviceKey
from crypto.ring import RING, RING_KEYS_MAX, ReaderKeys, Ring, check_ring, issue_ring
from crypto.signed import STATEMENT_BYTES_MAX

ROOT, STRANGER = (DeviceKey.from_private(bytes([n]) * 32) for n in (1, 2))
KEYS = [n.to_bytes(8, "big") for n in range(1, RING_KEYS_MAX + 2)]
CLASSES = (
    ReaderKeys("health", KEYS[1], KEYS[0] + KEYS[1]),
    ReaderKeys("identity", KEYS[2], KEYS[2]),
)
SAID = Ring("t1", ROOT.replica, 5, CLASSES)


def signed(ring: Ring | bytes, key: DeviceKey = ROOT) -> bytes:
    """As somebody would sign who does not look at what it says."""
    encoded = ring if isinstance(ring, bytes) else msgspec.msgpack.encode(ring)
    return key.sign(RING, encoded) + encoded


def test_a_ring_says_which_keys_there_are_and_which_of_them_seal() -> None:
    said = check_ring(issue_ring(ROOT, SAID), ROOT.public)
    assert said == SAID
    assert said.ids() == {KEYS[0]: "health", KEYS[1]: "health", KEYS[2]: "identity"}
    assert said.writes() == {"health": KEYS[1], "identity": KEYS[2]}
    assert check_ring(issue_ring(ROOT, Ring("t1", ROOT.replica, 5, ())), ROOT.public).ids() == {}


def test_a_ring_is_known_by_what_it_says_whenever_it_was_issued() -> None:
    later = msgspec.structs.replace(SAID, issued_at_ms=9)
    assert SAID.digest() == later.digest() != Ring("t2", ROOT.replica, 5, CLASSES).digest()
    said = prefix(b"field-ring-digest") + msgspec.msgpack.encode(("t1", CLASSES))
    assert SAID.digest() == hashlib.sha256(said).digest()[:16]


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"issuer": STRANGER.replica},
        {"issued_at_ms": 0},
        {"classes": (ReaderKeys("health", KEYS[0], b""),)},
        {"classes": (ReaderKeys("health", KEYS[0], KEYS[0] + b"x"),)},
        {"classes": (ReaderKeys("health", KEYS[1], KEYS[0]),)},
        {"classes": (CLASSES[0], CLASSES[0])},
        {"classes": (CLASSES[1], ReaderKeys("health", KEYS[1], KEYS[0]))},
    ],
)
def test_a_ring_that_is_not_sound_is_neither_signed_nor_believed(change: dict[str, Any]) -> None:
    bad = msgspec.structs.replace(SAID, **change)
    with pytest.raises(StatementRefused):
        issue_ring(ROOT, bad)
    with pytest.raises(StatementRefused):
        check_ring(signed(bad), ROOT.public)


def test_a_ring_holds_so_many_keys_and_no_more() -> None:
    full = b"".join(KEYS[:RING_KEYS_MAX])
    most = Ring("t1", ROOT.replica, 1, (ReaderKeys("a", KEYS[0], full),))
    assert check_ring(issue_ring(ROOT, most), ROOT.public) == most
    one_more = (*most.classes, ReaderKeys("b", KEYS[-1], KEYS[-1]))
    with pytest.raises(StatementRefused):
        issue_ring(ROOT, msgspec.structs.replace(most, classes=one_more))
    assert len(issue_ring(ROOT, most)) <= STATEMENT_BYTES_MAX


def test_nothing_but_what_the_root_signed_as_a_ring_is_one() -> None:
    good = issue_ring(ROOT, SAID)
    purpose = ROOT.sign(b"another-purpose", good[65:]) + good[65:]
    wrong = [
        b"",
        good[:65],
        good[:-1],
        good[:70] + bytes([good[70] ^ 1]) + good[71:],
        good + bytes(STATEMENT_BYTES_MAX),
        signed(SAID, STRANGER),
        purpose,
        signed(b"\xc1"),
        signed(b"\x91\xa1\xff"),
    ]
    for data in wrong:
        with pytest.raises(StatementRefused):
            check_ring(data, ROOT.public)
    with pytest.raises(StatementRefused):
        check_ring(good, STRANGER.public)
    # The longest statement there may be is looked at, and refused for what it says.
    with pytest.raises(StatementRefused, match="malformed"):
        check_ring(signed(b"\xc1" * (STATEMENT_BYTES_MAX - 65)), ROOT.public)
    with pytest.raises(StatementRefused, match="length"):
        check_ring(signed(b"\xc1" * (STATEMENT_BYTES_MAX - 64)), ROOT.public)
