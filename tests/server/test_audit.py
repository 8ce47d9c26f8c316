# SPDX-License-Identifier: Apache-2.0
"""The audit: every conflict is kept, told in full, settled by a change, and undone by another."""

import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from server.audit import EVERYTHING, Filter, count_by_policy, count_conflicts, list_conflicts
from server.audit_errors import (
    ConflictOpen,
    ConflictSettled,
    ConflictUnknown,
    DecisionIncomplete,
    RecordChanged,
    ValueRefused,
)
from server.audit_show import Conflict, show_conflict
from server.audit_words import day, decision_words, offset_words, seen_words, span
from server.errors import NotFound
from server.resolving import resolve, undo
from sync.messages import WANT_STATES
from tests.server.pens import HOUR_MS, Office, Pen


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    made = Office(tmp_path)
    yield made
    made.store.close()


def shown(office: Office, n: int = 1) -> Conflict:
    with office.store.read() as tx:
        return show_conflict(tx, office.schema, n)


def clash(office: Office, field: str = "phone") -> tuple[Pen, Pen, str]:
    """Two pens that saw one value and wrote two; a day passes in between."""
    a, b = Pen(office, "zx", "张霞"), Pen(office, "cyx", "陈宇轩")
    home = a.write(None, area="440103019003", **{field: "older"})
    a.write(home, **{field: "0"})
    a.sync()
    b.sync()
    office.now_ms += 24 * HOUR_MS
    a.write(home, **{field: "1"})
    office.now_ms += HOUR_MS
    b.write(home, **{field: "2"})
    office.now_ms += 2 * HOUR_MS
    a.push()
    office.now_ms += HOUR_MS
    b.push()
    return a, b, home


def test_a_conflict_is_told_in_full(office: Office) -> None:
    _a, _b, home = clash(office)
    found = shown(office)
    assert (found.record, found.home, found.field) == (home, home, "phone")
    assert (found.area, found.state, found.policy) == ("440103019003", "open", "ask")
    first, second = found.sides
    assert [first.value, second.value] == ["1", "2"]
    assert [first.worker_name, second.worker_name] == ["张霞", "陈宇轩"]
    assert [first.tablet, second.tablet] == ["平板zx", "平板cyx"]
    assert first.offline_ms == 3 * HOUR_MS
    assert second.offline_ms == 3 * HOUR_MS
    assert first.silent_ms == 27 * HOUR_MS
    assert [m.value for m in found.base] == ["0"]
    assert found.shown == "2"
    assert found.shown_dots == (first.dot, second.dot)
    assert [m.worker for m in second.had_seen] == ["张霞"]
    assert [m.worker for m in second.had_not_seen] == ["张霞"]
    assert second.had_not_seen[0].dot == first.dot
    assert first.had_seen[0].own
    assert office.verify().holds


def test_in_brief_a_conflict_says_of_its_values_what_it_says_in_full(office: Office) -> None:
    clash(office)
    for settled in (False, True):
        if settled:
            dot, seen = shown(office).sides[0].dot.hex(), shown(office).seen
            resolve(office.district, 1, officer="o", reason="核实", seen=seen, choice=dot)
        full = shown(office)
        with office.store.read() as tx:
            found = show_conflict(tx, office.schema, 1, brief=True)
        rows = {"sides": (), "base": (), "decisions": ()}
        assert found._replace(**rows) == full._replace(**rows)
        for one, whole in zip(found.sides, full.sides, strict=True):
            assert one[:8] == whole[:8]
            assert (one.stamp, one.carried_by, one.had_seen) == (whole.stamp, "", ())
        assert not found.base
        assert full.base


def test_what_a_writer_had_seen_is_said_in_words(office: Office) -> None:
    _, _, _ = clash(office)
    second = shown(office).sides[1]
    seen, missed = second.had_seen[0].at_ms, second.had_not_seen[0].at_ms
    assert seen_words(second, "en") == (
        f"had seen 张霞's edit of {day(seen, 'en')}, not 张霞's edit of {day(missed, 'en')}"
    )
    assert seen_words(second, "zh") == (
        f"看过张霞{day(seen, 'zh')}的修改，没看过张霞{day(missed, 'zh')}的修改"
    )


def test_two_edits_of_one_person_on_one_day_are_told_apart(office: Office) -> None:
    a, b = Pen(office, "zx", "张霞"), Pen(office, "cyx", "陈宇轩")
    home = a.write(None, phone="0")
    a.sync()
    b.sync()
    office.now_ms += 60_000
    a.write(home, phone="1")
    b.write(home, phone="2")
    a.push()
    b.push()
    side = next(s for s in shown(office).sides if s.worker == "cyx")
    had, missed = seen_words(side, "en").split(", not ")
    assert had != f"had seen {missed}"
    assert re.search(r"edit of \d+ \w+ \d{4} \d\d:\d\d", missed)


def test_a_clock_that_is_thirty_years_off_is_measured_and_shown(office: Office) -> None:
    years = 30 * 365 * 24 * HOUR_MS
    a, b = Pen(office, "zx", "张霞", offset_ms=-years), Pen(office, "cyx", "陈宇轩")
    home = a.write(None, phone="0")
    a.sync()
    b.sync()
    a.write(home, phone="1")
    b.write(home, phone="2")
    office.now_ms += HOUR_MS
    a.sync()
    b.sync()
    by_worker = {side.worker: side for side in shown(office).sides}
    assert by_worker["zx"].offset_ms == -years
    assert by_worker["zx"].offline_ms == HOUR_MS
    assert by_worker["zx"].clock_ms == office.now_ms - HOUR_MS - years
    assert offset_words(by_worker["zx"].offset_ms, "en") == "30 y behind"
    assert by_worker["cyx"].offset_ms == 0


def test_a_value_that_a_teammate_carried_names_the_carrier_and_no_offset(office: Office) -> None:
    a, b = Pen(office, "zx", "张霞", offset_ms=5_000), Pen(office, "cyx", "陈宇轩")
    home = a.write(None, phone="0")
    a.sync()
    b.sync()
    c = Pen(office, "lm", "李明")
    c.sync()
    a.write(home, phone="1")
    b.write(home, phone="2")
    a.show(c)
    c.sync()
    b.sync()
    side = next(s for s in shown(office).sides if s.worker == "zx")
    assert (side.carried_by, side.offset_ms, side.offline_ms) == ("平板lm", None, None)
    assert side.clock_ms == office.now_ms + 5_000


def test_resolving_is_a_change_that_every_tablet_gets_with_the_reason(office: Office) -> None:
    a, b, home = clash(office)
    found = shown(office)
    done = resolve(
        office.district,
        1,
        officer="gsy",
        reason="问过本人",
        seen=found.seen,
        choice=found.sides[0].dot.hex(),
    )
    assert done.value == "1"
    after = shown(office)
    assert (after.state, after.shown) == ("office", "1")
    decision = after.decisions[0]
    assert (decision.worker, decision.reason, decision.where) == ("gsy", "问过本人", "office")
    assert "问过本人" in decision_words(office.schema, after, decision, "zh")
    told_a, told_b = a.sync(), b.sync()
    assert told_a == []
    assert [(n.yours, n.kept, n.reason, n.kept_by) for n in told_b] == [
        ("2", "1", "问过本人", "gsy")
    ]
    assert b.sync() == []
    assert a.records[home].registers["phone"] == b.records[home].registers["phone"]
    assert shown(office).sides[1].told_at_ms == office.now_ms
    assert office.verify().holds


def test_a_third_value_tells_both_writers_once(office: Office) -> None:
    a, b, _ = clash(office)
    resolve(office.district, 1, officer="gsy", reason="新号码", seen="", value="3")
    assert [n.kept for n in a.sync() + b.sync()] == ["3", "3"]
    assert a.sync() + b.sync() == []


def test_a_decision_on_a_record_that_changed_meanwhile_is_refused(office: Office) -> None:
    a, _, home = clash(office)
    found = shown(office)
    a.write(home, mood="glad")
    a.push()
    before = office.rows("SELECT count(*) FROM segments")
    with pytest.raises(RecordChanged):
        resolve(office.district, 1, officer="gsy", reason="x", seen=found.seen, value="3")
    assert office.rows("SELECT count(*) FROM segments") == before
    assert office.rows("SELECT count(*) FROM decisions") == [(0,)]
    resolve(office.district, 1, officer="gsy", reason="x", seen=shown(office).seen, value="3")
    assert office.verify().holds


def test_an_incomplete_decision_is_refused_with_a_code(office: Office) -> None:
    clash(office)
    district = office.district
    with pytest.raises(ConflictUnknown):
        resolve(district, 9, officer="g", reason="x", seen="", value="3")
    with pytest.raises(DecisionIncomplete):
        resolve(district, 1, officer=" ", reason="x", seen="", value="3")
    with pytest.raises(DecisionIncomplete):
        resolve(district, 1, officer="g", reason=" ", seen="", value="3")
    with pytest.raises(DecisionIncomplete):
        resolve(district, 1, officer="g", reason="x", seen="", choice="0" * 56)
    with pytest.raises(ValueRefused):
        resolve(district, 1, officer="g", reason="x", seen="", value=3)
    resolve(district, 1, officer="g", reason="x", seen="", value="3")
    with pytest.raises(ConflictSettled):
        resolve(district, 1, officer="g", reason="x", seen="", value="4")
    assert shown(office).shown == "3"


def test_undoing_sets_back_what_was_shown_and_the_audit_keeps_both(office: Office) -> None:
    clash(office)
    with pytest.raises(ConflictOpen):
        undo(office.district, 1, officer="g", reason="x", seen="")
    resolve(office.district, 1, officer="gsy", reason="问过", seen="", value="1")
    office.now_ms += HOUR_MS
    undo(office.district, 1, officer="lhz", reason="打错了", seen=shown(office).seen)
    found = shown(office)
    assert (found.state, found.shown) == ("undone", "2")
    assert [(d.what, d.worker, d.reason) for d in found.decisions] == [
        ("resolve", "gsy", "问过"),
        ("undo", "lhz", "打错了"),
    ]
    with pytest.raises(ConflictOpen):
        undo(office.district, 1, officer="lhz", reason="x", seen="")
    resolve(office.district, 1, officer="gsy", reason="再问", seen="", value="1")
    again = shown(office)
    assert (again.state, again.shown, len(again.decisions)) == ("office", "1", 3)
    assert office.verify().holds


def test_a_decision_that_was_edited_since_cannot_be_undone(office: Office) -> None:
    a, _, home = clash(office)
    resolve(office.district, 1, officer="gsy", reason="问过", seen="", value="1")
    a.sync()
    a.write(home, phone="5")
    a.push()
    with pytest.raises(RecordChanged):
        undo(office.district, 1, officer="g", reason="x", seen="")
    assert shown(office).shown == "5"


def test_a_conflict_settled_at_the_door_is_in_the_audit(office: Office) -> None:
    a, b, home = clash(office)
    a.sync()
    a.write(home, phone="2", reason="本人说的")
    a.push()
    found = shown(office)
    assert found.state == "door"
    assert [(d.where, d.worker_name, d.reason) for d in found.decisions] == [
        ("door", "张霞", "本人说的")
    ]
    # The one who decided is not told of a loss that was their own decision.
    assert a.sync() + b.sync() == []
    undo(office.district, 1, officer="g", reason="不对", seen="")
    assert office.verify().holds


def test_a_conflict_met_and_settled_between_tablets_is_in_the_audit(office: Office) -> None:
    a, b = Pen(office, "zx", "张霞"), Pen(office, "cyx", "陈宇轩")
    home = a.write(None, phone="0")
    a.sync()
    b.sync()
    a.write(home, phone="1")
    b.write(home, phone="2")
    a.show(b)
    b.write(home, phone="2", reason="当面问的")
    b.push()
    found = shown(office)
    assert (found.state, found.shown) == ("door", "2")
    assert [(n.yours, n.kept, n.reason) for n in a.sync()] == [("1", "2", "当面问的")]
    assert office.verify().holds


def test_a_rule_tells_the_loser_once_and_a_later_decision_does_not_repeat_it(
    office: Office,
) -> None:
    a, b, _ = clash(office, "mood")
    found = shown(office)
    assert (found.state, found.shown) == ("rule", "2")
    assert [(n.yours, n.kept, n.policy) for n in a.sync()] == [("1", "2", "latest")]
    assert b.sync() == []
    resolve(office.district, 1, officer="g", reason="就是2", seen="", value="2")
    assert a.sync() + b.sync() == []


def test_a_rule_that_is_overruled_tells_the_one_who_had_won(office: Office) -> None:
    a, b, _ = clash(office, "mood")
    a.sync()
    resolve(office.district, 1, officer="g", reason="是1", seen="", value="1")
    assert a.sync() == []
    assert [(n.yours, n.kept, n.reason) for n in b.sync()] == [("2", "1", "是1")]


def test_a_value_superseded_within_a_conflict_stays_in_the_audit(office: Office) -> None:
    _a, b, home = clash(office)
    b.write(home, phone="3")
    b.push()
    found = shown(office)
    assert [(s.value, s.live) for s in found.sides] == [("1", True), ("2", False), ("3", True)]
    last = found.sides[2]
    assert [m.value for m in last.had_seen] == ["2", "0"]
    assert [m.value for m in last.had_not_seen] == ["1"]
    assert office.verify().holds


def test_conflicts_are_filtered_counted_and_paged_by_key(office: Office) -> None:
    rng = random.Random(1)
    a, b = Pen(office, "zx", "张霞"), Pen(office, "cyx", "陈宇轩")
    areas = ["440103019003", "440103019004", "440104001001"]
    homes = [a.write(None, area=areas[i % 3], phone="0", mood="0") for i in range(30)]
    a.sync()
    b.sync()
    for home in homes:
        field = rng.choice(["phone", "mood"])
        a.write(home, **{field: "1"})
        b.write(home, **{field: "2"})
    a.push()
    b.push()
    with office.store.read() as tx:
        seen: list[int] = []
        after = None
        while True:
            page = list_conflicts(tx, EVERYTHING, 7, after)
            assert page.total == 30
            seen += [line.n for line in page.lines]
            after = page.after
            if after is None:
                break
        assert seen == sorted(set(seen), reverse=True)
        assert len(seen) == 30
        counts = count_conflicts(tx)
        assert sum(counts.values()) == 30
        assert counts["open"] == list_conflicts(tx, Filter(state="open")).total > 0
        assert counts["rule"] == list_conflicts(tx, Filter(state="settled")).total > 0
        assert list_conflicts(tx, Filter(area="440103")).total == 20
        assert list_conflicts(tx, Filter(area="440103019004")).total == 10
        assert list_conflicts(tx, Filter(worker="张霞")).total == 30
        assert list_conflicts(tx, Filter(worker="lm")).total == 0
        assert list_conflicts(tx, Filter(team="t")).total == 30
        assert list_conflicts(tx, Filter(team="u")).total == 0
        assert list_conflicts(tx, Filter(record=homes[4])).total == 1
        assert list_conflicts(tx, Filter(collection="person")).total == 0
        assert list_conflicts(tx, Filter(before_ms=office.now_ms - 1)).total == 0
        assert list_conflicts(tx, Filter(since_ms=office.now_ms)).total == 30
        by_field = list_conflicts(tx, Filter(field="mood")).total
        assert by_field == list_conflicts(tx, Filter(policy="latest")).total == counts["rule"]
        assert count_by_policy(tx) == {
            "ask": {"open": counts["open"]},
            "latest": {"rule": counts["rule"]},
        }
        with pytest.raises(NotFound):
            list_conflicts(tx, Filter(state="nonsense"))


def test_equal_values_from_two_writers_are_no_conflict(office: Office) -> None:
    a, b = Pen(office, "zx", "张霞"), Pen(office, "cyx", "陈宇轩")
    home = a.write(None, phone="0")
    a.sync()
    b.sync()
    a.write(home, phone="1")
    b.write(home, phone="1")
    a.push()
    assert b._exchange(WANT_STATES).notices == []
    assert office.rows("SELECT count(*) FROM conflicts") == [(0,)]
    assert office.verify().holds


def test_lengths_of_time_read_like_speech() -> None:
    assert span(0, "en") == "0 s"
    assert span(90_000, "en") == "1 min 30 s"
    assert span(27 * HOUR_MS, "zh") == "1 天 3 小时"
    assert span(None, "en") == "unknown"
