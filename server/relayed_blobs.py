# SPDX-License-Identifier: Apache-2.0
"""Photos and sounds on their way to the upstream, after the text: piece by piece.

What lives here: which attachments the upstream lacks, bringing them. What must not: pieces in the
store (``blobs.py``), when it is done (``climbing.py``). Invariants
- Text goes before blobs: this begins only when an exchange came to its end.
- What is brought is ciphertext under its own digest; the upstream checks it as any upload.
- A transfer that breaks goes on from what the upstream has.
"""

from __future__ import annotations

from typing import Protocol

from server.blobs import GET_BYTES_MAX, get_piece
from server.store.base import Store, Transaction

AT_ONCE = 100
"""Attachments of one turn: then tablets' text, which came meanwhile, goes first again."""


class Carrier(Protocol):
    """Carries pieces to the upstream."""

    def blob_bytes(self, name: str) -> int:
        """How many bytes of it the upstream has."""
        ...

    def put_blob(self, name: str, offset: int, total: int, piece: bytes) -> int:
        """Send one piece; how many bytes the upstream has now."""
        ...


def lacking(tx: Transaction, server: bytes) -> list[tuple[str, int]]:
    """Names and bytes of complete attachments that were not brought to a server, oldest first."""
    found = tx.rows(
        "SELECT b.name, b.bytes FROM blobs b LEFT JOIN relayed_blobs r"
        " ON r.name = b.name AND r.server = ?"
        " WHERE b.complete = 1 AND r.name IS NULL ORDER BY b.at_ms, b.name LIMIT ?",
        [server, AT_ONCE],
    )
    return [(str(name), int(size)) for name, size in found]


def note_brought(tx: Transaction, server: bytes, name: str) -> None:
    """The upstream has all of it, by its own word."""
    tx.run(
        "INSERT INTO relayed_blobs (server, name) VALUES (?, ?) ON CONFLICT DO NOTHING",
        [server, name],
    )


def forget_brought(tx: Transaction, server: bytes) -> None:
    """The upstream was set back: what it has of these is asked anew."""
    tx.run("DELETE FROM relayed_blobs WHERE server = ?", [server])


def next_piece(store: Store, name: str, offset: int) -> bytes:
    """The next bytes of an attachment. Raises BlobUnknown."""
    return get_piece(store, bytes.fromhex(name), offset, GET_BYTES_MAX)
