# SPDX-License-Identifier: Apache-2.0
"""Bundles on their way out that do not fit on one stick: what was made once is written on later.

What lives here: keeping a bundle until all of its pieces were written, choosing between a whole
file and pieces. What must not: making bundles. Invariant: a bundle that was begun is finished
before another for the same receiver is made; its pieces are all of the same bytes.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import NamedTuple

from sync.carry.errors import TooLarge
from sync.carry.pieces import PIECE_HEAD_BYTES
from sync.carry.stick import Label, write_atomically, write_bundle, write_pieces

PIECE_BYTES = 1024 * 1024
"""Data of one piece: what one damaged sector costs."""
KEPT_FREE_BYTES = 256 * 1024
"""Left free on a stick: folders and names need room too."""


class Written(NamedTuple):
    """How far the writing of a bundle is: bytes written, bytes there are."""

    done_bytes: int
    total_bytes: int

    @property
    def complete(self) -> bool:
        """Is all of it on sticks now?"""
        return self.done_bytes == self.total_bytes


class Outgoing:
    """Bundles that wait in a folder until sticks have taken all of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def _paths(self, receiver: bytes) -> tuple[Path, Path]:
        return self.folder / f"{receiver.hex()}.bundle", self.folder / f"{receiver.hex()}.at"

    def waiting(self, receiver: bytes) -> bytes | None:
        """The bundle for a receiver whose writing was begun, None for none."""
        whole, _ = self._paths(receiver)
        return whole.read_bytes() if whole.is_file() else None

    def write(
        self,
        stick: Path,
        receiver: bytes,
        label: Label,
        data: bytes,
        *,
        room_bytes: int | None = None,
        piece_bytes: int | None = None,
    ) -> Written:
        """Write as much of a bundle as the stick holds; the rest goes on the next one.

        ``room_bytes``: by the free space of the stick where it is None. ``piece_bytes`` asks for
        pieces even where the whole has room. Raises TooLarge where not one piece has room.
        """
        kept, at_path = self._paths(receiver)
        begin = int(at_path.read_text()) if at_path.is_file() and kept.is_file() else 0
        room = room_of(stick) if room_bytes is None else room_bytes
        if begin == 0 and piece_bytes is None and len(data) <= room:
            write_bundle(stick, receiver, label, data)
            return Written(len(data), len(data))
        size = piece_bytes or min(PIECE_BYTES, max(room - PIECE_HEAD_BYTES, 0))
        if size < 1:
            raise TooLarge("no room")
        write_atomically(kept, data)
        done = write_pieces(
            stick, receiver, label, data, piece_bytes=size, room_bytes=room, begin=begin
        )
        if done == len(data):
            kept.unlink()
            at_path.unlink(missing_ok=True)
        else:
            write_atomically(at_path, str(done).encode())
        return Written(done, len(data))


def room_of(stick: Path) -> int:
    """The bytes that may be written to a stick."""
    return max(0, shutil.disk_usage(stick).free - KEPT_FREE_BYTES)
