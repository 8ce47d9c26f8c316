# SPDX-License-Identifier: Apache-2.0
"""Enrolling over the wire: tickets good once, six digits on both sides, keys that follow keys."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from crypto.certificate import check_certificate, issue_succession
from crypto.identity import DeviceKey
from crypto.seal import BoxKey
from crypto.ticket import (
    Ticket,
    Transcript,
    check_server_proof,
    enrolment_commitment,
    enrolment_proof,
    new_enrolment_nonce,
    six_digits,
    ticket_id,
)
from fixtures.district import Enrolment, Local, add_team, local_district, make_ticket
from fixtures.wire import Speaker, error_of, household, loose_client
from server import devices, enrolment
from sync.enrolment import (
    Begin,
    Enrolled,
    Offer,
    Prove,
    Succeed,
    Succeeded,
    Waiting,
    decode,
    encode,
    enrolment_context,
)
from sync.messages import PROTOCOL


class Newcomer:
    """A tablet on its way in."""

    def __init__(self, server: Local, ticket: Ticket) -> None:
        self.client = loose_client(server.url)
        self.ticket, self.id = ticket, ticket_id(ticket.secret)
        self.key, self.box, self.nonce = (
            DeviceKey.generate(),
            BoxKey.generate(),
            new_enrolment_nonce(),
        )
        self.context = enrolment_context("tablet 7", None)
        self.transcript: Transcript | None = None

    def begin(self) -> httpx.Response:
        commitment = enrolment_commitment(
            self.id, self.key.public, self.box.public, self.nonce, self.context
        )
        return self.client.post(
            "/v1/enrol/begin", content=encode(Begin(PROTOCOL, self.id, commitment))
        )

    def prove(self, offer: Offer, **wrong: Any) -> httpx.Response:
        self.transcript = Transcript(
            self.id,
            self.ticket.tls_pin,
            self.key.public,
            self.box.public,
            self.nonce,
            offer.server_public,
            offer.server_box_public,
            offer.server_nonce,
            self.context,
        )
        proof = enrolment_proof(self.ticket.secret, self.transcript)
        message = Prove(
            PROTOCOL,
            self.id,
            proof,
            self.key.public,
            self.box.public,
            "tablet 7",
            None,
            self.nonce,
        )
        return self.client.post(
            "/v1/enrol", content=encode(msgspec.structs.replace(message, **wrong))
        )

    def ask(self) -> httpx.Response:
        return self.client.get(f"/v1/enrol/{self.id.hex()}")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Local]:
    with local_district(tmp_path / "district") as local:
        add_team(local.settings, "t1", {"w1": "张霞"})
        yield local


@pytest.fixture
def newcomer(server: Local) -> Iterator[Newcomer]:
    found = Newcomer(server, make_ticket(server.settings, "t1", server.port, unattended=False))
    yield found
    found.client.close()


def offer_of(answer: httpx.Response) -> Offer:
    assert answer.status_code == 200, error_of(answer)
    return decode(answer.content, Offer)


def test_an_officer_compares_six_digits_and_the_tablet_is_in(
    server: Local, newcomer: Newcomer
) -> None:
    answer = newcomer.prove(offer_of(newcomer.begin()))
    assert answer.status_code == 202
    waiting = decode(answer.content, Waiting)
    assert newcomer.transcript is not None
    check_server_proof(newcomer.ticket.secret, newcomer.transcript, waiting.server_proof)
    store = server.district.store
    shown = enrolment.progress(store, newcomer.id)
    assert shown.digits == six_digits(newcomer.transcript)
    assert newcomer.ask().status_code == 202
    with store.write() as tx:
        enrolment.confirm(
            tx, server.district.key, newcomer.id.hex(), "officer", server.district.clock()
        )
    done = newcomer.ask()
    assert done.status_code == 200
    enrolled = decode(done.content, Enrolled)
    certificate = check_certificate(enrolled.certificate, enrolled.server_public)
    assert (certificate.public, certificate.team) == (newcomer.key.public, "t1")
    assert certificate.workers == ("w1",)
    assert enrolled.workers == [("w1", "张霞")]
    assert enrolled.schema is None
    speaker = Speaker(
        server.url,
        Enrolment(
            "", newcomer.key, newcomer.box, b"", enrolled.server_public, b"", enrolled.nonce, "t1"
        ),
    )
    assert speaker.sync(speaker.request()).nonce
    assert newcomer.ask().status_code == 409  # told once the tablet was heard of
    speaker.client.close()


def test_a_ticket_cannot_be_used_twice(server: Local) -> None:
    ticket = make_ticket(server.settings, "t1", server.port)
    first, second = Newcomer(server, ticket), Newcomer(server, ticket)
    assert first.prove(offer_of(first.begin())).status_code == 200
    answer = second.begin()
    assert (answer.status_code, error_of(answer)["code"]) == (409, "crypto/ticket-used")
    with server.district.store.read() as tx:
        assert len(devices.devices(tx)) == 1
    first.client.close()
    second.client.close()


def test_two_tablets_racing_for_one_ticket_both_stay_out(server: Local) -> None:
    ticket = make_ticket(server.settings, "t1", server.port)
    first, second = Newcomer(server, ticket), Newcomer(server, ticket)
    offer = offer_of(first.begin())
    assert error_of(second.begin())["code"] == "crypto/ticket-used"
    assert error_of(first.prove(offer))["code"] == "crypto/ticket-used"
    first.client.close()
    second.client.close()


def test_an_expired_ticket_is_refused(server: Local, newcomer: Newcomer) -> None:
    offer = offer_of(newcomer.begin())
    later = server.district.clock() + server.settings.ticket_minutes * 60_000
    server.district.clock = lambda: later
    answer = newcomer.prove(offer)
    assert (answer.status_code, error_of(answer)["code"]) == (410, "crypto/ticket-expired")


@pytest.mark.parametrize("what", ["proof", "sign_public", "name", "nonce"])
def test_a_wrong_proof_or_key_spends_the_ticket(
    server: Local, newcomer: Newcomer, what: str
) -> None:
    offer = offer_of(newcomer.begin())
    wrong: dict[str, Any] = {
        "proof": {"proof": b"\x51" + bytes(32)},
        "sign_public": {"sign_public": DeviceKey.generate().public},
        "name": {"name": "another"},
        "nonce": {"nonce": bytes(32)},
    }[what]
    answer = newcomer.prove(offer, **wrong)
    assert (answer.status_code, error_of(answer)["code"]) == (403, "crypto/enrolment-refused")
    assert error_of(newcomer.prove(offer))["code"] == "crypto/ticket-used"


def test_an_officer_who_says_no_spends_the_ticket(server: Local, newcomer: Newcomer) -> None:
    newcomer.prove(offer_of(newcomer.begin()))
    with server.district.store.write() as tx:
        enrolment.refuse(tx, newcomer.id.hex(), "officer", 1)
    assert newcomer.ask().status_code == 409


def test_the_store_holds_no_secret_of_a_ticket(server: Local, newcomer: Newcomer) -> None:
    with server.district.store.read() as tx:
        rows = tx.rows("SELECT * FROM tickets")
    assert newcomer.ticket.secret not in b"".join(
        cell for row in rows for cell in row if isinstance(cell, bytes)
    )


def test_a_tablet_goes_on_under_a_key_that_its_old_key_names(server: Local) -> None:
    speaker = Speaker(server.url, server.admit("tablet", "t1"))
    speaker.sync(speaker.request(segments=[speaker.feed.segment([household()])]))
    old, new, box = speaker.enrolment.key, DeviceKey.generate(), BoxKey.generate()
    statement = issue_succession(old, new, box.public, speaker.feed.counter, speaker.feed.head)
    message = encode(Succeed(PROTOCOL, statement))
    answer = speaker.client.post("/v1/succeed", content=message)
    assert answer.status_code == 200, error_of(answer)
    told = decode(answer.content, Succeeded)
    check_certificate(told.certificate, speaker.enrolment.server_public)
    again = speaker.client.post("/v1/succeed", content=message)
    assert decode(again.content, Succeeded).certificate == told.certificate
    follower = Speaker(server.url, speaker.enrolment._replace(key=new, nonce=told.nonce))
    follower.sync(follower.request(segments=[follower.feed.segment([household(ms=2)])]))
    with server.district.store.read() as tx:
        shown = devices.devices(tx)
    assert [device.replicas for device in shown] == [2]
    speaker.client.close()
    follower.client.close()


def test_a_succession_that_the_old_key_did_not_sign_is_refused(server: Local) -> None:
    speaker = Speaker(server.url, server.admit("tablet", "t1"))
    old, new, box = speaker.enrolment.key, DeviceKey.generate(), BoxKey.generate()
    statement = bytearray(issue_succession(old, new, box.public, 0, b""))
    statement[70] ^= 1
    answer = speaker.client.post("/v1/succeed", content=encode(Succeed(PROTOCOL, bytes(statement))))
    assert (answer.status_code, error_of(answer)["code"]) == (403, "crypto/succession-refused")
    speaker.client.close()


def test_a_revocation_covers_the_keys_to_come(server: Local) -> None:
    speaker = Speaker(server.url, server.admit("tablet", "t1"))
    with server.district.store.write() as tx:
        devices.revoke(tx, server.district.key, speaker.enrolment.device, "lost", 1)
    server.service.reload()
    new = DeviceKey.generate()
    statement = issue_succession(
        speaker.enrolment.key, new, BoxKey.generate().public, 0, speaker.feed.head
    )
    answer = speaker.client.post("/v1/succeed", content=encode(Succeed(PROTOCOL, statement)))
    assert error_of(answer)["code"] == "server/device-revoked"
    speaker.client.close()
