# SPDX-License-Identifier: Apache-2.0
"""What a passkey's answer proves, by an authenticator in software; in browsers: tests/browser."""

import hashlib
import json
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from webauthn.helpers import encode_cbor

from fixtures.world import World
from server.passkeys import use_passkey

HOST, CHALLENGE = "district.example", "5c" * 32
SITE = (HOST, f"https://{HOST}")
KEY_ID = b"the officer's passkey"
PRESENT_AND_CONFIRMED = 0b101


def text_of(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


class Authenticator:
    """What signs in the officer's computer."""

    def __init__(self) -> None:
        self.key = generate_private_key(SECP256R1())

    def public(self) -> bytes:
        """As COSE has it: an EC key of ES256 on P-256."""
        point = self.key.public_key().public_numbers()
        sides = (point.x.to_bytes(32, "big"), point.y.to_bytes(32, "big"))
        return encode_cbor({1: 2, 3: -7, -1: 1, -2: sides[0], -3: sides[1]})

    def answer(self, uses: int, challenge: str = CHALLENGE) -> str:
        told = {
            "type": "webauthn.get",
            "challenge": text_of(bytes.fromhex(challenge)),
            "origin": SITE[1],
        }
        client = json.dumps(told).encode()
        head = hashlib.sha256(HOST.encode()).digest() + bytes([PRESENT_AND_CONFIRMED])
        data = head + uses.to_bytes(4, "big")
        signed = self.key.sign(data + hashlib.sha256(client).digest(), ECDSA(SHA256()))
        response = {
            "clientDataJSON": text_of(client),
            "authenticatorData": text_of(data),
            "signature": text_of(signed),
        }
        key = text_of(KEY_ID)
        return json.dumps({"id": key, "rawId": key, "type": "public-key", "response": response})


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    found = World(tmp_path)
    yield found
    found.close()


def test_a_passkey_opens_its_own_account_at_its_own_host_to_its_own_question_alone(
    world: World,
) -> None:
    officer = Authenticator()
    with world.store.write() as tx:
        tx.run(
            "INSERT INTO passkeys (id, account, host, name, public, uses, made_at_ms)"
            " VALUES (?, 'officer', ?, 'office', ?, 4, 1)",
            [KEY_ID.hex(), HOST, officer.public()],
        )
        other = ("elsewhere.example", "https://elsewhere.example")
        assert not use_passkey(tx, "security", SITE, CHALLENGE, officer.answer(5), 2)
        assert not use_passkey(tx, "officer", other, CHALLENGE, officer.answer(5), 2)
        assert not use_passkey(tx, "officer", SITE, "5d" * 32, officer.answer(5), 2)
        assert not use_passkey(tx, "officer", SITE, CHALLENGE, Authenticator().answer(5), 2)
        assert use_passkey(tx, "officer", SITE, CHALLENGE, officer.answer(5), 2)
        # A copy counts from where it was copied.
        assert not use_passkey(tx, "officer", SITE, CHALLENGE, officer.answer(5), 3)
        assert tx.rows("SELECT uses, used_at_ms FROM passkeys") == [(5, 2)]
