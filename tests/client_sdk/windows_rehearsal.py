# SPDX-License-Identifier: Apache-2.0
"""A tablet's life with what Windows lacks taken away and what it refuses refused; run by a test.

What lives here: the rehearsal, in a process of its own. What must not: a claim that this is
Windows: its disk, its key store and its wheels are not here. Invariant: only the project's own code
sees the other system; the libraries keep the one they were written for.
"""

from __future__ import annotations

import asyncio
import fcntl
import importlib
import json
import os
import re
import sys
import threading
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

OURS = ("client_sdk", "sync", "crypto")
GONE = ("fcntl", "grp", "pwd", "resource", "termios", "uvloop", "syslog")
LACKING = (
    *("O_CLOEXEC", "O_DIRECTORY", "O_NOFOLLOW", "O_SYNC", "O_DSYNC", "pread", "pwrite"),
    *("fdatasync", "fchmod", "fchown", "fchdir", "chown", "getuid", "geteuid", "fork", "uname"),
)
BINARY, NOINHERIT = 1 << 30, 1 << 29
FORBIDDEN = re.compile(r'[<>:"|?*\\]')
PASSPHRASE = "梁伯住三楼不下来常带药"


class Refusals:
    """What Windows refuses a program, as far as our own code asks for it."""

    def __init__(self) -> None:
        self._open, self._replace, self._unlink = os.open, os.replace, os.unlink
        self.asked = 0

    def open(self, path: Any, flags: int, mode: int = 0o777, **more: Any) -> int:
        """Folders cannot be opened; without the flag, bytes would be changed."""
        if _is_ours():
            self.asked += 1
            if os.path.isdir(path):
                raise PermissionError(13, "a folder", path)
            if not flags & BINARY:
                raise AssertionError(f"{path}: opened as text")
            flags &= ~(BINARY | NOINHERIT)
        return self._open(path, flags, mode, **more)

    def replace(self, source: Any, target: Any, **more: Any) -> None:
        """Neither a file that is open nor one that is open under the new name."""
        _refuse_open(source)
        _refuse_open(target)
        self._replace(source, target, **more)

    def unlink(self, path: Any, **more: Any) -> None:
        """What is open stays."""
        _refuse_open(path)
        self._unlink(path, **more)


def _is_ours() -> bool:
    name = sys._getframe(2).f_globals.get("__name__", "")
    return str(name).partition(".")[0] in OURS


def _refuse_open(path: Any) -> None:
    wanted = os.path.realpath(path)
    for number in os.listdir("/proc/self/fd"):
        try:
            found = os.readlink(f"/proc/self/fd/{number}")
        except OSError:
            continue
        if found == wanted:
            raise PermissionError(13, "open in this program", str(path))


def locking(flock: Callable[[int, int], None]) -> types.ModuleType:
    """``msvcrt`` as far as it is used, with a real lock beneath."""
    made = types.ModuleType("msvcrt")

    def lock(file: int, how: int, count: int) -> None:
        assert (how, count) == (2, 1)
        try:
            flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise PermissionError(13, "locked") from error

    made.__dict__.update(locking=lock, LK_NBLCK=2)
    return made


def become_windows() -> Refusals:
    """Import all libraries, then take away what Windows lacks, then import the project anew."""
    for name in ("client_sdk.app.serve", "client_sdk.cli", "keyring.backends.fail", "httpx"):
        importlib.import_module(name)
    for name in [n for n in sys.modules if n.partition(".")[0] in OURS]:
        del sys.modules[name]
    refusals = Refusals()
    sys.modules["msvcrt"] = locking(fcntl.flock)
    sys.modules.update(dict.fromkeys(GONE))
    for name in LACKING:
        delattr(os, name)
    for name, value in (("O_BINARY", BINARY), ("O_NOINHERIT", NOINHERIT)):
        setattr(os, name, value)
    os.open, os.replace, os.unlink = refusals.open, refusals.replace, refusals.unlink
    sys.platform = "win32"
    for name in ("client_sdk.app.serve", "client_sdk.cli", "client_sdk.tablet", "client_sdk.app"):
        importlib.import_module(name)
    sys.platform = "linux"
    return refusals


def live(folder: Path) -> dict[str, Any]:
    """A store is made, worked on, opened, handed on, copied and erased; what was seen."""
    from client_sdk.devices import District
    from client_sdk.errors import StoreBusy
    from client_sdk.keys import Keys, key_of_store
    from client_sdk.store.opening import copy_store
    from client_sdk.tablet import Identity, Tablet
    from crypto.errors import UnlockRefused
    from crypto.identity import DeviceKey
    from crypto.seal import BoxKey
    from crypto.unlock import Cost, new_master
    from sync.carry.stick import Label, read_stick, write_bundle

    server, box = DeviceKey.generate(), BoxKey.generate()
    identity = Identity(
        device_key=DeviceKey.generate(),
        box_key=BoxKey.generate(),
        district=District(server.public, box.public, "区"),
        addresses=("127.0.0.1:9",),
        pin=bytes(32),
        workers=(("w1", "张霞"),),
    )
    here = folder / "tablet"
    keys = Keys(here)
    with new_master() as master:
        keys.begin(master, "w1", PASSPHRASE, cost=Cost(memory_kib=64, iterations=1, lanes=1))
        with key_of_store(master) as key:
            tablet = Tablet.create(here, key, identity, worker="w1")
    out: dict[str, Any] = {"home": _works(tablet)}
    try:
        Tablet.open(here, "w1", PASSPHRASE)
    except StoreBusy:
        out["busy"] = True
    bundle = tablet.export_bundle()
    label = Label(tablet.replica, 1, bytes(4))
    write_bundle(folder / "stick", tablet.district_replica, label, bundle)
    out["stick"] = read_stick(folder / "stick", tablet.district_replica).bundles == [bundle]
    tablet.close()
    try:
        Tablet.open(here, "w1", "不是这个口令试试看吧")
    except UnlockRefused as error:
        out["left"] = error.remaining_tries
    copy_store(here, folder / "copy")
    out["copied"] = (folder / "copy" / "store.db").exists()
    later = time.time_ns() // 1_000_000 + 120_000
    with Tablet.open(here, "w1", PASSPHRASE, clock=lambda: later) as tablet:
        found = tablet.search("cgl")[0].id
        out["photo"] = tablet.attachment_bytes(tablet.of_household(found, "attachment")[0].id)[:4]
        out["unsent"] = len(tablet.unsent())
        tablet.change_secret(PASSPHRASE, PASSPHRASE + "一")
    out["page"] = _page(here, later)
    names = [str(path.relative_to(folder)) for path in folder.rglob("*")]
    out["forbidden"] = [name for name in names if FORBIDDEN.search(name)]
    with Tablet.open(here, "w1", PASSPHRASE + "一", clock=lambda: later) as tablet:
        tablet.wipe()
    out["left_files"] = sorted(p.name for p in here.iterdir())
    return out


def _works(tablet: Any) -> str:
    home: str = tablet.create_record(
        "household",
        {"area": "440103019003", "address": "龙津东路12号301", "head_name": "陈桂兰"},
    )
    tablet.create_record("visit", {"household": home, "at_ms": 1, "mode": "door", "outcome": "met"})
    tablet.attach(b"\xff\xd8\r\n\n photo", household=home, media_type="image/jpeg")
    tablet.keep_draft(tablet.new_id(), "visit", home, {"outcome": ["met"]})
    return home


def _page(folder: Path, at_ms: int) -> str:
    """Today's page through the gate and the PIN."""
    import httpx

    from client_sdk.app.keeper import Keeper
    from client_sdk.app.serve import App

    keeper = Keeper(folder, keyring=None, clock=lambda: at_ms)
    keeper.syncing.is_auto = False
    app, ready = App(keeper), threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(app.serve(ready.set)))
    thread.start()
    try:
        ready.wait(20)
        with httpx.Client(timeout=20, follow_redirects=True) as browser:
            browser.get(app.address())
            base = f"http://127.0.0.1:{app.port}"
            there = base + app.gate.base + "/unlock"
            form = {"worker": "w1", "secret": PASSPHRASE + "一"}
            return browser.post(there, data=form, headers={"origin": base}).text
    finally:
        app.stop()
        thread.join(20)


def main() -> None:
    """Rehearse in the folder that was given, and print what was seen."""
    refusals = become_windows()
    seen = live(Path(sys.argv[1]))
    seen["asked"] = refusals.asked
    seen["photo"] = seen["photo"].hex()
    seen["page"] = 'class="tabs"' in seen["page"]
    sys.stdout.write(json.dumps(seen))


if __name__ == "__main__":
    main()
