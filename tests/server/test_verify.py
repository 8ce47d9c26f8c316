# SPDX-License-Identifier: Apache-2.0
"""Verify holds after whatever tablets and officers do, and finds what is altered in the store."""

import copy
import random
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from server.audit import EVERYTHING, list_conflicts
from server.replay import Became
from server.resolving import release, resolve, undo
from server.tiers import admit_server
from server.verify import verify_store
from sync.clock import Dot
from sync.feed import Segment
from sync.messages import WANT_STATES, Handed, unpack_pages
from sync.session import state_digest
from tests.conftest import SEED
from tests.server.pens import HOUR_MS, Office, Pen


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    made = Office(tmp_path)
    yield made
    made.store.close()


VALUES = ["0", "1", "2", "3"]


def step(rng: random.Random, office: Office, pens: list[Pen], homes: list[str]) -> None:
    """One thing that happens in a district."""
    pen = rng.choice(pens)
    office.now_ms += rng.randrange(HOUR_MS)
    what = rng.random()
    known = [h for h in homes if h in pen.records]
    if not known or what < 0.08:
        homes.append(pen.write(None, phone="0", mood="0", area="440103019003"))
    elif what < 0.55:
        home = rng.choice(known)
        field = rng.choice(["phone", "mood", "risk", "score"])
        value = {"risk": rng.choice(["low", "middle", "high"]), "score": rng.randrange(5)}
        pen.write(home, **{field: value.get(field, rng.choice(VALUES))})
    elif what < 0.70:
        home = rng.choice(known)
        operation = rng.choice(
            [
                ("add", "tags", [rng.choice(VALUES)]),
                ("remove", "tags", [rng.choice(VALUES)]),
                ("count", "meals", rng.randrange(-2, 3)),
                ("append", "notes", [rng.choice(VALUES)]),
                ("void", "", "搬走"),
            ]
        )
        pen.write(home, others=[operation])
    elif what < 0.76:
        pen.write(None, "person", household=rng.choice(known), name="陈阿婆")
    elif what < 0.80:
        people = [r for r, s in pen.records.items() if "name" in s.registers]
        if people:
            pen.write(rng.choice(people), "person", household=rng.choice(known))
    elif what < 0.87:
        pen.show(rng.choice([p for p in pens if p is not pen]))
    elif what < 0.93:
        pen.push()
    else:
        pen.sync()


def decide_something(rng: random.Random, office: Office) -> None:
    with office.store.read() as tx:
        lines = list_conflicts(tx, EVERYTHING, 100).lines
    for line in rng.sample(lines, min(2, len(lines))):
        words = {"officer": "gsy", "reason": "问过", "seen": ""}
        if line.state not in ("open", "rule", "undone"):
            continue
        value = rng.randrange(9) if line.field == "score" else rng.choice(VALUES)
        resolve(office.district, line.n, value=value, **words)
        if rng.random() < 0.3:
            undo(office.district, line.n, **words)


@pytest.mark.parametrize("turn", range(6))
def test_it_holds_after_random_concurrent_work(tmp_path: Path, turn: int) -> None:
    rng = random.Random(SEED + turn)
    office = Office(tmp_path)
    pens = [Pen(office, f"w{i}", f"工{i}") for i in range(4)]
    homes: list[str] = []
    for _ in range(6):
        for _ in range(40):
            step(rng, office, pens, homes)
        decide_something(rng, office)
        verdict = office.verify()
        assert verdict.problems == []
    for pen in pens * 2:
        pen.sync()
    verdict = office.verify()
    assert verdict.problems == []
    assert verdict.changes == sum(verdict.fates.values()) > 150
    assert verdict.conflicts > 0
    office.store.close()


def test_every_change_has_its_fate_by_name(office: Office) -> None:
    a, b = Pen(office, "zx", "张霞"), Pen(office, "cyx", "陈宇轩")
    home = a.write(None, phone="0")
    a.sync()
    b.sync()
    a.write(home, phone="1")
    office.now_ms += 1
    b.write(home, phone="2")
    a.push()
    b.push()
    a.write(home, mood="x")
    a.write(home, mood="y")
    a.push()
    b.write(home, others=[("remove", "tags", ["0"])])
    b.push()
    found: dict[Dot, Became] = {}
    with office.store.read() as tx:
        verdict = verify_store(
            tx,
            office.schema,
            office.first_key.public,
            on_fate=lambda record, dot, became: found.__setitem__(dot, became),
        )
    assert verdict.holds
    by_counter = {
        (pen.worker, int.from_bytes(d[16:24], "big")): found[d]
        for d in found
        for pen in (a, b)
        if d[:16] == pen.key.replica
    }
    assert {k: v.fate for k, v in by_counter.items()} == {
        ("zx", 1): "overwritten",
        ("zx", 2): "sibling",
        ("zx", 3): "overwritten",
        ("zx", 4): "shown",
        ("cyx", 1): "shown",
        ("cyx", 2): "effect",
    }
    last = next(d for d in found if d[:16] == a.key.replica and d[23] == 4)
    assert by_counter["zx", 3].by == last


def test_a_change_that_waits_for_another_is_accounted_for(office: Office) -> None:
    a, b = Pen(office, "zx", "张霞"), Pen(office, "cyx", "陈宇轩")
    home = a.write(None, phone="0")
    a.sync()
    b.sync()
    a.write(home, phone="1")
    a.show(b)
    b.relayed = []
    b.write(home, mood="x")
    b.push()
    verdict = office.verify()
    assert verdict.holds
    assert verdict.fates["waiting"] == 1
    a.push()
    verdict = office.verify()
    assert verdict.holds
    assert verdict.fates["waiting"] == 0


def test_what_a_revoked_tablet_brings_is_accounted_for(office: Office) -> None:
    a = Pen(office, "zx", "张霞")
    home = a.write(None, phone="0")
    a.sync()
    office.sql("UPDATE devices SET state = 'revoked', revoked_at_ms = ?", office.now_ms)
    a.write(home, phone="1")
    a.push()
    verdict = office.verify()
    assert verdict.holds
    assert verdict.fates["quarantined"] == 1
    with office.store.read() as tx:
        dot = bytes(tx.rows("SELECT dot FROM quarantine")[0][0])
    release(office.district, dot.hex(), officer="g", reason="核实")
    verdict = office.verify()
    assert verdict.holds
    assert (verdict.fates["quarantined"], verdict.fates["released"]) == (0, 1)


# ---- forks and signed states ---------------------------------------------------------------------


def test_it_holds_where_a_copied_tablet_wrote_on_both_sides(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.server.pens.off_my_chain", lambda *_: False)
    a, b = Pen(office, "zx", "张霞"), Pen(office, "cyx", "陈宇轩")
    home = a.write(None, phone="0")
    a.sync()
    b.sync()
    twin = copy.copy(a)
    twin.records, twin.forks = copy.deepcopy(a.records), set(a.forks)
    twin.unsent, twin.held, twin.relayed = [], set(a.held), []
    a.write(home, phone="1")
    twin.write(home, phone="2")
    a.push()
    twin.push()
    b.sync()
    b.write(home, mood="x")
    b.push()
    verdict = office.verify()
    assert verdict.problems == []
    assert office.rows("SELECT count(*) FROM forks") == [(1,)]
    assert office.rows("SELECT count(*) FROM leaves WHERE counter = 2") == [(2,)]
    office.sql("DELETE FROM forks")
    assert "fork" in {p.kind for p in office.verify().problems}


def test_what_came_only_as_a_signed_state_is_told_apart(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    old, new = Office(tmp_path / "a"), Office(tmp_path / "b")
    pen = Pen(old, "zx", "张霞")
    home = pen.write(None, phone="0")
    pen.write(home, phone="1")
    pen.push()
    page = unpack_pages(Pen(old, "cyx", "陈宇轩")._exchange(WANT_STATES).pages)[0]
    with new.store.write() as tx:
        public, box = old.first_key.public, old.district.box.public
        admit_server(tx, new.district.key, "old", "", public, box, 1)
    new.district.reload()
    carrier = Pen(new, "cyx", "陈宇轩")
    carrier.handed = [
        Handed(
            page.server,
            page.incarnation,
            page.seq,
            b"".join(state_digest(raw) for raw in page.states),
            page.signature,
            list(enumerate(page.states)),
        )
    ]
    carrier.push()
    verdict = new.verify()
    assert verdict.problems == []
    assert (verdict.joined, verdict.records, verdict.changes) == (1, 1, 0)
    # The feed itself arrives later: what the state had is told apart from what was applied.
    with new.store.write() as tx:
        tx.run(
            "INSERT INTO device_keys (replica, device, public, certificate, succession, since_ms)"
            " VALUES (?, 'cyx', ?, ?, NULL, 0)",
            [pen.key.replica, pen.key.public, b""],
        )
    new.district.reload()
    with old.store.read() as tx:
        bodies = [bytes(r[0]) for r in tx.rows("SELECT body FROM segments")]
    carrier.relayed = [msgspec.msgpack.decode(body, type=Segment) for body in bodies]
    carrier.push()
    verdict = new.verify()
    assert verdict.problems == []
    assert (verdict.fates["shown"], verdict.fates["superseded"]) == (1, 1)
    new.sql("UPDATE joined_states SET state = ?", page.states[0][:-1] + b"\x00")
    assert "signed-state" in {p.kind for p in new.verify().problems}
    old.store.close()
    new.store.close()
