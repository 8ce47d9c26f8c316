# SPDX-License-Identifier: Apache-2.0
"""Who may have what erased: a server its own area, the upstream anything, nobody else anything."""

import msgspec
import pytest

from crypto.erasure import ERASURE, Erasure, issue_erasure
from crypto.identity import DeviceKey
from server.district import District
from server.erasing_plan import plan_erasure
from server.feeds import open_stored
from server.linking import Linking
from server.verify import verify_store
from sync.collections import SCHEMA
from tests.server.test_trust import Made, made, put_under

assert made  # the fixture

BELOW, BEYOND = "440103", "440104"


def held(district: District) -> set[str]:
    with district.store.read() as tx:
        return {str(row[0]) for row in tx.rows("SELECT id FROM records")}


def holds(district: District) -> list[object]:
    with district.store.read() as tx:
        return list(verify_store(tx, SCHEMA, district.key.public).problems)


def order(key: DeviceKey, record: str, area: str) -> bytes:
    return issue_erasure(key, Erasure(b"c" * 16, key.replica, 1, "request", area, [record], []))


def take(district: District, data: bytes) -> int:
    with district.writing() as tx:
        return len(district.erasing.take(tx, [(ERASURE, data)], 1))


def erase(district: District, record: str) -> None:
    with district.store.read() as tx:
        plan = plan_erasure(tx, SCHEMA, record, "request", "", "w")
    district.erasing.carry_out(plan.case)


def test_a_server_below_erases_its_own_area_above_and_nothing_beyond_it(made: Made) -> None:
    below, above = made("below"), made("above")
    hand = put_under(below, above, BELOW)
    above.write("w", "household", "beyond", {"phone": "1", "area": BEYOND})
    below.write("w", "household", "mine", {"phone": "2", "area": BELOW})
    below.write("w", "household", "kept", {"phone": "3", "area": BELOW})
    Linking(below, above.key.replica).run(hand)
    assert held(above) == {"beyond", "mine", "kept"}
    # A rogue one names what is not its own, and says that it is.
    assert take(above, order(below.key, "beyond", BELOW)) == 0
    assert take(above, order(below.key, "mine", BEYOND)) == 0
    erase(below, "mine")
    Linking(below, above.key.replica).run(hand)
    assert held(above) == {"beyond", "kept"}
    assert (holds(above), holds(below)) == ([], [])
    with below.store.read() as tx:
        assert tx.rows("SELECT done_at_ms IS NOT NULL FROM erasure_places") == [(1,)]


def test_what_the_upstream_has_erased_goes_below_at_the_next_exchange(made: Made) -> None:
    below, above = made("below"), made("above")
    hand = put_under(below, above, BELOW)
    below.write("w", "household", "h1", {"phone": "2", "area": BELOW})
    Linking(below, above.key.replica).run(hand)
    erase(above, "h1")
    Linking(below, above.key.replica).run(hand)
    assert held(below) == held(above) == set()
    assert (holds(above), holds(below)) == ([], [])
    with above.store.read() as tx:
        assert tx.rows("SELECT done_at_ms IS NOT NULL FROM erasure_places") == [(1,)]


def test_what_the_server_that_erased_did_not_know_of_goes_too(made: Made) -> None:
    below, above = made("below"), made("above")
    put_under(below, above, BELOW)
    for phone in "123":
        above.write("w", "household", "h1", {"phone": phone, "area": BELOW})
    # It knew that the record is there, and none of its changes.
    assert take(above, order(below.key, "h1", BELOW)) == 1
    assert held(above) == set()
    assert holds(above) == []
    with above.store.read() as tx:
        runs = tx.rows("SELECT kind, body FROM segments")
    left = [e for kind, body in runs for e in open_stored(kind, bytes(body)) if e.record == "h1"]
    assert left == []


def test_a_run_erased_before_it_went_up_is_taken_with_its_blanks(made: Made) -> None:
    below, above = made("below"), made("above")
    hand = put_under(below, above, BELOW)
    below.write("w", "household", "h1", {"phone": "2", "area": BELOW})
    below.write("w", "household", "h2", {"phone": "3", "area": BELOW})
    erase(below, "h1")
    Linking(below, above.key.replica).run(hand)
    assert held(above) == {"h2"}
    assert holds(above) == []


@pytest.mark.parametrize("pretends", [True, False])
def test_an_erasure_that_no_server_signed_is_left(made: Made, pretends: bool) -> None:
    above, stranger = made("above"), DeviceKey.generate()
    above.write("w", "household", "h1", {"phone": "1", "area": BELOW})
    data = order(stranger, "h1", BELOW)
    if pretends:
        said = msgspec.structs.replace(
            Erasure(b"c" * 16, above.key.replica, 1, "request", BELOW, ["h1"], [])
        )
        data = data[:65] + msgspec.msgpack.encode(said)
    assert take(above, data) == 0
    assert held(above) == {"h1"}
