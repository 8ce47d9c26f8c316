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
UPLOAD_LEVEL = 19
"""Tablets pack hard: their link costs more than their processor."""
REPLY_LEVEL = 3
"""Servers pack fast: they answer many."""
DICTIONARY_VERSION = 1


@functools.cache
def _dictionary() -> zstandard.ZstdCompressionDict:
    data = files("sync").joinpath(f"dictionary_v{DICTIONARY_VERSION}.bin").read_bytes()
    return zstandard.ZstdCompressionDict(data, dict_type=zstandard.DICT_TYPE_RAWCONTENT)


_local = threading.local()


def _compressor(level: int) -> zstandard.ZstdCompressor:
    # A context must not be used by two threads at once, and is costly to make: one each a thread.
    known: dict[int, zstandard.ZstdCompressor] | None = getattr(_local, "compressors", None)
    if known is None:
        known = _local.compressors = {}
    if level not in known:
        known[level] = zstandard.ZstdCompressor(level=level, dict_data=_dictionary())
    return known[level]


def pack(data: bytes, level: int = REPLY_LEVEL) -> bytes:
    """Compress ``data`` with the protocol's dictionary."""
    return _compressor(level).compress(data)


def unpack(data: bytes, bytes_max: int) -> bytes:
    """Decompress one frame, refusing more than ``bytes_max`` bytes.

    Raises LimitExceeded if the frame declares or yields more, MessageMalformed if it is not a
    frame.
    """
    try:
        declared = zstandard.frame_content_size(data)
        if declared > bytes_max:
            raise LimitExceeded(f"{declared} bytes unpacked, at most {bytes_max}")
        decompressor: zstandard.ZstdDecompressor | None = getattr(_local, "decompressor", None)
        if decompressor is None:
            decompressor = _local.decompressor = zstandard.ZstdDecompressor(
                dict_data=_dictionary(), max_window_size=WINDOW_BYTES_MAX
            )
        out = decompressor.decompress(data, max_output_size=bytes_max)
    except zstandard.ZstdError as error:
        raise MessageMalformed(f"compression: {error}") from error
    if len(out) > bytes_max:
        raise LimitExceeded(f"more than {bytes_max} bytes unpacked")
    return out
