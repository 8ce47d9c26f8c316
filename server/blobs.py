# SPDX-License-Identifier: Apache-2.0
"""Attachments: ciphertext in pieces, named by its SHA-256.

What lives here: pieces in the store and when they are a whole. What must not: keys (they stand in
the changes that mention a blob), HTTP. Invariants
- A blob is complete only when the hash of all pieces is its name; one that turns out otherwise is
  thrown away whole, and sent anew.
- Pieces follow one another without gap or overlap; a piece that is there already is no error.
"""

from __future__ import annotations

from typing import NamedTuple

from crypto.blob import blob_name
from crypto.errors import BlobRefused
from server.errors import BlobOffset, BlobUnknown
from server.store.base import Store

GET_BYTES_MAX = 1024 * 1024
"""What one GET gives; more is asked for with ``offset``."""


class BlobState(NamedTuple):
    """``total`` bytes announced, ``received`` so far."""

    total: int
    received: int
    complete: bool


def blob_state(store: Store, name: bytes) -> BlobState:
    """How much of a blob is here. Raises BlobUnknown."""
    with store.read() as tx:
        found = tx.rows("SELECT bytes, received, complete FROM blobs WHERE name = ?", [name.hex()])
    if not found:
        raise BlobUnknown()
    return BlobState(int(found[0][0]), int(found[0][1]), bool(found[0][2]))


def put_piece(
    store: Store, name: bytes, offset: int, total: int, piece: bytes, now_ms: int
) -> BlobState:
    """Store one piece; the state afterwards.

    Raises BlobOffset where it does not start where the others end, BlobRefused where the whole is
    not what the name says or ``total`` does not hold.
    """
    refused: str = ""
    key = name.hex()
    with store.write() as tx:
        found = tx.rows("SELECT bytes, received, complete FROM blobs WHERE name = ?", [key])
        known = BlobState(int(found[0][0]), int(found[0][1]), bool(found[0][2])) if found else None
        if known and known.complete:
            return known
        received = known.received if known else 0
        if offset + len(piece) <= received and known and total == known.total and piece:
            return known
        if (known and total != known.total) or offset + len(piece) > total:
            refused = "length"
        elif offset != received:
            raise BlobOffset(f"held up to {received}")
        else:
            received += len(piece)
            tx.run(
                "INSERT INTO blobs VALUES (?, ?, ?, 0, ?)"
                " ON CONFLICT (name) DO UPDATE SET received = excluded.received",
                [key, total, received, now_ms],
            )
            if piece:
                tx.run("INSERT INTO blob_pieces VALUES (?, ?, ?)", [key, offset, piece])
            if received == total:
                parts = tx.rows("SELECT body FROM blob_pieces WHERE name = ? ORDER BY start", [key])
                if blob_name(b"".join(bytes(p[0]) for p in parts)) != name:
                    refused = "name"
                else:
                    tx.run("UPDATE blobs SET complete = 1 WHERE name = ?", [key])
        if refused:
            tx.run("DELETE FROM blob_pieces WHERE name = ?", [key])
            tx.run("DELETE FROM blobs WHERE name = ?", [key])
    if refused:
        raise BlobRefused(refused)
    return BlobState(total, received, received == total)


def get_piece(store: Store, name: bytes, offset: int, length: int) -> bytes:
    """Bytes of a complete blob from ``offset``, at most GET_BYTES_MAX. Raises BlobUnknown."""
    length = min(length, GET_BYTES_MAX)
    with store.read() as tx:
        found = tx.rows("SELECT complete FROM blobs WHERE name = ?", [name.hex()])
        if not found or not found[0][0]:
            raise BlobUnknown()
        pieces = tx.rows(
            "SELECT start, body FROM blob_pieces WHERE name = ? AND start < ?"
            " AND start + length(body) > ? ORDER BY start",
            [name.hex(), offset + length, offset],
        )
    if not pieces:
        return b""
    joined = b"".join(bytes(body) for _, body in pieces)
    skip = offset - int(pieces[0][0])
    return joined[skip : skip + length]
