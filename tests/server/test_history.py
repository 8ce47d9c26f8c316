# SPDX-License-Identifier: Apache-2.0
"""A record's history: every change in causal order, as it was at any moment, why it shows what it
shows; and what officers do with the quarantine."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from server.audit import Names
from server.audit_errors import NotInQuarantine, RecordChanged, ReleaseOverwrites
from server.audit_graph import draw
from server.errors import NotFound
from server.history import History, read_history, stored_record
from server.resolving import quarantined, release
from server.why import why_shown
from sync.clock import VersionVector
from sync.policy import shown_fields
from tests.conftest import SEED
from tests.server.pens import HOUR_MS, Office, Pen


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    made = Office(tmp_path)
    yield made
    made.store.close()


def history(office: Office, record: str) -> History:
    with office.store.read() as tx:
        return read_history(tx, record)


def why(office: Office, record: str, field: str, lang: str = "en") -> str:
    with office.store.read() as tx:
        stored = stored_record(tx, record)
        assert stored
        found = read_history(tx, record)
        return why_shown(Names(tx), office.schema, found, stored, field, lang)


def test_a_history_holds_every_change_in_causal_order(office: Office) -> None:
    rng = random.Random(SEED)
    pens = [Pen(office, f"w{i}", f"工{i}") for i in range(3)]
    home = pens[0].write(None, phone="0")
    pens[0].sync()
    for _ in range(60):
        pen = rng.choice(pens)
        office.now_ms += HOUR_MS
        if home in pen.records and rng.random() < 0.7:
            pen.write(home, **{rng.choice(["phone", "mood"]): str(rng.randrange(9))})
        else:
            pen.sync()
    for pen in pens:
        pen.sync()
    found = history(office, home)
    assert len(found.moments) == sum(pen.counter for pen in pens)
    chains = found.chains()
    for i, moment in enumerate(found.moments):
        seen = VersionVector(moment.entry.change.vector)
        later = found.moments[i + 1 :]
        assert not any(seen.covers(other.dot, chains) for other in later)
    last = found.state_at(len(found.moments))
    with office.store.read() as tx:
        stored = stored_record(tx, home)
    assert stored
    assert last.registers == stored.state.registers
    assert last.vector.pack() == stored.vector


def test_a_record_is_seen_as_it_was_at_any_moment(office: Office) -> None:
    a = Pen(office, "zx", "张霞")
    home = a.write(None, phone="0")
    for value in ("1", "2", "3"):
        a.write(home, phone=value)
    a.push()
    found = history(office, home)
    values = [
        shown_fields(found.state_at(n), office.schema, "household")["phone"].value
        for n in range(1, 5)
    ]
    assert values == ["0", "1", "2", "3"]


def test_what_waits_and_what_is_in_quarantine_stands_in_the_history(office: Office) -> None:
    a, b = Pen(office, "zx", "张霞"), Pen(office, "cyx", "陈宇轩")
    home = a.write(None, phone="0")
    a.sync()
    b.sync()
    a.write(home, phone="1")
    a.show(b)
    b.relayed = []
    b.write(home, mood="x")
    b.push()
    assert [m.fate for m in history(office, home).moments] == ["merged", "waiting"]
    assert len(history(office, home).missing) == 1
    office.sql("UPDATE devices SET state = 'revoked', revoked_at_ms = 1 WHERE id = 'zx'")
    a.push()
    fates = [m.fate for m in history(office, home).moments]
    # What b wrote having seen it no longer waits: quarantine makes no hole.
    assert sorted(fates) == ["merged", "merged", "quarantined"]
    assert history(office, home).missing == ()
    with pytest.raises(NotFound):
        history(office, "nowhere")


def test_what_stands_before_a_change_that_no_feed_holds_is_found_in_its_writers_feed(
    office: Office,
) -> None:
    a = Pen(office, "zx", "张霞")
    home = a.write(None, phone="0")
    a.push()
    a.write(home, phone="1")
    a.push()
    a.write(home, phone="2")
    a.push()
    # As on a server that knows the last one from a signed state alone.
    office.sql("DELETE FROM segments WHERE first = 3")
    found = history(office, home)
    assert [moment.entry.change.values for moment in found.moments] == [["0"], ["1"]]
    assert len(found.missing) == 1


def test_it_says_in_one_sentence_why_a_value_is_shown(office: Office) -> None:
    a, b = Pen(office, "zx", "张霞"), Pen(office, "cyx", "陈宇轩")
    home = a.write(None, phone="0", risk="low")
    a.sync()
    b.sync()
    assert "nobody wrote it since" in why(office, home, "phone")
    b.write(home, phone="1", reason="搬家")
    b.sync()
    sentence = why(office, home, "phone")
    assert "陈宇轩 wrote it" in sentence
    assert "having seen 张霞's edit" in sentence
    assert "搬家" in why(office, home, "phone", "zh")
    a.write(home, risk="high")
    b.write(home, risk="middle")
    a.push()
    b.push()
    sentence = why(office, home, "risk")
    assert "shows “high”" in sentence
    assert "陈宇轩 “middle”" in sentence
    assert "the highest is shown" in sentence
    a.write(home, others=[("add", "tags", ["x"])])
    a.push()
    assert "all elements together" in why(office, home, "tags")
    with pytest.raises(NotFound):
        why(office, home, "nothing")


def test_the_picture_shows_branches_and_where_they_meet(office: Office) -> None:
    a, b = Pen(office, "zx", "张霞"), Pen(office, "cyx", "陈宇轩")
    home = a.write(None, phone="0")
    a.sync()
    b.sync()
    a.write(home, phone="1")
    office.now_ms += 1
    b.write(home, phone="2")
    a.push()
    b.sync()
    b.write(home, phone="3")
    b.push()
    lines = draw(history(office, home).moments, lambda m: m.entry.change.values[0])
    assert lines == ["●  3", "├─╮", "● │  2", "│ ●  1", "├─╯", "●  0"]


# ---- quarantine ----------------------------------------------------------------------------------


def quarantine_one(office: Office) -> tuple[Pen, Pen, str, str]:
    """A revoked tablet brings one edit of two fields; nobody wrote meanwhile."""
    a, b = Pen(office, "zx", "张霞"), Pen(office, "cyx", "陈宇轩")
    home = a.write(None, phone="0", mood="0")
    a.sync()
    b.sync()
    a.write(home, phone="1", mood="1")
    office.sql("UPDATE devices SET state = 'revoked', revoked_at_ms = 1 WHERE id = 'zx'")
    a.push()
    with office.store.read() as tx:
        (found,) = quarantined(tx)
    assert (found.reason, found.entry.record) == ("revoked", home)
    return a, b, home, found.entry.dot.hex()


def test_releasing_from_quarantine_is_a_new_change_by_the_office(office: Office) -> None:
    _, b, home, dot = quarantine_one(office)
    done = release(office.district, dot[:40], officer="gsy", reason="核实过")
    assert done.record == home
    b.sync()
    assert set(b.records[home].registers["phone"].values()) == {"1"}
    with office.store.read() as tx:
        assert quarantined(tx) == []
        assert [q.released_by for q in quarantined(tx, released=True)] == ["gsy"]
    with pytest.raises(NotInQuarantine):
        release(office.district, dot, officer="gsy", reason="再来")
    with pytest.raises(NotInQuarantine):
        release(office.district, "zz", officer="gsy", reason="再来")
    assert office.verify().holds


def test_a_release_never_silently_overwrites_what_its_writer_had_not_seen(office: Office) -> None:
    _, b, home, dot = quarantine_one(office)
    b.write(home, phone="2")
    b.push()
    with pytest.raises(ReleaseOverwrites) as refused:
        release(office.district, dot, officer="gsy", reason="核实过")
    assert refused.value.detail == "phone"
    done = release(office.district, dot, officer="gsy", reason="核实过", leave=["phone"])
    assert done.left == ("phone",)
    b.sync()
    assert set(b.records[home].registers["phone"].values()) == {"2"}
    assert set(b.records[home].registers["mood"].values()) == {"1"}
    assert office.verify().holds


def test_a_quarantined_new_record_comes_in_whole_when_released(office: Office) -> None:
    a = Pen(office, "zx", "张霞")
    office.sql("UPDATE devices SET state = 'revoked', revoked_at_ms = 1 WHERE id = 'zx'")
    home = a.write(None, phone="1")
    a.push()
    assert office.rows("SELECT count(*) FROM records") == [(0,)]
    with office.store.read() as tx:
        dot = quarantined(tx)[0].entry.dot.hex()
    assert release(office.district, dot, officer="gsy", reason="核实过").record == home
    assert office.rows("SELECT count(*) FROM records") == [(1,)]
    assert office.verify().holds


def test_a_change_of_another_collection_is_released_into_a_record_of_its_own(
    office: Office,
) -> None:
    a, b = Pen(office, "zx", "张霞"), Pen(office, "cyx", "陈宇轩")
    a.write("h1", phone="1")
    b.write("h1", "person", name="陈阿婆")
    a.push()
    b.push()
    with office.store.read() as tx:
        (found,) = quarantined(tx)
    done = release(office.district, found.entry.dot.hex(), officer="gsy", reason="另立")
    assert done.record != "h1"
    assert office.verify().holds


def test_a_release_looks_again_inside_its_transaction(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, b, home, dot = quarantine_one(office)
    plain = office.district.write_many

    def late(*arguments: object, **more: object) -> object:
        monkeypatch.setattr(office.district, "write_many", plain)
        b.write(home, phone="2")
        b.push()
        return plain(*arguments, **more)  # the record changed between look and write

    monkeypatch.setattr(office.district, "write_many", late)
    with pytest.raises(RecordChanged):
        release(office.district, dot, officer="gsy", reason="核实过")
    assert office.verify().holds
