# SPDX-License-Identifier: Apache-2.0
"""What a power cut may leave: a sample of it, and proof that the harness would find a loss."""

from __future__ import annotations

import random

import pytest

from tests.crash_states.disk import SECTOR_BYTES, Disk
from tests.crash_states.spreading import explore
from tests.crash_states.tracing import Op

SEED = 20261122
SECONDS_IN_CI = 40
STATES_LEAST = 1_000


@pytest.mark.slow
def test_no_power_cut_loses_what_was_promised_or_leaves_half_of_it():
    found = explore(SEED, 10**9, SECONDS_IN_CI, STATES_LEAST)
    print(f"{len(found.hashes)} states")
    assert found.complaints == []
    assert found.wrong == 0
    assert len(found.hashes) >= STATES_LEAST


@pytest.mark.slow
def test_stores_that_do_not_wait_for_the_disk_are_found_out():
    found = explore(SEED, 200, 20, 200, weak=True)
    assert found.wrong
    assert any("changes were saved" in complaint for complaint in found.complaints)


def write(path: str, at: int, data: bytes) -> Op:
    return Op("write", path, at, data)


def test_what_was_synced_survives_and_the_rest_may():
    disk = Disk({"a/f": b"old"})
    disk.apply(write("a/f", 0, b"new"))
    assert disk.least() == {"a/f": b"old"}
    assert disk.whole() == {"a/f": b"new"}
    disk.apply(Op("sync", "a/f"))
    assert disk.least() == {"a/f": b"new"}


def test_a_later_write_may_survive_without_an_earlier_one():
    disk = Disk({"a/f": b"..", "a/g": b""})
    disk.apply(write("a/f", 0, b"1"))
    disk.apply(write("a/f", 1, b"2"))
    drawn = {disk.draw(random.Random(n))["a/f"] for n in range(200)}
    assert drawn == {b"..", b"1.", b".2", b"12"}


def test_a_write_may_be_torn_between_sectors_only():
    disk = Disk({"a/f": bytes(4 * SECTOR_BYTES)})
    disk.apply(write("a/f", 0, b"x" * 4 * SECTOR_BYTES))
    for n in range(200):
        data = disk.draw(random.Random(n))["a/f"]
        for start in range(0, len(data), SECTOR_BYTES):
            assert len(set(data[start : start + SECTOR_BYTES])) == 1


def test_a_file_nobody_synced_may_be_missing_and_names_keep_their_order():
    disk = Disk({})
    for op in (Op("create", "a/one"), Op("create", "a/two"), Op("remove", "a/one")):
        disk.apply(op)
    assert disk.least() == {}
    drawn = {frozenset(disk.draw(random.Random(n))) for n in range(200)}
    assert drawn == {
        frozenset(),
        frozenset({"a/one"}),
        frozenset({"a/one", "a/two"}),
        frozenset({"a/two"}),
    }
    disk.apply(write("a/two", -1, b"x"))
    disk.apply(Op("sync", "a/two"))
    assert disk.least() == {"a/two": b"x"}


def test_a_renamed_file_is_under_one_name_at_a_time():
    disk = Disk({"a/c": b"old"})
    disk.apply(Op("create", "a/c.new"))
    disk.apply(write("a/c.new", -1, b"new"))
    disk.apply(Op("sync", "a/c.new"))
    disk.apply(Op("rename", "a/c.new", 0, b"/x/live/a/c"))
    for n in range(50):
        found = disk.draw(random.Random(n))
        assert found in ({"a/c": b"old", "a/c.new": b"new"}, {"a/c": b"new"})
