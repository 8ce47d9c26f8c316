# SPDX-License-Identifier: Apache-2.0
"""Old runs in archives, on both stores: all verifies, none is lost, an erasure leaves nothing."""

import random
from contextlib import closing
from pathlib import Path

import pytest

from crypto.identity import DeviceKey
from fixtures.pages import plain_pages
from server import archives, compacting
from server.archive_errors import ArchiveMissing
from server.archives import ArchiveFiles, archives_of
from server.compacting import Counted, compact, could_go
from server.custody_places import note_backup
from server.erasing_keeping import settle
from server.erasing_plan import plan_erasure
from server.errors import BackupWrong
from server.feeds import ARCHIVED
from server.history import read_history
from server.points import Believed, Choice, Known, all_points, holds
from server.recalling import Recalling
from server.store.base import Store, Transaction
from server.verify import verify_store
from sync.feed import genesis, next_head
from tests.conftest import SEED
from tests.server.pens import HOUR_MS, SCHEMA, START_MS, Office, Pen
from tests.server.store.archives_away import put_away, put_back
from tests.server.store.test_district import office_on
from tests.server.test_verify import decide_something, step

SECRET = "单雄信的姓名"


@pytest.fixture
def files(store: Store, tmp_path: Path) -> ArchiveFiles:
    made = ArchiveFiles([tmp_path / "archive", tmp_path / "backups"])
    store.archives = made
    return made


def worked(store: Store, turns: int = 120) -> tuple[Office, list[Pen], list[str]]:
    """A district in which four tablets worked at random."""
    rng = random.Random(SEED)
    office = office_on(store)
    pens = [Pen(office, f"w{i}", f"工{i}") for i in range(4)]
    homes: list[str] = []
    for _ in range(3):
        for _ in range(turns // 3):
            step(rng, office, pens, homes)
        decide_something(rng, office)
    for pen in pens * 2:
        pen.sync()
    return office, pens, homes


def many(pen: Pen, home: str, count: int = 60) -> None:
    """One run that is worth an archive."""
    for turn in range(count):
        pen.write(home, mood=f"第{turn}次 {random.Random(turn).randbytes(40).hex()}")
    pen.sync()


def back_up(office: Office) -> None:
    """What a verified backup notes."""
    with office.store.write() as tx:
        (found,) = tx.rows("SELECT value FROM meta WHERE key = 'seq'")
        note_backup(tx, int(found[0]), office.now_ms)


def go(office: Office, files: ArchiveFiles, older_ms: int = 0) -> Counted:
    now_ms = office.now_ms + 1
    return compact(office.store, files, "district", now_ms - older_ms, now_ms, "周")


def kinds(office: Office) -> list[str]:
    return [str(row[0]) for row in office.rows("SELECT kind FROM segments ORDER BY n")]


def test_a_compacted_store_verifies_and_tells_every_history_as_before(
    store: Store, files: ArchiveFiles
) -> None:
    office, _, homes = worked(store)
    many(Pen(office, "lang", "郎"), homes[0])
    before = office.verify()
    with store.read() as tx:
        told = [read_history(tx, home) for home in homes]
        points = all_points(tx)
    back_up(office)
    with store.read() as tx:
        could = could_go(tx, office.now_ms + 1)
    went = go(office, files)
    assert went.runs > 0
    assert went[:3] == could[:3]
    assert kinds(office).count(ARCHIVED) == went.runs
    after = office.verify()
    assert after.problems == []
    assert (after.changes, after.fates) == (before.changes, before.fates)
    with store.read() as tx:
        assert [read_history(tx, home) for home in homes] == told
        assert all_points(tx) == points
        assert all(len(files.places(name)) == 2 for name in archives_of(tx))
    # Everything went once: nothing is left to do.
    assert go(office, files).runs == 0


def test_a_run_stays_that_is_young_or_in_no_backup(store: Store, files: ArchiveFiles) -> None:
    office = office_on(store)
    pen = Pen(office, "zhang", "张霞")
    home = pen.write(None, area="440103019003", phone="1")
    many(pen, home)
    assert go(office, files) == Counted(not_backed_up=1)
    back_up(office)
    assert go(office, files, HOUR_MS) == Counted()
    many(pen, home)
    assert go(office, files)._replace(bytes=0) == Counted(1, 61, 0, 1)
    assert kinds(office) == [ARCHIVED, "segment"]


def test_a_run_stays_that_the_upstream_does_not_hold_by_its_own_word(
    store: Store, files: ArchiveFiles
) -> None:
    office = office_on(store)
    pen = Pen(office, "zhang", "张霞")
    home = pen.write(None, area="440103019003", phone="1")
    many(pen, home)
    middle = Known(pen.key.replica, pen.counter, pen.head)
    many(pen, home)
    back_up(office)
    above = DeviceKey.generate()
    linked(store, above)
    assert go(office, files) == Counted(not_above=2)
    # What was merely sent to it does not count, what it named does, and what lies before that.
    for offered, went in ((1, 0), (0, 1)):
        with store.write() as tx:
            tx.run("DELETE FROM peer_points")
            tx.run(
                "INSERT INTO peer_points VALUES (?, ?, ?, ?, ?)",
                [
                    f"above {above.replica.hex()}",
                    middle.replica,
                    middle.counter,
                    middle.mark,
                    offered,
                ],
            )
        assert go(office, files).runs == went
    assert office.verify().problems == []


def linked(store: Store, above: DeviceKey) -> None:
    columns = {
        "server": above.replica,
        "kind": "upstream",
        "name": "市",
        "public": above.public,
        "area": "4401",
        **dict.fromkeys(("box_public", "pin", "certificate", "nonce", "feed"), b""),
        **dict.fromkeys(("incarnation", "told_incarnation"), b""),
        **dict.fromkeys(("addresses", "after", "code"), ""),
        **dict.fromkeys(("since_ms", "seq", "told_seq", "up_seq", "compare"), 0),
    }
    with store.write() as tx:
        names, marks = ", ".join(columns), ", ".join("?" * len(columns))
        tx.run(f"INSERT INTO links ({names}) VALUES ({marks})", list(columns.values()))


def test_without_its_archives_a_district_serves_all_tablets_and_says_what_is_missing(
    store: Store, files: ArchiveFiles, tmp_path: Path
) -> None:
    office, pens, homes = worked(store)
    long = Pen(office, "lang", "郎")
    many(long, homes[0])
    back_up(office)
    assert go(office, files).runs
    put_away(files, tmp_path)
    # A tablet that was never here gets all, an old one goes on, each from states.
    fresh = Pen(office, "xin", "辛")
    fresh.sync()
    with store.read() as tx:
        held = {str(row[0]) for row in tx.rows("SELECT id FROM records")}
    assert set(fresh.records) == held
    for pen in (*pens, long):
        pen.write(homes[0], phone="9")
        pen.sync()
    with store.read() as tx:
        (name,) = archives_of(tx)
        with pytest.raises(ArchiveMissing):
            read_history(tx, homes[0])
    found = office.verify()
    assert [(p.kind, p.name) for p in found.problems] == [("archive", name)]
    # It is a word about the archive, not about records.
    put_back(files, tmp_path)
    assert office.verify().problems == []


def test_an_upload_that_begins_or_ends_within_an_archived_run_is_placed_without_the_archive(
    store: Store, files: ArchiveFiles, tmp_path: Path
) -> None:
    office = office_on(store)
    pen = Pen(office, "zhang", "张霞")
    home = pen.write(None, area="440103019003", phone="1")
    heads = [genesis(pen.key.replica)]
    for turn in range(60):
        pen.write(home, mood=f"第{turn}次 {random.Random(turn).randbytes(40).hex()}")
    for entry in pen.unsent:
        heads.append(next_head(heads[-1], entry.digest))
    entries = list(pen.unsent)
    pen.push()
    back_up(office)
    assert go(office, files).runs == 1
    put_away(files, tmp_path)
    with store.read() as tx:
        for counter in range(1, 62):
            assert holds(tx, Known(pen.key.replica, counter, heads[counter])), counter
            assert not holds(tx, Known(pen.key.replica, counter, bytes(32)))
    # A copy of the tablet stood at its fiftieth change; a teammate brings what it had.
    mate = Pen(office, "li", "李明")
    pen.unsent, pen.unsent_from = entries[:50], genesis(pen.key.replica)
    pen.counter, pen.head, pen.records = 50, heads[50], {}
    for entry in pen.unsent:
        pen.take(entry)
    mate.relayed = [pen.segment()]
    mate.push()
    assert office.rows("SELECT replica FROM forks") == []
    # It writes on from there: another branch of the feed, and both are kept.
    pen.unsent, pen.unsent_from = entries[30:50], heads[30]
    pen.write(home, phone="2")
    mate.relayed = [pen.segment()]
    mate.push()
    with store.read() as tx:
        assert Recalling(tx)(entries[44].dot) is None, "it is before the lines part"
        with pytest.raises(LookupError):
            Recalling(tx)(entries[55].dot)
    put_back(files, tmp_path)
    assert len(office.rows("SELECT replica FROM forks")) == 1
    assert office.verify().problems == []


def test_what_an_upstream_forgot_comes_out_of_the_archive_or_waits_for_it(
    store: Store, files: ArchiveFiles, tmp_path: Path
) -> None:
    office, _, homes = worked(store)
    many(Pen(office, "lang", "郎"), homes[0])
    with store.write() as tx:
        before = runs_for(tx)
    back_up(office)
    go(office, files)
    with store.write() as tx:
        assert runs_for(tx) == before
    put_away(files, tmp_path)
    with store.write() as tx:
        with pytest.raises(ArchiveMissing):
            runs_for(tx)
        # Downwards what lies in the archive goes as states: its runs are simply not among those.
        below = Choice(tx, Believed(tx, "below"), set(), lambda tx, records: True)
        sent = below.runs(0).runs
    assert 0 < len(sent) < len(before)


def runs_for(tx: Transaction) -> list[object]:
    choice = Choice(tx, Believed(tx, "above 00"), set(), None)
    return list(choice.runs(0, 1 << 40).runs)


def plain(files: ArchiveFiles, keys: dict[str, bytes]) -> bytes:
    """Every page of every archive, decrypted, freed ones included."""
    found = b""
    for name, key in keys.items():
        for path in files.places(name):
            found += b"".join(plain_pages(path, key, archives.PAGE_BYTES, "sha256"))
    return found


@pytest.mark.parametrize("away", [False, True])
def test_an_erasure_takes_its_content_out_of_every_archive_as_soon_as_it_is_there(
    store: Store, files: ArchiveFiles, tmp_path: Path, away: bool
) -> None:
    office = office_on(store)
    pen = Pen(office, "zhang", "张霞")
    home = pen.write(None, area="440103019003", phone="1", mood=SECRET)
    other = pen.write(None, area="440103019003", phone="2")
    many(pen, other)
    with store.read() as tx:
        plan = plan_erasure(tx, office.schema, home, "request", "本人要求", "周")
    back_up(office)
    assert go(office, files).runs == 1
    if away:
        put_away(files, tmp_path)
    office.district.erasing.carry_out(plan.case)
    if away:
        # It is not said to be done while an archive that has it is elsewhere.
        assert not settle(office.district, tmp_path)
        assert len(office.rows("SELECT 1 FROM erasure_archives WHERE done_at_ms IS NULL")) == 1
        put_back(files, tmp_path)
    with store.read() as tx:
        keys = archives_of(tx)
    files.close()
    assert settle(office.district, tmp_path)
    opened = [archives._connect(p, keys[p.name], "ro") for n in keys for p in files.places(n)]
    assert len(opened) == 2
    for connection in opened:
        with closing(connection):
            rows = connection.execute("SELECT kind, body FROM runs").fetchall()
            assert [row[0] for row in rows] == ["partial"]
    assert SECRET.encode() not in plain(files, keys)
    found = office.verify()
    assert found.problems == []
    assert found.fates["erased"] == 1
    with store.read() as tx:
        assert len(read_history(tx, other).moments) == 61


def test_what_is_erased_while_an_archive_is_written_is_not_in_it_afterwards(
    store: Store, files: ArchiveFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    office = office_on(store)
    pen = Pen(office, "zhang", "张霞")
    home = pen.write(None, area="440103019003", phone="1", mood=SECRET)
    many(pen, pen.write(None, area="440103019003", phone="2"))
    other = Pen(office, "li", "李明")
    many(other, other.write(None, area="440103019003", phone="3"))
    with store.read() as tx:
        plan = plan_erasure(tx, office.schema, home, "request", "本人要求", "周")
    back_up(office)
    write = ArchiveFiles.write

    def written(self: ArchiveFiles, *arguments: object) -> int:
        size: int = write(self, *arguments)
        if not office.rows("SELECT 1 FROM erasures"):
            office.district.erasing.carry_out(plan.case)
        return size

    monkeypatch.setattr(ArchiveFiles, "write", written)
    assert go(office, files).runs == 2
    with store.read() as tx:
        assert SECRET.encode() not in plain(files, archives_of(tx))
    assert settle(office.district, tmp_path)
    assert office.verify().problems == []


def test_a_crash_or_a_full_disk_before_the_commit_changes_nothing(
    store: Store, files: ArchiveFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    office = office_on(store)
    pen = Pen(office, "zhang", "张霞")
    many(pen, pen.write(None, area="440103019003", phone="1"))
    back_up(office)

    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    for where, name in ((archives.shutil, "copyfile"), (compacting, "_let_go")):
        with monkeypatch.context() as patch:
            patch.setattr(where, name, full)
            with pytest.raises(OSError, match="No space"):
                go(office, files)
        assert kinds(office) == ["segment"]
        assert not list(files.folders[0].glob("*.part*"))
    assert go(office, files).runs == 1
    assert office.verify().problems == []


def test_one_folder_alone_is_not_enough(store: Store, tmp_path: Path) -> None:
    office, _, _ = worked(store, 12)
    with pytest.raises(BackupWrong):
        go(office, ArchiveFiles([tmp_path / "archive", tmp_path / "archive"]))


def test_an_archive_that_was_altered_or_changed_for_another_is_found(
    store: Store, files: ArchiveFiles
) -> None:
    office = office_on(store)
    pens = [Pen(office, f"w{i}", f"工{i}") for i in range(2)]
    for pen in pens:
        many(pen, pen.write(None, area="440103019003", phone="1"))
    back_up(office)
    go(office, files)
    with store.read() as tx:
        ((name, key),) = archives_of(tx).items()
    files.close()
    # The other writer's run in the place of this one's.
    for path in files.places(name):
        with closing(archives._connect(path, key, "rw")) as connection:
            connection.execute(
                "UPDATE runs SET body = (SELECT body FROM runs ORDER BY n DESC LIMIT 1)"
            )
    with store.read() as tx:
        found = verify_store(tx, SCHEMA, office.first_key.public)
    assert not found.holds
    assert {problem.kind for problem in found.problems} == {"archive"}
    for path in files.places(name):
        raw = bytearray(path.read_bytes())
        raw[len(raw) // 2 : len(raw) // 2 + 64] = bytes(64)
        path.write_bytes(raw)
    files.close()
    assert not office.verify().holds
    assert office.now_ms >= START_MS
