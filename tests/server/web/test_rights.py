# SPDX-License-Identifier: Apache-2.0
"""A person's rights in the console: a code again, the area, the access log, and what is typed."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from fixtures.console import World, console_world
from server.log_access import HOMES_PER_HOUR_MAX, Reading, note_readings
from tests.server.store.archives_away import lose_runs

pytestmark = pytest.mark.slow


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with console_world(tmp_path) as made:
        yield made


def test_a_supervisor_gives_a_copy_and_erases_after_a_code_and_what_is_typed(world: World) -> None:
    with world.browse("supervisor") as visitor:
        assert visitor.get("/records/h1/rights").status_code in (200, 303)
        visitor.step_up("supervisor")
        page = visitor.get("/records/h1/rights").text
        assert "输入编号以确认" in page
        copy = visitor.get("/records/h1/copy")
        assert "个人信息副本" in copy.text
        plain = msgspec.json.decode(visitor.get("/records/h1/copy?as=json").content)
        assert plain["person"] == "h1"
        refused = visitor.post("/records/h1/erase", basis="request", reason="本人要求", typed="h2")
        assert refused.status_code == 422
        done = visitor.post("/records/h1/erase", basis="request", reason="本人要求", typed="h1")
        assert done.status_code == 303
        assert visitor.get("/records/h1").status_code == 404
        held = visitor.post("/records/h2/hold", reason="法院调查")
        assert held.status_code == 303
        assert "依法保全" in visitor.get("/records/h2/rights").text
        kept = visitor.post("/records/h2/erase", basis="request", reason="本人要求", typed="h2")
        assert kept.status_code == 409
        with world.local.district.store.write() as tx:
            name = lose_runs(tx)
        # A copy has to be whole; the page and an erasure say what they cannot reach, and why.
        assert visitor.get("/records/h3/copy").status_code == 503
        page = visitor.get("/records/h3/rights").text
        assert name in page
        assert "归档文件不在" in page
        done = visitor.post("/records/h3/erase", basis="request", reason="本人要求", typed="h3")
        assert done.status_code == 303
        assert name in visitor.get("/search").text
        assert visitor.get("/records/h3").status_code == 404
    with world.local.district.store.read() as tx:
        purposes = {str(r[0]) for r in tx.rows("SELECT purpose FROM access_log")}
    assert {"rights", "rights copy"} <= purposes


def test_a_withdrawal_stands_in_the_officers_list_until_it_is_erased_or_closed(
    world: World,
) -> None:
    write = world.local.district.write
    taken = {"purpose": "photos", "answer": "withdrawn", "on": "2026-06-09", "signed_by": "self"}
    people = [
        write("office", "person", None, {"household": "h1", "name": name})
        for name in ("李秋水", "巫行云")
    ]
    one, two = (
        write("office", "consent", None, taken | {"household": "h1", "person": person})
        for person in people
    )
    wish = {"household": "h1", "person": people[1], "text": "想念李秋水"}
    names = write("office", "wish", None, wish)
    with world.browse("supervisor") as visitor:
        page = visitor.get("/withdrawn").text
        assert page.index("李秋水") < page.index("巫行云")
        # Whose code is too old is asked for it again, and comes back to the list.
        asked = visitor.post(f"/withdrawn/{two}/close", reason="依法留存", back="/withdrawn")
        assert asked.headers["location"].endswith("next=%2Fwithdrawn")
        assert 'name="back" value="/withdrawn"' in page
        visitor.step_up("supervisor")
        rights = f"/records/{people[0]}/rights?basis=consent"
        assert rights in page
        page = visitor.get(rights).text
        assert 'value="consent" selected' in page
        assert f'name="redact" value="{names}"' in page
        said = {"basis": "consent", "reason": "撤回同意", "typed": people[0], "redact": names}
        assert visitor.post(f"/records/{people[0]}/erase", **said).status_code == 303
        assert visitor.post(f"/withdrawn/{two}/close", reason="").status_code == 422
        done = visitor.post(f"/withdrawn/{two}/close", reason="法定职责，依法留存")
        assert done.status_code == 303
        assert "没有待处理的撤回" in visitor.get("/withdrawn").text
    with world.local.district.store.read() as tx:
        assert not tx.rows("SELECT 1 FROM records WHERE id IN (?, ?)", [one, names])
        assert [row for row in tx.rows("SELECT body FROM records") if "想念＊＊＊" in row[0]]
        found = tx.rows("SELECT who, detail FROM journal WHERE what = 'withdrawal-closed'")
    assert found == [("supervisor", "法定职责，依法留存")]


def test_the_access_page_reports_by_reader_and_household_and_marks_what_is_unusual(
    world: World,
) -> None:
    with world.local.district.store.write() as tx:
        for n in range(HOMES_PER_HOUR_MAX + 1):
            one = Reading("officer", "440103", f"home{n}", f"home{n}", "*", "history")
            note_readings(tx, world.local.district.clock(), [one])
    with world.browse("security") as visitor:
        text = visitor.get("/access").text
    assert "按人员" in text
    assert "按户" in text
    assert 'class="state s-open">异常' in text
    assert "home3" in text
