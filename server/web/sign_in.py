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
    READ,
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
from server.passkeys import (
    ANSWER_CHARS_MAX,
    Factors,
    asking,
    factors_of,
    host_of,
    new_challenge,
    use_passkey,
)
from server.store.base import Transaction
from server.web.board import count_ahead
from server.web.console import STEP_UP_MS
from server.web.errors import PasskeyRefused, PasswordRefused, RightMissing, SignInRefused
from server.web.frame import MENU
from server.web.lookup import read_ahead
from server.web.routing import (
    LANG_COOKIE,
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
        # Before the first step of the figures there is nothing that could be counted.
        figures = "facts_home" in tx.relations()
    tries = visit.console.tries
    tries.check(account, browser, visit.now_ms)
    if not password_holds(stored or _NOBODY, password) or not stored or known is None:
        tries.wrong(account, browser, visit.now_ms)
        raise SignInRefused()
    visit.session.clear()
    visit.session |= {"account": account, "step": "fresh" if known.fresh else "code"}
    visit.session["next"] = safe_next(visit.text("next", 2_000) or "/")
    if known.may(READ):
        # While they look for their second factor.
        if figures:
            count_ahead(visit.service, known.area)
        read_ahead(visit.service)
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
    return _asking(visit, str(visit.session["account"]), "/sign-in", "/")


@act("/sign-in/code", PUBLIC)
def code_sent(visit: Visit) -> Result:
    """Check the code; now the account is in."""
    return _second_sent(visit, by_passkey=False)


@act("/sign-in/passkey", PUBLIC)
def passkey_sent(visit: Visit) -> Result:
    """Check what a passkey proved; now the account is in."""
    return _second_sent(visit, by_passkey=True)


def _second_sent(visit: Visit, *, by_passkey: bool) -> Result:
    if visit.session.get("step") != "code":
        return Go("/sign-in")
    account = str(visit.session["account"])
    try:
        _check_factor(visit, account, by_passkey=by_passkey)
    except (SignInRefused, PasskeyRefused):
        wrong = int(visit.session.get("wrong", 0)) + 1
        visit.session["wrong"] = wrong
        if wrong >= CODES_WRONG_MAX:
            visit.session.clear()
        raise
    return _in(visit, account)


def site_of(visit: Visit) -> tuple[str, str]:
    """The name of this server as the browser has it, and the origin of its pages.

    What a browser signs names both; neither is believed without that.
    """
    asked = visit.request.headers.get("host", "")
    return host_of(asked), f"https://{asked.casefold().removesuffix(':443')}"


def _asking(visit: Visit, account: str, step: str, to: str) -> Shown:
    """The page that asks for a second factor: the forms of those that the account has."""
    with visit.store.read() as tx:
        factors = factors_of(tx, account)
    host, _ = site_of(visit)
    options = ""
    if factors.at(host):
        visit.session["challenge"] = new_challenge()
        options = asking(factors, host, visit.session["challenge"])
    return Shown(
        "sign_in_code.html",
        {
            "step": step,
            "next": to,
            "options": options,
            "totp": factors.totp,
            "elsewhere": _elsewhere(factors, host),
        },
    )


def _elsewhere(factors: Factors, host: str) -> list[str]:
    """The names of this server under which the account has passkeys, where this is none."""
    return [] if factors.at(host) else sorted({one.host for one in factors.passkeys})


def _check_factor(visit: Visit, account: str, *, by_passkey: bool) -> None:
    """Check a code or what a passkey proved. Raises SignInWaits, SignInRefused, PasskeyRefused."""
    tries = visit.console.tries
    # Good once, whatever comes of it.
    challenge = str(visit.session.pop("challenge", ""))
    with visit.store.write() as tx:
        browser = _browser(visit, tx, account)
        tries.check(account, browser, visit.now_ms)
        if by_passkey:
            answer = visit.text("credential", ANSWER_CHARS_MAX)
            fine = use_passkey(tx, account, site_of(visit), challenge, answer, visit.now_ms)
        else:
            fine = use_code(tx, account, visit.text("code", 20), visit.now_ms)
    if not fine:
        tries.wrong(account, browser, visit.now_ms)
        raise PasskeyRefused() if by_passkey else SignInRefused()


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
        {"qr": qr(totp_address(secret, account)), "secret": grouped(secret), "id": account},
    )


def qr(text: str) -> Markup:
    """A QR code as SVG, without styles, as large as the page draws it."""
    drawn = segno.make_qr(text, error="m").svg_inline(
        scale=4, border=4, dark="#000", light="#fff", svgclass=None, lineclass=None, omitsize=True
    )
    return Markup(drawn)


def grouped(secret: str) -> str:
    """A secret as people type it."""
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
    return _asking(visit, visit.account.id, "/confirm", to)


@act("/confirm", SIGNED_IN)
def confirm_sent(visit: Visit) -> Result:
    """Check the code; what weighs may be done for a few minutes."""
    return _sure(visit, by_passkey=False)


@act("/confirm/passkey", SIGNED_IN)
def confirm_passkey_sent(visit: Visit) -> Result:
    """Check what a passkey proved; what weighs may be done for a few minutes."""
    return _sure(visit, by_passkey=True)


def _sure(visit: Visit, *, by_passkey: bool) -> Result:
    _check_factor(visit, visit.account.id, by_passkey=by_passkey)
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
