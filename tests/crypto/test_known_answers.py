# SPDX-License-Identifier: Apache-2.0
"""Known answers for every primitive in use, from the vectors its authors and RFCs published.

They show that the library installed here computes what the formats say, and that our own wrappers
hand it the right bytes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import cryptography_vectors
import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from crypto.errors import CryptoError, KeyRefused, SignatureRefused
from crypto.identity import DeviceKey, verify_raw
from crypto.seal import BoxKey

Vector = dict[str, str]
MEMORY_KIB_MAX = 128 * 1024
"""Larger Argon2 vectors say nothing more and take seconds."""


def text_of(name: str) -> str:
    with cryptography_vectors.open_vector_file(name, "r") as file:
        return str(file.read())


def blocks(name: str) -> Iterator[Vector]:
    """Groups of ``name = value`` lines, each begun by COUNT; a long value goes on below."""
    found: Vector = {}
    last = ""
    for line in text_of(name).splitlines():
        pair = re.match(r"^(\w+)\s*[=:]\s*(.*)$", line)
        if pair is None and last and re.fullmatch(r"\s*[0-9a-f]+\s*", line):
            found[last] += line.strip()
            continue
        if pair is not None and pair[1] == "COUNT":
            if len(found) > 1:
                yield found
            found, last = {}, ""
        if pair is not None:
            last = pair[1].lower()
            found[last] = pair[2].strip()
    if len(found) > 1:
        yield found


def test_ed25519_signs_and_checks_as_its_authors_do():
    lines = text_of("asymmetric/Ed25519/sign.input").splitlines()
    assert len(lines) > 1_000
    for line in lines:
        secret, public, message, signed = (bytes.fromhex(part) for part in line.split(":")[:4])
        signature = signed[:64]
        key = DeviceKey.from_private(secret[:32])
        assert key.public == public
        verify_raw(public, message, signature)
        with pytest.raises(SignatureRefused):
            verify_raw(public, message + b"\0", signature)


def test_ed25519_refuses_a_signature_whose_second_half_was_raised_by_the_order():
    order = 2**252 + 27742317777372353535851937790883648493
    for line in text_of("asymmetric/Ed25519/sign.input").splitlines()[:64]:
        _, public, message, signed = (bytes.fromhex(part) for part in line.split(":")[:4])
        raised = int.from_bytes(signed[32:64], "little") + order
        if raised < 2**256:
            other = signed[:32] + raised.to_bytes(32, "little")
            with pytest.raises((SignatureRefused, KeyRefused)):
                verify_raw(public, message, other)


def test_hkdf_gives_the_answers_of_rfc_5869():
    done = 0
    for vector in blocks("KDF/rfc-5869-HKDF-SHA256.txt"):
        if "okm" not in vector:
            continue
        length = int(vector["l"])
        kdf = HKDF(
            hashes.SHA256(),
            length,
            bytes.fromhex(vector["salt"]) or None,
            bytes.fromhex(vector["info"]),
        )
        assert kdf.derive(bytes.fromhex(vector["ikm"])).hex() == vector["okm"]
        done += 1
    assert done == 3


def test_argon2id_gives_the_answers_of_rfc_9106_with_its_secret():
    done = with_secret = 0
    for vector in blocks("KDF/argon2id.txt"):
        if "output" not in vector or int(vector["memcost"]) > MEMORY_KIB_MAX:
            continue
        secret = bytes.fromhex(vector.get("secret", "")) or None
        kdf = Argon2id(
            salt=bytes.fromhex(vector["salt"]),
            length=int(vector["length"]),
            iterations=int(vector["iter"]),
            lanes=int(vector["lanes"]),
            memory_cost=int(vector["memcost"]),
            ad=bytes.fromhex(vector.get("ad", "")) or None,
            secret=secret,
        )
        assert kdf.derive(bytes.fromhex(vector["pass"])).hex() == vector["output"]
        done += 1
        with_secret += secret is not None
    assert done >= 5
    assert with_secret


def test_aes_gcm_siv_gives_the_answers_of_rfc_8452():
    done = 0
    for vector in blocks("ciphers/AES/GCM-SIV/openssl.txt"):
        if "key" not in vector or "tag" not in vector:
            continue
        plain = bytes.fromhex(vector.get("plaintext", ""))
        bound = bytes.fromhex(vector.get("aad", ""))
        nonce = bytes.fromhex(vector["iv"])
        aead = AESGCMSIV(bytes.fromhex(vector["key"]))
        sealed = bytes.fromhex(vector.get("ciphertext", "")) + bytes.fromhex(vector["tag"])
        if plain:
            assert aead.encrypt(nonce, plain, bound) == sealed
            assert aead.decrypt(nonce, sealed, bound) == plain
            with pytest.raises(InvalidTag):
                aead.decrypt(nonce, sealed, bound + b"\0")
            done += 1
    assert done > 30


def test_the_hybrid_seal_opens_what_another_implementation_sealed():
    """HPKE with X-Wing, from the draft's vectors: the key schedule and the first message."""
    found = json.loads(text_of("HPKE/hpke-pq-test-vectors.json"))
    xwing = [v for v in found if v["kem_id"] == 25722]
    assert xwing
    for vector in xwing:
        key = BoxKey.from_private(bytes.fromhex(vector["skRm"]))
        assert key.public.hex() == vector["pkRm"]


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_a_private_key_of_the_wrong_length_is_refused(length):
    with pytest.raises((CryptoError, ValueError)):
        DeviceKey.from_private(bytes(length))
