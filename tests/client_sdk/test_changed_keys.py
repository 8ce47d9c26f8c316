# SPDX-License-Identifier: Apache-2.0
"""The district's box key is renewed: whoever was away for all of it comes home."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from client_sdk.devices import district_of
from client_sdk.roots import take_server_keys
from crypto.errors import BundleOldKey, SealRefused, StatementRefused
from crypto.identity import DeviceKey
from crypto.statement import DAY_MS
from server.boxes import GRACE_MS, RENEW_MS, Boxes
from server.bundles import Lines, TakenBundle, take_bundle
from server.cli import main
from server.keys import make_keys, read_keys
from server.recovery import recover

STEP_MS = 90 * DAY_MS


def renewed(world: Any, times: int) -> None:
    """So many quarters pass, a new key in each."""
    for _ in range(times):
        world.now_ms += STEP_MS
        world.district.boxes.renew(world.clock())


def take(world: Any, data: bytes) -> TakenBundle:
    return take_bundle(world.district, Lines(world.folder / "office"), data)


def phones(world: Any) -> set[str]:
    with world.store.read() as tx:
        found = tx.rows("SELECT body FROM records")
    return {msgspec.json.decode(row[0])["phone"] for row in found}


def test_a_tablet_that_was_away_for_a_year_comes_home_by_line(
    world: Any, fields: dict[str, Any]
) -> None:
    a = world.tablet("a")
    home = a.create_record("household", fields)
    old = [path.read_bytes() for path in a.outbox_files()]
    renewed(world, 4)
    assert a.sync().sent == 1
    assert district_of(a._store).box_public == world.district.box.public
    a.edit(home, phone="13700137000")
    (new,) = (path.read_bytes() for path in a.outbox_files())
    # What was sealed before opens still; what is sealed now opens with the new key alone.
    assert recover(world.district, old[0]).changes == 1
    assert recover(world.district, new).changes == 1
    assert phones(world) == {"13700137000"}
    world.district.boxes = Boxes.of(world.box)
    with pytest.raises(SealRefused):
        recover(world.district, new)


def test_an_open_outbox_goes_on_under_the_new_key(world: Any, fields: dict[str, Any]) -> None:
    a = world.tablet("a")
    home = a.create_record("household", fields)
    renewed(world, 1)
    a.sync(pull_only=True)
    a.edit(home, phone="13700137000")
    assert len(a.outbox_files()) == 2


def test_a_tablet_that_was_away_for_a_year_comes_home_by_stick(
    world: Any, fields: dict[str, Any]
) -> None:
    a = world.tablet("a")
    a.create_record("household", fields)
    renewed(world, 4)
    taken = take(world, a.export_bundle())
    assert (taken.old_key, taken.segments, phones(world)) == (True, 0, set())
    report = a.import_bundle(taken.answer)
    assert (report.records, a.status().unsent) == (0, 1)
    again = take(world, a.export_bundle())
    assert (again.old_key, phones(world)) == (False, {"13800138000"})
    a.import_bundle(again.answer)
    assert a.status().unsent == 0


def test_a_bundle_to_the_key_before_is_taken_within_its_grace_and_not_after(
    world: Any, fields: dict[str, Any]
) -> None:
    a = world.tablet("a")
    a.create_record("household", fields)
    early, late = a.export_bundle(), a.export_bundle()
    renewed(world, 1)
    world.now_ms += GRACE_MS - DAY_MS
    assert not take(world, early).old_key
    world.now_ms += 2 * DAY_MS
    assert take(world, late).old_key


def test_a_stranger_whose_bundle_is_sealed_to_an_old_key_is_told_nothing(
    world: Any, fields: dict[str, Any]
) -> None:
    a = world.tablet("a")
    data = a.export_bundle()
    renewed(world, 2)
    stranger = DeviceKey.generate().replica
    with pytest.raises(BundleOldKey):
        take(world, data[:8] + stranger + data[24:])


def test_what_a_teammate_carries_sealed_to_an_old_key_opens(
    world: Any, fields: dict[str, Any]
) -> None:
    a, b = world.tablet("a"), world.tablet("b", team="other")
    a.create_record("household", fields)
    b.take(a.greet(b.replica), a.give(b.greet(a.replica)))
    renewed(world, 3)
    b.sync()
    assert phones(world) == {"13800138000"}


def test_only_the_districts_own_and_newest_word_on_its_keys_counts(world: Any) -> None:
    a, district = world.tablet("a"), world.district
    renewed(world, 1)
    old, _ = district.boxes.word(district.key)
    renewed(world, 1)
    new, _ = district.boxes.word(district.key)
    foreign, _ = district.boxes.word(DeviceKey.generate())
    store = a._store
    with store.transaction():
        take_server_keys(store, new)
        take_server_keys(store, old)
        with pytest.raises(StatementRefused):
            take_server_keys(store, old[:-1] + bytes([old[-1] ^ 1]))
    assert district_of(store).box_public == district.box.public
    assert foreign


def test_the_command_renews_and_a_server_that_runs_notices(tmp_path: Path) -> None:
    data = tmp_path / "d"

    def doorstep(*arguments: str) -> str:
        found = CliRunner().invoke(main, ["--data-dir", str(data), "--lang", "en", *arguments])
        assert found.exit_code == 0, found.output
        return found.output

    doorstep("init")
    running = read_keys(data / "keys").boxes
    first = running.present.public
    assert "45 days" in doorstep("keys", "renew", "box", "--by", "office")
    assert running.present.public != first
    assert [box.public for box in running.all()][1:] == [first]
    assert read_keys(data / "keys").box.public == running.present.public
    assert "box-renewed" in doorstep("sql", "SELECT what FROM journal", "--csv")


def test_a_key_is_due_after_ninety_days_and_a_clock_that_goes_back_changes_no_order(
    tmp_path: Path,
) -> None:
    boxes = make_keys(tmp_path / "keys", ("localhost",)).boxes
    made_ms = (tmp_path / "keys" / "box.key").stat().st_mtime_ns // 1_000_000
    assert not boxes.is_due(made_ms + RENEW_MS - DAY_MS)
    assert boxes.is_due(made_ms + RENEW_MS)
    at_ms = boxes.renew(made_ms + RENEW_MS)
    assert not boxes.is_due(at_ms + DAY_MS)
    assert boxes.renew(1) == at_ms + 1
