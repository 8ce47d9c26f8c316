# SPDX-License-Identifier: Apache-2.0
"""Accounts of the console: who may sign in, in which area, to do what.

What lives here: roles and their rights, passwords, second factors, the rows of accounts. What must
not: sessions and pages (``web/``), HTTP. Invariants
- One account has one role and one area, a prefix of area codes; "" is everything.
- A password is stored as Argon2id; a code of the second factor is good once.
- Nobody gives an account more than their own area.
"""

from __future__ import annotations

import os
import secrets
from typing import Any, NamedTuple

import pyotp
from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from server.errors import NameTaken, NotFound
from server.journal import note
from server.people import AREA_DIGITS_MAX, NAME_CHARS_MAX
from server.store.base import Transaction
from server.web.errors import AccountRefused, PasswordRefused

READ, EXPORT, AUDIT, TABLETS, PERSON, PEOPLE, ACCESS = (
    "read",
    "export",
    "audit",
    "tablets",
    "person",
    "people",
    "access",
)
RIGHTS: dict[str, frozenset[str]] = {
    "officer": frozenset({READ, EXPORT}),
    "auditor": frozenset({READ, EXPORT, AUDIT}),
    "supervisor": frozenset({READ, EXPORT, AUDIT, TABLETS, PERSON}),
    "administrator": frozenset({PEOPLE}),
    "security": frozenset({ACCESS}),
}
"""What each role may do. Who gives rights reads no household; who reads the access log nothing
else."""
ROLE_WORDS = {
    "officer": "业务员 ‖ Officer",
    "auditor": "审核员 ‖ Auditor",
    "supervisor": "主管 ‖ Supervisor",
    "administrator": "账户管理员 ‖ Administrator of accounts",
    "security": "安全审计员 ‖ Security auditor",
}

ID_CHARS_MAX = 32
"""As the worker of any change: decisions are signed with it."""
PASSWORD_CHARS_MIN, PASSWORD_CHARS_MAX = 10, 200
MEMORY_KIB, PASSES, LANES = 64 * 1024, 3, 1
STEP_SECONDS = 30
"""How long one code of the second factor is good."""
ACTIVE, CLOSED = "active", "closed"


class Account(NamedTuple):
    """An account without its secrets; ``fresh`` until password and second factor are its own."""

    id: str
    name: str
    role: str
    area: str
    state: str
    fresh: bool
    lang: str
    made_at_ms: int
    seen_at_ms: int | None

    def may(self, right: str) -> bool:
        """Does its role have this right?"""
        return right in RIGHTS.get(self.role, frozenset())


_COLUMNS = "id, name, role, area, state, fresh, lang, made_at_ms, seen_at_ms"


def _account(row: tuple[Any, ...]) -> Account:
    return Account(*row)._replace(fresh=bool(row[5]))


def find_account(tx: Transaction, account: str) -> Account | None:
    """The account of an id, None if there is none."""
    found = tx.rows(f"SELECT {_COLUMNS} FROM accounts WHERE id = ?", [account])
    return _account(found[0]) if found else None


def accounts_in(tx: Transaction, area: str) -> list[Account]:
    """The accounts whose area lies in an area."""
    found = tx.rows(
        f"SELECT {_COLUMNS} FROM accounts WHERE substr(area, 1, ?) = ? ORDER BY area, id",
        [len(area), area],
    )
    return [_account(row) for row in found]


def hashed(password: str) -> str:
    """A password as it is stored."""
    kdf = Argon2id(
        salt=os.urandom(16), length=32, iterations=PASSES, lanes=LANES, memory_cost=MEMORY_KIB
    )
    return kdf.derive_phc_encoded(password.encode())


def password_holds(stored: str, password: str) -> bool:
    """Is this the password? Takes a tenth of a second and 64 MiB, whatever the answer."""
    try:
        Argon2id.verify_phc_encoded(password.encode()[: 4 * PASSWORD_CHARS_MAX], stored)
    except InvalidKey:
        return False
    return True


def check_password(account: str, name: str, password: str) -> None:
    """Raises PasswordRefused for one that is short, plain, or names its owner."""
    if not PASSWORD_CHARS_MIN <= len(password) <= PASSWORD_CHARS_MAX:
        raise PasswordRefused(f"{PASSWORD_CHARS_MIN} to {PASSWORD_CHARS_MAX} characters")
    plain = password.casefold()
    if len(set(plain)) < 5 or plain in "0123456789012345678901234567890":
        raise PasswordRefused("too plain")
    if any(word and word.casefold() in plain for word in (account, name) if len(word) > 2):
        raise PasswordRefused("it names its owner")


def add_account(tx: Transaction, account: Account, by: str, now_ms: int, password: str = "") -> str:
    """Make an account with a first password, which is returned; it must be changed at once.

    Raises NameTaken, AccountRefused for an id, name, role or area that does not fit.
    """
    _check(account)
    if find_account(tx, account.id):
        raise NameTaken("account")
    first = password or secrets.token_urlsafe(12)
    tx.run(
        "INSERT INTO accounts (id, name, role, area, state, fresh, lang, password, totp_step,"
        " made_at_ms) VALUES (?, ?, ?, ?, ?, 1, ?, ?, 0, ?)",
        [
            account.id,
            account.name,
            account.role,
            account.area,
            ACTIVE,
            account.lang,
            hashed(first),
            now_ms,
        ],
    )
    note(tx, now_ms, by, "account-added", account.id, f"{account.role} {account.area}")
    return first


def new_account(account: str, name: str, role: str, area: str, lang: str = "zh") -> Account:
    """An account to be added."""
    return Account(account, name, role, area, ACTIVE, True, lang, 0, None)


def _check(account: Account) -> None:
    if not 1 <= len(account.id) <= ID_CHARS_MAX or not account.id.isprintable():
        raise AccountRefused(f"an id has 1 to {ID_CHARS_MAX} characters")
    if account.id != account.id.strip() or any(c.isspace() or c in "/?#%" for c in account.id):
        raise AccountRefused("an id has no spaces and none of / ? # %")
    if not 1 <= len(account.name) <= NAME_CHARS_MAX or not account.name.isprintable():
        raise AccountRefused(f"a name has 1 to {NAME_CHARS_MAX} characters")
    if account.role not in RIGHTS:
        raise AccountRefused("role")
    if account.area and not (
        account.area.isascii() and account.area.isdigit() and len(account.area) <= AREA_DIGITS_MAX
    ):
        raise AccountRefused("area: digits of a code, or nothing")


def change_account(
    tx: Transaction, account: str, role: str, area: str, state: str, by: str, now_ms: int
) -> None:
    """Give an account another role, area or state; its sessions end. Raises NotFound."""
    known = find_account(tx, account)
    if known is None:
        raise NotFound("account")
    if state not in (ACTIVE, CLOSED):
        raise AccountRefused("state")
    _check(known._replace(role=role, area=area))
    tx.run(
        "UPDATE accounts SET role = ?, area = ?, state = ? WHERE id = ?",
        [role, area, state, account],
    )
    tx.run("DELETE FROM sessions WHERE account = ?", [account])
    note(tx, now_ms, by, "account-changed", account, f"{role} {area} {state}")


def reset_account(tx: Transaction, account: str, by: str, now_ms: int) -> str:
    """A new first password, returned; the second factor is to be set up again, sessions end.

    Raises NotFound.
    """
    if find_account(tx, account) is None:
        raise NotFound("account")
    first = secrets.token_urlsafe(12)
    tx.run(
        "UPDATE accounts SET password = ?, fresh = 1, totp = NULL, totp_step = 0, state = ?"
        " WHERE id = ?",
        [hashed(first), ACTIVE, account],
    )
    tx.run("DELETE FROM sessions WHERE account = ?", [account])
    tx.run("DELETE FROM account_browsers WHERE account = ?", [account])
    tx.run("DELETE FROM passkeys WHERE account = ?", [account])
    note(tx, now_ms, by, "account-reset", account, "")
    return first


# ---- signing in ----------------------------------------------------------------------------------


def stored_password(tx: Transaction, account: str) -> str:
    """The stored password of an account that may sign in; "" where there is none."""
    found = tx.rows("SELECT password FROM accounts WHERE id = ? AND state = ?", [account, ACTIVE])
    return str(found[0][0]) if found else ""


def new_totp() -> str:
    """A secret for a second factor."""
    return pyotp.random_base32(32)


def totp_address(secret: str, account: str, issuer: str = "Doorstep") -> str:
    """What an authenticator scans."""
    return pyotp.TOTP(secret).provisioning_uri(name=account, issuer_name=issuer)


def step_of(secret: str, code: str, now_ms: int) -> int | None:
    """The step of time a code belongs to, one before and after allowed; None if to none."""
    plain = "".join(code.split())
    now = now_ms // 1000 // STEP_SECONDS
    if len(plain) != 6 or not plain.isascii() or not plain.isdigit():
        return None
    totp = pyotp.TOTP(secret)
    for step in (now - 1, now, now + 1):
        if secrets.compare_digest(totp.generate_otp(step), plain):
            return step
    return None


def use_code(tx: Transaction, account: str, code: str, now_ms: int) -> bool:
    """Is this the code of the second factor? Each is good once."""
    found = tx.rows("SELECT totp, totp_step FROM accounts WHERE id = ?", [account])
    if not found or not found[0][0]:
        return False
    step = step_of(str(found[0][0]), code, now_ms)
    if step is None or step <= int(found[0][1]):
        return False
    tx.run("UPDATE accounts SET totp_step = ? WHERE id = ?", [step, account])
    return True


def set_up(tx: Transaction, account: str, password: str, totp: str, step: int, now_ms: int) -> None:
    """Store an account's own password and second factor. Raises PasswordRefused."""
    known = find_account(tx, account)
    if known is None:
        raise NotFound("account")
    check_password(account, known.name, password)
    tx.run(
        "UPDATE accounts SET password = ?, fresh = 0, totp = ?, totp_step = ? WHERE id = ?",
        [hashed(password), totp, step, account],
    )
    note(tx, now_ms, account, "account-set-up", account, "")
