# SPDX-License-Identifier: Apache-2.0
"""Compression: the cap holds whatever a frame says, and the dictionary serves the small."""

from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from sync.compression import (
    DICTIONARY_FOR_BYTES_MAX,
    DICTIONARY_VERSION,
    REPLY_LEVEL,
    UPLOAD_LEVEL,
    pack,
    unpack,
)
from sync.errors import LimitExceeded, MessageMalformed, SyncError


@given(st.binary(max_size=400), st.sampled_from([REPLY_LEVEL, UPLOAD_LEVEL]))
def test_what_is_packed_comes_back(data: bytes, level: int) -> None:
    assert unpack(pack(data, level), len(data)) == data


def test_what_the_dictionary_holds_comes_back_in_a_thread_that_never_unpacked() -> None:
    words = files("sync").joinpath("dictionary_v1.bin").read_bytes()[-2_000:]
    packed = pack(words)
    assert len(packed) < 100
    with ThreadPoolExecutor(1) as thread:
        assert thread.submit(unpack, packed, len(words)).result() == words


@pytest.mark.parametrize("size", [0, 1, DICTIONARY_FOR_BYTES_MAX, 300_000])
def test_a_payload_is_unpacked_at_its_limit_and_refused_one_byte_above(size: int) -> None:
    packed = pack(b"x" * size)
    assert unpack(packed, size) == b"x" * size
    if size:
        with pytest.raises(LimitExceeded):
            unpack(packed, size - 1)


def test_the_dictionary_is_used_up_to_its_limit_and_not_above() -> None:
    assert pack(b"x" * DICTIONARY_FOR_BYTES_MAX)[0] == DICTIONARY_VERSION
    assert pack(b"x" * (DICTIONARY_FOR_BYTES_MAX + 1))[0] == 0


def test_a_bomb_that_declares_its_size_is_refused_before_it_is_unpacked() -> None:
    bomb = b"\0" + zstandard.compress(bytes(300_000_000))
    assert len(bomb) < 30_000
    with pytest.raises(LimitExceeded):
        unpack(bomb, 8 * 1024 * 1024)


def test_a_bomb_that_declares_no_size_is_refused() -> None:
    compressor = zstandard.ZstdCompressor(write_content_size=False)
    for size in (10, 300_000_000):
        with pytest.raises(MessageMalformed):
            unpack(b"\0" + compressor.compress(bytes(size)), 8 * 1024 * 1024)


def test_a_bomb_that_declares_less_than_it_holds_is_refused() -> None:
    frame = bytearray(zstandard.ZstdCompressor(level=1).compress(b"y" * 200_000))
    at = frame.index((200_000).to_bytes(4, "little"))
    frame[at : at + 4] = (1_000).to_bytes(4, "little")
    with pytest.raises(MessageMalformed):
        unpack(b"\0" + bytes(frame), 8 * 1024 * 1024)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0",
        b"\1",
        b"\0no frame at all",
        bytes([DICTIONARY_VERSION + 1]) + pack(b"x" * 99)[1:],
        b"\xff" + pack(b"x" * 99)[1:],
        pack(b"x" * 99)[:-1],
        pack(b"x" * 99) + b"\0",
        pack(b"x" * 99) + pack(b"y")[1:],
    ],
    ids=[
        "nothing",
        "no frame",
        "no frame with dictionary",
        "noise",
        "next dictionary",
        "unknown dictionary",
        "truncated",
        "a byte more",
        "a frame more",
    ],
)
def test_what_is_not_exactly_one_frame_is_refused(data: bytes) -> None:
    with pytest.raises(MessageMalformed):
        unpack(data, 1_000)


def outcome(data: bytes) -> str:
    try:
        return "fits" if len(unpack(data, 100)) <= 100 else "too large"
    except SyncError as error:
        return error.code


@given(st.binary(max_size=60))
def test_any_bytes_are_unpacked_or_refused_with_a_code(data: bytes) -> None:
    for head in (b"\0", b"\1", b"\0\x28\xb5\x2f\xfd", b"\1\x28\xb5\x2f\xfd", b"\0\x50\x2a\x4d\x18"):
        assert outcome(head + data) in ("fits", "sync/malformed", "sync/limit")
