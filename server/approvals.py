# SPDX-License-Identifier: Apache-2.0
"""The rule of two: what one person alone may not do, and a second one's yes to it.

What lives here: what needs a second person, asking, answering, and looking whether there is a yes.
What must not: the acts themselves, pages, commands. Invariants
- Who asked never answers; who answers has an account of their own, with the right to decide, in
  an area that holds that of who asked.
- A yes is for one person, one kind and one target, and ends after APPROVED_HOURS.
- Asking, answering and what was done by it are lines of the journal, and so leaves of the log.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from server.accounts import ACTIVE, AUDIT, find_account, password_holds, stored_password, use_code
from server.errors import NotFound, ServerError
from server.journal import note
from server.store.base import Transaction

EXPORT, WIPE, ROOT, HOLD = "export", "wipe", "root", "hold-release"
KINDS: dict[str, str] = {
    EXPORT: "大量导出 ‖ mass export",
    WIPE: "吊销多台平板 ‖ wipe of many tablets",
    ROOT: "更换根密钥 ‖ change of the root key",
    HOLD: "解除依法保全 ‖ release of a legal hold",
}
"""What needs two."""
EXPORT_ALONE_MAX = 1_000
"""Households, or lines of a list, that one person may take out alone: two grids; a district's whole
is far more."""
WIPES_ALONE_MAX = 5
"""Tablets that may be revoked within a day without a second person: a team's bag that was stolen
must not wait, a district's tablets must not go by one hand."""
DAY_MS = 86_400_000
APPROVED_HOURS = 24
REASON_CHARS_MAX = 400
TARGET_CHARS_MAX = 200
ASKED_MAX = 200
"""Open requests of a district at one time."""
ASKED, APPROVED, REFUSED = "asked", "approved", "refused"


class ApprovalMissing(ServerError):
    """This needs a second person's yes."""

    code = "approval/missing"
    status = 409
    zh = (
        "这件事须由两个人办理：请先申请，由另一位有审核权的人批准。什么都没有做。"
        "请用“双人审批”页或 doorstep approvals ask 申请。"
    )
    en = (
        "This takes two people: ask for it, and let another with the right to decide say yes."
        " Nothing was done. Ask on the page Approvals or by doorstep approvals ask."
    )


class ApprovalRefused(ServerError):
    """An answer that does not count."""

    code = "approval/refused"
    status = 403
    zh = (
        "这个批复无效：不能批自己的申请，须有审核权，密码和验证码须正确。申请未变，请由另一人批复。"
    )
    en = (
        "This answer does not count: nobody answers their own request; it takes the right to"
        " decide, the password and the code. The request stands; let another answer."
    )


class ApprovalEnded(ServerError):
    """A request that was answered before."""

    code = "approval/ended"
    status = 409
    zh = "这个申请已有批复，原批复未变。如仍需要，请重新申请。"
    en = "This request was answered before; that answer stands. Ask again if it is still needed."


class Approval(NamedTuple):
    """A request: who wants to do what, and what became of it. Times in ms."""

    n: int
    kind: str
    target: str
    asked_by: str
    asked_at_ms: int
    reason: str
    state: str
    answered_by: str
    answered_at_ms: int | None

    def good(self, now_ms: int) -> bool:
        """Is it a yes that still holds?"""
        until_ms = (self.answered_at_ms or 0) + APPROVED_HOURS * 3_600_000
        return self.state == APPROVED and now_ms < until_ms


_COLUMNS = "n, kind, target, asked_by, asked_at_ms, reason, state, answered_by, answered_at_ms"


def ask(tx: Transaction, kind: str, target: str, by: str, reason: str, now_ms: int) -> Approval:
    """Ask for a second person's yes; an open request for the same is given back.

    Raises NotFound for a kind that needs none, ApprovalRefused without a reason or above a limit.
    """
    if kind not in KINDS:
        raise NotFound(", ".join(KINDS))
    if not reason.strip() or len(reason) > REASON_CHARS_MAX or len(target) > TARGET_CHARS_MAX:
        raise ApprovalRefused(f"reason: 1 to {REASON_CHARS_MAX} characters")
    same = [kind, target, by, ASKED]
    where = "WHERE kind = ? AND target = ? AND asked_by = ? AND state = ?"
    known = _found(tx, where, same)
    if known:
        return known[0]
    count = tx.rows("SELECT count(*) FROM approvals WHERE state = ?", [ASKED])[0][0]
    if int(count) >= ASKED_MAX:
        raise ApprovalRefused(f"{ASKED_MAX} requests wait already")
    tx.run(
        "INSERT INTO approvals (kind, target, asked_by, asked_at_ms, reason, state, answered_by)"
        " VALUES (?, ?, ?, ?, ?, ?, '')",
        [kind, target, by, now_ms, reason.strip(), ASKED],
    )
    note(tx, now_ms, by, "approval-asked", f"{kind} {target}".strip(), reason.strip())
    return _found(tx, where, same)[0]


def answer(tx: Transaction, n: int, by: str, yes: bool, now_ms: int) -> Approval:
    """Say yes or no. Raises NotFound, ApprovalEnded, ApprovalRefused."""
    asked = approval(tx, n)
    if asked.state != ASKED:
        raise ApprovalEnded(asked.answered_by)
    account, asker = find_account(tx, by), find_account(tx, asked.asked_by)
    if by == asked.asked_by:
        raise ApprovalRefused("one's own request")
    if account is None or account.state != ACTIVE or not account.may(AUDIT):
        raise ApprovalRefused("no account with the right to decide")
    if asker is not None and not asker.area.startswith(account.area):
        raise ApprovalRefused("an account of another area")
    state = APPROVED if yes else REFUSED
    tx.run(
        "UPDATE approvals SET state = ?, answered_by = ?, answered_at_ms = ? WHERE n = ?",
        [state, by, now_ms, n],
    )
    note(tx, now_ms, by, f"approval-{state}", f"{asked.kind} {asked.target}".strip(), str(n))
    return approval(tx, n)


def prove(tx: Transaction, by: str, password: str, code: str, now_ms: int) -> None:
    """Who answers at the machine shows password and code as at a sign-in.

    Raises ApprovalRefused.
    """
    if not password_holds(stored_password(tx, by), password) or not use_code(tx, by, code, now_ms):
        raise ApprovalRefused("password or code")


def approval(tx: Transaction, n: int) -> Approval:
    """One request. Raises NotFound."""
    found = _found(tx, "WHERE n = ?", [n])
    if not found:
        raise NotFound("approval")
    return found[0]


def approvals(tx: Transaction, limit: int = 200) -> list[Approval]:
    """The newest requests, those that wait first."""
    return _found(tx, "ORDER BY CASE state WHEN 'asked' THEN 0 ELSE 1 END, n DESC LIMIT ?", [limit])


def granted(tx: Transaction, kind: str, target: str, by: str, now_ms: int) -> Approval | None:
    """The yes that this person has for this, if it still holds."""
    where = "WHERE kind = ? AND target = ? AND asked_by = ? AND state = ? ORDER BY n DESC"
    return next(
        (a for a in _found(tx, where, [kind, target, by, APPROVED]) if a.good(now_ms)), None
    )


def need(tx: Transaction, kind: str, target: str, by: str, now_ms: int) -> Approval:
    """The yes that this takes. Raises ApprovalMissing."""
    found = granted(tx, kind, target, by, now_ms)
    if found is None:
        raise ApprovalMissing(f"{kind} {target}".strip())
    return found


def need_for_export(tx: Transaction, by: str, now_ms: int) -> None:
    """A second person's yes where a copy of the record holds many households. Raises
    ApprovalMissing."""
    need_for_lines(tx, int(tx.rows("SELECT count(*) FROM homes")[0][0]), by, now_ms)


def need_for_lines(tx: Transaction, lines: int, by: str, now_ms: int) -> None:
    """A second person's yes where a list is that long. Raises ApprovalMissing."""
    if lines > EXPORT_ALONE_MAX:
        need(tx, EXPORT, "", by, now_ms)


def need_for_wipe(tx: Transaction, by: str, now_ms: int) -> None:
    """A second person's yes where many were revoked within a day. Raises ApprovalMissing."""
    sql = "SELECT count(*) FROM devices WHERE copy_of IS NULL AND revoked_at_ms > ?"
    if int(tx.rows(sql, [now_ms - DAY_MS])[0][0]) >= WIPES_ALONE_MAX:
        need(tx, WIPE, "", by, now_ms)


def _found(tx: Transaction, where: str, values: Sequence[object]) -> list[Approval]:
    return [Approval(*row) for row in tx.rows(f"SELECT {_COLUMNS} FROM approvals {where}", values)]
