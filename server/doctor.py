# SPDX-License-Identifier: Apache-2.0
"""``doorstep doctor``: is something wrong with this server, and what is to be done about it?

What lives here: the checks of machine, files and store, each with a stable name. What must not:
what is asked of the opened store (``doctor_store.py``), mending. Invariants
- Nothing is written, migrated or made anew; a store that is missing or damaged stays as it is.
- It works beside a running server, and without one.
- No names of people, no values of records.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from datetime import UTC, datetime

import sqlcipher3

from crypto.tls import pem_to_der
from server.app import open_store, wall_clock_ms
from server.doctor_store import store_findings
from server.errors import (
    ServerError,
    StoreDamaged,
    StoreTooNew,
    StoreTooOld,
    StoreUnfit,
    StoreUnreachable,
)
from server.findings import Finding
from server.keys import TLS_CERTIFICATE, ServerKeys, read_counter, read_keys
from server.settings import Settings
from server.store.base import Store
from server.store.checking import check_pages
from server.store.migrations import MIGRATIONS
from server.store.sqlite import SqliteStore
from server.store.sqlite_file import SQLITE_VERSION_MIN, files_of

BORN_MS = 1_763_000_000_000
"""This program is younger than that: a clock before it is wrong."""
AGE_MS_MAX = 40 * 365 * 86_400_000
"""A clock further than this after it is taken for wrong."""

__all__ = ["Finding", "examine"]


def examine(
    settings: Settings, clock: Callable[[], int] = wall_clock_ms, whole: bool = True
) -> list[Finding]:
    """Every check, in a fixed order. ``whole``: every page of the store is read and decrypted."""
    now_ms = clock()
    found = [_library(), _disk(settings), _clock(now_ms)]
    keys, finding = _keys(settings)
    found.append(finding)
    if keys is None:
        return found
    found.append(_certificate(settings, keys))
    store: Store | None = None
    try:
        store, finding = _store(settings, keys, whole)
        found.append(finding)
        if store is not None:
            with store.read() as tx:
                found += store_findings(tx, settings, now_ms)
    except (sqlcipher3.Error, ServerError, OSError) as error:
        found.append(_damaged(error))
    finally:
        if store is not None:
            store.close()
    return found


def _library() -> Finding:
    version = tuple(int(part) for part in sqlcipher3.sqlite_version.split("."))
    if version < SQLITE_VERSION_MIN:
        return Finding.wrong(
            "sqlite-version",
            f"SQLite {sqlcipher3.sqlite_version} 有已知的损坏缺陷 ‖ "
            f"SQLite {sqlcipher3.sqlite_version} has a known bug that corrupts files",
            "请按说明更新程序包 ‖ Update the program's packages",
        )
    return Finding.good("sqlite-version", f"SQLite {sqlcipher3.sqlite_version}")


def _disk(settings: Settings) -> Finding:
    if not settings.data.is_dir():
        return Finding.wrong(
            "disk-space",
            f"没有目录 {settings.data} ‖ There is no folder {settings.data}",
            "请检查 data_dir；新服务器请运行 doorstep init ‖ "
            "Check data_dir; for a new server run doorstep init",
        )
    found = os.statvfs(settings.data)
    free = found.f_bavail * found.f_frsize
    text = f"剩余 {free // 2**20} MiB ‖ {free // 2**20} MiB free"
    advice = "请清理磁盘，或把备份移到别处 ‖ Free space, or move backups elsewhere"
    if free < settings.disk_free_bytes_min:
        text = f"{text.partition(' ‖ ')[0]}，已拒收上传 ‖ {text.partition(' ‖ ')[2]}: no uploads"
        return Finding.wrong("disk-space", text, advice)
    if free < settings.disk_free_bytes_alarm:
        return Finding.warning("disk-space", text, advice)
    return Finding.good("disk-space", text)


def _clock(now_ms: int) -> Finding:
    shown = datetime.fromtimestamp(now_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
    if not BORN_MS <= now_ms <= BORN_MS + AGE_MS_MAX:
        return Finding.wrong(
            "clock",
            f"时钟显示 {shown}，不可能 ‖ The clock shows {shown}, which cannot be",
            "请校正本机时间（NTP）‖ Set this machine's clock (NTP)",
        )
    return Finding.good("clock", shown)


def _keys(settings: Settings) -> tuple[ServerKeys | None, Finding]:
    advice = (
        "请从离线副本恢复密钥目录：chmod 700 目录，chmod 600 文件 ‖ "
        "Restore the key folder from its offline copy; chmod 700 the folder, 600 its files"
    )
    folder = settings.keys
    try:
        keys = read_keys(folder)
        read_counter(folder, keys.sign.replica)
        mode = stat.S_IMODE(folder.stat().st_mode)
    except (ServerError, OSError) as error:
        detail = getattr(error, "detail", "") or type(error).__name__
        return None, Finding.wrong("key-files", f"密钥有误 ‖ A key is wrong: {detail}", advice)
    if mode & 0o077:
        return keys, Finding.wrong(
            "key-files",
            f"密钥目录他人可进（{mode:o}）‖ Others may enter the key folder ({mode:o})",
            advice,
        )
    return keys, Finding.good("key-files", "齐全，仅属主可读 ‖ all there, for the owner alone")


def _certificate(settings: Settings, keys: ServerKeys) -> Finding:
    from cryptography import x509

    certificate = x509.load_der_x509_certificate(
        pem_to_der((keys.folder / TLS_CERTIFICATE).read_bytes())
    )
    end = certificate.not_valid_after_utc
    if end < datetime.now(UTC):
        return Finding.wrong(
            "certificate",
            f"证书已于 {end:%Y-%m-%d} 过期 ‖ The certificate ended on {end:%Y-%m-%d}",
            "请恢复原证书；平板认的是其密钥 ‖ Restore it; tablets know its key",
        )
    if not settings.addresses and settings.host in ("0.0.0.0", "::", "127.0.0.1"):
        return Finding.warning(
            "certificate",
            "未设 addresses：登记票写的是本机名 ‖ No addresses set: tickets name this machine",
            '请在 doorstep.toml 中设 addresses = ["地址:端口"] ‖ '
            'Set addresses = ["host:port"] in doorstep.toml',
        )
    return Finding.good("certificate", f"至 {end:%Y} ‖ until {end:%Y}")


def _store(settings: Settings, keys: ServerKeys, whole: bool) -> tuple[Store | None, Finding]:
    if settings.store_dsn:
        return open_store(settings, keys), Finding.good("store", "PostgreSQL")
    path = settings.store_path
    if not path.is_file():
        return None, Finding.wrong(
            "store",
            f"存储不见了：{path} ‖ The store is gone: {path}",
            "不会另建空的。请运行 doorstep restore 备份，再启动；平板会补上其后的内容 ‖ "
            "No empty one is made. Run doorstep restore BACKUP, then start; tablets bring the rest",
        )
    if not path.stat().st_size:
        raise StoreDamaged("the file is empty")
    wrong = check_pages(path, keys.store_hex) if whole else []
    if wrong:
        raise StoreDamaged(f"{len(wrong)}: {wrong[0]}")
    size = sum(file.stat().st_size for file in files_of(path))
    told = f"{size // 2**20} MiB"
    if whole:
        told = f"{size // 2**20} MiB，每页完好 ‖ {size // 2**20} MiB, every page sound"
    store = SqliteStore(path, keys.store_hex, reads_only=True)
    with store.read() as tx:
        done = {str(row[0]) for row in tx.rows("SELECT name FROM migrations")}
    known = {name for name, _ in MIGRATIONS}
    if done == known:
        return store, Finding.good("store", told)
    store.close()
    if later := done - known:
        raise StoreTooNew(", ".join(sorted(later)))
    return None, Finding.warning(
        "store",
        "完好，由旧版程序写成 ‖ Sound, and written by an older program",
        "请先备份再启动，服务器会升级它 ‖ Back it up, then start: the server brings it up to date",
    )


def _damaged(error: BaseException) -> Finding:
    detail = getattr(error, "detail", "") or type(error).__name__
    code = getattr(error, "code", "server/store-damaged")
    if isinstance(error, (StoreTooNew, StoreTooOld, StoreUnreachable, StoreUnfit)):
        return Finding.wrong("store", f"{error.zh} ‖ {error.en}", f"[{code}] {detail}")
    return Finding.wrong(
        "store",
        f"存储打不开或已损坏 [{code}] ‖ The store does not open or is damaged [{code}]: {detail}",
        "请停止服务器，保留此文件，运行 doorstep restore 备份，再启动；平板会补上其后的内容 ‖ "
        "Stop the server, keep this file, run doorstep restore BACKUP, start again; tablets bring"
        " by themselves what came after it",
    )
