# SPDX-License-Identifier: Apache-2.0
"""What is carried by hand or shown face to face, and what is sealed.

What lives here: targets. What must not: the loop. Invariant: what stands inside a seal or behind a
digest is altered before it is sealed, else nothing but the seal would be tried.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import msgspec

from client_sdk import lan_finding, roots
from client_sdk import statements as told
from client_sdk.devices import District
from client_sdk.errors import NotFound, Revoked, ServerRefused
from client_sdk.greeting import read_greeting
from client_sdk.http_transport import _code_of, good
from client_sdk.tablet import Tablet
from client_sdk.tablet_base import Identity
from crypto.bundle import FIRST_BEFORE, make_bundle, open_bundle
from crypto.certificate import issue_certificate
from crypto.field import FieldKey, Place, key_id_of, unwrap_keys, wrap_keys
from crypto.seal import SealedWriter, read_sealed_stream, seal
from crypto.seal_many import open_carried, seal_to_many
from crypto.secret import SecretBytes
from crypto.tls import make_tls_identity, pem_to_der, tls_pin
from crypto.unlock import store_key
from fixtures.golden_sealed import bundle_contents
from fixtures.golden_statements import body_of_certificate
from server.store.sqlite import SqliteStore
from server.trust import Trust
from sync.carry.enrolling import code_of
from sync.carry.frames import animation_of, pictures_of, read_frames
from sync.carry.line import Answer, held_bytes, numbers_in
from sync.carry.pieces import CHECK_BYTES, PIECE_HEAD_BYTES, _check, cut, read_piece
from sync.errors import MessageMalformed
from sync.machine import decode_machine, encode_machine, machine_of
from sync.messages import PROTOCOL, decode_request, encode
from sync.parcel import decode_parcel
from sync.sealing import (
    OUTBOX_INFO,
    FieldKeysSaid,
    decode_said,
    encode_value,
    key_named,
    likeness,
    opened_value,
    sealed_bytes,
    sealed_text,
)
from tests.fuzz.mutation import mutate_bytes, mutate_text
from tests.fuzz.running import Target
from tests.fuzz.targets_other import ALL, BOX, CRYPTO, SERVER, TABLET, Passed
from tests.fuzz.targets_said import kinds
from tests.fuzz.targets_sync import after, bytewise, golden, packed, well_formed
from tests.fuzz.throwaway import folder

FIELD_KEY = FieldKey(bytes(range(32)))
PLACE = Place("h1", "id_number", TABLET.replica, 7)
INFO = b"doorstep/fuzz/1"


# ---- bundles, pieces, codes ----------------------------------------------------------------------


def _open_bundle(data: bytes) -> object:
    found = open_bundle(data, [SERVER.replica], [BOX], lambda *_: TABLET.public)
    contents = decode_parcel(found.contents)
    return decode_request(contents.request)


@cache
def _contents() -> bytes:
    return bundle_contents()


def _bundle_of(contents: bytes) -> bytes:
    return make_bundle(TABLET, SERVER.replica, BOX.public, 1, FIRST_BEFORE, contents)


def _bundle(rng: random.Random, data: bytes) -> bytes:
    if rng.random() < 0.6:
        return mutate_bytes(rng, data, [])
    return _bundle_of(packed(rng, _contents()))


def _piece(rng: random.Random, data: bytes) -> bytes:
    """Half of them with a right check over a wrong head."""
    wrong = mutate_bytes(rng, data, [])
    if rng.random() < 0.5 or len(wrong) <= PIECE_HEAD_BYTES:
        return wrong
    head, rest = wrong[: PIECE_HEAD_BYTES - CHECK_BYTES], wrong[PIECE_HEAD_BYTES:]
    return head + _check(head, rest) + rest


def _parse_piece(data: bytes, passed: Passed) -> object:
    if data[:4] == b"DSP1":
        passed()
    return read_piece(data)


def _parse_frames(data: bytes, passed: Passed) -> object:
    if data[:4] in (b"\x89PNG", b"GIF8"):
        passed()
    return read_frames(data)


def _greeting() -> bytes:
    known = [(TABLET.replica, 7, bytes(32))]
    made = [PROTOCOL, TABLET.replica, "t1", [golden("certificate")], known, True, [("h1", 5)]]
    return msgspec.msgpack.encode([*made, [(TABLET.replica, 1, 2)], [], []])


# ---- sealed things -------------------------------------------------------------------------------


def _value(rng: random.Random, data: bytes) -> bytes:
    if rng.random() < 0.4:
        return mutate_bytes(rng, data, [])
    return FIELD_KEY.seal(PLACE, packed(rng, encode_value(["王", 1]))[:4_000])


def _parse_value(data: bytes, passed: Passed) -> object:
    key_id_of(data)
    passed()
    text = sealed_text(data)
    key_named(text)
    likeness(text)
    return opened_value(FIELD_KEY.open(PLACE, sealed_bytes(text)))


def _parse_text(data: bytes, passed: Passed) -> object:
    text = data.decode("utf-8", "replace")
    if text.startswith("sealed/1:"):
        passed()
    likeness(text)
    return key_named(text)


def _wrapped(rng: random.Random, data: bytes) -> bytes:
    if rng.random() < 0.5:
        return mutate_bytes(rng, data, [])
    secrets = msgspec.msgpack.encode([FIELD_KEY.secret])
    return seal(BOX.public, b"field-keys/1", packed(rng, secrets))


def _stream() -> bytes:
    writer = SealedWriter(BOX.public, OUTBOX_INFO)
    return writer.header + b"".join(writer.seal_next(golden("segment")) for _ in range(3))


def _parse_stream(data: bytes, passed: Passed) -> object:
    found = read_sealed_stream(BOX, OUTBOX_INFO, data)
    passed()
    return list(found)


# ---- stores that are told something --------------------------------------------------------------


class _Undone(Exception):
    """What a case did to a store is taken back."""


@contextmanager
def _undoing() -> Iterator[None]:
    try:
        yield
    except _Undone:
        return


@cache
def _tablet() -> Tablet:
    district = District(SERVER.public, BOX.public, "d1")
    identity = Identity(device_key=TABLET, box_key=BOX, district=district, certificate=_certified())
    key = store_key(SecretBytes(bytes(32)))
    return Tablet.create(folder() / "tablet", key, identity, worker="w1")


@cache
def _certified() -> bytes:
    said = msgspec.structs.replace(body_of_certificate(), box_public=BOX.public)
    return issue_certificate(SERVER, said)


def _at_tablet(data: bytes, passed: Passed) -> object:
    kind, statement = msgspec.msgpack.decode(data)
    passed()
    store = _tablet()._store
    district = District(SERVER.public, BOX.public, "d1")
    with _undoing(), store.transaction():
        told.take_statements(store, district, [(kind, statement)], 1_780_000_000_000)
        raise _Undone
    with _undoing(), store.transaction():
        roots.take_keys(store, statement)
        raise _Undone


def _told(rng: random.Random, data: bytes) -> bytes:
    """A statement of some kind, signed anew over what is wrong in it, or not."""
    kind, statement = msgspec.msgpack.decode(data)
    found = [k for k in kinds() if k.name.replace(" ", "-") == kind]
    if found and rng.random() < 0.6:
        body = packed(rng, statement[65:])
        statement = found[0].key.sign(found[0].purpose, body) + body
    else:
        statement = packed(rng, statement)
    return msgspec.msgpack.encode([kind, statement[:8_192]])


@cache
def _server() -> tuple[SqliteStore, Trust]:
    (folder() / "server").mkdir()
    store = SqliteStore(folder() / "server" / "district.db", "42" * 32)
    return store, Trust(SERVER.public)


def _at_server(data: bytes, passed: Passed) -> object:
    passed()
    store, trust = _server()
    with _undoing(), store.write() as tx:
        trust.learn(tx, [data], 1_780_000_000_000)
        raise _Undone
    with store.read() as tx:
        trust.load(tx)


def _certificate(rng: random.Random, data: bytes) -> bytes:
    if rng.random() < 0.5:
        return packed(rng, data)
    body = packed(rng, data[65:])
    return SERVER.sign(b"certificate", body) + body


def _card(rng: random.Random, data: bytes) -> bytes:
    if rng.random() < 0.5:
        return packed(rng, data)
    body = packed(rng, msgspec.msgpack.decode(data)[0][65:])
    return msgspec.msgpack.encode([(SERVER.sign(b"certificate", body) + body)[:8_192]])


def _learn_card(data: bytes) -> object:
    tablet = _tablet()
    with _undoing(), tablet._store.transaction():
        tablet.learn_card(data)
        raise _Undone


def _answered(data: bytes) -> object:
    """What a server answers, good or bad."""
    code_of(Answer(500, {}, data))
    _code_of(Answer(401, {}, data))
    with contextlib.suppress(MessageMalformed):
        held_bytes(Answer(200, {"doorstep-received": data.decode("latin-1")}, b""))
    for status in (403, 404):
        with contextlib.suppress(ServerRefused, NotFound, Revoked):
            good(Answer(status, {}, data))
    with contextlib.suppress(MessageMalformed):
        numbers_in(Answer(200, {}, data), 3)
    return None


def _of_answers() -> list[Target]:
    numbers = msgspec.msgpack.encode([PROTOCOL, 7, True])
    refusal = msgspec.msgpack.encode({"code": "server/device-revoked", "revocation": b"r"})
    return [Target("answer", (numbers, refusal), packed, well_formed(_answered), ALL)]


def _of_stores() -> list[Target]:
    statements = tuple(
        msgspec.msgpack.encode([kind.name.replace(" ", "-"), kind.sample]) for kind in kinds()
    )
    certified = msgspec.msgpack.encode(["certificate", golden("certificate")])
    server = (golden("certificate"), msgspec.msgpack.decode(golden("succeed"))[1])
    card = msgspec.msgpack.encode([golden("certificate")])
    return [
        Target("told to a tablet", (*statements, certified), _told, _at_tablet, ALL),
        Target("told to a server", server, _certificate, _at_server, ALL),
        Target("card", (card,), _card, well_formed(_learn_card), ALL),
    ]


def targets() -> list[Target]:
    """All of them."""
    said = FieldKeysSaid(b"d" * 16, [FIELD_KEY.id], [(FIELD_KEY.id, "h1")])
    pieces = tuple(p.encode() for p in cut(b"a bundle" * 60, 200))
    pictures = (pictures_of(b"a bundle" * 9)[0], animation_of(b"a bundle" * 90, 400))
    sealed = FIELD_KEY.seal(PLACE, encode_value(["王", 1]))
    code = lan_finding.code_of("192.0.2.1:8443", bytes(32), TABLET.replica)
    pem = make_tls_identity(["localhost"]).certificate_pem
    certificate = pem_to_der(pem)
    machine = encode_machine(machine_of("1.0", 1 << 20, 1 << 30))
    return [
        Target("bundle", (_bundle_of(_contents()),), _bundle, after(_open_bundle, b""), ALL),
        Target("parcel", (_contents(),), packed, well_formed(decode_parcel), ALL),
        Target("piece", pieces, _piece, _parse_piece, ALL),
        Target("frames", pictures, bytewise, _parse_frames, ALL),
        Target("greeting", (_greeting(),), packed, well_formed(read_greeting), ALL),
        Target("meeting code", (code.encode(),), mutate_text, _parse_code, ALL),
        Target("machine", (machine,), packed, well_formed(decode_machine), ALL),
        Target("field keys said", (encode(said),), packed, well_formed(decode_said), ALL),
        Target("sealed value", (sealed,), _value, _parse_value, ALL),
        Target("sealed text", (sealed_text(sealed).encode(),), mutate_text, _parse_text, ALL),
        Target(
            "wrapped keys",
            (wrap_keys(BOX.public, [FIELD_KEY]),),
            _wrapped,
            after(lambda d: unwrap_keys(BOX, d, [FIELD_KEY.id]), b"\x21"),
            CRYPTO,
        ),
        Target(
            "sealed to many",
            (seal_to_many([BOX.public], INFO, b"x" * 99),),
            bytewise,
            after(lambda d: open_carried(BOX, INFO, d)),
            CRYPTO,
        ),
        Target("sealed stream", (_stream(),), bytewise, _parse_stream, CRYPTO),
        Target("TLS certificate", (certificate,), bytewise, after(tls_pin, b"0"), CRYPTO),
        Target("TLS certificate, PEM", (pem,), mutate_text, after(pem_to_der, b"-----"), CRYPTO),
        *_of_stores(),
        *_of_answers(),
    ]


def _parse_code(data: bytes, passed: Passed) -> object:
    text = data.decode("utf-8", "replace")
    if text.strip().upper().startswith("DOORSTEP"):
        passed()
    return lan_finding.read_code(text)
