# SPDX-License-Identifier: Apache-2.0
"""What was found here and somebody else has seen to since: the good news of an exchange.

What lives here: noticing it when states and changes come in, and remembering what was read. What
must not: showing. Invariants: it is noted in the transaction that merges; nothing but ids is kept,
who saw to it and when is read from the record itself; what is opened again is news no more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from client_sdk.store.base import Store
from client_sdk.store.records import from_json, in_parts
from sync.collections.declare import ENDED

FOLLOWED = ("need", "shortage", "referral", "wish")
"""Collections whose end is news to whoever found them."""
KEPT_MAX = 200
"""Of more the oldest are forgotten: nobody reads further back."""
_KEY = "solved"


class Noted(NamedTuple):
    """One record that came to its end: was it written on here, who had reported it, was it
    read."""

    record: str
    own: bool
    reporter: str
    read: bool


def note(store: Store, incoming: Iterable[tuple[str, str, Mapping[str, Any]]]) -> None:
    """Compare records that are about to be stored, (id, collection, body), with what is held.

    To be called before they are stored, in the transaction, with what others wrote alone.
    """
    bodies = {record: body for record, name, body in incoming if name in FOLLOWED}
    if not bodies:
        return
    noted = {one.record: one for one in _all(store)}
    begun = dict(noted)
    for marks, part in in_parts(bodies):
        sql = f"SELECT id, body FROM records WHERE id IN ({marks})"
        for record, raw in store.run(sql, part).fetchall():
            was, now = from_json(raw).get("status") in ENDED, bodies[record].get("status") in ENDED
            if now and not was:
                reporter = str(bodies[record].get("reporter") or "")
                noted.pop(record, None)
                noted[record] = Noted(record, _wrote_on(store, record), reporter, False)
            elif was and not now:
                noted.pop(record, None)
    if noted != begun:
        _keep(store, noted.values())


def _wrote_on(store: Store, record: str) -> bool:
    sql = "SELECT 1 FROM feed WHERE record = ? AND own = 1 LIMIT 1"
    return store.one(sql, (record,)) is not None


def listed(store: Store, worker: str) -> list[Noted]:
    """What concerns a worker: what was written on at this tablet or reported by them, newest
    first."""
    return [n for n in reversed(_all(store)) if n.own or (n.reporter and n.reporter == worker)]


def mark_read(store: Store, record: str) -> None:
    """Note that a worker has read it."""
    with store.transaction():
        _keep(store, [n._replace(read=True) if n.record == record else n for n in _all(store)])


def forget(store: Store, records: set[str]) -> None:
    """These records are purged. In a transaction."""
    held = _all(store)
    left = [n for n in held if n.record not in records]
    if len(left) != len(held):
        _keep(store, left)


def _all(store: Store) -> list[Noted]:
    return [Noted(*one) for one in store.get(_KEY, [])]


def _keep(store: Store, noted: Iterable[Noted]) -> None:
    store.put(_KEY, [list(one) for one in noted][-KEPT_MAX:])
