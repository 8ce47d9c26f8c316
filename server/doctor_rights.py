# SPDX-License-Identifier: Apache-2.0
"""What the doctor asks of people's rights: backups that should be dead, consents that wait, keys.

What lives here: three checks of an opened store. What must not: mending. Invariant: no names of
people, no values of records.
"""

from __future__ import annotations

from server.backup_keys import dead_before_ms
from server.erasing_certificate import BACKUPS_GONE_MS
from server.findings import Finding
from server.store.base import Transaction


def rights_findings(tx: Transaction, now_ms: int) -> list[Finding]:
    """All findings about people's rights."""
    return [_backup_keys(tx, now_ms), _withdrawals(tx), _field_keys(tx)]


def _count(tx: Transaction, sql: str, *values: object) -> int:
    return int(tx.rows(sql, list(values))[0][0])


def _backup_keys(tx: Transaction, now_ms: int) -> Finding:
    count = _count(
        tx,
        "SELECT count(*) FROM erasures WHERE at_ms >= ? AND at_ms < ?",
        dead_before_ms(tx),
        now_ms - BACKUPS_GONE_MS,
    )
    text = (
        f"删除满三十天而旧备份仍能打开的案件 {count} ‖ "
        f"{count} erasures of thirty days ago that backups from before still hold"
    )
    advice = (
        "serve 会自行换密钥并弃去旧的；没有运行的请 keys renew store，再 keys forget --days 0 ‖ "
        "serve does it by itself; where it does not run: keys renew store, then keys forget"
        " --days 0"
    )
    return (
        Finding.warning("backup-keys", text, advice) if count else Finding.good("backup-keys", text)
    )


def _withdrawals(tx: Transaction) -> Finding:
    count = _count(
        tx,
        "SELECT count(*) FROM withdrawals w JOIN records r ON r.id = w.record"
        " WHERE w.decided_at_ms IS NULL AND r.voided = 0",
    )
    text = f"待处理的撤回同意 {count} ‖ {count} withdrawn consents wait to be seen to"
    advice = (
        "请打开管理界面“撤回同意”，或 doorstep person withdrawn ‖ "
        "See the console's page Withdrawn, or doorstep person withdrawn"
    )
    return (
        Finding.warning("withdrawals", text, advice) if count else Finding.good("withdrawals", text)
    )


def _field_keys(tx: Transaction) -> Finding:
    asking = _count(tx, "SELECT count(*) FROM field_askers WHERE allowed_at_ms IS NULL")
    lacking = _count(tx, "SELECT count(DISTINCT key) FROM field_wants")
    text = (
        f"请求密钥而未获准的服务器 {asking}，本机在等的密钥 {lacking} ‖ "
        f"{asking} servers ask for keys and were not named; {lacking} keys waited for here"
    )
    advice = (
        "请看 doorstep fields asked；等的密钥由住户原来的区县给出 ‖ "
        "See doorstep fields asked; keys waited for are given by the district it moved from"
    )
    return (
        Finding.warning("field-keys", text, advice)
        if asking or lacking
        else Finding.good("field-keys", text)
    )
