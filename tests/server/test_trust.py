# SPDX-License-Identifier: Apache-2.0
"""Servers over servers in one process: whose keys hold, and what goes where."""

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from crypto.certificate import Certificate, issue_certificate
from crypto.errors import SignatureRefused
from crypto.identity import DeviceKey
from crypto.seal import BoxKey
from server.district import District
from server.linking import Linking
from server.store.sqlite import SqliteStore
from server.tiers import admit_server, vouch
from server.trust import SERVER, UPSTREAM, keys_for
from server.uplinks import UPSTREAM as UP
from server.uplinks import NewLink, add_link
from server.verify import verify_store
from sync.collections import SCHEMA
from sync.messages import Relay, decode_request, encode_exchange

STORE_KEY = secrets.token_hex(32)
Made = Callable[[str], District]


class Hand:
    """Hands requests of one server to another; ``spoil`` may change them on the way."""

    def __init__(self, below: District, above: District) -> None:
        self.below, self.above = below, above
        self.spoil = False

    def exchange(self, body: bytes) -> bytes:
        request = decode_request(body)
        if self.spoil and request.segments:
            bad = [
                msgspec.structs.replace(
                    s, signature=s.signature[:-1] + bytes([s.signature[-1] ^ 1])
                )
                for s in request.segments
            ]
            request = msgspec.structs.replace(request, segments=bad)
        device = self.below.key.replica.hex()
        relay = request.relay or Relay()
        return encode_exchange(self.above.relaying.answer(device, request, relay))


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Made]:
    """Makes a server by its name; closed at the end."""
    stores = []

    def make(name: str) -> District:
        store = SqliteStore(tmp_path / name, STORE_KEY)
        stores.append(store)
        return District(store, SCHEMA, DeviceKey.generate(), BoxKey.generate(), lambda: 1)

    yield make
    for store in stores:
        store.close()


def put_under(below: District, above: District, area: str) -> Hand:
    with above.store.write() as tx:
        public, box = below.key.public, below.box.public
        _, certificate = admit_server(tx, above.key, "below", area, public, box, 1)
    above.reload()
    with below.writing() as tx:
        public, box = above.key.public, above.box.public
        add_link(tx, NewLink(UP, "above", public, box, certificate=certificate), 1)
        below.learn(tx, [vouch(tx, below.key, "above", "", public, box, 1)], 1)
    return Hand(below, above)


def homes(district: District) -> set[str]:
    with district.store.read() as tx:
        return {str(row[0]) for row in tx.rows("SELECT id FROM homes")}


def test_a_run_whose_writers_signature_does_not_hold_is_not_taken(made: Made) -> None:
    below, above = made("below"), made("above")
    hand = put_under(below, above, "")
    below.write("w", "household", "h1", {"phone": "1"})
    hand.spoil = True
    with pytest.raises(SignatureRefused):
        Linking(below, above.key.replica).run(hand)
    assert homes(above) == set()
    hand.spoil = False
    Linking(below, above.key.replica).run(hand)
    assert homes(above) == {"h1"}


def test_what_a_server_two_levels_down_wrote_is_checked_up_to_the_root(made: Made) -> None:
    street, district, city = made("street"), made("district"), made("city")
    up, on = put_under(street, district, "44"), put_under(district, city, "44")
    street.write("w", "household", "h1", {"phone": "1", "area": "440103"})
    Linking(street, district.key.replica).run(up)
    assert not city.trust.knows(street.own.key.replica)
    Linking(district, city.key.replica).run(on)
    assert city.trust.knows(street.own.key.replica)
    assert homes(city) == {"h1"}


@pytest.mark.parametrize("role", [SERVER, UPSTREAM])
def test_a_key_that_no_statement_of_the_tree_leads_to_is_not_known(made: Made, role: str) -> None:
    below, above, stranger = made("below"), made("above"), DeviceKey.generate()
    put_under(below, above, "")
    other, box = DeviceKey.generate(), BoxKey.generate()
    body = Certificate(
        other.replica,
        other.public,
        box.public,
        "x",
        "",
        1,
        1,
        above.key.replica,
        role="upstream" if role == UPSTREAM else "server",
    )
    forged = issue_certificate(stranger, msgspec.structs.replace(body, issuer=stranger.replica))
    honest = issue_certificate(above.key, body)
    # It names the upstream, but another signed it.
    pretended = forged[:65] + honest[65:]
    with below.writing() as tx:
        below.learn(tx, [forged, pretended], 1)
    assert not below.trust.knows(other.replica)
    with below.writing() as tx:
        below.learn(tx, [honest], 1)
    assert below.trust.knows(other.replica)


def test_nobody_below_says_who_stands_above(made: Made) -> None:
    below, above = made("below"), made("above")
    put_under(below, above, "")
    other, box = DeviceKey.generate(), BoxKey.generate()
    with below.store.write() as tx:
        word = vouch(tx, below.key, "x", "", other.public, box.public, 1)
    with above.writing() as tx:
        above.learn(tx, [word], 1)
    assert not above.trust.knows(other.replica)


def test_nothing_of_another_area_comes_down(made: Made) -> None:
    below, above = made("below"), made("above")
    hand = put_under(below, above, "440103")
    above.write("w", "household", "mine", {"phone": "1", "area": "440103001001"})
    above.write("w", "household", "other", {"phone": "1", "area": "440105001001"})
    Linking(below, above.key.replica).run(hand)
    assert homes(below) == {"mine"}
    above.write("w", "household", "other", {"area": "440103001002"})
    Linking(below, above.key.replica).run(hand)
    assert homes(below) == {"mine", "other"}


def test_an_exchange_with_nothing_new_brings_nothing_either_way(made: Made) -> None:
    below, above = made("below"), made("above")
    hand = put_under(below, above, "")
    below.write("w", "household", "h1", {"phone": "1"})
    above.write("w", "household", "h2", {"phone": "1"})
    Linking(below, above.key.replica).run(hand)
    met = Linking(below, above.key.replica).run(hand)
    assert (met.rounds, met.sent, met.received, met.records) == (1, 0, 0, 0)


def test_statements_come_after_what_they_rest_on(made: Made) -> None:
    street, district, city = made("street"), made("district"), made("city")
    up, on = put_under(street, district, "44"), put_under(district, city, "44")
    street.go_on_as_new_writer()
    street.write("w", "household", "h1", {"phone": "1"})
    Linking(street, district.key.replica).run(up)
    Linking(district, city.key.replica).run(on)
    with city.store.read() as tx:
        found = keys_for(tx, city.key.replica, [street.own.key.replica])
    assert len(found) == 3
    assert homes(city) == {"h1"}


def test_a_district_that_was_set_back_has_all_again_from_above(made: Made, tmp_path: Path) -> None:
    below, above = made("below"), made("above")
    hand = put_under(below, above, "44")
    below.write("w", "household", "h1", {"phone": "1", "area": "440103"})
    Linking(below, above.key.replica).run(hand)
    copy = tmp_path / "copy"
    below.store.backup(str(copy))
    below.write("w", "household", "h1", {"phone": "2"})
    below.write("w", "household", "h2", {"phone": "1", "area": "440103"})
    above.write("w", "household", "h3", {"phone": "1", "area": "440103"})
    Linking(below, above.key.replica).run(hand)
    restored = SqliteStore(copy, STORE_KEY)
    try:
        again = District(restored, SCHEMA, below.key, below.box, lambda: 2)
        again.write("w", "household", "h1", {"address": "x"})
        Linking(again, above.key.replica).run(Hand(again, above))
        assert homes(again) == homes(above) == {"h1", "h2", "h3"}
        assert again.own.key.replica != below.own.key.replica
        for district in (again, above):
            with district.store.read() as tx:
                verdict = verify_store(tx, SCHEMA, district.key.public)
            assert verdict.problems == []
        with again.store.read() as tx, above.store.read() as up:
            sql = "SELECT id, body FROM records ORDER BY id"
            here, there = ([msgspec.json.decode(r[1]) for r in t.rows(sql)] for t in (tx, up))
            assert here == there
            shown = msgspec.json.decode(tx.rows("SELECT body FROM records WHERE id = 'h1'")[0][0])
        assert (shown["phone"], shown["address"]) == ("2", "x")
    finally:
        restored.close()
