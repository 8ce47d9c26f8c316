# SPDX-License-Identifier: Apache-2.0
"""Leases, proofs of wipe, server keys, roots: who may say them, and what is refused."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from crypto.errors import StatementRefused
from crypto.identity import SIGNATURE_BYTES, DeviceKey, verify
from crypto.seal import BoxKey
from crypto.signed import STATEMENT_BYTES_MAX
from crypto.statement import (
    DAY_MS,
    LEASE_DAYS_MAX,
    PINS_MAX,
    PLACES_MAX,
    ROOT_NEW,
    ROOT_OLD,
    Held,
    Lease,
    Reach,
    Root,
    ServerKeys,
    Wiped,
    check_held,
    check_lease,
    check_reach,
    check_root,
    check_server_keys,
    check_wiped,
    issue_held,
    issue_lease,
    issue_reach,
    issue_root,
    issue_server_keys,
    issue_wiped,
    wiped_replica,
)

ROOT, OTHER, TABLET = DeviceKey.generate(), DeviceKey.generate(), DeviceKey.generate()
BOX = BoxKey.generate().public
PIN = b"p" * 32

MADE: dict[str, tuple[bytes, Callable[[bytes, bytes], Any], bytes]] = {
    "lease": (issue_lease(ROOT, TABLET.replica, 5, DAY_MS, DAY_MS), check_lease, ROOT.public),
    "wiped": (issue_wiped(TABLET, 1, 5, 7, b"h" * 32, 2), check_wiped, TABLET.public),
    "keys": (
        issue_server_keys(ROOT, ServerKeys(ROOT.public, 1, 5, BOX, (PIN,))),
        check_server_keys,
        ROOT.public,
    ),
    "root": (issue_root(ROOT, OTHER, 1, 5), check_root, ROOT.public),
}


@pytest.mark.parametrize("kind", MADE)
def test_a_statement_holds_for_its_signer_alone(kind: str) -> None:
    data, check, public = MADE[kind]
    assert check(data, public)
    with pytest.raises(StatementRefused):
        check(data, DeviceKey.generate().public)


@pytest.mark.parametrize("kind", MADE)
def test_a_statement_altered_anywhere_is_refused(kind: str) -> None:
    data, check, public = MADE[kind]
    for at in range(0, len(data), 7):
        altered = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        with pytest.raises(StatementRefused):
            check(altered, public)
    for short in (b"", data[:65], data[:-1], data + b"\0" * 9_000):
        with pytest.raises(StatementRefused):
            check(short, public)


@pytest.mark.parametrize("kind", MADE)
def test_no_statement_passes_for_one_of_another_kind(kind: str) -> None:
    data, _, public = MADE[kind]
    for other, (_, check, _) in MADE.items():
        if other != kind:
            with pytest.raises(StatementRefused):
                check(data, public)


def test_a_new_root_that_did_not_agree_is_refused() -> None:
    data = MADE["root"][0]
    with pytest.raises(StatementRefused):
        check_root(data[65:130] + data[65:], ROOT.public)


def test_a_lease_of_eleven_years_is_not_issued() -> None:
    with pytest.raises(StatementRefused):
        issue_lease(ROOT, TABLET.replica, 5, 4_000 * DAY_MS, 0)


def test_a_proof_of_wipe_names_its_tablet_before_it_is_checked() -> None:
    assert wiped_replica(MADE["wiped"][0]) == TABLET.replica
    with pytest.raises(StatementRefused):
        wiped_replica(b"x" * 80)


# ---- each limit at its end and one beyond --------------------------------------------------------

LONGEST_MS = LEASE_DAYS_MAX * DAY_MS
LEASE = Lease(TABLET.replica, ROOT.replica, 5, DAY_MS, DAY_MS)
KEYS = ServerKeys(ROOT.public, 1, 5, BOX, (PIN,))
REACHED = Reach(ROOT.replica, 5, (("city", OTHER.replica, 7),))
HELD = Held(TABLET.replica, ROOT.replica, 5, (("city", OTHER.replica, TABLET.replica, 7, b"h"),))
ROOTED = Root(ROOT.public, OTHER.public, 1, 5)
GONE = Wiped(TABLET.replica, 1, 5, 7, b"h" * 32, 2)


def signed(key: DeviceKey, purpose: bytes, body: object) -> bytes:
    """As somebody would sign who does not look at what it says."""
    encoded = body if isinstance(body, bytes) else msgspec.msgpack.encode(body)
    return key.sign(purpose, encoded) + encoded


def rooted(body: object) -> bytes:
    data = signed(ROOT, ROOT_OLD, body)
    return OTHER.sign(ROOT_NEW, data[65:]) + data


def purpose_of(made: bytes, key: DeviceKey, body: msgspec.Struct) -> bytes:
    """Which purpose a statement was signed for, among those there are."""
    encoded = msgspec.msgpack.encode(body)
    known = (b"lease", b"wiped", b"server-keys", b"keys", b"held", b"reach", b"root-old")
    return next(p for p in known if key.sign(p, encoded) + encoded == made)


@pytest.mark.parametrize(
    ("check", "good", "change", "taken"),
    [
        (check_lease, LEASE, {"open_ms": 0, "erase_ms": 0}, True),
        (check_lease, LEASE, {"open_ms": LONGEST_MS, "erase_ms": LONGEST_MS}, True),
        (check_lease, LEASE, {"open_ms": -1}, False),
        (check_lease, LEASE, {"erase_ms": -1}, False),
        (check_lease, LEASE, {"open_ms": LONGEST_MS + 1}, False),
        (check_lease, LEASE, {"erase_ms": LONGEST_MS + 1}, False),
        (check_lease, LEASE, {"format": 2}, False),
        (check_lease, LEASE, {"replica": b"r" * 15}, False),
        (check_lease, LEASE, {"issuer": OTHER.replica}, False),
        (check_server_keys, KEYS, {"pins": (PIN,) * PINS_MAX}, True),
        (check_server_keys, KEYS, {"pins": (PIN,) * (PINS_MAX + 1)}, False),
        (check_server_keys, KEYS, {"pins": ()}, False),
        (check_server_keys, KEYS, {"pins": (PIN, PIN[:-1])}, False),
        (check_server_keys, KEYS, {"serial": 0}, False),
        (check_server_keys, KEYS, {"public": OTHER.public}, False),
        (check_server_keys, KEYS, {"format": 2}, False),
        (check_server_keys, KEYS, {"box_public": BOX[:-1]}, False),
        (check_reach, REACHED, {"places": REACHED.places * PLACES_MAX}, True),
        (check_reach, REACHED, {"places": REACHED.places * (PLACES_MAX + 1)}, False),
        (check_reach, REACHED, {"places": ()}, True),
        (check_reach, REACHED, {"places": (("city", OTHER.replica, 0),)}, True),
        (check_reach, REACHED, {"places": (("city", b"r" * 15, 7),)}, False),
        (check_reach, REACHED, {"issuer": OTHER.replica}, False),
        (check_reach, REACHED, {"format": 2}, False),
        (check_held, HELD, {"places": HELD.places * PLACES_MAX}, True),
        (check_held, HELD, {"places": HELD.places * (PLACES_MAX + 1)}, False),
        (check_held, HELD, {"issuer": OTHER.replica}, False),
        (check_held, HELD, {"replica": b"r" * 17}, False),
        (check_held, HELD, {"format": 2}, False),
        (check_root, ROOTED, {"serial": 0}, False),
        (check_root, ROOTED, {"format": 2}, False),
        (check_root, ROOTED, {"old_public": OTHER.public}, False),
    ],
)
def test_a_statement_is_taken_up_to_its_limits_and_not_beyond(
    check: Callable[[bytes, bytes], Any],
    good: msgspec.Struct,
    change: dict[str, Any],
    taken: bool,
) -> None:
    makes: dict[Any, Callable[[Any], bytes]] = {
        check_lease: lambda x: issue_lease(ROOT, x.replica, x.issued_at_ms, x.open_ms, x.erase_ms),
        check_server_keys: lambda x: issue_server_keys(ROOT, x),
        check_reach: lambda x: issue_reach(ROOT, x),
        check_held: lambda x: issue_held(ROOT, x),
    }
    body = msgspec.structs.replace(good, **change)
    if check is check_root:
        data = rooted(body)
    else:
        purpose = purpose_of(makes[check](good), ROOT, good)
        data = signed(ROOT, purpose, body)
    if taken:
        assert check(data, ROOT.public) == body
        return
    with pytest.raises(StatementRefused):
        check(data, ROOT.public)
    if check not in (check_root, check_lease):
        with pytest.raises(StatementRefused):
            makes[check](body)


def test_a_root_that_names_itself_is_no_new_one() -> None:
    body = msgspec.msgpack.encode(msgspec.structs.replace(ROOTED, new_public=ROOT.public))
    data = ROOT.sign(ROOT_NEW, body) + signed(ROOT, ROOT_OLD, body)
    with pytest.raises(StatementRefused):
        check_root(data, ROOT.public)
    assert check_root(rooted(ROOTED), ROOT.public) == ROOTED


def test_a_proof_of_wipe_is_of_the_tablet_that_signed_it() -> None:
    purpose = purpose_of(issue_wiped(TABLET, 1, 5, 7, b"h" * 32, 2), TABLET, GONE)
    for change in ({"replica": ROOT.replica}, {"format": 2}):
        bad = signed(TABLET, purpose, msgspec.structs.replace(GONE, **change))
        with pytest.raises(StatementRefused):
            check_wiped(bad, TABLET.public)


def test_what_is_signed_and_says_nothing_is_malformed() -> None:
    purpose = purpose_of(issue_held(ROOT, HELD), ROOT, HELD)
    for body in (b"\xc1", b"\x90", b"\x91\xa1\xff", b"\x91" * 3_000):
        with pytest.raises(StatementRefused, match="malformed"):
            check_held(signed(ROOT, purpose, body), ROOT.public)
    fits = b"\xc1" * (STATEMENT_BYTES_MAX - 65)
    with pytest.raises(StatementRefused, match="malformed"):
        check_held(signed(ROOT, purpose, fits), ROOT.public)
    with pytest.raises(StatementRefused, match="length"):
        check_held(signed(ROOT, purpose, fits + b"\xc1"), ROOT.public)
    # What is read before it is checked has the same limit.
    assert wiped_replica(b"s" * 65 + msgspec.msgpack.encode(GONE)) == TABLET.replica
    with pytest.raises(StatementRefused, match="malformed"):
        wiped_replica(b"s" * 65 + b"\xc1" * STATEMENT_BYTES_MAX)
    with pytest.raises(StatementRefused, match="length"):
        wiped_replica(b"s" * 65 + b"\xc1" * (STATEMENT_BYTES_MAX + 1))


def test_a_new_root_is_named_by_the_old_and_by_itself() -> None:
    data = issue_root(ROOT, OTHER, 3, 7)
    assert check_root(data, ROOT.public) == Root(ROOT.public, OTHER.public, 3, 7)
    body = data[2 * SIGNATURE_BYTES :]
    verify(OTHER.public, ROOT_NEW, body, data[:SIGNATURE_BYTES])
    verify(ROOT.public, ROOT_OLD, body, data[SIGNATURE_BYTES : 2 * SIGNATURE_BYTES])
