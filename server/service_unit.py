# SPDX-License-Identifier: Apache-2.0
"""The systemd unit of a district server: its text, putting it in place, taking it away.

What lives here: the unit. What must not: running anything but ``systemctl``. Invariants
- The process may write its data folder and its key folder, and nothing else on the machine.
- It is asked to stop by SIGTERM and given the time that finishing its requests may take.
- A unit that somebody changed is not overwritten and not removed.
"""

from __future__ import annotations

import getpass
import os
import subprocess
import sys
from pathlib import Path

from server.errors import AlreadyInitialised, ConfigurationWrong, NotFound
from server.settings import Settings

UNIT_NAME = "doorstep.service"
UNIT_FOLDER = Path("/etc/systemd/system")
MARK = "# Written by doorstep service; a changed line is not overwritten."
MEMORY_MIB = 1536
"""Caches, 4,000 connections and the largest upload fit; a leak ends before the machine does."""
FILES_MAX = 65_536
"""One for each connection, and the store's."""
STOP_MORE_SECONDS = 30
"""Beside the running requests: folding the log into the file."""

_SANDBOX = """\
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome={home}
PrivateTmp=yes
PrivateDevices=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectClock=yes
ProtectHostname=yes
ProtectProc=invisible
ProcSubset=pid
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
RemoveIPC=yes
CapabilityBoundingSet=
AmbientCapabilities=
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM
UMask=0077
"""


def unit_text(settings: Settings, user: str = "") -> str:
    """The unit that serves this data folder as ``user`` (the present one where none is named).

    Raises ConfigurationWrong where a path holds what a unit cannot say.
    """
    data, keys = settings.data.absolute(), settings.keys.absolute()
    for path in (data, keys, Path(sys.executable)):
        if any(c in str(path) for c in " \t\n%\"'\\"):
            raise ConfigurationWrong(f"{path}: blanks, quotes and % cannot stand in a unit")
    writable = f"{data}" if keys.is_relative_to(data) else f"{data} {keys}"
    # Homes are hidden, unless the data lie there.
    home = "read-only" if data.parts[1] in ("home", "root") else "yes"
    lines = [
        MARK,
        "[Unit]",
        "Description=Doorstep district server",
        "Wants=network-online.target",
        "After=network-online.target time-sync.target",
        "StartLimitIntervalSec=300",
        "StartLimitBurst=10",
        "",
        "[Service]",
        "Type=simple",
        f"User={user or getpass.getuser()}",
        f"WorkingDirectory={data}",
        f"ExecStart={sys.executable} -m server.cli serve",
        *(f"Environment={name}={value}" for name, value in _environment(settings).items()),
        "Restart=on-failure",
        "RestartSec=5",
        f"TimeoutStopSec={settings.shutdown_seconds_max + STOP_MORE_SECONDS}",
        f"LimitNOFILE={FILES_MAX}",
        f"MemoryMax={MEMORY_MIB}M",
        "TasksMax=64",
        f"ReadWritePaths={writable}",
        *_SANDBOX.format(home=home).splitlines(),
        "",
        "[Install]",
        "WantedBy=multi-user.target",
        "",
    ]
    return "\n".join(lines)


def _environment(settings: Settings) -> dict[str, str]:
    found = {
        "DOORSTEP_DATA_DIR": str(settings.data.absolute()),
        "DOORSTEP_KEY_DIR": str(settings.keys.absolute()),
        "DOORSTEP_HOST": settings.host,
        "DOORSTEP_PORT": str(settings.port),
    }
    if settings.addresses:
        found["DOORSTEP_ADDRESSES"] = ",".join(settings.addresses)
    return found


def install(settings: Settings, user: str = "", folder: Path = UNIT_FOLDER) -> Path:
    """Write the unit; reload, enable and start it where it is the system's folder.

    Raises AlreadyInitialised where another unit of this name is there, OSError.
    """
    path, text = folder / UNIT_NAME, unit_text(settings, user)
    if path.exists() and path.read_text("utf-8") != text:
        raise AlreadyInitialised(str(path))
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    if folder == UNIT_FOLDER:
        _systemctl("daemon-reload")
        _systemctl("enable", "--now", UNIT_NAME)
    return path


def uninstall(folder: Path = UNIT_FOLDER) -> Path:
    """Stop the service and remove its unit; data and keys stay. Raises NotFound."""
    path = folder / UNIT_NAME
    if not path.is_file() or not path.read_text("utf-8").startswith(MARK):
        raise NotFound(str(path))
    if folder == UNIT_FOLDER:
        _systemctl("disable", "--now", UNIT_NAME)
    path.unlink()
    if folder == UNIT_FOLDER:
        _systemctl("daemon-reload")
    return path


def _systemctl(*words: str) -> None:
    done = subprocess.run(["systemctl", *words], check=False, capture_output=True, text=True)
    if done.returncode:
        raise OSError(f"systemctl {words[0]}: {done.stderr.strip()[:200]}")
