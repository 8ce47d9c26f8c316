# SPDX-License-Identifier: Apache-2.0
"""Seals and the sealed stream: what opens, what does not, and what a torn or damaged file gives
back.
"""

import hashlib
import json
import os
from pathlib import Path

import pytest
from cryptography.hazmat.bindings._rust import openssl
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV
from hypothesis import given
from hypothesis import strategies as st

from crypto import seal as seal_module
from crypto.errors import KeyRefused, SealRefused
from crypto.seal import (
    ITEM_BYTES_MAX,
    RESYNC_NUMBERS_MAX,
    SEAL_OVERHEAD_BYTES,
    STREAM_HEADER_BYTES,
    BoxKey,
    SealedWriter,
    check_box_public,
    open_sealed,
    read_sealed_stream,
    recover_sealed_stream,
    seal,
)

VECTOR = json.loads((Path(__file__).parent / "vectors" / "hpke_xwing.json").read_text())
BOX = BoxKey.from_private(bytes(range(32)))
INFO = b"tablet 01 to district 02"
ITEMS = [b"first", b"", "第三次走访".encode(), os.urandom(300), b"last"]


def frames_of(items: list[bytes]) -> tuple[bytes, list[bytes]]:
    writer = SealedWriter(BOX.public, INFO)
    return writer.header, [writer.seal_next(item) for item in items]


HEADER, FRAMES = frames_of(ITEMS)


def test_the_box_key_opens_the_published_x_wing_vector() -> None:
    key = BoxKey.from_private(bytes.fromhex(VECTOR["skRm"]))
    assert key.public.hex() == VECTOR["pkRm"]
    suite = hpke.Suite(hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.CHACHA20_POLY1305)
    ciphertext = bytes.fromhex(VECTOR["enc"] + VECTOR["ct"])
    info, aad = bytes.fromhex(VECTOR["info"]), bytes.fromhex(VECTOR["aad"])
    opened = openssl.hpke._decrypt_with_aad(suite, ciphertext, key._key, info, aad)
    assert opened.hex() == VECTOR["pt"]


@pytest.mark.parametrize(
    ("plaintext", "expected"),
    [
        ("0100000000000000", "c2ef328e5c71c83b843122130f7364b761e0b97427e3df28"),
        ("010000000000000000000000", "9aab2aeb3faa0a34aea8e2b18ca50da9ae6559e48fd10f6e5c9ca17e"),
    ],
)
def test_the_cipher_of_items_gives_rfc_8452s_answers(plaintext: str, expected: str) -> None:
    aead = AESGCMSIV(bytes.fromhex("01" + "00" * 31))
    nonce = bytes.fromhex("03" + "00" * 11)
    assert aead.encrypt(nonce, bytes.fromhex(plaintext), None).hex() == expected


@given(st.binary(max_size=400), st.binary(max_size=60))
def test_what_is_sealed_opens_with_the_key_and_the_info(plaintext: bytes, info: bytes) -> None:
    sealed = seal(BOX.public, info, plaintext)
    assert sealed[0] == 0x21
    assert len(sealed) == len(plaintext) + SEAL_OVERHEAD_BYTES
    assert open_sealed(BOX, info, sealed) == plaintext
    with pytest.raises(SealRefused):
        open_sealed(BOX, info + b"x", sealed)


def test_another_key_cannot_open_a_seal() -> None:
    with pytest.raises(SealRefused):
        open_sealed(BoxKey.generate(), INFO, seal(BOX.public, INFO, b"secret"))


@given(st.integers(0, SEAL_OVERHEAD_BYTES + 5), st.integers(0, 7))
def test_a_seal_with_any_changed_bit_does_not_open(at: int, bit: int) -> None:
    sealed = bytearray(seal(BOX.public, INFO, b"secret"))
    sealed[at] ^= 1 << bit
    with pytest.raises(SealRefused):
        open_sealed(BOX, INFO, bytes(sealed))


@pytest.mark.parametrize("length", [0, 1, SEAL_OVERHEAD_BYTES - 1])
def test_a_seal_cut_short_is_refused(length: int) -> None:
    with pytest.raises(SealRefused):
        open_sealed(BOX, INFO, seal(BOX.public, INFO, b"")[:length])


def test_a_box_key_of_another_length_or_not_reduced_is_refused() -> None:
    for public in (b"", BOX.public[:-1], BOX.public + b"x", b"\xff" * 1216):
        with pytest.raises(KeyRefused):
            check_box_public(public)
        with pytest.raises(KeyRefused):
            seal(public, INFO, b"")
    with pytest.raises(KeyRefused):
        BoxKey.from_private(b"short")


def test_a_box_key_shows_nothing_of_itself() -> None:
    assert BOX.private.hex() not in repr(BOX)
    assert BoxKey.from_private(BOX.private).public == BOX.public
    assert repr(BOX) == f"BoxKey(public={hashlib.sha256(BOX.public).hexdigest()[:16]})"


def test_a_stream_reads_back_what_was_written() -> None:
    items = read_sealed_stream(BOX, INFO, HEADER + b"".join(FRAMES))
    assert list(items) == ITEMS
    assert (items.number, items.unreadable_bytes) == (len(ITEMS), 0)


@given(st.integers(0, len(HEADER) + sum(map(len, FRAMES))))
def test_a_stream_cut_anywhere_gives_every_whole_item_and_tells_the_rest(length: int) -> None:
    data = (HEADER + b"".join(FRAMES))[:length]
    items = read_sealed_stream(BOX, INFO, data)
    read = list(items)
    whole, at = 0, len(HEADER)
    while whole < len(FRAMES) and at + len(FRAMES[whole]) <= length:
        at += len(FRAMES[whole])
        whole += 1
    assert read == ITEMS[:whole]
    assert items.unreadable_bytes == (length - at if length >= len(HEADER) else length)


@pytest.mark.parametrize("zeros", [1, 12, 40, 5000])
def test_a_tail_of_zeros_after_a_power_cut_is_a_torn_tail(zeros: int) -> None:
    items = read_sealed_stream(BOX, INFO, HEADER + FRAMES[0] + bytes(zeros))
    assert list(items) == ITEMS[:1]
    assert items.unreadable_bytes == zeros


@pytest.mark.parametrize(
    "order", [[1, 0, 2, 3, 4], [0, 0, 1, 2, 3, 4], [0, 2, 3, 4], [1, 2], [0, 1, 1], [4]]
)
def test_frames_out_of_order_repeated_or_missing_are_refused(order: list[int]) -> None:
    with pytest.raises(SealRefused):
        list(read_sealed_stream(BOX, INFO, HEADER + b"".join(FRAMES[i] for i in order)))


def test_a_frame_of_another_stream_is_refused() -> None:
    _, others = frames_of(ITEMS)
    with pytest.raises(SealRefused):
        list(read_sealed_stream(BOX, INFO, HEADER + others[0]))


def test_a_frame_whose_number_was_rewritten_is_refused() -> None:
    forged = FRAMES[1][:4] + bytes(8) + FRAMES[1][12:]
    with pytest.raises(SealRefused):
        list(read_sealed_stream(BOX, INFO, HEADER + forged))


def test_any_changed_byte_of_a_stream_is_refused_or_counted_and_never_read() -> None:
    data = HEADER + b"".join(FRAMES)
    for at in (*range(0, len(HEADER), 97), *range(len(HEADER), len(data), 3)):
        altered = bytearray(data)
        altered[at] ^= 0x40
        try:
            items = read_sealed_stream(BOX, INFO, bytes(altered))
            read = list(items)
        except SealRefused:
            continue
        # A length that points beyond the end looks like a torn tail: fewer items, none false.
        assert read == ITEMS[: len(read)]
        assert items.unreadable_bytes > 0


def test_recovery_reads_what_lies_beyond_a_damaged_frame() -> None:
    damaged = bytearray(HEADER + b"".join(FRAMES))
    at = len(HEADER) + len(FRAMES[0])
    damaged[at : at + 20] = os.urandom(20)
    found = recover_sealed_stream(BOX, INFO, bytes(damaged))
    assert found.items == [(i, ITEMS[i]) for i in (0, 2, 3, 4)]
    assert found.unreadable_bytes == len(FRAMES[1])


def test_recovery_looks_past_a_hole_and_a_repeated_frame() -> None:
    data = HEADER + FRAMES[0] + FRAMES[0] + os.urandom(57) + FRAMES[3] + FRAMES[4][:-1]
    found = recover_sealed_stream(BOX, INFO, data)
    assert found.items == [(0, ITEMS[0]), (3, ITEMS[3])]
    assert found.unreadable_bytes == len(FRAMES[0]) + 57 + len(FRAMES[4]) - 1


def test_a_stream_opens_for_its_owner_and_its_info_only() -> None:
    for key, info in ((BoxKey.generate(), INFO), (BOX, b"other")):
        with pytest.raises(SealRefused):
            read_sealed_stream(key, info, HEADER)
    with pytest.raises(SealRefused):
        open_sealed(BOX, INFO, HEADER)


def test_an_item_beyond_the_limit_spends_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ITEM_BYTES_MAX == 16 * 1024 * 1024
    monkeypatch.setattr(seal_module, "ITEM_BYTES_MAX", 10)
    writer = SealedWriter(BOX.public, INFO)
    with pytest.raises(SealRefused):
        writer.seal_next(bytes(11))
    data = writer.header + writer.seal_next(bytes(10))
    assert list(read_sealed_stream(BOX, INFO, data)) == [bytes(10)]
    assert len(writer.header) == STREAM_HEADER_BYTES


def test_the_key_of_a_stream_comes_from_the_entropy_given() -> None:
    drawn: list[int] = []

    def entropy(length: int) -> bytes:
        drawn.append(length)
        return bytes(range(length))

    one, two = (SealedWriter(BOX.public, INFO, entropy) for _ in range(2))
    assert drawn == [32, 32]
    # Even with the same key the frames differ: they are bound to the header of their stream.
    assert one.seal_next(b"x") != two.seal_next(b"x")


def test_a_stream_that_came_to_its_end_stays_there() -> None:
    for data, count, left in (
        (HEADER + FRAMES[0], 1, 0),
        (HEADER + FRAMES[0] + FRAMES[1][:-1], 1, len(FRAMES[1]) - 1),
        (HEADER[:-1], 0, len(HEADER) - 1),
        (b"", 0, 0),
    ):
        items = read_sealed_stream(BOX, INFO, data)
        assert list(items) == ITEMS[:count]
        assert list(items) == []
        assert (items.number, items.unreadable_bytes) == (count, left)


def test_recovery_counts_all_that_it_could_not_read() -> None:
    holes = [os.urandom(n) for n in (57, 13, 91)]
    data = HEADER + holes[0] + FRAMES[0] + holes[1] + FRAMES[2] + holes[2]
    found = recover_sealed_stream(BOX, INFO, data)
    assert found.items == [(0, ITEMS[0]), (2, ITEMS[2])]
    assert found.unreadable_bytes == sum(map(len, holes))
    assert recover_sealed_stream(BOX, INFO, HEADER).items == []


def test_recovery_looks_past_sixty_three_lost_frames_and_no_more() -> None:
    writer = SealedWriter(BOX.public, INFO)
    frames = [writer.seal_next(bytes([n])) for n in range(RESYNC_NUMBERS_MAX + 2)]
    last = RESYNC_NUMBERS_MAX - 1
    found = recover_sealed_stream(BOX, INFO, writer.header + frames[last])
    assert found.items == [(last, bytes([last]))]
    beyond = recover_sealed_stream(BOX, INFO, writer.header + frames[last + 1])
    assert (beyond.items, beyond.unreadable_bytes) == ([], len(frames[last + 1]))


def test_recovery_reads_a_frame_that_stands_where_a_lost_one_stood() -> None:
    for kept in ([0, 2, 3], [1, 4], [4]):
        data = HEADER + b"".join(FRAMES[n] for n in kept)
        found = recover_sealed_stream(BOX, INFO, data)
        assert found.items == [(n, ITEMS[n]) for n in kept]
        assert found.unreadable_bytes == 0


def test_recovery_is_not_led_astray_by_what_looks_like_the_number_of_a_frame() -> None:
    lure = b"".join(bytes(4) + n.to_bytes(8, "big") + bytes(3) for n in (0, 1, 2, 3, 3, 2))
    for junk in (lure, lure * 3, lure + b"\x00\x00\x00\x10" + (2).to_bytes(8, "big")):
        data = HEADER + FRAMES[0] + junk + FRAMES[2] + junk + FRAMES[3]
        found = recover_sealed_stream(BOX, INFO, data)
        assert found.items == [(n, ITEMS[n]) for n in (0, 2, 3)]
        assert found.unreadable_bytes == 2 * len(junk)


def test_recovery_counts_on_through_a_stream_longer_than_it_would_look_ahead() -> None:
    count = RESYNC_NUMBERS_MAX + 3
    header, frames = frames_of([bytes([n]) for n in range(count)])
    found = recover_sealed_stream(BOX, INFO, header + b"".join(frames))
    assert [n for n, _ in found.items] == list(range(count))


def test_a_length_that_no_item_has_is_refused_as_soon_as_it_is_read() -> None:
    longest = ITEM_BYTES_MAX + 16
    beyond = (longest + 1).to_bytes(4, "big")
    no_zeros = bytes(4) + (1).to_bytes(8, "big")
    for tail in (beyond, b"\xff" * 4, beyond + bytes(8), no_zeros, no_zeros + bytes(40)):
        with pytest.raises(SealRefused):
            list(read_sealed_stream(BOX, INFO, HEADER + FRAMES[0] + tail))
    for tail in (longest.to_bytes(4, "big"), longest.to_bytes(4, "big") + bytes(8), b"\xff" * 3):
        items = read_sealed_stream(BOX, INFO, HEADER + FRAMES[0] + tail)
        assert (list(items), items.unreadable_bytes) == (ITEMS[:1], len(tail))


def test_recovery_goes_on_at_the_next_frame_whatever_its_number() -> None:
    lure = bytes(4) + (3).to_bytes(8, "big") + bytes(3)
    for junk in (b"", lure):
        data = HEADER + FRAMES[0] + junk + FRAMES[3] + FRAMES[2] + FRAMES[4]
        found = recover_sealed_stream(BOX, INFO, data)
        assert found.items == [(n, ITEMS[n]) for n in (0, 3, 4)]
        assert found.unreadable_bytes == len(junk) + len(FRAMES[2])


def test_recovery_finds_a_frame_whose_length_ends_as_its_number_begins() -> None:
    header, frames = frames_of([bytes(240)])
    assert frames[0][:12] == b"\0\0\1" + bytes(9)
    found = recover_sealed_stream(BOX, INFO, header + b"\xaa" * 57 + frames[0])
    assert (found.items, found.unreadable_bytes) == ([(0, bytes(240))], 57)
