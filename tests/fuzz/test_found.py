# SPDX-License-Identifier: Apache-2.0
"""What wrong bytes once brought to light, each made small: seed 20261122, 300 cases a parser."""

import struct
import zlib

import msgspec
import pytest

from client_sdk.enrolment import PICTURE_PIXELS_MAX, read_picture
from client_sdk.errors import EnrolmentFailed
from crypto.certificate import check_revocation
from crypto.errors import RevocationRefused, VaultRefused
from crypto.identity import DeviceKey
from crypto.unlock import decode_vault
from server.errors import ImportRefused
from server.imports import read_rows
from sync.collections import SCHEMA

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
