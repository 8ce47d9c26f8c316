# SPDX-License-Identifier: Apache-2.0
"""Erasures while an archive is away, on both stores: carried out for what is here, remembered, and
done by themselves for the rest as soon as the archive is readable again."""

from pathlib import Path
from typing import Any

import pytest

from crypto.erasure import ERASED, ERASED_WAITS, ERASURE, Erasure, issue_erasure
from server.archive_errors import ArchiveWaits
from server.archives import ArchiveFiles, archives_of
from server.erasing_certificate import cases, facts_of, sentences
from server.erasing_keeping import Keeping, settle
from server.erasing_places import ASK_WAITING_AGAIN_MS, DONE, WAITS
from server.erasing_plan import plan_erasure
from server.feeds import ARCHIVED, open_stored
from server.history import read_history
from server.service import Service
from server.settings import Settings
from server.store.base import Store
from sync.change import Entry, entry_of
from sync.feed import Partial, Segment, unpack_segment
from tests.server.pens import Pen
from tests.server.store.archives_away import put_away, put_back
from tests.server.store.test_compacting import back_up, files, go, many, runs_for
from tests.server.store.test_district import office_on

__all__ = ["files"]
OLD, NEW, HAND = "单雄信从前的病情", "单雄信后来的病情", "别人写下的病情"


class World:
    """A household whose first changes lie in an archive, and two later ones in live runs."""

    def __init__(self, store: Store, files: ArchiveFiles, to: Path) -> None:
        self.office, self.files, self.to = office_on(store), files, to
        self.pen, mate = Pen(self.office, "zhang", "张霞"), Pen(self.office, "li", "李明")
        self.home = self.pen.write(None, area="440103019003", phone="1", mood=OLD)
        self.other = self.pen.write(None, area="440103019003", phone="2")
        self.pen.write(self.home, phone="3")
        many(self.pen, self.other)
        back_up(self.office)
        assert go(self.office, files).runs == 1
        self.pen.write(self.home, mood=NEW)
        self.pen.write(self.home, phone="4")
        self.pen.sync()
        self.late = Pen(self.office, "wu", "吴芳")
        self.late.sync()
        mate.sync()
        mate.write(self.home, mood=HAND)
        mate.write(self.home, phone="5")
        mate.sync()
        self.first, ((self.name,),) = self.home, self.office.rows("SELECT name FROM archives")

    def facts(self) -> dict[str, Any]:
        """The certificate of the only case."""
        with self.office.store.write() as tx:
            ((case,),) = tx.rows("SELECT id FROM erasures")
            key = self.office.district.key
            return facts_of(tx, key, bytes(case).hex(), self.office.now_ms)

    def archived(self) -> str:
        """Which texts the archive's file still holds of the households."""
        with self.office.store.read() as tx:
            key = archives_of(tx)[self.name]
        self.files.close()
        entries = [
            entry
            for path in self.files.places(self.name)
            for kind, body in ArchiveFiles([path.parent]).runs(self.name, key)
            for entry in open_stored(kind, body)
        ]
        mine = [e for e in entries if e.record in (self.home, self.first)]
        return b"".join(e.raw for e in mine).decode("utf-8", "replace")

    def erase(self, how: str) -> None:
        """``own``: this server's; ``followed``: of one that knows the record as a state alone."""
        erasing = self.office.district.erasing
        if how == "own":
            with self.office.store.read() as tx:
                plan = plan_erasure(tx, self.office.schema, self.home, "request", "本人要求", "周")
            erasing.carry_out(plan.case)
            return
        key = self.office.district.key
        at_ms = self.office.now_ms
        said = issue_erasure(
            key, Erasure(b"c" * 16, key.replica, at_ms, "request", "4401", [self.home], [])
        )
        with self.office.district.writing() as tx:
            erasing.take(tx, [(ERASURE, said)], self.office.now_ms)

    def live(self) -> bytes:
        """What the live runs hold."""
        with self.office.store.read() as tx:
            return b"".join(
                entry.raw
                for kind, body in tx.rows(
                    "SELECT kind, body FROM segments WHERE kind <> ?", [ARCHIVED]
                )
                for entry in open_stored(str(kind), bytes(body))
            )


@pytest.fixture
def world(store: Store, files: ArchiveFiles, tmp_path: Path) -> World:
    made = World(store, files, tmp_path)
    assert all(word.encode() in made.live() for word in (NEW, HAND))
    return made


HOW = pytest.mark.parametrize("how", ["own", "followed"])


@HOW
def test_what_is_here_is_erased_though_an_archive_is_away(world: World, how: str) -> None:
    put_away(world.files, world.to)
    world.erase(how)
    left = world.live()
    assert [word for word in (OLD, NEW, HAND) if word.encode() in left] == []
    assert not settle(world.office.district, world.to)
    # The store's own pages wait for no archive; the case does, and says for which, in words.
    ((pages_at_ms,),) = world.office.rows("SELECT pages_at_ms FROM erasures")
    assert pages_at_ms is not None
    # Every tablet has answered: what is left is the archive.
    world.office.sql("UPDATE erasure_places SET done_at_ms = 1")
    facts, name = world.facts(), world.name
    assert not facts["complete"]
    assert [(one["name"], one["done_at_ms"]) for one in facts["archives"]] == [(name, None)]
    for lang, word in (("en", "is away"), ("zh", "归档文件不在")):
        told = sentences(facts, lang, str)
        assert [name in line for line in told if word in line] == [True]
    with world.office.store.read() as tx:
        assert [one.away for one in cases(tx)] == [(name,)]
    assert {(p.kind, p.name) for p in world.office.verify().problems} == {("archive", name)}


@HOW
def test_an_archive_that_is_back_serves_nothing_before_the_rest_is_out_of_it(
    world: World, how: str
) -> None:
    put_away(world.files, world.to)
    world.erase(how)
    settle(world.office.district, world.to)
    put_back(world.files, world.to)
    assert OLD in world.archived(), "it is still in the file"
    with world.office.store.write() as tx, pytest.raises(ArchiveWaits):
        runs_for(tx)
    with world.office.store.read() as tx, pytest.raises(ArchiveWaits):
        read_history(tx, world.other)
    assert {p.kind for p in world.office.verify().problems} == {"archive"}


@HOW
def test_the_rest_is_erased_by_itself_as_soon_as_the_archive_is_back(
    world: World, how: str
) -> None:
    office, job = world.office, Keeping(world.to)
    service = Service(office.district, Settings(data_dir=str(world.to)), b"")

    def work() -> bool:
        with office.store.read() as tx:
            due = job.is_due(tx, office.now_ms)
        if due:
            job.work(service)
        return due

    put_away(world.files, world.to)
    world.erase(how)
    before = office.rows("SELECT count(*) FROM erasure_parts")
    assert [work(), work()] == [True, False], "it does not try over and over"
    put_back(world.files, world.to)
    assert [work(), work()] == [True, False]
    assert OLD not in world.archived()
    assert office.verify().problems == []
    with office.store.write() as tx:
        assert runs_for(tx)
        assert len(read_history(tx, world.other).moments) == 61
        (found,) = tx.rows("SELECT detail FROM journal WHERE what = 'erasure-archive'")
    office.sql("UPDATE erasure_places SET done_at_ms = 1")
    facts = world.facts()
    assert facts["complete"]
    assert [one["changes"] for one in facts["archives"]] == [2]
    assert all(one["done_at_ms"] for one in facts["archives"])
    assert found == (f"{world.name} 2",)
    assert not any("is away" in line for line in sentences(facts, "en", str))
    # What only the archive knew is named under signature, for whoever was told of the case.
    if how == "followed":
        assert office.rows("SELECT count(*) FROM erasure_parts") > before
    assert len(office.rows("SELECT 1 FROM erased_changes")) == 6


def test_an_archive_that_goes_before_it_is_overwritten_is_waited_for_and_read_meanwhile(
    world: World,
) -> None:
    world.erase("own")
    put_away(world.files, world.to)
    assert not settle(world.office.district, world.to)
    world.office.sql("UPDATE erasure_places SET done_at_ms = 1")
    assert not world.facts()["complete"]
    put_back(world.files, world.to)
    # All of it is named already: it is read without that.
    assert world.office.verify().problems == []
    assert settle(world.office.district, world.to)
    assert OLD not in world.archived()
    assert world.facts()["complete"]


def test_a_second_erasure_while_it_is_away_waits_too_and_a_late_change_finds_its_case(
    world: World,
) -> None:
    put_away(world.files, world.to)
    world.erase("followed")
    settle(world.office.district, world.to)
    world.home = world.other
    world.erase("own")
    world.late.write(world.first, mood=HAND)
    world.late.sync()
    settle(world.office.district, world.to)
    assert HAND.encode() not in world.live()
    assert len(world.office.rows("SELECT 1 FROM erasure_archives WHERE done_at_ms IS NULL")) == 2
    put_back(world.files, world.to)
    assert settle(world.office.district, world.to)
    assert world.archived() == ""
    assert world.office.verify().problems == []


def test_a_copy_of_an_archive_that_comes_back_later_shows_nothing_that_was_erased(
    world: World,
) -> None:
    aside = world.to / "stick.db"
    (first, second) = world.files.places(world.name)
    aside.write_bytes(first.read_bytes())
    put_away(world.files, world.to)
    world.erase("followed")
    put_back(world.files, world.to)
    assert settle(world.office.district, world.to)
    world.files.close()
    first.write_bytes(aside.read_bytes())
    second.unlink()
    assert OLD in world.archived(), "the copy was not overwritten"
    with world.office.store.write() as tx:
        sent = b"".join(e.raw for run in runs_for(tx) for e in _readable(run))
    assert OLD.encode() not in sent
    assert HAND.encode() not in sent
    verdict = world.office.verify()
    assert verdict.problems == []
    assert verdict.fates["erased"] == 6


def test_an_archive_that_cannot_be_read_is_tried_again_and_blocks_nothing_else(
    world: World,
) -> None:
    raws = {path: path.read_bytes() for path in world.files.places(world.name)}
    world.files.close()
    for path, raw in raws.items():
        path.write_bytes(bytes(len(raw)))
    world.erase("followed")
    assert not settle(world.office.district, world.to)
    assert world.office.rows("SELECT pages_at_ms FROM erasures") != [(None,)]
    for path, raw in raws.items():
        path.write_bytes(raw)
    assert settle(world.office.district, world.to)
    assert OLD not in world.archived()
    assert world.office.verify().problems == []


def _readable(run: object) -> list[Entry]:
    if isinstance(run, Segment):
        return unpack_segment(run)
    assert isinstance(run, Partial)
    return [
        entry_of(run.replica, counter, slot.salt, slot.raw)
        for counter, slot in enumerate(run.slots, run.first)
        if slot.raw
    ]


def test_who_waits_for_an_archive_says_so_and_is_asked_again_after_a_while(world: World) -> None:
    office, key = world.office, world.office.district.key
    erasing = office.district.erasing
    at_ms = office.now_ms
    records = [world.home]
    said = issue_erasure(
        key, Erasure(b"c" * 16, key.replica, at_ms, "request", "4401", records, [])
    )
    place = "a server below"

    def answered() -> list[str]:
        with office.district.writing() as tx:
            answers = erasing.take(tx, [(ERASURE, said)], office.now_ms)
            # As if a server below had said it, whose key is known here as this one's is.
            mine = office.district.trust.keys[key.replica].device
            tx.run("UPDATE erasure_places SET place = ? WHERE place = ?", [mine, place])
            erasing.hear(tx, answers)
            tx.run("UPDATE erasure_places SET place = ? WHERE place = ?", [place, mine])
        return [kind for kind, _ in answers]

    def told() -> int:
        with office.store.write() as tx:
            return len(erasing.told(tx, place))

    put_away(world.files, world.to)
    with office.district.writing() as tx:
        erasing.take(tx, [(ERASURE, said)], office.now_ms)
        sql = "INSERT INTO erasure_places (part, place, kind, asked_at_ms) VALUES (1, ?, ?, 0)"
        tx.run(sql, [place, "server"])
    assert (told(), answered(), told()) == (1, [ERASED_WAITS], 0)
    states = {one["name"]: one["state"] for one in world.facts()["places"]}
    assert states[place] == WAITS
    office.now_ms += ASK_WAITING_AGAIN_MS
    assert told() == 1
    put_back(world.files, world.to)
    assert settle(office.district, world.to)
    assert answered() == [ERASED]
    # What the archive alone knew is named in a statement of its own, which is told as any.
    assert told() == 1
    office.sql("DELETE FROM erasure_places WHERE part > 1")
    states = {one["name"]: one["state"] for one in world.facts()["places"]}
    assert states[place] == DONE
