# SPDX-License-Identifier: Apache-2.0
"""Tablets and teams: where each stands, enrolling, revoking, what a team holds.

What lives here: forms to functions. What must not: the rules of enrolment and devices, which the
command line shares. Invariants
- Only teams that hold nothing outside the account's area are acted upon.
- A ticket's secret stands in the session of who made it, and nowhere else.
"""

from __future__ import annotations

from typing import Any

from crypto.ticket import encode_ticket, typed_code
from server import devices, enrolment
from server import people as office
from server.accounts import TABLETS
from server.approvals import need_for_wipe
from server.errors import NotFound
from server.journal import note
from server.serving_address import port_in_use
from server.setup import ticket_addresses
from server.web.errors import FormRefused
from server.web.handing import asked_here
from server.web.routing import Go, Result, Shown, Visit, act, page
from server.web.sign_in import qr

DAY_MS = 86_400_000
ROWS = 100
SILENT_DAYS = 7
"""A tablet that was not heard of for so long is marked: its work is at risk."""
FREE_BYTES_LITTLE = 1024 * 1024 * 1024
"""Less room than this is marked: a year of one team's photos."""
STATE_NAMES = {"active": "在用 ‖ active", "revoked": "已吊销 ‖ revoked"}


@page("/tablets", TABLETS)
def tablets(visit: Visit) -> Result:
    """All tablets and teams of the area."""
    with visit.scope() as scoped:
        teams = scoped.teams()
        found = _after(scoped.tablets([team.id for team in teams]), visit.query("after"))
        values = {
            "tablets": found[:ROWS],
            "after": found[ROWS - 1]["id"] if len(found) > ROWS else "",
            "teams": teams,
            "team_names": {team.id: team.name for team in teams},
            "workers": _workers_by_team(scoped.tx),
            "silent": visit.now_ms - SILENT_DAYS * DAY_MS,
            "little": FREE_BYTES_LITTLE,
            "unsent": scoped.unsent(found[:ROWS], visit.now_ms),
            "state_names": STATE_NAMES,
            "handing": asked_here(visit, scoped),
        }
    return Shown("tablets.html", values)


def _after(found: list[dict[str, Any]], device: str) -> list[dict[str, Any]]:
    """What stands behind a tablet in the list; all of it where that one is not there."""
    names = [one["id"] for one in found]
    return found[names.index(device) + 1 :] if device in names else found


def _workers_by_team(tx: Any) -> dict[str, list[str]]:
    out: dict[str, list[str]] = {}
    for worker in office.workers(tx):
        out.setdefault(worker.team, []).append(worker.name)
    return out


@page("/tablets/{device:str}", TABLETS)
def tablet(visit: Visit) -> Result:
    """One tablet."""
    visit.purpose = "tablet"
    with visit.scope() as scoped:
        one = scoped.tablet(visit.param("device"))
        values = {
            "one": one,
            "team": scoped.team(one["team"]),
            "lost": scoped.lost(one["id"], visit.now_ms),
            "homes": scoped.held_by(one["id"]),
            "beyond": scoped.held_beyond(one["id"], visit.service.district.key.replica),
            "little": FREE_BYTES_LITTLE,
            "state_names": STATE_NAMES,
            "copy_name": next(
                (str(other["name"]) for other in scoped.tablets() if other["id"] == one["copy_of"]),
                "",
            ),
        }
    return Shown("tablet.html", values)


@page("/tablets/{device:str}/revoke", TABLETS, sure=True)
def revoking(visit: Visit) -> Result:
    """What revoking will do, before it is done."""
    visit.purpose = "tablet"
    with visit.scope() as scoped:
        one = scoped.tablet(visit.param("device"))
        scoped.own_team(one["team"])
        values = {"one": one, "homes": scoped.held_by(one["id"])}
    return Shown("revoke.html", values)


@act("/tablets/{device:str}/revoke", TABLETS, sure=True)
def revoke(visit: Visit) -> Result:
    """Take a tablet's certificate back; at its next contact it wipes itself."""
    reason = visit.text("reason", 400)
    if not reason:
        raise FormRefused(visit.say("请写明原因 ‖ give a reason"))
    district = visit.service.district
    with visit.writing() as scoped:
        one = scoped.tablet(visit.param("device"))
        scoped.own_team(one["team"])
        need_for_wipe(scoped.tx, visit.account.id, visit.now_ms)
        devices.revoke(scoped.tx, district.key, one["id"], reason, visit.now_ms)
        note(scoped.tx, visit.now_ms, visit.account.id, "device-revoked", one["id"], reason)
    visit.service.reload()
    said = visit.say(
        "已吊销，下次联系时收到清除指令 ‖ Revoked; it gets its wipe order at its next contact"
    )
    return Go(f"/tablets/{one['id']}", said)


# ---- enrolling -----------------------------------------------------------------------------------


@act("/tickets", TABLETS)
def new_ticket(visit: Visit) -> Result:
    """Make a ticket for a tablet of a team."""
    settings = visit.service.settings
    with visit.writing() as scoped:
        team = scoped.own_team(visit.text("team", 32))
        ticket, name = enrolment.make_ticket(
            scoped.tx,
            team.id,
            ticket_addresses(settings, port_in_use(settings)),
            visit.service.tls_pin,
            visit.now_ms,
            settings.ticket_minutes * 60_000,
            visit.account.id,
        )
    visit.session["ticket"] = [name, encode_ticket(ticket), typed_code(ticket.secret)]
    return Go(f"/tickets/{name}")


@page("/tickets/{ticket:str}", TABLETS)
def ticket(visit: Visit) -> Result:
    """The QR code, then the six digits, then the tablet."""
    name = visit.param("ticket")
    with visit.scope() as scoped:
        found = scoped.ticket(name)
        team = scoped.own_team(found.team)
    held = visit.session.get("ticket") or ["", "", ""]
    mine = held[0] == name and found.state in (enrolment.OPEN, enrolment.BEGUN)
    values = {
        "name": name,
        "found": found,
        "team": team,
        "qr": qr(held[1]) if mine else "",
        "typed": held[2] if mine else "",
        "minutes": visit.service.settings.ticket_minutes,
        "addresses": ticket_addresses(visit.service.settings, port_in_use(visit.service.settings)),
    }
    return Shown("ticket.html", values)


@act("/tickets/{ticket:str}/answer", TABLETS)
def answer(visit: Visit) -> Result:
    """The digits agree, or they do not."""
    name = visit.param("ticket")
    said = visit.text("agree", 5)
    with visit.writing() as scoped:
        found = scoped.ticket(name)
        scoped.own_team(found.team)
        if found.state != enrolment.PROVED:
            raise FormRefused(visit.say("没有要确认的数字 ‖ there are no digits to compare"))
        if said == "yes":
            enrolment.confirm(
                scoped.tx, visit.service.district.key, name, visit.account.id, visit.now_ms
            )
        elif said == "no":
            enrolment.refuse(scoped.tx, name, visit.account.id, visit.now_ms)
        else:
            raise FormRefused("agree")
    visit.service.reload()
    return Go(f"/tickets/{name}")


# ---- teams ---------------------------------------------------------------------------------------


@page("/teams/{team:str}", TABLETS)
def team(visit: Visit) -> Result:
    """What a team holds, and who is in it."""
    with visit.scope() as scoped:
        found = scoped.team(visit.param("team"))
        values = {
            "team": found,
            "workers": office.workers(scoped.tx, found.id),
            "tablets": scoped.tablets([found.id]),
            "held_areas": [(code, visit.place(code)) for code in found.areas],
            "areas": [a for a in scoped.areas() if len(a.code) >= 9],
            "state_names": STATE_NAMES,
            "change": _dry_run(visit, scoped, found.id),
        }
    return Shown("team.html", values)


def _dry_run(visit: Visit, scoped: Any, team: str) -> dict[str, Any] | None:
    """What giving or taking an area would do; None where nothing was asked."""
    area, what = visit.query("area"), visit.query("what")
    if not area or what not in ("assign", "unassign"):
        return None
    if not scoped.holds(area) or len(area) < 9:
        raise NotFound("area")
    return {
        "area": area,
        "what": what,
        "area_name": visit.place(area),
        "plan": scoped.plan(team, area, taking=what == "unassign", now_ms=visit.now_ms),
    }


@act("/teams/{team:str}/change", TABLETS, sure=True)
def change_team(visit: Visit) -> Result:
    """Give a team an area, or take it back."""
    area, what = visit.text("area", 18), visit.text("what", 10)
    with visit.writing() as scoped:
        found = scoped.own_team(visit.param("team"))
        if not scoped.holds(area) or len(area) < 9:
            raise NotFound("area")
        if what == "assign":
            office.assign_area(scoped.tx, found.id, area, visit.account.id, visit.now_ms)
        elif what == "unassign":
            office.unassign_area(scoped.tx, found.id, area, visit.account.id, visit.now_ms)
        else:
            raise FormRefused("what")
    return Go(
        f"/teams/{found.id}", visit.say("已保存，各平板下次同步时生效 ‖ Saved; tablets follow")
    )
