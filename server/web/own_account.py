# SPDX-License-Identifier: Apache-2.0
"""One's own second factors: passkeys and the authenticator, seen, added and taken away.

What lives here: forms to functions. What must not: the rules of factors (``passkeys``). Invariants
- Only one's own; every change asks for a factor again before.
- A secret or a challenge stands in the session of who asked for it, until it was used.
"""

from __future__ import annotations

from server.accounts import new_totp, step_of, totp_address
from server.passkeys import (
    ANSWER_CHARS_MAX,
    NAME_CHARS_MAX,
    PASSKEYS_MAX,
    add_passkey,
    factors_of,
    making,
    new_challenge,
    remove_passkey,
    remove_totp,
    set_totp,
)
from server.web.errors import SignInRefused
from server.web.routing import SIGNED_IN, Go, Result, Shown, Visit, act, page
from server.web.sign_in import grouped, qr, site_of


@page("/me", SIGNED_IN, sure=True)
def own(visit: Visit) -> Result:
    """One's own second factors."""
    host, _ = site_of(visit)
    with visit.store.read() as tx:
        factors = factors_of(tx, visit.account.id)
    options = ""
    if host and len(factors.passkeys) < PASSKEYS_MAX:
        visit.session["challenge"] = new_challenge()
        options = making(visit.account, factors, host, visit.session["challenge"])
    return Shown(
        "me.html",
        {"factors": factors, "host": host, "options": options, "chars": NAME_CHARS_MAX},
    )


@act("/me/passkeys/add", SIGNED_IN, sure=True)
def add(visit: Visit) -> Result:
    """Take in the passkey that the browser made."""
    challenge = str(visit.session.pop("challenge", ""))
    with visit.store.write() as tx:
        add_passkey(
            tx,
            visit.account.id,
            site_of(visit),
            challenge,
            visit.text("credential", ANSWER_CHARS_MAX),
            visit.text("name", 200),
            visit.now_ms,
        )
    return Go("/me", visit.say("通行密钥已添加，下次登录可以使用 ‖ The passkey is added"))


@act("/me/passkeys/remove", SIGNED_IN, sure=True)
def remove(visit: Visit) -> Result:
    """Take one of one's own passkeys away."""
    with visit.store.write() as tx:
        remove_passkey(tx, visit.account.id, visit.text("id", 2_100), visit.now_ms)
    return Go("/me", visit.say("通行密钥已移除 ‖ The passkey is removed"))


@page("/me/authenticator", SIGNED_IN, sure=True)
def authenticator(visit: Visit) -> Result:
    """A new secret for an authenticator, in place of the old one."""
    secret = str(visit.session.setdefault("totp", new_totp()))
    drawn = qr(totp_address(secret, visit.account.id))
    return Shown("authenticator.html", {"qr": drawn, "secret": grouped(secret)})


@act("/me/authenticator/set", SIGNED_IN, sure=True)
def authenticator_set(visit: Visit) -> Result:
    """Store it, once it has shown the right digits."""
    secret = str(visit.session.get("totp", ""))
    step = step_of(secret, visit.text("code", 20), visit.now_ms) if secret else None
    if step is None:
        raise SignInRefused()
    with visit.store.write() as tx:
        set_totp(tx, visit.account.id, secret, step, visit.now_ms)
    visit.session.pop("totp", None)
    return Go("/me", visit.say("验证器已更新 ‖ The authenticator is set"))


@act("/me/authenticator/remove", SIGNED_IN, sure=True)
def authenticator_removed(visit: Visit) -> Result:
    """Take the authenticator away, where a passkey stays."""
    with visit.store.write() as tx:
        remove_totp(tx, visit.account.id, visit.now_ms)
    return Go("/me", visit.say("验证器已移除 ‖ The authenticator is removed"))
