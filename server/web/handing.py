# SPDX-License-Identifier: Apache-2.0
"""Servers that ask for keys of households that moved to them: who they are, whom they are given.

What lives here: what the page of tablets and teams shows of it, and its form. What must not: the
rules of giving (``server.field_handing``). Invariants
- Only who answers for all teams of this server sees and names askers: a key opens what its team
  wrote anywhere in one epoch.
- Giving shows a second factor again, and stands in the journal.
"""

from __future__ import annotations

from typing import Any

from server.accounts import TABLETS
from server.errors import NotFound
from server.field_handing import allow_server, askers, withdraw_server
from server.web.errors import FormRefused
from server.web.routing import Go, Result, Visit, act
from server.web.scoped import Scoped

GIVE, KEEP = "give", "keep"


def asked_here(visit: Visit, scoped: Scoped) -> dict[str, Any] | None:
    """This server's own id and who asks; None for an account that does not answer for all teams."""
    if not scoped.answers_for_all():
        return None
    trust = visit.service.district.trust
    return {"own": trust.me.hex(), "askers": askers(scoped.tx, trust)}


@act("/servers/{server:str}/keys", TABLETS, sure=True)
def hand(visit: Visit) -> Result:
    """Let a server have the keys of households that move to it, or no further ones."""
    server, what = visit.param("server"), visit.text("what", 8)
    with visit.writing() as scoped:
        if not scoped.answers_for_all():
            raise NotFound("server")
        if what == GIVE:
            allow_server(scoped.tx, server, visit.account.id, visit.now_ms)
        elif what == KEEP:
            withdraw_server(scoped.tx, server, visit.account.id, visit.now_ms)
        else:
            raise FormRefused("what")
    said = (
        "已准许；密钥随下次交换送出 ‖ Allowed; the keys go with the next exchange"
        if what == GIVE
        else "已收回；已给出的密钥无法追回 ‖ Withdrawn; what was given cannot be taken back"
    )
    return Go("/tablets", visit.say(said))
