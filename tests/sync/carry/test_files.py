# SPDX-License-Identifier: Apache-2.0
"""Files that outlive a power cut: what is written, in which order it is forced to the disk."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from sync.carry import files
from sync.carry.files import open_own, write_all, write_at, write_durably, write_over


def test_a_new_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "key"
    found = open_own(path, os.O_WRONLY | os.O_CREAT)
    assert not os.get_inheritable(found)
    os.close(found)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_all_is_written_though_the_disk_takes_a_part_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, path = os.urandom(10_000), tmp_path / "x"
    found = open_own(path, os.O_WRONLY | os.O_CREAT)
    write = os.write
    monkeypatch.setattr(os, "write", lambda file, data: write(file, bytes(data[:999])))
    write_all(found, whole)
    os.close(found)
    assert path.read_bytes() == whole


def test_bytes_are_written_at_their_place(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"0123456789")
    found = open_own(path, os.O_WRONLY)
    write_at(found, b"ab", 4)
    os.close(found)
    assert path.read_bytes() == b"0123ab6789"


def test_a_file_is_replaced_only_once_the_new_one_lies_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, told = tmp_path / "x", []
    path.write_bytes(b"old and longer")
    (tmp_path / "x.new").write_bytes(b"left behind by one that broke off")
    fsync, replace = os.fsync, os.replace

    def forced(file: int) -> None:
        folder = stat.S_ISDIR(os.fstat(file).st_mode)
        told.append("folder" if folder else f"file of {os.fstat(file).st_size}")
        fsync(file)

    def replaced(old: Path, new: Path) -> None:
        told.append(f"{old.name} becomes {new.name}")
        replace(old, new)

    monkeypatch.setattr(os, "fsync", forced)
    monkeypatch.setattr(os, "replace", replaced)
    before = len(os.listdir("/proc/self/fd"))
    write_durably(path, b"new")
    assert told == ["file of 3", "x.new becomes x", "folder"]
    assert path.read_bytes() == b"new"
    assert sorted(tmp_path.iterdir()) == [path]
    assert len(os.listdir("/proc/self/fd")) == before


def test_where_the_disk_is_full_the_old_file_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"old")

    def full(*_: object) -> int:
        raise OSError("no space left on device")

    monkeypatch.setattr(files, "write_all", full)
    with pytest.raises(OSError, match="no space"):
        write_durably(path, b"new")
    assert path.read_bytes() == b"old"


def test_a_small_file_is_overwritten_before_it_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, found = tmp_path / "key", []
    path.write_bytes(b"secret")
    fsync = os.fsync

    def forced(file: int) -> None:
        found.append(path.read_bytes())
        fsync(file)

    monkeypatch.setattr(os, "fsync", forced)
    write_over(path)
    assert found == [bytes(6)]
    assert not path.exists()
