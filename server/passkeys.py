# SPDX-License-Identifier: Apache-2.0
"""Second factors of accounts: passkeys (WebAuthn) beside the authenticator of six digits.

What lives here: the rows of passkeys, what browsers are asked and what their answers prove, and the
rule that an account keeps one factor. What must not: sessions and pages (``web/``), passwords.
Invariants
- A passkey belongs to one account and one host: what was made for another name of this server, or
  for another site that looks like it, proves nothing here.
- A challenge is good once; who keeps it (the session) forgets it before the answer is looked at.
- The last second factor of an account is never taken away.
"""

from __future__ import annotations

import hashlib
import ipaddress
import os
from typing import NamedTuple

from server.accounts import Account
from server.errors import NotFound
from server.journal import note
from server.store.base import Transaction
from server.web.errors import FactorLast, PasskeyRefused

PASSKEYS_MAX = 10
"""Of one account: a phone, a computer, a stick and their successors."""
NAME_CHARS_MAX = 40
ANSWER_CHARS_MAX = 16_000
"""What a browser sends: a few keys and signatures; attestation is not asked for."""
CHALLENGE_BYTES = 32


class Passkey(NamedTuple):
    """One passkey, without its key; ``host`` is the server's name that it was made for."""

    id: str
    name: str
    host: str
    made_at_ms: int
    used_at_ms: int | None


class Factors(NamedTuple):
    """What an account proves itself with beside its password."""

    totp: bool
    passkeys: list[Passkey]

    @property
    def in_all(self) -> int:
        """How many there are."""
        return int(self.totp) + len(self.passkeys)

    def at(self, host: str) -> list[Passkey]:
        """The passkeys made for one name of this server."""
        return [one for one in self.passkeys if host and one.host == host]


def host_of(host_header: str) -> str:
    """The name under which a browser asked, as passkeys know it; "" for an address of digits.

    Browsers make passkeys for names alone.
    """
    name = host_header.rpartition(":")[0] if ":" in host_header else host_header
    name = name.strip("[]").casefold()
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return name if name and len(name) <= 253 and name.isascii() else ""
    return ""


def new_challenge() -> str:
    """A challenge, in hexadecimal."""
    return os.urandom(CHALLENGE_BYTES).hex()


def factors_of(tx: Transaction, account: str) -> Factors:
    """The second factors of an account."""
    totp = tx.rows("SELECT 1 FROM accounts WHERE id = ? AND totp IS NOT NULL", [account])
    found = tx.rows(
        "SELECT id, name, host, made_at_ms, used_at_ms FROM passkeys WHERE account = ?"
        " ORDER BY made_at_ms, id",
        [account],
    )
    return Factors(bool(totp), [Passkey(*row) for row in found])


# ---- making one ----------------------------------------------------------------------------------


def making(account: Account, factors: Factors, host: str, challenge: str) -> str:
    """What a browser is asked to make a passkey, as JSON."""
    from server import passkey_proofs as proofs

    # What the authenticator keeps of the account is no name of a person.
    user = hashlib.sha256(b"doorstep/passkey/1\0" + account.id.encode()).digest()
    held = [_bytes(one.id) for one in factors.at(host)]
    return proofs.to_make(host, (user, account.id, account.name), _bytes(challenge), held)


def add_passkey(
    tx: Transaction,
    account: str,
    site: tuple[str, str],
    challenge: str,
    answer: str,
    name: str,
    now_ms: int,
) -> str:
    """Take a new passkey in; its id. ``site`` is the host's name and the origin of the page.

    Raises PasskeyRefused.
    """
    from server import passkey_proofs as proofs

    host, origin = site
    if not host or not challenge or len(answer) > ANSWER_CHARS_MAX:
        raise PasskeyRefused()
    if not 1 <= len(name) <= NAME_CHARS_MAX or not name.isprintable():
        raise PasskeyRefused(f"a name has 1 to {NAME_CHARS_MAX} characters")
    if len(factors_of(tx, account).passkeys) >= PASSKEYS_MAX:
        raise PasskeyRefused(f"at most {PASSKEYS_MAX}")
    found = proofs.made(host, origin, _bytes(challenge), answer)
    key = found.id.hex()
    if tx.rows("SELECT 1 FROM passkeys WHERE id = ?", [key]):
        raise PasskeyRefused("known")
    tx.run(
        "INSERT INTO passkeys (id, account, host, name, public, uses, made_at_ms)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        [key, account, host, name, found.public, found.uses, now_ms],
    )
    note(tx, now_ms, account, "passkey-added", account, name)
    return key


# ---- using one -----------------------------------------------------------------------------------


def asking(factors: Factors, host: str, challenge: str) -> str:
    """What a browser is asked to prove a passkey, as JSON."""
    from server import passkey_proofs as proofs

    held = [_bytes(one.id) for one in factors.at(host)]
    return proofs.to_prove(host, _bytes(challenge), held)


def use_passkey(
    tx: Transaction, account: str, site: tuple[str, str], challenge: str, answer: str, now_ms: int
) -> bool:
    """Does this answer prove a passkey of the account? A copied one, which counts less than was
    seen, does not."""
    from server import passkey_proofs as proofs

    host, origin = site
    if not host or not challenge or len(answer) > ANSWER_CHARS_MAX:
        return False
    named = proofs.named_in(answer)
    rows = tx.rows(
        "SELECT public, uses FROM passkeys WHERE id = ? AND account = ? AND host = ?",
        [named.hex(), account, host],
    )
    if not named or not rows:
        return False
    known = proofs.Proof(named, bytes(rows[0][0]), int(rows[0][1]))
    uses = proofs.uses_proved(known, host, origin, _bytes(challenge), answer)
    if uses is None:
        return False
    tx.run(
        "UPDATE passkeys SET uses = ?, used_at_ms = ? WHERE id = ?",
        [uses, now_ms, named.hex()],
    )
    return True


# ---- taking away ---------------------------------------------------------------------------------


def remove_passkey(tx: Transaction, account: str, key: str, now_ms: int) -> None:
    """Take a passkey of an account away. Raises NotFound, FactorLast."""
    factors = factors_of(tx, account)
    found = next((one for one in factors.passkeys if one.id == key), None)
    if found is None:
        raise NotFound("passkey")
    _spare(factors)
    tx.run("DELETE FROM passkeys WHERE id = ? AND account = ?", [key, account])
    note(tx, now_ms, account, "passkey-removed", account, found.name)


def remove_totp(tx: Transaction, account: str, now_ms: int) -> None:
    """Take the authenticator of six digits away. Raises NotFound, FactorLast."""
    factors = factors_of(tx, account)
    if not factors.totp:
        raise NotFound("authenticator")
    _spare(factors)
    tx.run("UPDATE accounts SET totp = NULL, totp_step = 0 WHERE id = ?", [account])
    note(tx, now_ms, account, "authenticator-removed", account, "")


def set_totp(tx: Transaction, account: str, secret: str, step: int, now_ms: int) -> None:
    """Put an authenticator in the place of the one there was, if any."""
    tx.run("UPDATE accounts SET totp = ?, totp_step = ? WHERE id = ?", [secret, step, account])
    note(tx, now_ms, account, "authenticator-set", account, "")


def _spare(factors: Factors) -> None:
    if factors.in_all <= 1:
        raise FactorLast()


def _bytes(key: str) -> bytes:
    return bytes.fromhex(key)
