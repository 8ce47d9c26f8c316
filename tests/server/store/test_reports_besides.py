# SPDX-License-Identifier: Apache-2.0
"""Reports of what lies beside the households, on both stores: institutions, the street, journeys,
and the shelves, which a report reckons as a tablet does."""

from typing import Any

from server.reports import Params, run
from server.store.base import Store
from sync.fieldwork import Row, stock
from tests.server.reports.record import DAY, GRID, HOUR_MS, NOW_MS, OTHER_GRID, Book

DAY_MS = 24 * HOUR_MS


def some(total: dict[str, Any], *names: str) -> tuple[Any, ...]:
    return tuple(total[name] for name in names)


def test_an_institution_tells_who_lives_there_and_whose_temperature_is_missing(
    store: Store,
) -> None:
    book = Book(store)
    house = book.write(
        "institution",
        area=GRID,
        name="龙津敬老院",
        kind="old_age",
        entry="closed_off",
        visits="suspended",
        suspended_from="2026-06-10",
        suspended_until="2026-06-20",
        beds=40,
        supply_days=2,
    )
    other = book.write("institution", area=GRID, name="儿童福利院", kind="children", entry="booked")
    first, second = (
        book.write("resident_stay", household=house, name=name, status="living_in")
        for name in ("陈婆婆", "何伯")
    )
    book.write("resident_stay", household=other, name="小明", status="in_hospital")
    book.write("staff", household=house, name="赵护理", duty="isolated")
    reading = {"household": house, "whom": "resident", "resident": first}
    book.write("temperature_reading", at_ms=NOW_MS, temperature_c=37.3, **reading)
    book.write("temperature_reading", at_ms=NOW_MS - DAY_MS, temperature_c=39, **reading)
    visitor = {"household": house, "whom": "visitor", "at_ms": NOW_MS}
    book.write("temperature_reading", temperature_c=37.2, **visitor)
    for odd in (True, "38.5", 1e30, None):
        book.write("temperature_reading", temperature_c=odd, **visitor)
    rows = {row.key: row.values for row in book.run("institutions").rows}
    old = rows["old_age"]
    assert some(old, "institutions", "closed_off", "suspended", "short", "beds") == (1, 1, 1, 1, 40)
    assert some(old, "living_in", "measured", "unmeasured", "measured_share") == (2, 1, 1, 50.0)
    assert some(old, "readings", "fevers", "visitors", "isolated") == (6, 1, 5, 1)
    assert some(rows["children"], "restricted", "away", "living_in") == (1, 1, 0)
    assert [one.record for one in book.behind("institutions", "unmeasured")] == [second]
    assert book.total("institutions", since="2026-06-17")["fevers"] == 2
    assert book.total("institutions", until="2026-06-21")["suspended"] == 0


def test_a_journey_is_needed_granted_accompanied_and_done(store: Store) -> None:
    book = Book(store)
    home = book.household()
    given: dict[str, Any] = {"household": home, "kind": "dialysis"}
    book.write("journey", status="done", back_at_ms=NOW_MS, escorts=["w1", "w2"], **given)
    book.write("journey", status="permitted", pass_until="2026-06-01", **given)
    waits = book.write(
        "journey", status="asked", urgency="life", leaves_at_ms=NOW_MS, escorts=["w1"], **given
    )
    book.write("journey", status="cancelled", **given)
    book.write("journey", status="denied", **given | {"kind": "birth"})
    total = book.total("journeys")
    assert some(total, "needed", "granted", "accompanied", "done") == (4, 2, 1, 1)
    assert some(total, "granted_share", "accompanied_share") == (50.0, 50.0)
    assert some(total, "waiting", "waiting_urgent", "late", "denied") == (1, 1, 1, 1)
    assert some(total, "expired", "under_way") == (1, 0)
    assert [one.record for one in book.behind("journeys", "late")] == [waits]
    assert [row.key for row in book.run("journeys").rows] == ["dialysis", "birth"]


def test_people_without_an_address_are_counted_where_they_were_met(store: Store) -> None:
    book = Book(store)
    book.write("patrol", area=GRID, starts_at_ms=NOW_MS, status="done", meals_given=7)
    book.write("patrol", area=GRID, starts_at_ms=NOW_MS, status="cancelled", meals_given=9)
    one = book.write("street_person", area=GRID, called="阿强", status="in_touch")
    two = book.write("street_person", area=OTHER_GRID, called="阿明", status="back")
    for hour in (1, 2):
        book.write(
            "street_meeting",
            household=one,
            at_ms=NOW_MS + hour * HOUR_MS,
            offered=["food", "shelter"],
            taken=["food"],
            health="in_danger" if hour == 2 else "weak",
        )
    book.write("street_meeting", household=two, at_ms=NOW_MS - DAY_MS, offered=["water"])
    total = book.total("street")
    assert some(total, "patrols", "meals", "meetings", "met") == (1, 7, 2, 1)
    assert some(total, "offered", "taken", "in_danger") == (2, 2, 1)
    assert some(total, "people", "outside", "unmet", "sheltered") == (2, 2, 1, 0)
    assert [found.record for found in book.behind("street", "unmet")] == [two]
    assert {row.area for row in book.run("street", level="grid").rows} == {GRID, OTHER_GRID}
    offers = book.run("street-offers")
    assert {row.key: some(row.values, "offered", "taken") for row in offers.rows} == {
        "food": (2, 2),
        "shelter": (2, 0),
    }
    assert some(offers.total.values, "offered", "taken") == (2, 2)
    # On a map there is one row an area, and a meeting with two offers is one there too.
    with store.read() as tx:
        whole = run(tx, "street-offers", Params(until=DAY), now_ms=NOW_MS, divided=False)
    assert [some(row.values, "offered", "taken") for row in whole.rows] == [(2, 2)]


def test_the_shelves_are_reckoned_as_a_tablet_reckons_them(store: Store) -> None:
    book = Book(store)
    home = book.household(OTHER_GRID)
    near, far = (
        book.write("stock_point", area=area, name=name, kind="community")
        for area, name in ((GRID, "龙津点"), (OTHER_GRID, "多宝点"))
    )
    book.write("stock_point", area=GRID, name="空点", kind="community", closed=True)
    moves = [
        {"household": near, "direction": "received", "goods": "rice", "quantity": 100, "on": DAY},
        {"household": near, "direction": "moved_out", "goods": "rice", "quantity": 20, "on": DAY},
        {"household": far, "direction": "moved_in", "goods": "rice", "quantity": 20, "on": DAY},
        {"household": far, "direction": "received", "goods": "mask", "quantity": 500, "on": DAY},
    ]
    parcels = [
        {"stock_point": near, "status": status, "rice_kg": 5, "masks": 30}
        for status in ("packed", "on_the_way", "handed_over", "missing", "asked", "brought_back")
    ]
    slips = [book.write("stock_movement", **one) for one in moves]
    taken = [book.write("parcel", household=home, goods=["rice"], **one) for one in parcels]
    expected = stock(
        [Row(n, m["household"], m) for n, m in zip(slips, moves, strict=True)],
        [Row(n, home, p) for n, p in zip(taken, parcels, strict=True)],
    )
    rows = {row.key: row.values for row in book.run("stock-points").rows}
    assert expected == {
        (near, "rice"): 60,
        (near, "mask"): -120,
        (far, "rice"): 20,
        (far, "mask"): 500,
    }
    assert some(rows["龙津点"], "rice", "mask", "points") == (60, -120, 1)
    assert some(rows["多宝点"], "rice", "mask", "points") == (20, 500, 1)
    assert some(rows["空点"], "rice", "points") == (0, 0)
    by_area = {(row.area, row.key): row.values for row in book.run("stock").rows}
    assert some(by_area[GRID[:12], "rice"], "received", "given", "packed", "balance") == (
        100,
        20,
        20,
        60,
    )
    assert some(book.total("stock", level="district"), "balance") == (460,)
    # A parcel takes several goods off the shelf: it is one record, with all that it took.
    behind = {one.record: one.amount for one in book.behind("stock", "packed")}
    assert behind == dict.fromkeys(taken[:4], 35)
