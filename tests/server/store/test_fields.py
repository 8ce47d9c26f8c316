# SPDX-License-Identifier: Apache-2.0
"""Field keys in both stores: classes, epochs, rings, grants, and what the office writes itself."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from crypto.errors import SealRefused
from crypto.identity import DeviceKey
from crypto.ring import Ring
from crypto.seal import BoxKey
from server import field_readers, people
from server.audit_errors import FieldClassUnknown
from server.boxes import Boxes
from server.district import District
from server.doctor_rights import rights_findings
from server.errors import NotFound
from server.field_handing import AGAIN_MS, askers, give, step, told_words
from server.field_keys import FieldKeys, Group
from server.field_rings import ring_of
from server.history import stored_record
from server.imports import Row, plan
from server.store.base import Store
from server.withdrawals import close_withdrawal, withdrawals
from sync.collections import SCHEMA
from sync.errors import ChangeInvalid
from sync.sealing import is_sealed, key_named

BY = "office"
AREA = "440103019003"


class Office:
    """A district with two teams, the first of which reads illnesses."""

    def __init__(self, store: Store) -> None:
        self.now_ms = 1_700_000_000_000
        self.store = store
        self.district = District(store, SCHEMA, DeviceKey.generate(), BoxKey.generate(), self.clock)
        with store.write() as tx:
            for team in ("one", "two"):
                people.add_team(tx, team, team, BY, self.clock())
            field_readers.allow_team(tx, SCHEMA, "one", "illness", BY, self.clock())

    def clock(self) -> int:
        self.now_ms += 1
        return self.now_ms

    def ring(self, team: str) -> Ring:
        with self.store.write() as tx:
            found, _ = ring_of(tx, self.district.fields, self.district.key, team, self.clock())
            tx.run("UPDATE field_epochs SET told = 1 WHERE team = ?", [team])
        return found

    def person(self, illness: str) -> str:
        home = self.district.write(BY, "household", None, {"area": AREA, "head_name": "陈秀英"})
        with self.store.write() as tx:
            people.assign_homes(tx, "one", [home], BY, self.clock())
        return self.district.write(
            BY, "person", None, {"household": home, "name": "陈秀英", "illness": illness}
        )

    def stored(self, record: str, *, opened: bool = False) -> list[object]:
        """The siblings of the illness of a person."""
        with self.store.read() as tx:
            held = stored_record(tx, record)
            assert held is not None
            by_dot = held.state.registers["illness"]
            if not opened:
                return list(by_dot.values())
            fields = self.district.fields
            return [fields.open(tx, record, "illness", d, v) for d, v in by_dot.items()]


@pytest.fixture
def office(opened: Callable[[], Store]) -> Office:
    return Office(opened())


def test_what_the_office_writes_is_sealed_for_the_team_that_holds_the_household(
    office: Office,
) -> None:
    one = office.person("高血压")
    (value,) = office.stored(one)
    assert is_sealed(value)
    assert office.stored(one, opened=True) == ["高血压"]
    assert key_named(str(value)) in office.ring("one").ids()
    office.district.write(BY, "person", one, {"illness": None})
    assert office.stored(one) == [None]
    with pytest.raises(ChangeInvalid):
        office.district.write(BY, "person", one, {"illness": value})


def test_another_server_makes_nothing_of_it(office: Office) -> None:
    one = office.person("高血压")
    other = FieldKeys(Boxes.of(BoxKey.generate()))
    with office.store.read() as tx:
        held = stored_record(tx, one)
        assert held is not None
        ((d, value),) = held.state.registers["illness"].items()
        for _ in range(2):
            with pytest.raises(SealRefused):
                other.open(tx, one, "illness", d, value)
        for wrong in ("sealed/1:", "sealed/1:AAAA"):
            with pytest.raises(SealRefused):
                office.district.fields.open(tx, one, "illness", d, wrong)
        assert office.district.fields.open(tx, one, "illness", d, 7) == 7


def test_an_epoch_ends_with_a_loss_and_only_if_its_key_was_told(office: Office) -> None:
    first = office.ring("one")
    with office.store.write() as tx:
        assert field_readers.renew_for(tx, "one", office.clock()) == 1
        assert field_readers.renew_for(tx, "one", office.clock()) == 0
        assert field_readers.renew_for(tx, "two", office.clock()) == 0
    second = office.ring("one")
    assert second.writes() != first.writes()
    assert set(first.ids()) < set(second.ids())
    assert office.ring("two").classes == ()


def test_a_household_that_leaves_an_area_ends_the_epoch_of_the_teams_that_had_it_by_area(
    office: Office,
) -> None:
    with office.store.write() as tx:
        people.assign_area(tx, "one", AREA, BY, office.clock())
    home = office.district.write(BY, "household", None, {"area": AREA, "head_name": "陈秀英"})
    before = office.ring("one").writes()
    office.district.write(BY, "household", home, {"area": AREA + "001"})
    assert office.ring("one").writes() == before
    office.district.write(BY, "household", home, {"area": "440103007001"})
    assert office.ring("one").writes() != before


def test_a_store_that_was_set_back_still_reads_what_later_epochs_sealed(office: Office) -> None:
    for _ in range(3):
        office.ring("one")
        with office.store.write() as tx:
            field_readers.renew_for(tx, "one", office.clock())
    one = office.person("高血压")
    with office.store.write() as tx:
        tx.run("DELETE FROM field_epochs WHERE epoch > 1")
    office.district.fields = FieldKeys(office.district.boxes)
    assert office.stored(one, opened=True) == ["高血压"]


def test_what_is_allowed_is_listed_and_taken_back_and_needs_somebody_to_allow_it_to(
    office: Office,
) -> None:
    with office.store.write() as tx:
        with pytest.raises(FieldClassUnknown):
            field_readers.allow_team(tx, SCHEMA, "one", "wages", BY, office.clock())
        with pytest.raises(NotFound):
            field_readers.allow_team(tx, SCHEMA, "three", "illness", BY, office.clock())
        with pytest.raises(NotFound):
            field_readers.allow_officer(tx, SCHEMA, "nobody", "illness", BY, office.clock())
        assert field_readers.allowed(tx) == [("team", "one", "illness")]
        assert field_readers.withdraw_team(tx, "one", "illness", BY, office.clock())
        assert not field_readers.withdraw_officer(tx, "nobody", "illness", BY, office.clock())
        assert field_readers.allowed(tx) == []
    assert field_readers.classes_of(SCHEMA) == ["child", "identity", "illness"]


def test_importing_the_same_file_again_changes_nothing_sealed_fields_included(
    office: Office,
) -> None:
    one = office.person("高血压")
    declared, fields = SCHEMA.collections["person"], office.district.fields
    same, other = ([Row(2, one, {"illness": words})] for words in ("高血压", "中风"))
    with office.store.read() as tx:
        assert plan(tx, same, declared, fields) == []
        assert [write[2] for write in plan(tx, other, declared, fields)] == [{"illness": "中风"}]


def test_what_is_sealed_elsewhere_is_asked_for_once_and_again_after_a_week(office: Office) -> None:
    other = FieldKeys(Boxes.of(BoxKey.generate()))
    strange = other.key(Group("far", "illness", 1))
    one = office.person("高血压")
    office.ring("one")
    with office.store.write() as tx:
        step(tx, office.district, office.clock())
        assert told_words(tx, 0) == []
        tx.run("INSERT INTO field_wants VALUES (?, ?, 'illness', 1, 0)", [strange.id, one])
        for _ in range(2):
            step(tx, office.district, office.clock())
        assert len(told_words(tx, 0)) == 1
        office.now_ms += AGAIN_MS
        step(tx, office.district, office.clock())
        assert len(told_words(tx, 0)) == 2
        assert askers(tx, office.district.trust) == []
        assert give(tx, office.district, office.clock()) == 0


def test_a_withdrawal_is_listed_and_closed(office: Office) -> None:
    one = office.person("高血压")
    write, said = office.district.write, {"purpose": "photos", "answer": "withdrawn"}
    home = write(BY, "household", None, {"area": AREA, "head_name": "陈秀英"})
    made = write(BY, "consent", None, said | {"household": home, "person": one})
    with office.store.write() as tx:
        assert [w.record for w in withdrawals(tx, AREA[:6])] == [made]
        assert withdrawals(tx, "44") != withdrawals(tx, "45") == []
        graded = {f.name: f.grade for f in rights_findings(tx, office.clock())}
        assert graded == {"backup-keys": "good", "withdrawals": "warning", "field-keys": "good"}
        close_withdrawal(tx, made, "法定职责", BY, office.clock())
        assert withdrawals(tx) == []
