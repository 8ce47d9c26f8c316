# SPDX-License-Identifier: Apache-2.0
"""A small bundle as moving codes: from one screen to another device's camera.

What lives here: pieces as QR codes, as pictures, as one animated picture, in a terminal; reading
them back from pictures. What must not: what the pieces mean. Invariants: the frames repeat, may be
read in any order, and say themselves when all were seen; a frame that is blurred is no frame.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import segno
import zxingcpp
from PIL import Image

from sync.carry.errors import PieceRefused, TooLarge
from sync.carry.pieces import Assembly, Piece, cut, read_piece

FRAME_BYTES = 640
"""Data of one frame: a code of about 105 modules, which a cheap camera reads at arm's length."""
FRAMES_BYTES_MAX = 48 * 1024
"""A bundle as codes: 77 frames, read in about half a minute; more goes by stick."""
FRAME_MS = 250
"""One frame is shown so long: a camera that sees ten pictures a second gets two of each."""
SCALE = 4
"""Pixels of one module in pictures."""
PICTURE_BYTES_MAX = 32 * 1024 * 1024
"""One picture or animation that is read."""
PICTURE_PIXELS_MAX = 24_000_000
"""A camera's largest picture; one byte for each is unpacked."""
ANIMATION_PIXELS_MAX = 4_000_000
"""One picture of an animation: ten times what a code on a screen has. The library holds several."""
FRAMES_MAX = 256
"""Pictures of one animation that are looked at: three times what a bundle needs."""
FRAME, EXTENSION, TRAILER = b",", b"!", b";"
"""What begins a block of an animation, and what ends it."""


def codes_of(whole: bytes, frame_bytes: int = FRAME_BYTES) -> list[Any]:
    """The QR codes of a bundle, each with one piece. Raises TooLarge above 48 KiB."""
    if len(whole) > FRAMES_BYTES_MAX:
        raise TooLarge(f"{len(whole)} bytes, at most {FRAMES_BYTES_MAX} as codes")
    return [
        segno.make_qr(piece.encode(), error="m", mode="byte", encoding="latin-1", boost_error=False)
        for piece in cut(whole, frame_bytes)
    ]


def pictures_of(whole: bytes, frame_bytes: int = FRAME_BYTES) -> list[bytes]:
    """Each frame as a PNG. Raises TooLarge."""
    out = []
    for code in codes_of(whole, frame_bytes):
        file = io.BytesIO()
        code.save(file, kind="png", scale=SCALE)
        out.append(file.getvalue())
    return out


def animation_of(whole: bytes, frame_bytes: int = FRAME_BYTES) -> bytes:
    """All frames as one GIF that repeats. Raises TooLarge."""
    frames = [Image.open(io.BytesIO(p)).convert("1") for p in pictures_of(whole, frame_bytes)]
    # All frames have the size of the first: only the last piece can make a smaller code.
    size = max(frame.size for frame in frames)
    padded = [Image.new("1", size, 1) for _ in frames]
    for target, frame in zip(padded, frames, strict=True):
        target.paste(frame, (0, 0))
    file = io.BytesIO()
    padded[0].save(
        file,
        format="GIF",
        save_all=True,
        append_images=padded[1:],
        duration=FRAME_MS,
        loop=0,
        disposal=2,
    )
    return file.getvalue()


def terminal_frames(whole: bytes, frame_bytes: int = FRAME_BYTES) -> list[str]:
    """Each frame as lines of text for a terminal, to be shown one after the other."""
    out = []
    for code in codes_of(whole, frame_bytes):
        file = io.StringIO()
        code.terminal(file, compact=True)
        out.append(file.getvalue())
    return out


def read_frames(data: bytes) -> list[Piece]:
    """The pieces in one picture or animation (PNG, JPEG, GIF); blurred frames are left out.

    Raises PieceRefused for what is no picture, TooLarge.
    """
    if len(data) > PICTURE_BYTES_MAX:
        raise TooLarge("picture")
    out: list[Piece] = []
    try:
        _check_frames(data)
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG", "GIF")) as image:
            if image.width * image.height > PICTURE_PIXELS_MAX:
                raise TooLarge("picture")
            for number in range(min(FRAMES_MAX, getattr(image, "n_frames", 1))):
                image.seek(number)
                for code in zxingcpp.read_barcodes(image.convert("L")):
                    try:
                        out.append(read_piece(bytes(code.bytes)))
                    except PieceRefused:
                        continue
    except BROKEN as error:
        raise PieceRefused("not a picture") from error
    return out


def _check_frames(data: bytes) -> None:
    """Refuse an animation that is too large, or one of whose frames reaches beyond its screen.

    The library makes room for such a frame while it looks for the next, whatever its size. Raises
    TooLarge, PieceRefused, struct.error or IndexError. Source: GIF89a, sections 18 to 24.
    """
    if data[:4] != b"GIF8":
        return
    wide, high, packed = struct.unpack_from("<HHB", data, 6)
    if wide * high > ANIMATION_PIXELS_MAX:
        raise TooLarge("animation")
    at = 13 + _colours_bytes(packed)
    while (kind := data[at : at + 1]) not in (b"", TRAILER):
        if kind == FRAME:
            left, top, across, down, packed = struct.unpack_from("<HHHHB", data, at + 1)
            if left + across > wide or top + down > high:
                raise PieceRefused("a frame beyond its picture")
            at += 11 + _colours_bytes(packed)
        elif kind == EXTENSION:
            at += 2
        else:
            # The library passes over what begins nothing, and so finds frames behind it.
            at += 1
            continue
        while data[at]:
            at += 1 + data[at]
        at += 1


def _colours_bytes(packed: int) -> int:
    """The bytes of a table of colours, by the field that says whether there is one."""
    return 3 << (packed & 7) + 1 if packed & 0x80 else 0


BROKEN = (
    OSError,
    EOFError,
    SyntaxError,
    ValueError,
    IndexError,
    struct.error,
    Image.DecompressionBombError,
)
"""By these the library tells of broken pictures."""


class Camera:
    """What a camera has seen so far of one bundle; other bundles' frames are left out."""

    def __init__(self) -> None:
        self._assembly: Assembly | None = None

    def see(self, pieces: Iterable[Piece]) -> bytes | None:
        """Take frames; the bundle as soon as all were seen. Raises PieceRefused."""
        for piece in pieces:
            if self._assembly is None:
                self._assembly = Assembly(piece.name, piece.total)
            if piece.name == self._assembly.name:
                self._assembly.add(piece)
        return self._assembly.whole() if self._assembly else None

    @property
    def missing_bytes(self) -> int:
        """How much is not seen yet; 0 before the first frame too."""
        return sum(size for _, size in self._assembly.missing()) if self._assembly else 0


def read_pictures(paths: Iterable[Path]) -> tuple[bytes | None, int]:
    """A bundle from pictures in files: the bundle or None, and the bytes that are missing."""
    camera, whole = Camera(), None
    for path in paths:
        whole = camera.see(read_frames(path.read_bytes()))
    return whole, camera.missing_bytes
