# SPDX-License-Identifier: Apache-2.0
"""The endpoints of a real server on loopback TLS: what holds, what is refused and how."""

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from crypto.blob import encrypt_blob
from fixtures.district import Local, local_district
from fixtures.wire import Speaker, error_of, household, loose_client
from server import devices
from server.errors import STATUS
from sync.messages import MESSAGE_BYTES_MAX, decode_reply, encode

HOUSEHOLDS = "SELECT count(*) FROM records"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Local]:
    with local_district(tmp_path / "district") as local:
        yield local


@pytest.fixture
def speaker(server: Local) -> Iterator[Speaker]:
    found = Speaker(server.url, server.admit("tablet 1", "team"))
    yield found
    found.client.close()


def records_in(server: Local) -> int:
    with server.district.store.read() as tx:
        return int(tx.rows(HOUSEHOLDS)[0][0])


def test_a_household_goes_up_and_its_receipt_comes_down(server: Local, speaker: Speaker) -> None:
    segment = speaker.feed.segment([household()])
    reply = speaker.sync(speaker.request(segments=[segment]))
    assert reply.receipts is not None
    assert records_in(server) == 1


def test_a_replayed_request_is_refused_and_changes_nothing(server: Local, speaker: Speaker) -> None:
    body = encode(speaker.request(segments=[speaker.feed.segment([household()])]))
    nonce = speaker.nonce
    assert speaker.send("POST", "/v1/sync", body).status_code == 200
    again = speaker.send("POST", "/v1/sync", body, nonce)
    assert (again.status_code, error_of(again)["code"]) == (401, "server/nonce")
    assert speaker.send("POST", "/v1/sync", body).status_code == 200  # with the fresh one
    assert records_in(server) == 1


def test_a_replay_does_not_burn_the_nonce_that_is_out(server: Local, speaker: Speaker) -> None:
    old, body = speaker.nonce, encode(speaker.request())
    reply = speaker.sync(speaker.request())
    speaker.send("POST", "/v1/sync", body, old)
    assert speaker.nonce == reply.nonce


@pytest.mark.parametrize("altered", ["body", "signature", "target"])
def test_an_altered_request_is_refused_without_a_nonce(
    server: Local, speaker: Speaker, altered: str
) -> None:
    body = encode(speaker.request(segments=[speaker.feed.segment([household()])]))
    target = "/v1/sync"
    headers = speaker.headers("POST", target, body)
    if altered == "body":
        body = body[:-1] + bytes([body[-1] ^ 1])
    elif altered == "signature":
        text = headers["signature"]
        headers["signature"] = text[:10] + ("A" if text[10] != "A" else "B") + text[11:]
    else:
        target = "/v1/sync?x"
    answer = speaker.client.post(target, content=body, headers=headers)
    assert (answer.status_code, error_of(answer)["code"]) == (401, "crypto/request-refused")
    assert "doorstep-nonce" not in answer.headers
    assert records_in(server) == 0


def test_a_request_of_a_stranger_is_refused_before_its_body_is_read(server: Local) -> None:
    with loose_client(server.url) as client:
        answer = client.post("/v1/sync", content=b"x" * 1000)
    assert answer.status_code == 401


def test_a_device_cannot_speak_for_another_replica(server: Local, speaker: Speaker) -> None:
    other = speaker.request(replica=os.urandom(16))
    answer = speaker.send("POST", "/v1/sync", encode(other))
    assert error_of(answer)["code"] == "crypto/request-refused"


def test_a_body_over_its_limit_is_refused_while_it_arrives(server: Local, speaker: Speaker) -> None:
    body = b"\0" * (MESSAGE_BYTES_MAX + 1)
    headers = speaker.headers("POST", "/v1/sync", b"")
    answer = speaker.client.post(
        "/v1/sync",
        content=(body[i : i + 65_536] for i in range(0, len(body), 65_536)),
        headers=headers,
    )
    assert (answer.status_code, error_of(answer)["code"]) == (413, "server/body-too-large")
    assert server.service.bodies.held == 0


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "sync/protocol"),
        (b"\x93\x03", "sync/protocol"),
        (b"\x91" * 5000, "sync/protocol"),
        (b"\x9f\x01" + b"\x91" * 5000, "sync/malformed"),
    ],
)
def test_bytes_that_are_no_message_get_a_clear_code(
    server: Local, speaker: Speaker, body: bytes, code: str
) -> None:
    answer = speaker.send("POST", "/v1/sync", body)
    found = error_of(answer)
    assert (answer.status_code, found["code"]) == (STATUS[code], code)
    assert found["zh"]
    assert found["en"]
    assert speaker.sync(speaker.request()).nonce  # the error brought the next nonce


def test_a_revoked_device_hands_over_to_quarantine_and_gets_its_wipe_order(
    server: Local, speaker: Speaker
) -> None:
    with server.district.store.write() as tx:
        devices.revoke(tx, server.district.key, speaker.enrolment.device, "lost", 1)
    server.service.reload()
    segment = speaker.feed.segment([household()])
    answer = speaker.send("POST", "/v1/sync", encode(speaker.request(segments=[segment])))
    found = error_of(answer)
    assert (answer.status_code, found["code"]) == (403, "server/device-revoked")
    assert found["revocation"]
    reply = decode_reply(found["reply"])
    assert reply.receipts is not None
    assert not reply.pages
    assert records_in(server) == 0
    with server.district.store.read() as tx:
        assert tx.rows("SELECT reason FROM quarantine") == [("revoked",)]


def test_a_full_disk_is_told_and_nothing_is_acknowledged(server: Local, speaker: Speaker) -> None:
    server.service.settings = msgspec.structs.replace(
        server.service.settings, disk_free_bytes_min=2**62
    )
    segment = speaker.feed.segment([household()])
    answer = speaker.send("POST", "/v1/sync", encode(speaker.request(segments=[segment])))
    assert (answer.status_code, error_of(answer)["code"]) == (507, "server/disk-full")
    assert records_in(server) == 0
    assert speaker.sync(speaker.request()).receipts is None


def test_a_blob_is_uploaded_in_pieces_that_resume(server: Local, speaker: Speaker) -> None:
    name, _, sealed = encrypt_blob(os.urandom(5000))
    path = f"/v1/blobs/{name.hex()}"
    total = len(sealed)
    assert speaker.send("HEAD", path).status_code == 404
    first = speaker.send("PUT", f"{path}?offset=0&total={total}", sealed[:2000])
    assert msgspec.msgpack.decode(first.content) == [1, 2000, False]
    wrong = speaker.send("PUT", f"{path}?offset=3000&total={total}", sealed[3000:])
    assert (wrong.status_code, error_of(wrong)["received"]) == (409, 2000)
    assert speaker.send("HEAD", path).headers["doorstep-received"] == "2000"
    assert speaker.send("GET", path).status_code == 404
    last = speaker.send("PUT", f"{path}?offset=2000&total={total}", sealed[2000:])
    assert msgspec.msgpack.decode(last.content) == [1, total, True]
    middle = speaker.send("GET", f"{path}?offset=1500&length=1000")
    assert middle.content == sealed[1500:2500]
    assert speaker.send("GET", path).content == sealed


def test_a_blob_that_is_not_what_its_name_says_is_thrown_away(
    server: Local, speaker: Speaker
) -> None:
    name, _, sealed = encrypt_blob(b"photo")
    path = f"/v1/blobs/{name.hex()}"
    bad = sealed[:-1] + bytes([sealed[-1] ^ 1])
    answer = speaker.send("PUT", f"{path}?offset=0&total={len(bad)}", bad)
    assert error_of(answer)["code"] == "crypto/blob-refused"
    assert speaker.send("HEAD", path).status_code == 404


def test_health_and_openapi_answer_without_a_signature(server: Local) -> None:
    with loose_client(server.url) as client:
        assert client.get("/v1/health").json() == {"ok": True, "store": True, "disk": True}
        described = client.get("/v1/openapi")
        assert {"/v1/sync", "/v1/enrol", "/v1/blobs/{name}"} <= set(described.json()["paths"])
        assert client.get("/v1/nothing").status_code == 404
        for answer in (described, client.get("/v1/health")):
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert "server" not in answer.headers


def test_a_clean_stop_leaves_nonces_that_are_good_once(tmp_path: Path) -> None:
    with local_district(tmp_path / "d") as first:
        speaker = Speaker(first.url, first.admit("tablet", "team"))
        speaker.sync(speaker.request())
    with local_district(tmp_path / "d") as second:
        with second.district.store.read() as tx:
            assert tx.rows("SELECT count(*) FROM devices WHERE nonce IS NOT NULL") == [(0,)]
        speaker.client.close()
        speaker.client = loose_client(second.url)
        assert speaker.sync(speaker.request()).nonce
    speaker.client.close()
