# SPDX-License-Identifier: Apache-2.0
"""Who may read sealed fields: classes of teams and of officers, and when an epoch of keys ends.

What lives here: allowing, withdrawing, renewing. What must not: keys (``field_keys.py``).
Invariant: a new epoch begins whenever somebody who was told a key may no longer have what is
written from now on: a tablet revoked, a class withdrawn, a household given to others. What was
written before stays with those who may read it.
"""

from __future__ import annotations

from collections.abc import Iterable

from server.audit_errors import FieldClassUnknown
from server.errors import NotFound
from server.field_keys import begin_epoch
from server.journal import note
from server.store.base import Transaction
from sync.schema import Schema


def classes_of(schema: Schema) -> list[str]:
    """The classes of readers that the declarations name."""
    fields = [f for c in schema.collections.values() for f in c.fields.values()]
    return sorted({field.reader_class for field in fields if field.sealed})


def _check_class(schema: Schema, readers: str) -> None:
    if readers not in classes_of(schema):
        raise FieldClassUnknown(f"{readers[:24]}: {', '.join(classes_of(schema))}")


def allow_team(
    tx: Transaction, schema: Schema, team: str, readers: str, by: str, now_ms: int
) -> None:
    """Let a team's tablets read a class of sealed fields of the households it holds.

    Raises NotFound, FieldClassUnknown.
    """
    _check_class(schema, readers)
    if not tx.rows("SELECT 1 FROM teams WHERE id = ?", [team]):
        raise NotFound("team")
    tx.run(
        "INSERT INTO field_readers (team, readers, since_ms) VALUES (?, ?, ?)"
        " ON CONFLICT DO NOTHING",
        [team, readers, now_ms],
    )
    note(tx, now_ms, by, "field-allow", team, readers)


def withdraw_team(tx: Transaction, team: str, readers: str, by: str, now_ms: int) -> bool:
    """Take a class from a team: its tablets drop the keys, and new ones seal from now on."""
    if not tx.run("DELETE FROM field_readers WHERE team = ? AND readers = ?", [team, readers]):
        return False
    renew_for(tx, team, now_ms, readers)
    tx.run("DELETE FROM field_grants WHERE team = ? AND readers = ?", [team, readers])
    note(tx, now_ms, by, "field-withdraw", team, readers)
    return True


def allow_officer(
    tx: Transaction, schema: Schema, account: str, readers: str, by: str, now_ms: int
) -> None:
    """Let an account of the console read a class. Raises NotFound, FieldClassUnknown."""
    _check_class(schema, readers)
    if not tx.rows("SELECT 1 FROM accounts WHERE id = ?", [account]):
        raise NotFound("account")
    tx.run(
        "INSERT INTO field_officers (account, readers, since_ms) VALUES (?, ?, ?)"
        " ON CONFLICT DO NOTHING",
        [account, readers, now_ms],
    )
    note(tx, now_ms, by, "field-officer", account, readers)


def withdraw_officer(tx: Transaction, account: str, readers: str, by: str, now_ms: int) -> bool:
    """Take a class from an account."""
    sql = "DELETE FROM field_officers WHERE account = ? AND readers = ?"
    if not tx.run(sql, [account, readers]):
        return False
    note(tx, now_ms, by, "field-officer-withdraw", account, readers)
    return True


def officer_classes(tx: Transaction, account: str) -> set[str]:
    """The classes an account may read."""
    sql = "SELECT readers FROM field_officers WHERE account = ?"
    return {str(row[0]) for row in tx.rows(sql, [account])}


def allowed(tx: Transaction) -> list[tuple[str, str, str]]:
    """All that is allowed: ``team`` or ``officer``, whose, which class."""
    teams = tx.rows("SELECT team, readers FROM field_readers ORDER BY team, readers")
    officers = tx.rows("SELECT account, readers FROM field_officers ORDER BY account, readers")
    out = [("team", str(team), str(readers)) for team, readers in teams]
    return out + [("officer", str(account), str(readers)) for account, readers in officers]


# ---- epochs --------------------------------------------------------------------------------------


def renew_for(tx: Transaction, team: str, now_ms: int, readers: str = "") -> int:
    """New epochs of all groups whose present key this team's tablets were told; how many.

    ``readers``: of this class alone. A key that nobody was told yet is as good as a new one.
    """
    groups = tx.rows(
        "SELECT e.team, e.readers, max(e.epoch) FROM field_epochs e WHERE e.team = ? OR EXISTS"
        " (SELECT 1 FROM field_grants g WHERE g.team = ? AND g.owner = e.team"
        " AND g.readers = e.readers) GROUP BY e.team, e.readers ORDER BY e.team, e.readers",
        [team, team],
    )
    renewed = 0
    for owner, which, epoch in groups:
        if readers and which != readers:
            continue
        told = tx.rows(
            "SELECT told FROM field_epochs WHERE team = ? AND readers = ? AND epoch = ?",
            [owner, which, epoch],
        )
        if told[0][0]:
            begin_epoch(tx, str(owner), str(which), int(epoch) + 1, now_ms)
            renewed += 1
    return renewed


def taken_from(tx: Transaction, team: str, now_ms: int) -> None:
    """Households were taken from a team: what others write there it is not to read, and whoever
    has them now is not to read what the team writes elsewhere."""
    renew_for(tx, team, now_ms)
    tx.run("DELETE FROM field_grants WHERE team = ?", [team])


def moved_out(tx: Transaction, moved: Iterable[tuple[str, str]], now_ms: int) -> None:
    """Households moved from one area to another, (was, is): teams that had them by area alone."""
    pairs = list(moved)
    lost = {
        str(team)
        for team, area in tx.rows("SELECT team, area FROM team_areas")
        if any(was.startswith(area) and not now.startswith(area) for was, now in pairs)
    }
    for team in sorted(lost):
        taken_from(tx, team, now_ms)
