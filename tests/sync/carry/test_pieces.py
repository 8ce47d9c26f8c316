# SPDX-License-Identifier: Apache-2.0
"""Bundles by hand: pieces in any order, sticks that hold a part, codes that a real reader reads."""

import hashlib
import random
import shutil
from pathlib import Path

import pytest

from sync.carry.errors import CarryError, PieceRefused, TooLarge
from sync.carry.frames import (
    FRAMES_BYTES_MAX,
    Camera,
    animation_of,
    pictures_of,
    read_frames,
    read_pictures,
    terminal_frames,
)
from sync.carry.pieces import (
    CHECK_BYTES,
    PIECE_HEAD_BYTES,
    Assembly,
    Piece,
    cut,
    name_of,
    read_piece,
)
from sync.carry.spool import KEPT_FREE_BYTES, Outgoing, room_of
from sync.carry.stick import (
    Inbox,
    Label,
    folder_of,
    read_outboxes,
    read_stick,
    saved_name,
    write_bundle,
    write_outbox,
    write_pieces,
)

ME, SENDER = b"r" * 16, b"s" * 16
LABEL = Label(SENDER, 3, b"name of it")


def some_bytes(count: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(count)


def test_pieces_in_any_order_with_some_twice_make_the_whole() -> None:
    whole = some_bytes(10_000)
    pieces = [*cut(whole, 700), *cut(whole, 900)[:3]]
    random.Random(2).shuffle(pieces)
    assembly = Assembly(name_of(whole), len(whole))
    for piece in pieces:
        assembly.add(read_piece(piece.encode()))
    assert assembly.whole() == whole


def test_what_is_missing_is_told_by_offset() -> None:
    pieces = cut(some_bytes(1000), 100)
    assembly = Assembly(pieces[0].name, 1000)
    for number in (0, 1, 4):
        assembly.add(pieces[number])
    assert assembly.missing() == [(200, 200), (500, 500)]
    assert assembly.whole() is None
    assert not assembly.add(pieces[4])


def test_every_flipped_bit_of_a_piece_is_refused() -> None:
    encoded = cut(some_bytes(200), 200)[0].encode()
    for bit in range(8 * len(encoded)):
        altered = bytearray(encoded)
        altered[bit // 8] ^= 1 << bit % 8
        with pytest.raises(PieceRefused):
            read_piece(bytes(altered))


def test_pieces_of_two_bundles_are_never_mixed() -> None:
    one, other = cut(some_bytes(100), 50), cut(some_bytes(100, 2), 50)
    assembly = Assembly(one[0].name, 100)
    with pytest.raises(PieceRefused):
        assembly.add(other[0])
    # Somebody who makes pieces that name a whole they do not belong to spoils it, and gets nothing.
    assembly.add(one[0])
    assembly.add(Piece(one[0].name, 100, 50, b"x" * 50))
    with pytest.raises(PieceRefused):
        assembly.whole()


def test_a_stick_carries_bundles_and_names_damaged_files(tmp_path: Path) -> None:
    write_bundle(tmp_path, ME, LABEL, b"one bundle")
    write_pieces(tmp_path, ME, LABEL, b"another", piece_bytes=4, room_bytes=1000)
    damaged = sorted(folder_of(tmp_path, ME).glob("*.piece"))[0]
    damaged.write_bytes(damaged.read_bytes()[:-1])
    (folder_of(tmp_path, ME) / "notes.txt").write_text("not ours")
    found = read_stick(tmp_path, ME)
    assert found.bundles == [b"one bundle"]
    assert [piece.data for piece in found.pieces] == [b"her"]
    assert found.damaged == [damaged.name]
    assert read_stick(tmp_path, SENDER) == ([], [], [])


def test_what_a_browser_saved_on_top_of_a_stick_is_found_by_its_receiver(tmp_path: Path) -> None:
    receiver, other = bytes(16), bytes(15) + b"\1"
    label = Label(bytes(range(16)), 7, b"name")
    name = saved_name(receiver, label)
    (tmp_path / name).write_bytes(b"one")
    (tmp_path / name.replace(".bundle", " (1).bundle")).write_bytes(b"two")
    (tmp_path / name.replace(".bundle", ".exe")).write_bytes(b"three")
    (tmp_path / saved_name(other, label)).write_bytes(b"four")
    assert sorted(read_stick(tmp_path, receiver).bundles) == [b"one", b"two"]
    assert read_stick(tmp_path, other).bundles == [b"four"]


def test_two_small_sticks_bring_what_one_cannot_hold(tmp_path: Path) -> None:
    whole, inbox = some_bytes(5000), Inbox(tmp_path / "incoming")
    first, second = tmp_path / "first", tmp_path / "second"
    at = write_pieces(first, ME, LABEL, whole, piece_bytes=1000, room_bytes=2500)
    assert at == 2000
    assert inbox.add(read_stick(first, ME).pieces) == ([], 3000)
    end = write_pieces(second, ME, LABEL, whole, piece_bytes=1000, room_bytes=9000, begin=at)
    assert end == 5000
    again = Inbox(tmp_path / "incoming")
    assert again.add(read_stick(second, ME).pieces) == ([whole], 0)
    again.forget(whole)
    assert again.add([]) == ([], 0)


def test_a_stick_without_room_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(TooLarge):
        write_pieces(tmp_path, ME, LABEL, some_bytes(500), piece_bytes=400, room_bytes=300)
    assert read_stick(tmp_path, ME) == ([], [], [])


def test_an_outbox_lies_beside_the_bundles(tmp_path: Path) -> None:
    write_outbox(tmp_path, "00000001-aabbccdd.sealed", b"sealed")
    assert [path.read_bytes() for path in read_outboxes(tmp_path)] == [b"sealed"]
    with pytest.raises(TooLarge):
        write_outbox(tmp_path, "../away.sealed", b"sealed")


def test_frames_are_read_by_a_real_reader_in_any_order_with_some_lost(tmp_path: Path) -> None:
    whole = some_bytes(2600)
    pictures = pictures_of(whole)
    assert len(pictures) == 5
    shown = [*pictures[2:], pictures[3], *pictures[:1]]
    camera = Camera()
    for picture in shown:
        assert camera.see(read_frames(picture)) is None
    assert camera.missing_bytes == 640
    assert camera.see(read_frames(pictures[1])) == whole
    paths = [tmp_path / f"{n}.png" for n in range(len(pictures))]
    for path, picture in zip(paths, pictures, strict=True):
        path.write_bytes(picture)
    assert read_pictures(reversed(paths)) == (whole, 0)


def test_the_animation_holds_every_frame() -> None:
    whole = some_bytes(1500)
    assert Camera().see(read_frames(animation_of(whole))) == whole
    assert len(terminal_frames(whole)) == 3


def test_a_blurred_frame_is_no_frame_and_a_large_bundle_no_animation() -> None:
    picture = bytearray(pictures_of(some_bytes(100))[0])
    with pytest.raises(PieceRefused):
        read_frames(bytes(picture[:40]))
    with pytest.raises(TooLarge):
        pictures_of(bytes(FRAMES_BYTES_MAX + 1))


def test_every_error_of_carrying_speaks_both_languages() -> None:
    for kind in (CarryError, *CarryError.__subclasses__()):
        assert kind().message("zh") != kind().message("en")
        assert kind.code.startswith("carry/")


def test_what_does_not_fit_goes_on_to_the_next_stick_with_the_same_bytes(tmp_path: Path) -> None:
    whole, outgoing = some_bytes(9000), Outgoing(tmp_path / "outgoing")
    sticks = [tmp_path / f"stick{n}" for n in range(4)]
    inbox, wholes = Inbox(tmp_path / "incoming"), list[bytes]()
    for n, room_bytes in enumerate((4000, 3000, 2500, 9000)):
        data = outgoing.waiting(ME) or whole
        written = outgoing.write(sticks[n], ME, LABEL, data, room_bytes=room_bytes)
        wholes, _ = inbox.add(read_stick(sticks[n], ME).pieces)
        if written.complete:
            break
        assert outgoing.waiting(ME) == whole
    assert n == 2
    assert wholes == [whole]
    assert outgoing.waiting(ME) is None


def test_a_bundle_with_room_is_one_file_unless_pieces_are_asked_for(tmp_path: Path) -> None:
    outgoing = Outgoing(tmp_path / "outgoing")
    assert outgoing.write(tmp_path, ME, LABEL, b"small").complete
    assert outgoing.write(tmp_path, ME, LABEL, b"small", piece_bytes=3).complete
    found = read_stick(tmp_path, ME)
    assert (found.bundles, len(found.pieces)) == ([b"small"], 2)
    with pytest.raises(TooLarge):
        outgoing.write(tmp_path, ME, LABEL, b"small", room_bytes=4)
    whole = outgoing.write(tmp_path / "just", ME, LABEL, b"small", room_bytes=5)
    assert (whole.complete, read_stick(tmp_path / "just", ME).bundles) == (True, [b"small"])


def test_a_whole_is_cut_into_single_bytes_and_no_smaller() -> None:
    assert [piece.data for piece in cut(b"abc", 1)] == [b"a", b"b", b"c"]
    with pytest.raises(ValueError, match="piece_bytes"):
        cut(b"abc", 0)


def test_smaller_frames_are_more_of_them() -> None:
    whole = some_bytes(1500)
    assert len(pictures_of(whole, 200)) == 8 > len(pictures_of(whole))


def test_what_is_left_of_a_writing_without_its_bundle_is_no_begin(tmp_path: Path) -> None:
    outgoing = Outgoing(tmp_path / "outgoing")
    for folder in ("outgoing", "stick", "other", "full"):
        (tmp_path / folder).mkdir()
    at = outgoing.folder / f"{ME.hex()}.at"
    at.write_text("3")
    assert outgoing.write(tmp_path / "stick", ME, LABEL, b"whole", piece_bytes=2).complete
    found = read_stick(tmp_path / "stick", ME)
    assert [piece.offset for piece in found.pieces] == [0, 2, 4]
    (outgoing.folder / f"{ME.hex()}.bundle").write_bytes(b"whole")
    assert outgoing.write(tmp_path / "other", ME, LABEL, b"whole", piece_bytes=9).complete
    with pytest.raises(TooLarge):
        outgoing.write(tmp_path / "full", ME, LABEL, b"whole", room_bytes=0)


def test_a_little_of_a_stick_is_left_free(tmp_path: Path) -> None:
    free = shutil.disk_usage(tmp_path).free
    assert room_of(tmp_path) < free - KEPT_FREE_BYTES // 2


def test_a_piece_is_checked_by_a_digest_for_this_purpose() -> None:
    (piece,) = cut(b"whole", 9)
    encoded = piece.encode()
    head, check = encoded[: PIECE_HEAD_BYTES - CHECK_BYTES], encoded[:PIECE_HEAD_BYTES]
    digest = hashlib.sha256(b"doorstep/piece/1\0" + head + b"whole").digest()
    assert check[len(head) :] == digest[:CHECK_BYTES]
