# SPDX-License-Identifier: Apache-2.0
"""A bundle in pieces: each says to what it belongs, where, and whether it is whole.

What lives here: cutting bytes into pieces and putting them together, in any order, with some lost
and some repeated. What must not: files and pictures, which carry pieces; whether the bytes are a
bundle. Invariants: a piece that is damaged is refused alone; what is put together has the digest
that every piece names, or is not handed out.

    piece = "DSP1" (4) ‖ first 16 of SHA-256 of the whole ‖ length of the whole (4) ‖ offset (4)
            ‖ check (8: first of SHA-256 of everything else) ‖ data
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from sync.carry.errors import PieceRefused

MAGIC = b"DSP1"
NAME_BYTES = 16
CHECK_BYTES = 8
PIECE_HEAD_BYTES = len(MAGIC) + NAME_BYTES + 4 + 4 + CHECK_BYTES
WHOLE_BYTES_MAX = 72 * 1024 * 1024
"""The largest bundle with its seal; a mad length is damage, not a bundle."""
PIECES_MAX = 1 << 17
"""Pieces of one whole that are remembered: codes of 700 bytes are far fewer."""


class Piece(NamedTuple):
    """Some bytes of a whole: ``name`` (16 bytes) and ``total`` say of which, ``offset`` where."""

    name: bytes
    total: int
    offset: int
    data: bytes

    def encode(self) -> bytes:
        """The piece as it is carried."""
        head = MAGIC + self.name + self.total.to_bytes(4, "big") + self.offset.to_bytes(4, "big")
        return head + _check(head, self.data) + self.data


def _check(head: bytes, data: bytes) -> bytes:
    return hashlib.sha256(b"doorstep/piece/1\0" + head + data).digest()[:CHECK_BYTES]


def name_of(whole: bytes) -> bytes:
    """The 16 bytes by which pieces name the whole they belong to."""
    return hashlib.sha256(whole).digest()[:NAME_BYTES]


def cut(whole: bytes, piece_bytes: int, begin: int = 0) -> list[Piece]:
    """Cut what stands from ``begin`` on into pieces of at most ``piece_bytes`` of data each.

    Raises ValueError below 1.
    """
    if piece_bytes < 1:
        raise ValueError("piece_bytes")
    name, total = name_of(whole), len(whole)
    return [
        Piece(name, total, at, whole[at : at + piece_bytes])
        for at in range(begin, total, piece_bytes)
    ]


def read_piece(encoded: bytes) -> Piece:
    """Read one piece. Raises PieceRefused where it is damaged or none."""
    at = PIECE_HEAD_BYTES - CHECK_BYTES
    head, check, data = encoded[:at], encoded[at:PIECE_HEAD_BYTES], encoded[PIECE_HEAD_BYTES:]
    if encoded[:4] != MAGIC or not data or _check(head, data) != check:
        raise PieceRefused("damaged")
    total, offset = int.from_bytes(head[20:24], "big"), int.from_bytes(head[24:28], "big")
    if total > WHOLE_BYTES_MAX or offset + len(data) > total:
        raise PieceRefused("beyond the end")
    return Piece(head[4:20], total, offset, data)


class Assembly:
    """Pieces of one whole, as they arrive."""

    def __init__(self, name: bytes, total: int) -> None:
        self.name = name
        self.total = total
        self._pieces: dict[int, bytes] = {}

    def add(self, piece: Piece) -> bool:
        """Take a piece; False where nothing was new. Raises PieceRefused for one of another whole.

        Of two pieces at one offset the longer one stays.
        """
        if (piece.name, piece.total) != (self.name, self.total):
            raise PieceRefused("another bundle")
        if len(self._pieces.get(piece.offset, b"")) >= len(piece.data):
            return False
        if len(self._pieces) >= PIECES_MAX:
            raise PieceRefused("too many pieces")
        self._pieces[piece.offset] = piece.data
        return True

    def missing(self) -> list[tuple[int, int]]:
        """What is lacking: (offset, bytes), in order."""
        out: list[tuple[int, int]] = []
        at = 0
        for offset in sorted(self._pieces):
            if offset > at:
                out.append((at, offset - at))
            at = max(at, offset + len(self._pieces[offset]))
        return [*out, (at, self.total - at)] if at < self.total else out

    def whole(self) -> bytes | None:
        """All of it, or None while something is missing.

        Raises PieceRefused where the pieces together are not what each of them names.
        """
        if self.missing():
            return None
        out = bytearray()
        for offset in sorted(self._pieces):
            data = self._pieces[offset]
            out += data[len(out) - offset :] if offset < len(out) else data
        found = bytes(out)
        if name_of(found) != self.name:
            raise PieceRefused("digest of the whole")
        return found
