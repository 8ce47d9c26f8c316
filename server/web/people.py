# SPDX-License-Identifier: Apache-2.0
"""Accounts: who may sign in, in which area, to do what.

What lives here: forms to functions. What must not: the rules of accounts (``accounts``). Invariants
- An administrator gives accounts within their own area, and none beyond it.
- Every change asks for a code again.
"""

from __future__ import annotations

from server.accounts import (
    ACTIVE,
    CLOSED,
    PEOPLE,
    RIGHTS,
    Account,
    accounts_in,
    add_account,
    change_account,
    find_account,
    new_account,
    reset_account,
)
from server.errors import NotFound
from server.web.errors import AccountRefused
from server.web.routing import Go, Result, Shown, Visit, act, page
from server.web.scoped import Scoped

STATE_NAMES = {ACTIVE: "在用 ‖ active", CLOSED: "已停用 ‖ closed"}


@page("/people", PEOPLE)
def people(visit: Visit) -> Result:
    """The accounts of the area."""
    with visit.scope() as scoped:
        values = {
            "accounts": accounts_in(scoped.tx, scoped.area),
            "areas": scoped.areas_near(),
            "roles": list(RIGHTS),
            "state_names": STATE_NAMES,
            "first": visit.session.pop("first", None),
        }
    return Shown("people.html", values)


@page("/people/{account:str}", PEOPLE, sure=True)
def person(visit: Visit) -> Result:
    """One account."""
    with visit.scope() as scoped:
        values = {
            "one": _within(scoped, visit.param("account")),
            "areas": scoped.areas_near(),
            "roles": list(RIGHTS),
            "state_names": STATE_NAMES,
            "own": visit.param("account") == visit.account.id,
        }
    return Shown("person.html", values)


def _within(scoped: Scoped, account: str) -> Account:
    found = find_account(scoped.tx, account)
    if found is None or not scoped.holds(found.area):
        raise NotFound("account")
    return found


def _area_within(visit: Visit) -> str:
    area = visit.text("area", 18)
    if not area.startswith(visit.account.area):
        raise AccountRefused("area")
    return area


@act("/people/add", PEOPLE, sure=True)
def add(visit: Visit) -> Result:
    """Add an account; its first password is shown once."""
    wanted = new_account(
        visit.text("account", 64),
        visit.text("name", 200),
        visit.text("role", 40),
        _area_within(visit),
        visit.lang,
    )
    with visit.writing() as scoped:
        first = add_account(scoped.tx, wanted, visit.account.id, visit.now_ms)
    visit.session["first"] = [wanted.id, first]
    return Go("/people")


@act("/people/{account:str}/change", PEOPLE, sure=True)
def change(visit: Visit) -> Result:
    """Give an account another role, area or state."""
    name = visit.param("account")
    if name == visit.account.id:
        raise AccountRefused(visit.say("不能改自己的账户 ‖ not one's own account"))
    with visit.writing() as scoped:
        _within(scoped, name)
        change_account(
            scoped.tx,
            name,
            visit.text("role", 40),
            _area_within(visit),
            visit.text("state", 10),
            visit.account.id,
            visit.now_ms,
        )
    return Go("/people", visit.say("已保存，该账户须重新登录 ‖ Saved; the account signs in anew"))


@act("/people/{account:str}/reset", PEOPLE, sure=True)
def reset(visit: Visit) -> Result:
    """A new first password; the second factor is set up again."""
    name = visit.param("account")
    if name == visit.account.id:
        raise AccountRefused(visit.say("不能改自己的账户 ‖ not one's own account"))
    with visit.writing() as scoped:
        _within(scoped, name)
        first = reset_account(scoped.tx, name, visit.account.id, visit.now_ms)
    visit.session["first"] = [name, first]
    return Go("/people")
