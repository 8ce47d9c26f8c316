# SPDX-License-Identifier: Apache-2.0
"""What was found here and others have seen to: told once, to whom it concerns, by the record."""

from typing import Any

NEED = {"kind": "wheelchair", "status": "open", "urgency": "soon"}


def found_by(world: Any, fields: dict[str, Any]) -> tuple[Any, Any, str, str]:
    a, b = world.tablet("a"), world.tablet("b")
    home = a.create_record("household", fields)
    need = a.create_record("need", {**NEED, "household": home, "reporter": "w-a"})
    a.sync()
    b.sync()
    return a, b, home, need


def test_the_finder_hears_who_solved_it_and_reads_it_once(
    world: Any, fields: dict[str, Any]
) -> None:
    a, b, _, need = found_by(world, fields)
    assert a.solved() == []
    b.edit(need, status="solved")
    b.sync()
    a.sync()
    (told,) = a.solved()
    assert (told.record.id, told.by.worker, told.read) == (need, "w-b", False)
    assert a.standing().notices == 1
    assert b.solved() == []
    a.mark_solved_read(need)
    a.sync()
    assert [one.read for one in a.solved()] == [True]
    assert a.standing().notices == 0


def test_a_meeting_brings_the_news_too_and_whoever_found_nothing_hears_none(
    world: Any, fields: dict[str, Any]
) -> None:
    a, b, _, need = found_by(world, fields)
    c = world.tablet("c")
    c.sync()
    b.edit(need, status="solved")
    b.meet(a)
    b.meet(c)
    assert [one.record.id for one in a.solved()] == [need]
    assert c.solved() == []


def test_what_is_opened_again_is_news_no_more_until_it_is_solved_again(
    world: Any, fields: dict[str, Any]
) -> None:
    a, b, _, need = found_by(world, fields)
    b.edit(need, status="solved")
    b.meet(a)
    a.mark_solved_read(need)
    b.edit(need, status="open")
    b.meet(a)
    assert a.solved() == []
    b.edit(need, status="closed")
    b.meet(a)
    assert [one.read for one in a.solved()] == [False]


def test_what_one_solved_oneself_and_what_is_purged_is_no_news(
    world: Any, fields: dict[str, Any]
) -> None:
    a, b, home, need = found_by(world, fields)
    a.edit(need, status="solved")
    a.sync()
    b.sync()
    assert a.solved() == []
    other = a.create_record("need", {**NEED, "household": home, "reporter": "w-a"})
    a.sync()
    b.sync()
    b.edit(other, status="solved")
    b.sync()
    a.sync()
    assert len(a.solved()) == 1
    a.unassign([home], at_once=True)
    assert a.solved() == []
    assert a.standing().notices == 0
