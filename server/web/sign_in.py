# SPDX-License-Identifier: Apache-2.0
"""Signing in and out, the first password and second factor, asking for a code again, the language.

What lives here: the steps of a session. What must not: passwords and codes themselves
(``accounts``). Invariants
- Nothing but these pages answers before the second factor was given.
- Every step that changes what a session may do gives it a new id.
"""

from __future__ import annotations

import secrets

import segno
from markupsafe import Markup

from server.accounts import (
    find_account,
    hashed,
    new_totp,
    password_holds,
    set_up,
    step_of,
    stored_password,
    totp_address,
    use_code,
)
from server.journal import note
from server.store.base import Transaction
from server.web.console import STEP_UP_MS
from server.web.errors import PasswordRefused, RightMissing, SignInRefused
from server.web.routing import (
    LANG_COOKIE,
    MENU,
    PUBLIC,
    SIGNED_IN,
    Go,
    Result,
    Shown,
    Visit,
    act,
    page,
    safe_next,
)
from server.web.sessions import KNOWN, KNOWN_SECONDS, host_cookie, named

_NOBODY = hashed(secrets.token_urlsafe(12))
"""Checked where an account does not exist: an answer must not be quicker then."""
CODES_WRONG_MAX = 5
"""Wrong codes of one session; then the password is asked again."""


@page("/", PUBLIC)
def first(visit: Visit) -> Result:
    """The first page an account may see."""
    if visit.who is None:
        return Go("/sign-in")
    for to, _, right in MENU:
        if visit.who.may(right):
            return Go(to)
    return Go("/sign-in")


@page("/sign-in", PUBLIC)
def sign_in(visit: Visit) -> Result:
    """Account and password."""
    if visit.who is not None:
        return Go(safe_next(visit.query("next", "/")))
    return Shown("sign_in.html", {"next": safe_next(visit.query("next", "/")), "wrong": None})


@act("/sign-in", PUBLIC, writes=False)
def sign_in_sent(visit: Visit) -> Result:
    """Check the password; the second factor is next."""
    account, password = visit.text("account", 64), visit.text("password", 400)
    with visit.store.read() as tx:
        stored = stored_password(tx, account)
        known = find_account(tx, account)
        browser = _browser(visit, tx, account)
    tries = visit.console.tries
    tries.check(account, browser, visit.now_ms)
    if not password_holds(stored or _NOBODY, password) or not stored or known is None:
        tries.wrong(account, browser, visit.now_ms)
        raise SignInRefused()
    visit.session.clear()
    visit.session |= {"account": account, "step": "fresh" if known.fresh else "code"}
    visit.session["next"] = safe_next(visit.text("next", 2_000) or "/")
    if known.fresh:
        visit.session["totp"] = new_totp()
        return Go("/sign-in/first")
    return Go("/sign-in/code")


def _browser(visit: Visit, tx: Transaction, account: str) -> str:
    """The name of this browser where the account signed in with it before, else ""."""
    brought = visit.request.cookies.get(KNOWN, "")
    name = named(brought) if brought else ""
    found = tx.rows(
        "SELECT 1 FROM account_browsers WHERE account = ? AND browser = ?", [account, name]
    )
    return name if found else ""


@page("/sign-in/code", PUBLIC)
def code(visit: Visit) -> Result:
    """The code of the second factor."""
    if visit.session.get("step") != "code":
        return Go("/sign-in")
    return Shown("sign_in_code.html", {"to": "/sign-in/code", "next": "/"})


@act("/sign-in/code", PUBLIC)
def code_sent(visit: Visit) -> Result:
    """Check the code; now the account is in."""
    if visit.session.get("step") != "code":
        return Go("/sign-in")
    account = str(visit.session["account"])
    tries = visit.console.tries
    with visit.store.write() as tx:
        browser = _browser(visit, tx, account)
        tries.check(account, browser, visit.now_ms)
        fine = use_code(tx, account, visit.text("code", 20), visit.now_ms)
    if not fine:
        tries.wrong(account, browser, visit.now_ms)
        wrong = int(visit.session.get("wrong", 0)) + 1
        visit.session["wrong"] = wrong
        if wrong >= CODES_WRONG_MAX:
            visit.session.clear()
        raise SignInRefused()
    return _in(visit, account)


def _in(visit: Visit, account: str) -> Result:
    """The session is one of a signed-in account from now on."""
    to = str(visit.session.get("next", "/"))
    visit.console.tries.right(account, "")
    brought = visit.request.cookies.get(KNOWN) or secrets.token_hex(32)
    with visit.store.write() as tx:
        tx.run(
            "INSERT INTO account_browsers VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
            [account, named(brought), visit.now_ms],
        )
        tx.run("UPDATE accounts SET seen_at_ms = ? WHERE id = ?", [visit.now_ms, account])
        note(tx, visit.now_ms, account, "signed-in", account, "")
    visit.cookies.append(host_cookie(KNOWN, brought, KNOWN_SECONDS))
    visit.session.clear()
    visit.session |= {"account": account, "step": "in"}
    return Go(safe_next(to))


@page("/sign-in/first", PUBLIC)
def first_time(visit: Visit) -> Result:
    """A password of one's own, and the second factor."""
    if visit.session.get("step") != "fresh":
        return Go("/sign-in")
    account, secret = str(visit.session["account"]), str(visit.session["totp"])
    return Shown(
        "sign_in_first.html",
        {"qr": qr(totp_address(secret, account)), "secret": _grouped(secret), "id": account},
    )


def qr(text: str) -> Markup:
    """A QR code as SVG, without styles."""
    drawn = segno.make_qr(text, error="m").svg_inline(
        scale=4, border=4, dark="#000", light="#fff", svgclass=None, lineclass=None, omitsize=False
    )
    return Markup(drawn)


def _grouped(secret: str) -> str:
    return " ".join(secret[i : i + 4] for i in range(0, len(secret), 4))


@act("/sign-in/first", PUBLIC)
def first_time_sent(visit: Visit) -> Result:
    """Store both; now the account is in."""
    if visit.session.get("step") != "fresh":
        return Go("/sign-in")
    account, secret = str(visit.session["account"]), str(visit.session["totp"])
    password = visit.text("password", 400)
    if password != visit.text("again", 400):
        raise PasswordRefused(visit.say("两次输入不同 ‖ the two differ"))
    step = step_of(secret, visit.text("code", 20), visit.now_ms)
    if step is None:
        raise SignInRefused()
    with visit.store.write() as tx:
        set_up(tx, account, password, secret, step, visit.now_ms)
    return _in(visit, account)


@act("/sign-out", SIGNED_IN, writes=False)
def sign_out(visit: Visit) -> Result:
    """End the session."""
    visit.session.clear()
    return Go("/sign-in")


@page("/confirm", SIGNED_IN)
def confirm(visit: Visit) -> Result:
    """Ask for a code again before something that weighs."""
    to = safe_next(visit.query("next", "/"))
    return Shown("sign_in_code.html", {"to": "/confirm", "next": to})


@act("/confirm", SIGNED_IN)
def confirm_sent(visit: Visit) -> Result:
    """Check the code; what weighs may be done for a few minutes."""
    account = visit.account.id
    tries = visit.console.tries
    with visit.store.write() as tx:
        browser = _browser(visit, tx, account)
        tries.check(account, browser, visit.now_ms)
        fine = use_code(tx, account, visit.text("code", 20), visit.now_ms)
    if not fine:
        tries.wrong(account, browser, visit.now_ms)
        raise SignInRefused()
    visit.session["sure_until_ms"] = visit.now_ms + STEP_UP_MS
    return Go(safe_next(visit.text("next", 2_000)))


@page("/language/{lang:str}", PUBLIC)
def language(visit: Visit) -> Result:
    """Choose the language, and go back."""
    lang = visit.param("lang")
    if lang not in ("zh", "en"):
        raise RightMissing("language")
    visit.cookies.append(host_cookie(LANG_COOKIE, lang, KNOWN_SECONDS))
    return Go(safe_next(visit.query("next", "/")))
