# SPDX-License-Identifier: Apache-2.0
"""What wrong bytes once brought to light, each made small: seed 20261122, 300 cases a parser."""

import base64
import io
import ssl
import struct
import zlib
from zipfile import ZIP_DEFLATED, ZipFile

import msgspec
import openpyxl
import pytest

from client_sdk.enrolment import PICTURE_PIXELS_MAX, read_declarations, read_picture
from client_sdk.errors import EnrolmentFailed, MeetingRefused
from client_sdk.lan_finding import read_code
from crypto.certificate import check_revocation
from crypto.erasure import CASE_BYTES, Erasure, check_erasure, check_readings_held
from crypto.errors import LogRefused, PinMismatch, RevocationRefused, StatementRefused, VaultRefused
from crypto.identity import DeviceKey
from crypto.log import TreeHead, check_tree_head, leaf_hash, sign_tree_head
from crypto.logword import ROLLED_BACK, Proven, Word, check_run, judge, leaf_of
from crypto.statement import check_lease
from crypto.tls import check_tls_pin, make_tls_identity, pem_to_der
from crypto.unlock import decode_vault
from server.errors import ImportRefused
from server.imports import read_rows
from server.log_export import verify_export
from server.store.sqlite import SqliteStore
from server.trust import Trust
from server.xlsform import exported, imported
from sync.carry.errors import PieceRefused, TooLarge
from sync.carry.frames import animation_of, read_frames
from sync.carry.line import Answer, held_bytes, numbers_in
from sync.collections import SCHEMA
from sync.consenting import is_child
from sync.errors import MessageMalformed

KEY = DeviceKey.from_private(bytes([1]) * 32)
NOT_UTF8 = b"\xa2\xff\xfe"


def test_a_statement_whose_text_is_no_utf8_is_refused_even_if_it_is_signed():
    body = msgspec.msgpack.encode([KEY.replica, 1, 1, KEY.replica, "xy", True, 1])
    body = body.replace(b"\xa2xy", NOT_UTF8)
    with pytest.raises(RevocationRefused):
        check_revocation(KEY.sign(b"revocation", body) + body, KEY.public)


def test_a_vault_whose_text_is_no_utf8_is_refused():
    with pytest.raises(VaultRefused):
        decode_vault(b"doorstep/vault\0" + b"\x93\x01" + NOT_UTF8 + b"\x90")


def test_a_file_to_import_that_is_nested_beyond_any_stack_is_refused(tmp_path):
    path = tmp_path / "rows.json"
    path.write_bytes(b"[" * 100_000)
    with pytest.raises(ImportRefused):
        read_rows(path, SCHEMA.collections["household"])


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, tail: bytes = b"") -> bytes:
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = chunk(b"IDAT", zlib.compress(b"\0" * 64))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + body + tail


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(png(8, 8, b"\0\0\0\1\xaeEND"), id="a chunk without a name"),
        pytest.param(png(PICTURE_PIXELS_MAX, 2), id="more pixels than a tablet unpacks"),
        pytest.param(png(60_000, 60_000), id="a decompression bomb"),
        pytest.param(b"GIF89a" + bytes(20), id="a format no camera makes"),
    ],
)
def test_a_picture_that_is_broken_or_too_large_is_refused(data):
    with pytest.raises(EnrolmentFailed):
        read_picture(data)


# ---- what nests deeper than the stack, behind the last field of a statement ----------------------

DEEP = b"\x91" * 5_000 + b"\x00"


def behind(body: list[object]) -> bytes:
    """A statement's body with one more field, which is a nest."""
    head = msgspec.msgpack.encode([*body, None])
    assert head[-1:] == b"\xc0"
    return head[:-1] + DEEP


def test_a_lease_with_a_nest_behind_its_last_field_is_refused():
    body = behind([KEY.replica, KEY.replica, 1, 1, 1, 1])
    with pytest.raises(StatementRefused):
        check_lease(KEY.sign(b"lease", body) + body, KEY.public)


def test_a_head_of_a_log_with_a_nest_behind_its_last_field_is_refused():
    body = behind([KEY.replica, 0, 3, bytes(32), 1, 1])[:440]
    with pytest.raises(LogRefused):
        check_tree_head(KEY.sign(b"tree-head", body) + body, KEY.public)


@pytest.mark.parametrize("what", ["text that is none", "a nest", "a key that nobody may use"])
def test_a_server_leaves_out_a_statement_that_it_cannot_read(tmp_path, what):
    certificate = [bytes(16), bytes(32), bytes(9), "xy", "", 1, 1, bytes(16), "tablet", "", []]
    body = msgspec.msgpack.encode(certificate).replace(b"\xa2xy", NOT_UTF8)
    if what == "a nest":
        body = behind(certificate)
    elif what == "a key that nobody may use":
        body = msgspec.msgpack.encode([bytes(32), bytes(32), 1, 1, 1])
    store = SqliteStore(tmp_path / "district.db", "42" * 32)
    with store.write() as tx:
        at = 130 if what == "a key that nobody may use" else 65
        assert not Trust(KEY.public).learn(tx, [bytes(at) + body], 1)
    store.close()


def log_word(*leaf: object) -> Word:
    body = leaf_of(*leaf)
    root = leaf_hash(body)
    head = sign_tree_head(KEY, TreeHead(KEY.replica, 2, 1, root, 1))
    return Word(head, [[]], [Proven(0, body, [])], [Proven(0, body, [])])


def test_a_keeper_that_begins_an_epoch_with_no_number_owns_up_to_nothing():
    shown = sign_tree_head(KEY, TreeHead(KEY.replica, 1, 3, bytes(32), 1))
    word = log_word("epoch", 1, "two", 1, 3, bytes(32), "restored")
    assert judge(KEY.public, [shown], word).finding == ROLLED_BACK


def test_a_run_that_ends_at_no_number_shows_nothing():
    word = log_word("run", 1, KEY.replica, 1, "seven", bytes(32), bytes(32))
    with pytest.raises(LogRefused):
        check_run(word, check_tree_head(word.head, KEY.public), KEY.replica, 5)


@pytest.mark.parametrize("leaf", [["epoch", 1], ["epoch", 1, "two"]])
def test_an_export_with_an_epoch_of_no_number_can_be_checked(leaf):
    body = leaf_of(*leaf)
    head = sign_tree_head(KEY, TreeHead(KEY.replica, 0, 1, leaf_hash(body), 1))

    def text(data: bytes) -> str:
        return base64.b64encode(data).decode()

    first = {"format": "doorstep-log/1", "public": KEY.public.hex(), "certificates": []}
    rest = [
        {"heads": [text(head)]},
        {"hashes": text(leaf_hash(body))},
        {"n": 0, "leaf": text(body)},
    ]
    lines = [msgspec.json.encode(line).decode() for line in (first, *rest)]
    assert verify_export(lines, KEY.public).problems == []


def test_an_export_that_nests_beyond_any_stack_is_refused():
    with pytest.raises(LogRefused):
        verify_export(["[" * 100_000], KEY.public)


def test_the_code_of_a_meeting_in_other_letters_is_refused():
    with pytest.raises(MeetingRefused):
        read_code("DOORSTEP-MEET-好AAAA")


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(png(8, 8, b"\0\0\0\1\xaeEND"), id="a chunk without a name"),
        pytest.param(png(60_000, 60_000), id="a decompression bomb"),
        pytest.param(b"GIF89a\x08\0\x08\0\0\0\0!\xf9", id="an animation that ends in its head"),
    ],
)
def test_frames_in_a_broken_picture_are_refused(data):
    with pytest.raises((PieceRefused, TooLarge)):
        read_frames(data)


def workbook(sheet: bytes) -> bytes:
    out = io.BytesIO()
    right = io.BytesIO(exported(SCHEMA.collections["consent"]))
    with ZipFile(right) as book, ZipFile(out, "w", ZIP_DEFLATED) as made:
        for name in book.namelist():
            part = sheet if name == "xl/worksheets/sheet1.xml" else book.read(name)
            made.writestr(name, part)
    return out.getvalue()


@pytest.mark.parametrize(
    "sheet",
    [
        pytest.param(b"<worksheet><x:row/></worksheet>", id="a prefix that nobody declared"),
        pytest.param(bytes(20_000_000), id="zeros that pack a thousandfold"),
    ],
)
def test_a_workbook_with_a_broken_sheet_is_refused(sheet):
    with pytest.raises(ImportRefused):
        imported(workbook(sheet))


@pytest.mark.parametrize(
    ("column", "said"),
    [
        ("doorstep_items_max", "inf"),
        ("doorstep_items_max", "nan"),
        ("doorstep_items_max", "forty"),
        ("constraint", ". >= 1.2.3"),
        ("constraint", f". <= {'9' * 5000}"),
    ],
)
def test_a_form_whose_number_is_none_is_refused(column, said):
    book = openpyxl.load_workbook(io.BytesIO(exported(SCHEMA.collections["consent"])))
    sheet = book["survey"]
    sheet.cell(2, [cell.value for cell in sheet[1]].index(column) + 1).value = said
    out = io.BytesIO()
    book.save(out)
    with pytest.raises(ImportRefused, match="no number"):
        imported(out.getvalue())


def test_declarations_that_are_none_are_refused():
    with pytest.raises(EnrolmentFailed):
        read_declarations(b'{"collections": 1}')


def test_a_number_that_no_store_can_hold_is_refused():
    body = msgspec.msgpack.encode([KEY.replica, 2**64 - 1, 1])
    with pytest.raises(StatementRefused):
        check_readings_held(KEY.sign(b"readings-held", body) + body, KEY.public)


def test_a_consent_of_a_day_that_is_none_makes_nobody_older():
    assert is_child(2015, "today")


def test_a_tls_key_of_an_unknown_kind_is_not_the_pinned_one():
    known, unknown = bytes.fromhex("06082a8648ce3d030107"), bytes.fromhex("06082a8648ce3d030177")
    right = pem_to_der(make_tls_identity(["localhost"]).certificate_pem)
    assert right.count(known) == 1
    with pytest.raises(PinMismatch):
        check_tls_pin(right.replace(known, unknown), bytes(32))


def test_a_tls_certificate_of_a_version_that_is_none_is_refused():
    # Case 4048 of 50,000 of its parser: the version is the number behind a002 (ASN.1 [0], 2).
    right = pem_to_der(make_tls_identity(["localhost"]).certificate_pem)
    wrong = right.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x03", 1)
    assert wrong != right
    with pytest.raises(PinMismatch):
        check_tls_pin(wrong, bytes(32))
    with pytest.raises(PinMismatch):
        pem_to_der(ssl.DER_cert_to_PEM_cert(wrong).encode())


@pytest.mark.parametrize(
    "body", [b"\x91" * 5_000 + b"\x01", b"\x91\x01", b"\x93\x01\xff\x02", b"{}"]
)
def test_an_answer_that_is_not_made_of_numbers_is_refused(body):
    with pytest.raises(MessageMalformed):
        numbers_in(Answer(200, {}, body), 3)
    with pytest.raises(MessageMalformed):
        held_bytes(Answer(200, {"doorstep-received": "9" * 400}, body))


def test_an_animation_whose_frame_reaches_beyond_its_screen_is_refused_before_room_is_made():
    good = animation_of(b"x" * 900)
    assert len(read_frames(good)) == 2
    at = good.rindex(b"\x2c" + bytes(4))
    far = struct.pack("<H", 60_000)
    for place in (1, 3, 5, 7):
        wrong = good[: at + place] + far + good[at + place + 2 :]
        for behind in (b"", b"\0\1\2"):
            with pytest.raises(PieceRefused, match="beyond its picture"):
                read_frames(wrong[:at] + behind + wrong[at:])


def test_an_animation_of_more_than_a_screen_is_refused_before_room_is_made():
    good = animation_of(b"x" * 900)
    wrong = good[:6] + struct.pack("<HH", 5_000, 4_000) + good[10:]
    with pytest.raises(TooLarge):
        read_frames(wrong)


@pytest.mark.parametrize("counter", [0, 2**48 + 1, 2**64 - 1])
def test_an_erasure_of_a_change_that_no_feed_can_have_is_refused(counter):
    changes = [(KEY.replica, counter.to_bytes(8, "big") + b"tag.")]
    said = Erasure(bytes(CASE_BYTES), KEY.replica, 1, "request", "", ["r"], changes)
    body = msgspec.msgpack.encode(said)
    with pytest.raises(StatementRefused):
        check_erasure(KEY.sign(b"erasure", body) + body, KEY.public)
