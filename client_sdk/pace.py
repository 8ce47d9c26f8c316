# SPDX-License-Identifier: Apache-2.0
"""How much goes to the server at once, by what the line carried last.

What lives here: the sizes and the rule. What must not: sending. Invariants: a line that never broke
is given a whole day in one round trip; one that broke while it carried something gets pieces that
ten seconds of the weakest signal carry, until it proves to be quick; what is fetched comes in such
pieces until a line was quick at all, for nobody knows beforehand how much it is; both outlive the
program, because a tablet at the edge of signal is opened and shut all day.
"""

from __future__ import annotations

from client_sdk.store.base import Store

TEXT_BYTES_MAX = 2 * 1024 * 1024
"""Contents sent in one request: a first upload of weeks goes in several, each with its receipt."""
TEXT_BYTES_MIN = 32 * 1024
"""Contents sent in one request after the line broke: at most 16 KB once they are packed, which at
50 kbit/s leave time for the handshake in ten seconds."""
PACKED_BYTES_MAX = 16 * 1024
"""What may have to be sent again on such a line."""
BLOB_BYTES_MAX = 256 * 1024
"""One piece of a photo on a quick line."""
BLOB_BYTES_MIN = PACKED_BYTES_MAX - 1024
"""The first piece of each sync, and every one on a slow line; with its head below 16 KB."""
QUICK_SECONDS = 0.5
"""A piece that was answered in less shows a line that carries more at once."""
SLOW_SECONDS = 4.0
"""A piece that took longer shows a line that carries less: half of ten seconds of signal."""
BRISK_SECONDS = 1.0
"""A round trip of less shows a line that a large answer comes over in a few seconds."""
_KEY, _BRISK = "text_bytes", "line_brisk"


def text_bytes(store: Store) -> int:
    """How many bytes of contents the next request may carry."""
    return int(store.get(_KEY, TEXT_BYTES_MAX))


def text_cut(store: Store, body_bytes: int) -> None:
    """The line broke while it carried a request of so many bytes; a small one tells nothing."""
    _note(store, False)
    if body_bytes > PACKED_BYTES_MAX:
        _keep(store, TEXT_BYTES_MIN)


def text_went(store: Store, seconds: float) -> None:
    """A request was answered after so many seconds; a slow server alone makes nothing smaller."""
    if seconds < BRISK_SECONDS:
        _note(store, True)
    if seconds < QUICK_SECONDS:
        _keep(store, min(text_bytes(store) * 2, TEXT_BYTES_MAX))


def in_pieces(store: Store) -> bool:
    """Is what the server has to come in small pieces?"""
    return not store.get(_BRISK, False)


def _note(store: Store, brisk: bool) -> None:
    if brisk == in_pieces(store):
        with store.noting():
            store.put(_BRISK, brisk)


def _keep(store: Store, size: int) -> None:
    if size != text_bytes(store):
        with store.noting():
            store.put(_KEY, size)


def next_piece(piece_bytes: int, seconds: float) -> int:
    """The size of the next piece of a photo, after one of ``piece_bytes`` took ``seconds``."""
    if seconds < QUICK_SECONDS:
        return min(piece_bytes * 4, BLOB_BYTES_MAX)
    if seconds > SLOW_SECONDS:
        return max(piece_bytes // 4, BLOB_BYTES_MIN)
    return piece_bytes
