# SPDX-License-Identifier: Apache-2.0
"""A consent is a change with a signature; for a child below fourteen a guardian signs."""

from typing import Any

import pytest

from client_sdk.errors import EntryRefused
from fixtures.world import World
from sync.consenting import is_child

PICTURE = b"picture of a signature"
BORN = {"grown": 1950, "child": 2012}


def people(world: World, fields: dict[str, Any]) -> tuple[Any, str, str]:
    a = world.tablet("a")
    home = a.create_record("household", fields)
    grown, child = (
        a.create_record("person", {"household": home, "name": name, "birth_year": year})
        for name, year in BORN.items()
    )
    return a, grown, child


def test_a_consent_reaches_the_district_with_its_signature_and_a_withdrawal_stands_beside_it(
    world: World, fields: dict[str, Any]
) -> None:
    a, grown, _ = people(world, fields)
    given = a.consent(grown, "photos", "given", signature=PICTURE, words="2026-1")
    taken_back = a.consent(grown, "photos", "withdrawn", signature=PICTURE)
    a.sync()
    rows = world.sql("SELECT id, person, answer, signed_by, signature FROM consent ORDER BY id")
    assert {(r[0], r[2]) for r in rows} == {(given, "given"), (taken_back, "withdrawn")}
    assert {(r[1], r[3]) for r in rows} == {(grown, "self")}
    attachments = {r[0] for r in world.sql("SELECT id FROM attachment")}
    assert {r[4] for r in rows} == attachments


def test_a_child_below_fourteen_needs_a_guardian(world: World, fields: dict[str, Any]) -> None:
    a, _, child = people(world, fields)
    with pytest.raises(EntryRefused) as refused:
        a.consent(child, "photos", "given", signature=PICTURE)
    assert [p.code for p in refused.value.problems] == ["consent/guardian"]
    assert "监护人" in refused.value.message("zh")
    made = a.consent(
        child, "photos", "given", signature=PICTURE, guardian="欧阳锋", guardian_relation="祖父"
    )
    assert a.read(made)["signed_by"] == "guardian"


def test_a_consent_without_a_signature_is_not_written(world: World, fields: dict[str, Any]) -> None:
    a, grown, _ = people(world, fields)
    with pytest.raises(EntryRefused, match="signature"):
        a.consent(grown, "photos", "given", signature=b"")
    assert a.holds(grown)


@pytest.mark.parametrize(
    ("year", "on", "child"),
    [(2012, "2026-06-09", True), (2011, "2026-06-09", False), (None, "2026-06-09", False)],
)
def test_a_year_that_does_not_say_whether_somebody_is_fourteen_is_taken_for_a_childs(
    year: int | None, on: str, child: bool
) -> None:
    assert is_child(year, on) is child
