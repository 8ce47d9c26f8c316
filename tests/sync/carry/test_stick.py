# SPDX-License-Identifier: Apache-2.0
"""The folder on a stick: names, limits, and files that are there whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sync.carry import stick as module
from sync.carry.errors import TooLarge
from sync.carry.pieces import PIECE_HEAD_BYTES, cut
from sync.carry.stick import (
    Inbox,
    Label,
    folder_of,
    read_outboxes,
    read_stick,
    saved_name,
    write_atomically,
    write_bundle,
    write_outbox,
    write_pieces,
)

ME, OTHER = b"r" * 16, b"o" * 16
LABEL = Label(b"s" * 16, 3, b"name of it")
WHOLE = bytes(range(250)) * 4


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_bundle_lies_under_its_receiver_and_is_called_by_sender_number_and_name(
    tmp_path: Path,
) -> None:
    path = write_bundle(tmp_path, ME, LABEL, b"sealed")
    stem = f"{'73' * 16}-00000003-6e616d65"
    assert LABEL.stem == stem
    assert files(tmp_path) == [f"doorstep/to-{'72' * 16}/{stem}.bundle"]
    assert path == folder_of(tmp_path, ME) / f"{stem}.bundle"
    assert saved_name(ME, LABEL) == f"doorstep-to-{'72' * 16}-{stem}.bundle"
    assert read_stick(tmp_path, ME).bundles == [b"sealed"]
    assert read_stick(tmp_path, OTHER) == ([], [], [])


def test_a_file_that_is_not_written_to_its_end_leaves_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "deep" / "folder" / "x"
    write_atomically(path, b"first and longer")
    write_atomically(path, b"second")
    assert path.read_bytes() == b"second"
    before = len(os.listdir("/proc/self/fd"))

    def pulled_out(_file: int) -> None:
        raise OSError("no such device")

    monkeypatch.setattr(os, "fsync", pulled_out)
    with pytest.raises(OSError, match="no such device"):
        write_atomically(path, b"third")
    assert path.read_bytes() == b"second"
    assert files(tmp_path) == ["deep/folder/x"]
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_stick_whose_folders_cannot_be_forced_is_written_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(_folder: Path) -> None:
        raise OSError("invalid argument")

    monkeypatch.setattr(module, "sync_folder", refuses)
    write_atomically(tmp_path / "x", b"y")
    assert (tmp_path / "x").read_bytes() == b"y"


def test_pieces_fill_the_room_there_is_and_go_on_where_the_last_stick_ended(
    tmp_path: Path,
) -> None:
    each = PIECE_HEAD_BYTES + 400
    for room, upto in ((each, 400), (2 * each - 1, 400), (2 * each, 800), (9_999, 1_000)):
        folder = tmp_path / str(room)
        at = write_pieces(folder, ME, LABEL, WHOLE, piece_bytes=400, room_bytes=room)
        assert at == upto
        found = read_stick(folder, ME).pieces
        assert b"".join(piece.data for piece in found) == WHOLE[:upto]
    assert files(tmp_path / str(each)) == [f"doorstep/to-{ME.hex()}/{LABEL.stem}.00000000.piece"]
    with pytest.raises(TooLarge):
        write_pieces(tmp_path, ME, LABEL, WHOLE, piece_bytes=400, room_bytes=each - 1)
    done = write_pieces(tmp_path, ME, LABEL, WHOLE, piece_bytes=400, room_bytes=0, begin=len(WHOLE))
    assert done == len(WHOLE)


def test_what_is_beyond_a_limit_is_named_or_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WHOLE_BYTES_MAX", 300)
    write_bundle(tmp_path, ME, LABEL, bytes(300))
    with pytest.raises(TooLarge):
        write_bundle(tmp_path, ME, LABEL, bytes(301))
    folder = folder_of(tmp_path, ME)
    long = Label(b"s" * 16, 4, b"long").stem
    (folder / f"{long}.bundle").write_bytes(bytes(301))
    (folder / f"{long}.00000000.piece").write_bytes(bytes(301))
    (folder / f"{long}.00000001.piece").write_bytes(b"damaged")
    good = cut(b"x" * 50, 50)[0].encode()
    (folder / f"{long}.00000002.piece").write_bytes(good)
    (folder / "notes.txt").write_bytes(b"of the officer")
    (folder / f"{long}.bundle.new").write_bytes(b"half")
    (folder / f"{LABEL.stem}x.bundle").symlink_to(folder / "notes.txt")
    found = read_stick(tmp_path, ME)
    assert found.bundles == [bytes(300)]
    assert [piece.encode() for piece in found.pieces] == [good]
    assert found.damaged == [
        f"{long}.00000000.piece",
        f"{long}.00000001.piece",
        f"{long}.bundle",
    ]


def test_a_folder_with_more_files_than_anybody_writes_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FILES_MAX", 2)
    for n in (1, 2):
        write_bundle(tmp_path, ME, Label(b"s" * 16, n, b"name"), b"x")
    assert len(read_stick(tmp_path, ME).bundles) == 2
    write_bundle(tmp_path, ME, Label(b"s" * 16, 3, b"name"), b"x")
    with pytest.raises(TooLarge):
        read_stick(tmp_path, ME)


def test_outboxes_are_copied_and_read_within_their_limits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "OUTBOX_BYTES_MAX", 5)
    monkeypatch.setattr(module, "OUTBOX_FILES_MAX", 2)
    for name in ("a.sealed", "0-b.sealed", "z.sealed"):
        assert write_outbox(tmp_path, name, b"12345").name == name
    for name, data in (("b.sealed", b"123456"), ("B.sealed", b"1"), ("b.txt", b"1")):
        with pytest.raises(TooLarge):
            write_outbox(tmp_path, name, data)
    assert [path.name for path in read_outboxes(tmp_path)] == ["0-b.sealed", "a.sealed"]
    outbox = tmp_path / "doorstep" / "outbox"
    (outbox / "0-b.sealed").write_bytes(b"123456")
    (outbox / "9.txt").write_bytes(b"1")
    assert [path.name for path in read_outboxes(tmp_path)] == ["a.sealed"]
    assert read_outboxes(tmp_path / "empty") == []


def test_pieces_wait_for_the_rest_and_a_damaged_one_is_as_if_it_had_not_come(
    tmp_path: Path,
) -> None:
    pieces, other = cut(WHOLE, 300), cut(b"y" * 90, 50)
    inbox = Inbox(tmp_path / "in")
    assert inbox.add([]) == ([], 0)
    assert inbox.add([pieces[0], other[0]]) == ([], 740)
    assert inbox.add([pieces[2], pieces[2]]) == ([], 440)
    first = tmp_path / "in" / pieces[0].name.hex() / "00000000.piece"
    assert first.is_file()
    first.write_bytes(b"damaged on the disk")
    (tmp_path / "in" / "notes").mkdir()
    assert Inbox(tmp_path / "in").add([]) == ([], 740)
    wholes, missing = inbox.add([pieces[3], pieces[1], pieces[0]])
    assert (wholes, missing) == ([WHOLE], 40)
    inbox.forget(WHOLE)
    inbox.forget(b"of which there was none")
    assert not first.parent.exists()
    assert inbox.add([other[1]]) == ([b"y" * 90], 0)
