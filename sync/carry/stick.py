# SPDX-License-Identifier: Apache-2.0
"""The folder on a stick: where bundles, pieces and outboxes lie, and how they are written.

What lives here: names, atomic writing, reading within limits. What must not: opening a bundle.
Invariants: a file has its name only when all of it is on the disk; names tell replica ids and
numbers, nothing of people; nothing is removed from a stick but by whoever wrote it.

    doorstep/to-<receiver, 32 hex>/<sender, 32 hex>-<number, 8 digits>-<name, 8 hex>.bundle
    doorstep/to-<receiver>/<sender>-<number>-<name>.<offset, 8 hex>.piece
    doorstep/outbox/<whose, up to 32 hex>-<file>.sealed
    doorstep-to-<receiver>-<sender>-<number>-<name>.bundle
        the same as saved by a browser, which makes no folders
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from sync.carry.errors import PieceRefused, TooLarge
from sync.carry.files import open_own, sync_folder, write_all
from sync.carry.pieces import (
    PIECE_HEAD_BYTES,
    WHOLE_BYTES_MAX,
    Assembly,
    Piece,
    cut,
    name_of,
    read_piece,
)

FOLDER = "doorstep"
OUTBOX = "outbox"
OUTBOX_BYTES_MAX = 5 * 1024 * 1024
"""One file of a sealed outbox."""
OUTBOX_FILES_MAX = 2_000
"""Files of sealed outboxes one stick is read for."""
FILES_MAX = 20_000
"""Files one receiver's folder is read for; a stick with more is somebody's mischief."""
_BUNDLE = re.compile(r"([0-9a-f]{32})-([0-9]{8,15})-([0-9a-f]{8})\.bundle\Z")
_SAVED = re.compile(r"[0-9a-f]{32}-[0-9]{8,15}-[0-9a-f]{8}( ?\([0-9]{1,3}\))?\.bundle\Z")
_PIECE = re.compile(r"([0-9a-f]{32})-([0-9]{8,15})-([0-9a-f]{8})\.[0-9a-f]{8}\.piece\Z")
_SEALED = re.compile(r"[0-9a-z][0-9a-z-]{0,80}\.sealed\Z")


class Label(NamedTuple):
    """What the name of a file tells: the sender (16 bytes), the number, the first 4 bytes of its
    name."""

    sender: bytes
    sequence: int
    name: bytes

    @property
    def stem(self) -> str:
        """How its files begin."""
        return f"{self.sender.hex()}-{self.sequence:08d}-{self.name[:4].hex()}"


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file so that it is there whole or not at all, also if the stick is pulled out."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(path.name + ".new")
    found = open_own(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    try:
        write_all(found, data)
        os.fsync(found)
    except BaseException:
        os.close(found)
        new.unlink(missing_ok=True)
        raise
    os.close(found)
    os.replace(new, path)
    # Some file systems of sticks know no syncing of folders.
    with contextlib.suppress(OSError):
        sync_folder(path.parent)


def folder_of(stick: Path, receiver: bytes) -> Path:
    """Where bundles for a receiver lie."""
    return stick / FOLDER / f"to-{receiver.hex()}"


def write_bundle(stick: Path, receiver: bytes, label: Label, data: bytes) -> Path:
    """Write a whole bundle. Raises TooLarge, OSError."""
    if len(data) > WHOLE_BYTES_MAX:
        raise TooLarge(f"{len(data)} bytes")
    path = folder_of(stick, receiver) / f"{label.stem}.bundle"
    write_atomically(path, data)
    return path


def write_pieces(
    stick: Path,
    receiver: bytes,
    label: Label,
    data: bytes,
    *,
    piece_bytes: int,
    room_bytes: int,
    begin: int = 0,
) -> int:
    """Write pieces from ``begin`` on, as many as ``room_bytes`` holds; where the next stick begins.

    Returns ``len(data)`` when all is written. Raises TooLarge where not one piece has room.
    """
    left, at = room_bytes, begin
    for piece in cut(data, piece_bytes, begin):
        size = PIECE_HEAD_BYTES + len(piece.data)
        if size > left:
            break
        name = f"{label.stem}.{piece.offset:08x}.piece"
        write_atomically(folder_of(stick, receiver) / name, piece.encode())
        left, at = left - size, piece.offset + len(piece.data)
    if at == begin and begin < len(data):
        raise TooLarge("not one piece has room")
    return at


class Found(NamedTuple):
    """What lies on a stick for a receiver: whole bundles, in the order of senders and numbers, and
    pieces. ``damaged`` are names of files that could not be used."""

    bundles: list[bytes]
    pieces: list[Piece]
    damaged: list[str]


def saved_name(receiver: bytes, label: Label) -> str:
    """What a bundle is called that a browser saves, wherever its user says."""
    return f"doorstep-to-{receiver.hex()}-{label.stem}.bundle"


def _is_saved_for(name: str, receiver: bytes) -> bool:
    begin = f"doorstep-to-{receiver.hex()}-"
    # A second one of one name gets a number in brackets from the browser.
    return name.startswith(begin) and bool(_SAVED.match(name[len(begin) :]))


def read_stick(stick: Path, receiver: bytes) -> Found:
    """All that lies on a stick for one receiver; damaged pieces are named, not fatal."""
    found = Found([], [], [])
    saved = [path for path in _files(stick) if _is_saved_for(path.name, receiver)]
    for path in (*saved, *_files(folder_of(stick, receiver))):
        if path in saved or _BUNDLE.match(path.name):
            if path.stat().st_size > WHOLE_BYTES_MAX:
                found.damaged.append(path.name)
            else:
                found.bundles.append(path.read_bytes())
        elif _PIECE.match(path.name):
            try:
                if path.stat().st_size > WHOLE_BYTES_MAX:
                    raise PieceRefused("size")
                found.pieces.append(read_piece(path.read_bytes()))
            except PieceRefused:
                found.damaged.append(path.name)
    return found


def _files(folder: Path) -> Iterator[Path]:
    if not folder.is_dir():
        return
    for number, path in enumerate(sorted(folder.iterdir())):
        if number >= FILES_MAX:
            raise TooLarge(f"more than {FILES_MAX} files")
        if path.is_file() and not path.is_symlink():
            yield path


# ---- sealed outboxes ----------------------------------------------------------------------------


def write_outbox(stick: Path, name: str, data: bytes) -> Path:
    """Copy one file of a sealed outbox; ``name`` as it is called on the tablet. Raises TooLarge."""
    if len(data) > OUTBOX_BYTES_MAX or not _SEALED.match(name):
        raise TooLarge("outbox file")
    path = stick / FOLDER / OUTBOX / name
    write_atomically(path, data)
    return path


def read_outboxes(stick: Path) -> list[Path]:
    """The files of sealed outboxes on a stick."""
    found = [path for path in _files(stick / FOLDER / OUTBOX) if _SEALED.match(path.name)]
    return [path for path in found[:OUTBOX_FILES_MAX] if path.stat().st_size <= OUTBOX_BYTES_MAX]


# ---- pieces that wait for the rest --------------------------------------------------------------


class Inbox:
    """Pieces that came on one stick and wait for those of the next, in a folder of the receiver."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(self, pieces: list[Piece]) -> tuple[list[bytes], int]:
        """Take pieces in; wholes that are complete now, and how many bytes are still missing."""
        wholes, missing = [], 0
        for name in {piece.name for piece in pieces} | self._waiting():
            assembly = self._held(name)
            for piece in pieces:
                if piece.name == name:
                    assembly = assembly or Assembly(name, piece.total)
                    if assembly.add(piece):
                        path = self.folder / name.hex() / f"{piece.offset:08x}.piece"
                        write_atomically(path, piece.encode())
            if assembly is None:
                continue
            whole = assembly.whole()
            if whole is None:
                missing += sum(size for _, size in assembly.missing())
            else:
                wholes.append(whole)
        return wholes, missing

    def forget(self, whole: bytes) -> None:
        """A whole was taken: its pieces are no longer needed."""
        folder = self.folder / name_of(whole).hex()
        if folder.is_dir():
            for path in folder.iterdir():
                path.unlink()
            folder.rmdir()

    def _waiting(self) -> set[bytes]:
        if not self.folder.is_dir():
            return set()
        return {
            bytes.fromhex(path.name)
            for path in self.folder.iterdir()
            if re.fullmatch("[0-9a-f]{32}", path.name)
        }

    def _held(self, name: bytes) -> Assembly | None:
        assembly = None
        for path in _files(self.folder / name.hex()):
            with contextlib.suppress(PieceRefused):
                piece = read_piece(path.read_bytes())
                assembly = assembly or Assembly(piece.name, piece.total)
                assembly.add(piece)
        return assembly
