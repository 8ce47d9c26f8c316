# SPDX-License-Identifier: Apache-2.0
"""The district's log as its tablets see it: online, by stick, and from a teammate."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import msgspec

from client_sdk.tablet import Tablet
from client_sdk.texts import texts
from crypto.log import check_tree_head
from crypto.logword import FORKED, FRAUD, GROWN, ROLLED_BACK, SET_BACK, UNPROVEN, contradict
from fixtures.world import InProcess, World
from server.bundles import Lines, take_bundle
from server.district import District
from server.log_tree import stand_of
from server.log_words import evidence_in
from server.store.sqlite import SqliteStore
from sync.messages import Reply, Request, decode_reply, decode_request, encode_exchange


def test_every_finding_is_told_in_plain_words_in_both_languages() -> None:
    told = texts()
    for finding in (SET_BACK, *FRAUD):
        zh, en = told[f"log-{finding}"]
        assert ("告诉审核员" in zh, "Tell the auditor" in en.replace("\n", " ")) == (
            finding in FRAUD,
            finding in FRAUD,
        )


def two(world: World) -> tuple[Tablet, Tablet]:
    return world.tablet("a"), world.tablet("b")


def set_back(world: World, taken: Path) -> None:
    """Put a copy of the store back without a word."""
    world.store.close()
    path = world.folder / "district.db"
    for side in ("", "-wal", "-shm"):
        path.with_name(path.name + side).unlink(missing_ok=True)
    shutil.copyfile(taken, path)
    reopen(world, path)


def reopen(world: World, path: Path) -> None:
    old = world.district
    world.store = SqliteStore(path, world.store._key_hex)
    world.district = District(world.store, old.schema, old.key, old.box, world.clock)
    for tablet in world.tablets.values():
        assert isinstance(tablet.transport, InProcess)
        tablet.transport.district = world.district


def copied(world: World, name: str) -> Path:
    target = world.folder / name
    world.store.backup(str(target))
    return target


class Deaf(InProcess):
    """A server that does not want to hear which of its heads are remembered."""

    def exchange(self, body: bytes) -> bytes:
        request = msgspec.structs.replace(decode_request(body), statements=[])
        return super().exchange(encode_exchange(request))


def test_every_run_is_proven_to_stand_in_the_log(world: World, fields: dict[str, Any]) -> None:
    a, b = two(world)
    for _ in range(5):
        a.create_record("household", fields)
        assert a.sync().log == GROWN
        assert b.sync().log == GROWN
    assert a.log_notices() == b.log_notices() == []
    with world.store.read() as tx:
        assert tx.rows("SELECT count(*) FROM segments WHERE leaf IS NULL") == [(0,)]
        assert stand_of(tx).size >= 5


def test_a_server_set_back_in_silence_is_noticed_and_the_work_goes_on(
    world: World, fields: dict[str, Any]
) -> None:
    a, b = two(world)
    a.create_record("household", fields)
    a.sync()
    before = copied(world, "before.db")
    for _ in range(3):
        a.create_record("household", fields)
        a.sync()
    set_back(world, before)
    a.transport = Deaf(world.district)
    home = a.create_record("household", fields)
    report = a.sync()
    assert report.log == ROLLED_BACK
    assert a.is_sent(home)
    found = a.log_notices()[0]
    public = world.district.key.public
    first, second = (check_tree_head(h, public) for h in (found.first, found.second))
    assert found.fraud
    assert second.size < first.size
    # It goes to the next teammate, and by the teammate to the office.
    a.meet(b)
    assert b.log_notices() == a.log_notices()
    b.sync()
    with world.store.read() as tx:
        assert {e.first for e in evidence_in(tx)} >= {found.first}
        told = tx.rows("SELECT target, detail FROM journal WHERE what = 'log-evidence'")
    assert (world.district.key.replica.hex(), ROLLED_BACK) in told


def test_a_server_that_hears_what_it_lost_owns_up_to_it(
    world: World, fields: dict[str, Any]
) -> None:
    a, b = two(world)
    b.sync()
    a.sync()
    before = copied(world, "before.db")
    a.create_record("household", fields)
    a.sync()
    set_back(world, before)
    assert a.sync().log == SET_BACK
    assert [(n.finding, n.fraud) for n in a.log_notices()] == [(SET_BACK, False)]
    # Who remembers nothing that was lost has nothing to be told.
    assert b.sync().log == GROWN
    assert a.sync().log == GROWN
    with world.store.read() as tx:
        assert stand_of(tx).epoch == 1
        assert tx.rows("SELECT count(*) FROM journal WHERE what = 'log-set-back'") == [(1,)]


def forked_world(world: World, fields: dict[str, Any]) -> tuple[Tablet, Tablet]:
    """Two stores of one server with one key: each tablet sees a log of its own."""
    a, b = two(world)
    world.sync(a, b)
    twin = SqliteStore(copied(world, "twin.db"), world.store._key_hex)
    mine = world.district
    other = District(twin, mine.schema, mine.key, mine.box, world.clock)
    assert isinstance(b.transport, InProcess)
    b.transport.district = other
    for tablet in (a, b):
        tablet.create_record("household", fields)
        assert tablet.sync().log == GROWN
    return a, b


def test_two_logs_of_one_server_are_told_by_two_tablets_that_meet(
    world: World, fields: dict[str, Any]
) -> None:
    a, b = forked_world(world, fields)
    a.meet(b)
    for tablet in (a, b):
        (found,) = tablet.log_notices()
        public = world.district.key.public
        heads = [check_tree_head(h, public) for h in (found.first, found.second)]
        assert found.finding == FORKED
        assert contradict(*heads)


def test_a_head_that_a_teammate_saw_must_lead_to_the_servers_own(
    world: World, fields: dict[str, Any]
) -> None:
    a, b = forked_world(world, fields)
    b.create_record("household", fields)
    b.sync()
    a.meet(b)
    assert a.log_notices() == []
    a.create_record("household", fields)
    # An honest server would own up; this one does not listen to what it is shown.
    assert isinstance(a.transport, InProcess)
    a.transport = Deaf(world.district)
    a.sync()
    assert a.log_notices()[0].finding in {FORKED, ROLLED_BACK}


def test_a_fork_is_told_by_stick(world: World, fields: dict[str, Any], tmp_path: Path) -> None:
    a, _ = two(world)
    world.sync(a)
    before = copied(world, "before.db")
    a.create_record("household", fields)
    a.sync()
    set_back(world, before)
    # The other log grows by something else, to the same size and beyond.
    b = world.tablets["b"]
    b.create_record("household", fields)
    b.sync()
    a.create_record("household", fields)
    data = a.export_bundle()
    lines = Lines(tmp_path / "lines")
    heard = deaf_bundle(world, lines, data)
    report = a.import_bundle(heard)
    assert report.log in {FORKED, ROLLED_BACK}
    assert a.log_notices()[0].fraud


def deaf_bundle(world: World, lines: Lines, data: bytes) -> bytes:
    """The answer of a server that leaves out what it is shown."""

    class DeafDistrict(District):
        def sync(self, device: str, request: Request, nonce: bytes = b"") -> Reply:
            return super().sync(device, msgspec.structs.replace(request, statements=[]), nonce)

    old = world.district
    deaf = DeafDistrict(world.store, old.schema, old.key, old.box, world.clock)
    return take_bundle(deaf, lines, data).answer


def test_what_was_taken_in_and_left_out_of_the_log_is_noticed(
    world: World, fields: dict[str, Any]
) -> None:
    a, _ = two(world)
    a.sync()

    def silent(answer: bytes) -> bytes:
        reply = decode_reply(answer)
        return encode_exchange(msgspec.structs.replace(reply, statements=[]))

    assert isinstance(a.transport, InProcess)
    a.transport.alter = silent
    home = a.create_record("household", fields)
    assert a.sync().log == UNPROVEN
    assert a.is_sent(home)
    assert a.log_notices()[0].fraud
