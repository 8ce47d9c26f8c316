# SPDX-License-Identifier: Apache-2.0
"""A tablet's file is damaged: it is found, no new one is made, and the district brings it back."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from client_sdk import tablet_mending
from client_sdk.beside import Beside
from client_sdk.errors import StoreExists, StoreKeyWrong, StoreMissing, Unreachable
from client_sdk.outbox import COUNTER_FILE
from client_sdk.tablet import Tablet, now_ms
from fixtures.kill_tablet import SECRET
from tests.faults.conftest import Place

pytestmark = pytest.mark.slow
PHOTO = bytes(range(256)) * 40
ROOT = Path(__file__).resolve().parents[2]


def command(folder: Path, *words: str, lang: str = "en") -> subprocess.CompletedProcess[str]:
    """``doorstep-tablet`` as a process of its own, by the one worker of a tablet."""
    return subprocess.run(
        [
            sys.executable,
            "-c",
            "from client_sdk.cli import main; main()",
            *("--dir", str(folder), "--lang", lang),
            *words,
        ],
        env={
            **os.environ,
            "DOORSTEP_TABLET_SECRET": SECRET,
            "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
            "PYTHONPATH": str(ROOT),
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def flipped(path: Path) -> None:
    """Three bits in three pages, as a worn flash gives them back."""
    raw = bytearray(path.read_bytes())
    for part in (3, 5, 8):
        raw[len(raw) * part // 9] ^= 0x10
    path.write_bytes(raw)


def halved(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2 // 512 * 512)


def emptied(path: Path) -> None:
    os.truncate(path, 0)


def beheaded(path: Path) -> None:
    """The first bytes are what every page's sum hangs on."""
    with path.open("r+b") as file:
        file.write(b"SQLite format 3\0")


def removed(path: Path) -> None:
    path.unlink()


def worked(place: Place) -> tuple[Tablet, str, str]:
    """A tablet with what the district has, and what it has not: an edit, a photo, a new home."""
    tablet, mate = place.tablet(), place.tablet()
    first = place.home(tablet)
    for number in range(30):
        place.visit(tablet, first, f"第{number}次 {os.urandom(40).hex()}")
    tablet.sync()
    mate.sync()
    second = place.home(tablet, head_name="李桂芳")
    tablet.edit(first, phone="13800138000")
    place.visit(tablet, first, "没有上传的走访")
    photo = tablet.attach(PHOTO, household=first, media_type="image/jpeg")
    place.saved.append(photo)
    return tablet, first, second


@pytest.mark.parametrize(
    ("harm", "finding"),
    [
        (flipped, "store-damaged"),
        (halved, "store-damaged"),
        (emptied, "store-empty"),
        (beheaded, "store-damaged"),
        (removed, "store-missing"),
    ],
)
def test_a_damaged_store_is_found_left_alone_and_brought_back_with_what_was_unsent(
    place: Place, harm: Callable[[Path], None], finding: str
) -> None:
    tablet, first, second = worked(place)
    replica, folder = tablet.replica, tablet.directory
    tablet.close()
    place.tablets.remove(tablet)
    path = folder / "store.db"
    if harm is flipped:
        assert command(folder, "doctor").returncode == 0
    for side in ("-wal", "-shm"):
        path.with_name(path.name + side).unlink(missing_ok=True)
    harm(path)
    before = path.read_bytes() if path.exists() else None

    if harm is flipped:
        found = command(folder, "doctor")
        assert found.returncode == 1
        assert f"✗ {finding}" in found.stdout
        assert "repair" in found.stdout
        assert "密封发件箱完好" in command(folder, "doctor", lang="zh").stdout
        told = command(folder, "search", "李桂芳")
        assert told.returncode == 1
        assert "Traceback" not in told.stderr
    else:
        wrong = tablet_mending.examine(folder, None, "w0", SECRET, now_ms())
        assert [one.name for one in wrong if one.grade == "wrong"] == [finding]
        with pytest.raises((StoreMissing, StoreKeyWrong)):
            place.open(folder, "w0").households()
    assert (path.read_bytes() if path.exists() else None) == before

    if harm is flipped:
        done = command(folder, "repair")
        assert done.returncode == 0, done.stderr
    else:
        tablet_mending.repair(Tablet, folder, "w0", SECRET, keyring=None, clock=now_ms)
    assert not list(folder.glob("damaged-*"))
    again = place.open(folder, "w0")
    place.tablets.append(again)
    # The same tablet for the district, and a new feed: nothing is counted twice.
    assert again.replica != replica
    device = place.server.district.device_of
    assert device(again.replica) == device(replica)
    assert again.read(first).fields["phone"].value == "13800138000"
    assert again.read(second).fields["head_name"].value == "李桂芳"
    assert again.attachment_bytes(place.saved[-1]) == PHOTO
    again.edit(first, phone="13900139000")
    place.heal()
    assert place.body(first)["phone"] == "13900139000"
    assert place.conflicts() == []
    if harm is flipped:
        again.close()
        assert "tablet/store-sound" in command(folder, "repair").stderr
        assert command(folder, "doctor").returncode == 0


def test_without_a_connection_a_repair_changes_nothing_and_one_that_broke_goes_on(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    tablet, first, _ = worked(place)
    folder, replica = tablet.directory, tablet.replica
    tablet.close()
    place.tablets.remove(tablet)
    flipped(folder / "store.db")
    listed = sorted(p.name for p in folder.rglob("*"))
    district = (folder / "district").read_bytes()
    (folder / "district").write_bytes(msgspec.msgpack.encode(Beside(["127.0.0.1:1"], b"")))
    assert command(folder, "repair").returncode == 1
    assert sorted(p.name for p in folder.rglob("*")) == listed
    # Where the district answers is known from the identity too.
    (folder / "district").unlink()

    # Even the note of how far it had written is gone.
    (folder / COUNTER_FILE).unlink()

    # The line breaks after the new store was made: nothing is lost by asking once more.
    def broken(self: Tablet, *arguments: object, **named: object) -> None:
        raise Unreachable("cut")

    with monkeypatch.context() as patch:
        patch.setattr(Tablet, "sync", broken)
        with pytest.raises(Unreachable):
            tablet_mending.repair(
                Tablet, folder, "w0", SECRET, keyring=None, clock=lambda: 1_790_000_000_000
            )
    assert (folder / "district").read_bytes() == district
    assert "set-aside" in {one.name for one in tablet_mending.examine(folder, None)}
    # It writes as another from its first moment, before anybody could tell it what it had written.
    cut = place.open(folder, "w0")
    assert cut.replica != replica
    cut.close()
    tablet_mending.repair(Tablet, folder, "w0", SECRET, keyring=None, clock=now_ms)
    again = place.open(folder, "w0")
    place.tablets.append(again)
    assert again.read(first).fields["phone"].value == "13800138000"
    place.heal()


def test_a_tablet_whose_store_is_gone_is_not_enrolled_over_and_a_wipe_takes_its_identity(
    place: Place,
) -> None:
    tablet, _, _ = worked(place)
    folder = tablet.directory
    copy = folder.with_name("copy")
    tablet.close()
    place.tablets.remove(tablet)
    shutil.copytree(folder, copy)
    (copy / "store.db").unlink()
    with pytest.raises(StoreExists):
        Tablet.enrol(
            copy, "x", name="x", worker="w0", secret=SECRET, show_digits=print, keyring=None
        )
    # Nobody who has not the secret reads who it was.
    raw = (copy / "identity").read_bytes()
    with place.open(folder, "w0") as opened:
        assert opened._store.key.private not in raw
        opened.wipe()
    assert not (folder / "identity").exists()
    assert list((folder / "outbox").iterdir())
