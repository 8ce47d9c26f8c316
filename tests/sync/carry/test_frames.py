# SPDX-License-Identifier: Apache-2.0
"""Animations are looked through before they are opened: a wrong frame is found where it stands."""

import io
import struct

import pytest
from PIL import Image
from segno import make_qr

from sync.carry.errors import PieceRefused, TooLarge
from sync.carry.frames import (
    ANIMATION_PIXELS_MAX,
    Camera,
    animation_of,
    pictures_of,
    read_frames,
)

SCREEN = 16
# One pixel, as the format packs it; what it holds looks like the head of a frame beyond any screen.
PIXEL = b"\x02\x02\x44\x01\x00"
DECOY = b"\x2c" + b"\xff" * 9


def gif(*blocks: bytes, colours: int = 0, wide: int = SCREEN, high: int = SCREEN) -> bytes:
    """An animation of these blocks; a table of 2 ** ``colours`` colours before them."""
    table = (DECOY * 80)[: 3 << colours] if colours else b""
    packed = 0x80 | colours - 1 if colours else 0
    head = b"GIF89a" + struct.pack("<HHBBB", wide, high, packed, 0, 0)
    return head + table + b"".join(blocks) + b";"


def frame(left: int = 0, top: int = 0, wide: int = 1, high: int = 1, colours: int = 0) -> bytes:
    packed = 0x80 | colours - 1 if colours else 0
    head = b"\x2c" + struct.pack("<HHHHB", left, top, wide, high, packed)
    return head + (DECOY * 80)[: 3 << colours if colours else 0] + PIXEL


def extension(*parts: bytes) -> bytes:
    return b"!\xfe" + b"".join(bytes([len(part)]) + part for part in parts) + b"\0"


BEFORE = {
    "nothing": b"",
    "words": extension(DECOY),
    "words in two parts": extension(DECOY, DECOY * 2),
    "words that hold no part": extension(),
    "a frame": frame(),
    "a frame with two colours of its own": frame(colours=1),
    "a frame with all colours of its own": frame(colours=8),
    "what begins nothing": b"\0\1\2",
    "all of it": extension(DECOY) + frame(colours=3) + b"\0" + frame() + extension(DECOY, b"x"),
}


@pytest.mark.parametrize("colours", [0, 1, 5, 8])
@pytest.mark.parametrize("before", BEFORE)
def test_a_frame_beyond_its_screen_is_found_behind_whatever_stands_before_it(
    before: str, colours: int
) -> None:
    good = gif(BEFORE[before], frame(), colours=colours)
    assert read_frames(good) == read_frames(good[:-1]) == []
    with pytest.raises(PieceRefused, match="beyond its picture"):
        read_frames(gif(BEFORE[before], frame(wide=SCREEN + 1), frame(), colours=colours))


@pytest.mark.parametrize(
    ("at", "fits"),
    [
        ((SCREEN - 1, 0, 1, 1), True),
        ((0, SCREEN - 1, 1, 1), True),
        ((SCREEN, 0, 1, 1), False),
        ((0, SCREEN, 1, 1), False),
        ((10, 0, 10, 1), False),
        ((0, 10, 1, 10), False),
        ((0xFFFF, 0, 1, 1), False),
        ((0, 0xFFFF, 1, 1), False),
        ((0, 0, 0xFFFF, 1), False),
        ((0, 0, 1, 0xFFFF), False),
    ],
)
def test_a_frame_fits_with_where_it_begins_and_how_far_it_reaches(
    at: tuple[int, int, int, int], fits: bool
) -> None:
    if fits:
        assert read_frames(gif(frame(*at), frame())) == []
        return
    with pytest.raises(PieceRefused, match="beyond its picture"):
        read_frames(gif(frame(), frame(*at)))


def test_an_animation_may_have_as_many_pixels_as_a_screen_and_no_more() -> None:
    wide = 4_000
    assert read_frames(gif(frame(), wide=wide, high=ANIMATION_PIXELS_MAX // wide)) == []
    with pytest.raises(TooLarge, match="animation"):
        read_frames(gif(frame(), wide=wide, high=ANIMATION_PIXELS_MAX // wide + 1))


@pytest.mark.parametrize("kind", ["BMP", "TIFF", "WEBP"])
def test_a_picture_of_a_kind_that_no_camera_makes_is_refused(kind: str) -> None:
    out = io.BytesIO()
    Image.new("L", (SCREEN, SCREEN), 255).save(out, kind)
    with pytest.raises(PieceRefused, match="not a picture"):
        read_frames(out.getvalue())


def test_a_code_that_is_no_piece_is_passed_over_and_the_next_is_read() -> None:
    size, found = 700, list[Image.Image]()
    strange = io.BytesIO()
    make_qr("not a piece").save(strange, kind="png", scale=4)
    for data in (strange.getvalue(), pictures_of(b"whole")[0]):
        found.append(Image.open(io.BytesIO(data)).convert("L"))
    both = Image.new("L", (size, size), 255)
    both.paste(found[0], (0, 0))
    both.paste(found[1], (size // 2, size // 2))
    out = io.BytesIO()
    both.save(out, "PNG")
    assert Camera().see(read_frames(out.getvalue())) == b"whole"
    assert Camera().see([]) is None
    assert Camera().see(read_frames(animation_of(b"whole"))) == b"whole"
