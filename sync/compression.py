# SPDX-License-Identifier: Apache-2.0
"""Zstandard with a hard cap and the dictionary of the protocol.

What lives here: packing and unpacking of what travels. What must not: any idea of what is inside.
Invariant: nothing is unpacked beyond the limit its caller names; a frame that declares more is
refused before a byte of it is unpacked. Source: RFC 8878.
"""

from __future__ import annotations

import functools
import threading
from importlib.resources import files

import zstandard

from sync.errors import LimitExceeded, MessageMalformed

WINDOW_BYTES_MAX = 8 * 1024 * 1024
"""Memory a frame may ask for while it is unpacked."""
UPLOAD_LEVEL = 10
"""What a tablet packs with: a twentieth larger than level 19, in a fifteenth of its time."""
REPLY_LEVEL = 3
"""Servers pack fast: they answer many."""
DICTIONARY_VERSION = 1
DICTIONARY_FOR_BYTES_MAX = 16 * 1024
"""Above this a payload teaches the compressor more than the dictionary does, and packs smaller
alone."""
_WITHOUT, _WITH = b"\0", bytes([DICTIONARY_VERSION])


@functools.cache
def _dictionary() -> zstandard.ZstdCompressionDict:
    data = files("sync").joinpath(f"dictionary_v{DICTIONARY_VERSION}.bin").read_bytes()
    return zstandard.ZstdCompressionDict(data, dict_type=zstandard.DICT_TYPE_RAWCONTENT)


_local = threading.local()


def _compressor(level: int, with_dictionary: bool) -> zstandard.ZstdCompressor:
    # A context must not be used by two threads at once, and is costly to make: one each a thread.
    known: dict[tuple[int, bool], zstandard.ZstdCompressor] | None
    known = getattr(_local, "compressors", None)
    if known is None:
        known = _local.compressors = {}
    if (level, with_dictionary) not in known:
        known[level, with_dictionary] = zstandard.ZstdCompressor(
            level=level,
            dict_data=_dictionary() if with_dictionary else None,
            write_checksum=False,
        )
    return known[level, with_dictionary]


def _decompressor(with_dictionary: bool) -> zstandard.ZstdDecompressor:
    known: dict[bool, zstandard.ZstdDecompressor] | None = getattr(_local, "decompressors", None)
    if known is None:
        known = _local.decompressors = {}
    if with_dictionary not in known:
        known[with_dictionary] = zstandard.ZstdDecompressor(
            dict_data=_dictionary() if with_dictionary else None, max_window_size=WINDOW_BYTES_MAX
        )
    return known[with_dictionary]


def pack(data: bytes, level: int = REPLY_LEVEL) -> bytes:
    """Compress ``data``: a byte that names the dictionary (0 for none), then the frame."""
    if len(data) <= DICTIONARY_FOR_BYTES_MAX:
        return _WITH + _compressor(level, True).compress(data)
    return _WITHOUT + _compressor(level, False).compress(data)


def unpack(data: bytes, bytes_max: int) -> bytes:
    """Decompress one frame, refusing more than ``bytes_max`` bytes.

    Raises LimitExceeded if the frame declares more, MessageMalformed if it is not exactly one
    frame, does not declare its size, yields another one, or names an unknown dictionary.
    """
    named, frame = data[:1], data[1:]
    if named not in (_WITH, _WITHOUT):
        raise MessageMalformed("compression: dictionary")
    try:
        declared = zstandard.frame_content_size(frame)
        if declared > bytes_max:
            raise LimitExceeded(f"{declared} bytes unpacked, at most {bytes_max}")
        if declared < 0:
            # Room would have to be made for the most there may be, whatever is in it.
            raise MessageMalformed("compression: the frame does not declare its size")
        return _decompressor(named == _WITH).decompress(frame, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise MessageMalformed(f"compression: {error}") from error
