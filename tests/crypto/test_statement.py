# SPDX-License-Identifier: Apache-2.0
"""Leases, proofs of wipe, server keys, roots: who may say them, and what is refused."""

from collections.abc import Callable
from typing import Any

import pytest

from crypto.errors import StatementRefused
from crypto.identity import DeviceKey
from crypto.seal import BoxKey
from crypto.statement import (
    DAY_MS,
    ServerKeys,
    check_lease,
    check_root,
    check_server_keys,
    check_wiped,
    issue_lease,
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
