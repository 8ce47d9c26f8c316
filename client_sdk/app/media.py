# SPDX-License-Identifier: Apache-2.0
"""Photos, sounds and signatures before they are kept: small, and without what they tell unasked.

What lives here: scaling, stripping, knowing formats. What must not: encryption and sending
(``client_sdk.blobs``). Invariants: of a photo only its pixels are kept, never where and with what
it was taken; nothing is written to a file here.
"""

from __future__ import annotations

import io
import warnings

from PIL import Image, ImageOps

from client_sdk.errors import AttachmentRefused

PHOTO_BYTES_MAX = 200 * 1024
"""A photo as it is kept: a page of print is legible, and a weak line carries it."""
PHOTO_SIDE_MAX = 1600
PIXELS_MAX = 120_000_000
"""More than any tablet's camera has: beyond it is a bomb."""
SIDES = (PHOTO_SIDE_MAX, 1280, 1024, 800, 640)
QUALITIES = (82, 70, 58, 45)
SIGNATURE_BYTES_MAX = 200 * 1024
FAINT_MAX = 200
"""Grey of the darkest point of an empty glass, of 255."""
SOUND_BYTES_MAX = 8 * 1024 * 1024
_SOUNDS = (
    (b"OggS", "audio/ogg"),
    (b"RIFF", "audio/wav"),
    (b"ID3", "audio/mpeg"),
    (b"\x1aE\xdf\xa3", "audio/webm"),
)


def photo(data: bytes) -> bytes:
    """A photo as a JPEG of at most 200 KiB, upright, without EXIF. Raises AttachmentRefused."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data)) as found:
                if found.width * found.height > PIXELS_MAX:
                    raise AttachmentRefused("pixels")
                found.draft("RGB", (PHOTO_SIDE_MAX * 2, PHOTO_SIDE_MAX * 2))
                upright = ImageOps.exif_transpose(found).convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise AttachmentRefused("no picture") from error
    plain = Image.frombytes("RGB", upright.size, upright.tobytes())
    for side in SIDES:
        plain.thumbnail((side, side))
        for quality in QUALITIES:
            out = io.BytesIO()
            plain.save(out, "JPEG", quality=quality, optimize=True)
            if out.tell() <= PHOTO_BYTES_MAX:
                return out.getvalue()
    raise AttachmentRefused("photo size")


def signature(data: bytes) -> bytes:
    """A signature as a small PNG of its pixels alone. Raises AttachmentRefused."""
    if len(data) > SIGNATURE_BYTES_MAX:
        raise AttachmentRefused("signature size")
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as found:
            found.thumbnail((900, 900))
            grey = found.convert("RGBA")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise AttachmentRefused("no signature") from error
    paper = Image.new("RGBA", grey.size, "white")
    paper.alpha_composite(grey)
    line = paper.convert("L")
    if min(line.tobytes()) > FAINT_MAX:
        raise AttachmentRefused("empty signature")
    out = io.BytesIO()
    line.save(out, "PNG", optimize=True)
    return out.getvalue()


def sound(data: bytes) -> str:
    """The media type of a sound, known by its bytes. Raises AttachmentRefused."""
    if len(data) > SOUND_BYTES_MAX:
        raise AttachmentRefused("sound size")
    for head, media_type in _SOUNDS:
        if data.startswith(head):
            return media_type
    if data[4:8] == b"ftyp":
        return "audio/mp4"
    if data[:1] == b"\xff" and data[1:2] >= b"\xe0":
        return "audio/mpeg"
    raise AttachmentRefused("sound format")
