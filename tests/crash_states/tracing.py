# SPDX-License-Identifier: Apache-2.0
"""What a process did to its files, in order, as strace saw it.

What lives here: running the workload under strace, reading the trace. What must not: disks that
lose things (``disk``). Invariant: every system call that changes a file below the traced folder is
in the list, with its bytes, or reading the trace fails.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

CALLS = (
    "openat,pwrite64,pwritev,pwritev2,write,writev,fsync,fdatasync,sync_file_range,ftruncate,"
    "truncate,fallocate,unlink,unlinkat,rename,renameat,renameat2,mkdir,mkdirat,sendfile,"
    "copy_file_range"
)
BYTES_PER_CALL_MAX = 1 << 20
MEMORY_FILE = "-shm"
"""SQLite's shared index lies in memory and is made anew at opening."""


NAMING = {
    "openat": "create",
    "unlink": "remove",
    "unlinkat": "remove",
    "rename": "rename",
    "renameat": "rename",
    "renameat2": "rename",
    "mkdir": "folder",
    "mkdirat": "folder",
}


class Op(NamedTuple):
    """One thing done: ``kind`` is create, write, cut, sync, remove, rename, folder or mark."""

    kind: str
    path: str
    at: int = 0
    data: bytes = b""


class NotUnderstood(Exception):
    """A system call on a file of ours that the reader does not know."""


def record(folder: Path, *, weak: bool = False) -> list[Op]:
    """Run the workload in ``folder`` and return what it did after its mark ``begin``."""
    trace = folder.with_name(folder.name + ".trace")
    command = ["strace", "-f", "-y", "-xx", "-s", str(BYTES_PER_CALL_MAX), "-e", f"trace={CALLS}"]
    command += ["-o", str(trace), sys.executable, "-m", "tests.crash_states.workload", str(folder)]
    command += ["--synchronous", "OFF" if weak else "FULL"]
    subprocess.run(command, check=True)
    ops = list(read_trace(trace, str(folder)))
    trace.unlink()
    begin = next(i for i, op in enumerate(ops) if op.kind == "mark" and op.data == b"begin\n")
    traced = ops[begin + 1 :]
    unknown = [op for op in traced if op.kind == "unknown"]
    if unknown:
        raise NotUnderstood(f"{unknown[0].data.decode()} on {unknown[0].path}")
    return traced


_LINE = re.compile(r"^\d+ +(?P<call>[a-z0-9_]+)\((?P<rest>.*)\) += (?P<result>-?\d+|0x[0-9a-f]+)")
_FILE = re.compile(r"^\d+<(?P<path>(?:\\x[0-9a-f]{2})*)>(?:, (?P<rest>.*))?$")
_TEXT = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
IGNORED = ("+++", "---")


def _plain(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))


def read_trace(trace: Path, folder: str) -> Iterator[Op]:
    """The operations on files below ``folder``. Raises NotUnderstood."""
    live, marks = f"{folder}/live/", f"{folder}/marks"
    with trace.open(encoding="ascii") as lines:
        for line in lines:
            match = _LINE.match(line)
            if match is None:
                if not any(word in line[:40] for word in IGNORED):
                    raise NotUnderstood(line[:200])
                continue
            if match["result"].startswith("-"):
                continue
            op = _op_of(match["call"], match["rest"], marks)
            if op is None or op.path.endswith(MEMORY_FILE):
                continue
            if op.path.startswith(live) or op.kind == "mark":
                yield op._replace(path=op.path.removeprefix(live))


def _op_of(call: str, rest: str, marks: str) -> Op | None:
    if call in NAMING:
        return _naming(NAMING[call], rest)
    match = _FILE.match(rest)
    if match is None:
        return None
    path = _plain(match["path"]).decode("utf-8", "replace")
    after = match["rest"] or ""
    if call in ("fsync", "fdatasync"):
        return Op("sync", path)
    if call == "ftruncate":
        return Op("cut", path, int(after))
    if call in ("write", "pwrite64"):
        return _write(call, path, after, marks)
    return Op("unknown", path, 0, call.encode())


def _naming(kind: str, rest: str) -> Op | None:
    """What makes, removes and renames."""
    names = [_plain(name) for name in _TEXT.findall(rest)]
    if kind == "create":
        flags = rest.rsplit('", ', 1)[1]
        if "O_TRUNC" in flags:
            return Op("truncate", names[0].decode())
        return Op("create", names[0].decode()) if "O_CREAT" in flags else None
    if kind == "rename":
        return Op("rename", names[0].decode(), 0, names[1])
    return Op(kind, names[-1].decode())


def _write(call: str, path: str, after: str, marks: str) -> Op:
    found = _TEXT.match(after)
    if found is None:
        return Op("none", "")
    data = _plain(found[1])
    if path == marks:
        return Op("mark", path, 0, data)
    numbers = after[found.end() :].strip(", ").split(", ")
    if len(data) != int(numbers[0]):
        return Op("unknown", path, 0, b"a write that was cut")
    return Op("write", path, int(numbers[1]) if call == "pwrite64" else -1, data)
