# SPDX-License-Identifier: Apache-2.0
"""The parsers of ``crypto``, ``server`` and ``client_sdk`` that read outside bytes.

What lives here: targets. What must not: the loop. Invariant: statements are signed anew over their
wrong content, so that more than the signature check is tried.
"""

from __future__ import annotations

import hashlib
import io
import random
from collections.abc import Callable
from pathlib import Path

import msgspec
import segno

from client_sdk.enrolment import read_picture
from client_sdk.errors import TabletError
from crypto.blob import blob_name, decrypt_blob, encrypt_blob
from crypto.certificate import check_certificate, check_revocation, check_succession
from crypto.errors import CryptoError
from crypto.identity import DeviceKey
from crypto.log import TreeHead, check_tree_head, sign_tree_head
from crypto.request import check_request, sign_request
from crypto.seal import BoxKey, SealedWriter, open_sealed, recover_sealed_stream, seal
from crypto.secret import SecretBytes
from crypto.ticket import decode_ticket, encode_ticket, new_ticket, read_typed_code, typed_code
from crypto.unlock import Cost, add_worker, decode_vault, encode_vault, new_vault
from server.errors import ServerError
from server.imports import check_rows, read_rows
from server.people import read_areas
from sync.collections import SCHEMA
from sync.errors import SyncError
from tests.fuzz.mutation import mutate_bytes, mutate_text
from tests.fuzz.running import Target
from tests.fuzz.targets_sync import golden, packed
from tests.fuzz.throwaway import folder

Passed = Callable[[], None]
CRYPTO = (CryptoError,)
ALL = (CryptoError, SyncError, ServerError, TabletError)
SERVER, TABLET = (
    DeviceKey.from_private(hashlib.sha256(b"doorstep golden " + name).digest())
    for name in (b"server", b"tablet")
)
BOX = BoxKey.from_private(bytes(32))
INFO = b"doorstep/fuzz/1"
SIGNATURE_BYTES = 65


def _statement(purpose: bytes) -> Callable[[random.Random, bytes], bytes]:
    def mutate(rng: random.Random, data: bytes) -> bytes:
        if rng.random() < 0.25:
            return mutate_bytes(rng, data, [])
        body = packed(rng, data[SIGNATURE_BYTES:])
        return SERVER.sign(purpose, body) + body

    return mutate


def _succession(rng: random.Random, data: bytes) -> bytes:
    """Two signatures stand before the body: that of the old key is made anew."""
    if rng.random() < 0.25:
        return mutate_bytes(rng, data, [])
    body = packed(rng, data[2 * SIGNATURE_BYTES :])
    return data[:SIGNATURE_BYTES] + TABLET.sign(b"succession-by-old", body) + body


def _parse_succession(data: bytes, passed: Passed) -> object:
    if data[SIGNATURE_BYTES : SIGNATURE_BYTES + 1] == b"\x01":
        passed()
    return check_succession(data, TABLET.public)


def _opened(check: Callable[[bytes, bytes], object]) -> Callable[[bytes, Passed], object]:
    def parse(data: bytes, passed: Passed) -> object:
        if data[:1] == b"\x01" and len(data) > SIGNATURE_BYTES:
            passed()
        return check(data, SERVER.public)

    return parse


def _statements() -> list[Target]:
    head = TreeHead(SERVER.replica, 0, 5, bytes(32), 1)
    certificate = golden("certificate")
    revocation = msgspec.msgpack.encode([TABLET.replica, 1, 1, SERVER.replica, "lost", True, 1])
    return [
        Target(
            "certificate",
            (certificate,),
            _statement(b"certificate"),
            _opened(check_certificate),
            CRYPTO,
        ),
        Target(
            "revocation",
            (SERVER.sign(b"revocation", revocation) + revocation,),
            _statement(b"revocation"),
            _opened(check_revocation),
            CRYPTO,
        ),
        Target(
            "succession",
            (msgspec.msgpack.decode(golden("succeed"))[1],),
            _succession,
            _parse_succession,
            CRYPTO,
        ),
        Target(
            "tree head",
            (sign_tree_head(SERVER, head),),
            _statement(b"tree-head"),
            _opened(check_tree_head),
            CRYPTO,
        ),
    ]


def _parse_vault(data: bytes, passed: Passed) -> object:
    if data.startswith(b"doorstep/vault\0"):
        passed()
    return decode_vault(data)


def _mutate_vault(rng: random.Random, data: bytes) -> bytes:
    at = data.index(b"\0") + 1
    if rng.random() < 0.2:
        return mutate_bytes(rng, data, [])
    return data[:at] + packed(rng, data[at:])


def _vault_sample() -> bytes:
    cheap = Cost(memory_kib=8, iterations=1, lanes=1)
    secret = SecretBytes(bytes(32))
    vault = add_worker(new_vault("keystore"), secret, "w1", "407193", secret, cost=cheap)
    return encode_vault(vault)


def _text(read: Callable[[str], object], start: str) -> Callable[[bytes, Passed], object]:
    def parse(data: bytes, passed: Passed) -> object:
        text = data.decode("utf-8", "replace")
        if text.strip().upper().startswith(start):
            passed()
        return read(text)

    return parse


def _header_sample() -> bytes:
    headers = sign_request(TABLET, "POST", "/v1/sync", b"body", b"n" * 16, server=SERVER.replica)
    return "\n".join(f"{name}: {value}" for name, value in headers.items()).encode()


def _parse_headers(data: bytes, passed: Passed) -> object:
    headers: dict[str, str] = {}
    for line in data.decode("latin-1").split("\n"):
        name, _, value = line.partition(": ")
        headers[name] = value
    if {"signature-input", "signature", "content-digest"} <= headers.keys():
        passed()
    return check_request(
        lambda replica: TABLET.public, "POST", "/v1/sync", headers, b"body", server=SERVER.replica
    )


def _parse_sealed(data: bytes, passed: Passed) -> object:
    if data[:1] == b"\x21":
        passed()
    return open_sealed(BOX, INFO, data)


def _outbox_sample() -> bytes:
    writer = SealedWriter(BOX.public, INFO)
    return writer.header + b"".join(writer.seal_next(golden("segment")) for _ in range(3))


def _parse_outbox(data: bytes, passed: Passed) -> object:
    found = recover_sealed_stream(BOX, INFO, data)
    passed()
    return found


def _blob_sample() -> tuple[bytes, bytes, bytes]:
    name, key, ciphertext = encrypt_blob(b"a picture" * 20)
    return name, key, ciphertext


def _blob_target() -> Target:
    _, key, ciphertext = _blob_sample()

    def parse(data: bytes, passed: Passed) -> object:
        passed()
        return decrypt_blob(blob_name(data), key, data)

    def mutate(rng: random.Random, data: bytes) -> bytes:
        return mutate_bytes(rng, data, [])

    return Target("blob", (ciphertext,), mutate, parse, CRYPTO)


HOUSEHOLD = SCHEMA.collections["household"]
CSV = "编号,area,地址,户主,phone\nh1,440103019003,龙津东路1号,单雄信,13800138000\n".encode()
JSON = (
    '[{"id": "h1", "area": "440103019003", "address": "龙津东路1号", "head_name": "单雄信"}]'
).encode()
AREAS = "code,level,name\n440103,district,荔湾区\n440103019,street,龙津街道\n".encode()


def _file(suffix: str, read: Callable[[Path], object]) -> Callable[[bytes, Passed], object]:
    def parse(data: bytes, passed: Passed) -> object:
        path = folder() / f"rows{suffix}"
        path.write_bytes(data)
        try:
            data.decode("utf-8-sig")
        except UnicodeDecodeError:
            return read(path)
        passed()
        return read(path)

    return parse


def _rows(path: Path) -> object:
    rows = read_rows(path, HOUSEHOLD)
    check_rows(rows, HOUSEHOLD, set(), "zh")
    return rows


def _bytewise(rng: random.Random, data: bytes) -> bytes:
    return mutate_bytes(rng, data, [])


def _qr_sample() -> bytes:
    ticket, _ = new_ticket(("192.0.2.1:8443",), bytes(range(32)), 1_700_000_000_000)
    out = io.BytesIO()
    segno.make(encode_ticket(ticket)).save(out, kind="png", scale=3)
    return out.getvalue()


def _parse_qr(data: bytes, passed: Passed) -> object:
    if data.startswith(b"\x89PNG"):
        passed()
    return decode_ticket(read_picture(data))


def targets() -> list[Target]:
    """All of them."""
    ticket, _ = new_ticket(("192.0.2.1:8443",), bytes(range(32)), 1_700_000_000_000)
    return [
        *_statements(),
        Target("vault", (_vault_sample(),), _mutate_vault, _parse_vault, CRYPTO),
        Target(
            "ticket",
            (encode_ticket(ticket).encode(),),
            mutate_text,
            _text(decode_ticket, "DOORSTEP-"),
            CRYPTO,
        ),
        Target(
            "typed code",
            (typed_code(ticket.secret).encode(),),
            mutate_text,
            _text(read_typed_code, ""),
            CRYPTO,
        ),
        Target("request headers", (_header_sample(),), mutate_text, _parse_headers, CRYPTO),
        Target("seal", (seal(BOX.public, INFO, b"x" * 99),), _bytewise, _parse_sealed, CRYPTO),
        Target("outbox", (_outbox_sample(),), _bytewise, _parse_outbox, CRYPTO),
        _blob_target(),
        Target("import CSV", (CSV,), mutate_text, _file(".csv", _rows), ALL),
        Target("import JSON", (JSON,), mutate_text, _file(".json", _rows), ALL),
        Target("import JSON lines", (JSON[1:-1],), mutate_text, _file(".jsonl", _rows), ALL),
        Target("QR picture", (_qr_sample(),), _bytewise, _parse_qr, ALL),
        Target("import areas", (AREAS,), mutate_text, _file(".csv", read_areas), ALL),
    ]
