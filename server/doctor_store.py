# SPDX-License-Identifier: Apache-2.0
"""What the doctor asks of an opened store: backups, what waits, tablets, the upstream.

What lives here: counts and times, each judged. What must not: files, the machine. Invariant: it
only reads, and tells numbers, never of whom.
"""

from __future__ import annotations

from server.archives import archives_of
from server.doctor_rights import rights_findings
from server.findings import Finding
from server.settings import Settings
from server.store.base import Transaction

DAY_MS = 86_400_000
BACKUP_DAYS_MAX = 2
"""What came after the last backup is on the tablets alone, as long as they keep it."""
CLOCK_OFF_MS_MAX = 120_000
"""As at the exchange: a tablet whose clock is further off is told so."""
UPSTREAM_DAYS_MAX = 2
WIPE_DAYS_MAX = 3
SILENT_DAYS_MAX = 14


def store_findings(tx: Transaction, settings: Settings, now_ms: int) -> list[Finding]:
    """All findings about the content of a store."""
    return [
        _backup(tx, now_ms),
        _archives(tx, settings),
        _past(tx, now_ms),
        _waiting(tx),
        _quarantine(tx),
        _forks(tx),
        _clocks(tx),
        _upstream(tx, now_ms),
        _wipes(tx, now_ms),
        _leases(tx, settings, now_ms),
        *rights_findings(tx, now_ms),
    ]


def _one(tx: Transaction, sql: str, *values: object) -> int:
    found = tx.rows(sql, values)
    return int(found[0][0] or 0) if found else 0


def _backup(tx: Transaction, now_ms: int) -> Finding:
    advice = (
        "请设置 backup_dir，或每天运行 doorstep backup 文件，并存到别处 ‖ "
        "Set backup_dir, or run doorstep backup FILE daily; keep it off the machine"
    )
    last = _one(tx, "SELECT max(at_ms) FROM journal WHERE what = 'backup'")
    if not _one(tx, "SELECT count(*) FROM records"):
        return Finding.good("backup", "尚无记录 ‖ no records yet")
    if not last:
        return Finding.warning("backup", "从未备份 ‖ There was never a backup", advice)
    days = (now_ms - last) // DAY_MS
    since = _one(tx, "SELECT count(*) FROM segments WHERE received_at_ms > ?", last)
    text = (
        f"上次备份在 {days} 天前，已逐页核验；其后收到 {since} 段 ‖ "
        f"Last backup {days} days ago, every page checked; {since} segments came since"
    )
    if days > BACKUP_DAYS_MAX:
        return Finding.warning("backup", text, advice)
    return Finding.good("backup", text)


def _archives(tx: Transaction, settings: Settings) -> Finding:
    names = list(archives_of(tx))
    missing = [n for n in names if not any((f / n).is_file() for f in settings.archive_folders)]
    text = (
        f"归档文件 {len(names)}，缺 {len(missing)} ‖ {len(names)} archives, {len(missing)} missing"
    )
    if not missing:
        return Finding.good("archives", text)
    place = settings.archive_folders[0]
    return Finding.wrong(
        "archives",
        f"{text}: {missing[0]}",
        f"请放回 {place}；缺时记录与上传照常，较早的历史看不到、verify 不能核对 ‖ "
        f"Put it back into {place}; record and uploads go on without it, but older history is not"
        " shown and verify cannot check it",
    )


def _past(tx: Transaction, now_ms: int) -> Finding:
    last = _one(tx, "SELECT max(received_at_ms) FROM segments")
    if last > now_ms + CLOCK_OFF_MS_MAX:
        return Finding.wrong(
            "clock-behind",
            f"时钟比已收到的内容慢 {(last - now_ms) // 1000} 秒 ‖ "
            f"The clock is {(last - now_ms) // 1000} s behind what was received already",
            "请校正本机时间（NTP）‖ Set this machine's clock (NTP)",
        )
    return Finding.good("clock-behind", "不早于已收到的内容 ‖ not before what was received")


def _waiting(tx: Transaction) -> Finding:
    count = _one(tx, "SELECT count(*) FROM waiting")
    text = f"等待前文的修改 {count} ‖ {count} changes wait for earlier ones"
    advice = (
        "请让有关平板同步，或导入其 U 盘、密封发件箱 ‖ "
        "Let the tablets sync, or import their sticks and sealed outboxes"
    )
    return Finding.warning("waiting", text, advice) if count else Finding.good("waiting", text)


def _quarantine(tx: Transaction) -> Finding:
    count = _one(tx, "SELECT count(*) FROM quarantine WHERE released_by IS NULL")
    text = f"隔离区 {count} ‖ {count} in quarantine"
    advice = "请审核：doorstep audit quarantine list ‖ See doorstep audit quarantine list"
    if count:
        return Finding.warning("quarantine", text, advice)
    return Finding.good("quarantine", text)


def _forks(tx: Transaction) -> Finding:
    count = _one(tx, "SELECT count(*) FROM forks")
    text = f"被复制过的平板存储 {count} ‖ {count} feeds written by two copies of a store"
    advice = (
        "内容都已合并；请在 doorstep devices 中查是谁，必要时吊销 ‖ "
        "All was merged; see doorstep devices, revoke where needed"
    )
    return Finding.warning("forks", text, advice) if count else Finding.good("forks", text)


def _clocks(tx: Transaction) -> Finding:
    found = [
        int(row[0])
        for row in tx.rows(
            "SELECT offset_ms FROM devices WHERE state <> 'revoked' AND offset_ms IS NOT NULL"
        )
    ]
    off = [ms for ms in found if abs(ms) > CLOCK_OFF_MS_MAX]
    text = (
        f"时钟不准的平板 {len(off)}/{len(found)} ‖ {len(off)} of {len(found)} tablets' clocks off"
    )
    if len(found) >= 3 and len(off) > len(found) / 2:
        return Finding.wrong(
            "tablet-clocks",
            text,
            "多数平板都不一致：多半是本机时钟错了，请校正 ‖ "
            "Most disagree: it is probably this machine's clock; set it",
        )
    if off:
        return Finding.warning(
            "tablet-clocks",
            text,
            "记录不受影响；请校正那些平板的时间 ‖ Records are unharmed; set those tablets' clocks",
        )
    return Finding.good("tablet-clocks", text)


def _upstream(tx: Transaction, now_ms: int) -> Finding:
    found = tx.rows("SELECT met_at_ms, since_ms, code FROM links WHERE kind = 'upstream'")
    if not found:
        return Finding.good("upstream", "没有上级 ‖ no upstream")
    met, since, code = found[0]
    days = (now_ms - int(met or since)) // DAY_MS
    text = f"上级：{days} 天前联系 {code} ‖ Upstream: met {days} days ago {code}"
    advice = (
        "内容都在本机；请检查线路，再 doorstep upstream sync ‖ "
        "All is kept here; check the line, then doorstep upstream sync"
    )
    if days > UPSTREAM_DAYS_MAX or code not in ("", "server/link-down"):
        return Finding.warning("upstream", text, advice)
    return Finding.good("upstream", text)


def _wipes(tx: Transaction, now_ms: int) -> Finding:
    found = tx.rows(
        "SELECT revoked_at_ms FROM devices WHERE state = 'revoked' AND wiped_at_ms IS NULL"
    )
    late = [row for row in found if row[0] and now_ms - int(row[0]) > WIPE_DAYS_MAX * DAY_MS]
    text = (
        f"已吊销而未证明清除 {len(found)}，逾 {WIPE_DAYS_MAX} 天 {len(late)} ‖ "
        f"{len(found)} revoked without proof of wipe, {len(late)} for over {WIPE_DAYS_MAX} days"
    )
    advice = (
        "请找回设备；doorstep lost 列出其上有什么 ‖ Find them; doorstep lost tells what was on them"
    )
    return Finding.warning("wipes", text, advice) if late else Finding.good("wipes", text)


def _leases(tx: Transaction, settings: Settings, now_ms: int) -> Finding:
    days = settings.lease_days or SILENT_DAYS_MAX
    count = _one(
        tx,
        "SELECT count(*) FROM devices WHERE state <> 'revoked' AND role = 'tablet'"
        " AND coalesce(last_contact_ms, enrolled_at_ms) < ?",
        now_ms - days * DAY_MS,
    )
    text = f"超过 {days} 天未联系的平板 {count} ‖ {count} tablets out of contact for {days} days"
    advice = (
        "请让其联网或以 U 盘交来；遗失的请吊销 ‖ "
        "Let them connect or come by stick; revoke those that are lost"
    )
    return Finding.warning("leases", text, advice) if count else Finding.good("leases", text)
