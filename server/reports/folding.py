# SPDX-License-Identifier: Apache-2.0
"""Bringing the facts up to date with the record: what changed since last time, in short steps.

What lives here: reading the record into the tables of ``facts``. What must not: figures. Invariants
- What uploads write has no part in this: no table or index of theirs is larger or slower for it.
  A high-water sequence per home, which they keep anyway, tells where something changed.
- Each step is one short transaction that also notes how far it came: a report that is cut off, or
  two at once, leave nothing half done, and a restored store has the facts that belong to it. It
  takes parts until ``STEP_SECONDS`` are over: uploads wait that long, and for the last part.
- The facts of a record depend on the record and on its home alone, so any order comes to the same.
- A household that was joined into another counts for that one, as far as it leads to a live one;
  households joined in a circle each count for themselves, as both are shown until it is settled.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from server.reports.facts import FACTS, Facts, form_of, kinds_of, statements, table_of
from server.store.base import WORD_CHARS_MAX, Store, Transaction
from server.views import quoted
from sync.schema import Schema

STEP_SECONDS = 0.1
"""A step that has taken this long takes no further part."""
PART_RECORDS = 1_000
PART_HOMES = 500
"""Records and homes of one part: some hundredths of a second."""
LISTED_MAX = 2_000
"""Numbers in one statement."""
FEW_HOMES = 250
"""So many changed homes are read at once; more follow in the order of their changes."""
WALKED_PART = 10
"""Where more than one in so many homes changed, the whole record is walked through: that is
quicker, and goes by parts."""
AREA_CHARS_MAX = 15
JOINS_MAX = 100
"""A household joined into one that was joined into another …: no office does this often."""

FORM, DONE_SEQ, BASE_SEQ, AIM_SEQ, DONE_N, LAST_N, DONE_HOME, LAST_HOME, DONE_TABLE = (
    "facts_form",
    "facts_seq",
    "facts_base_seq",
    "facts_aim_seq",
    "facts_n",
    "facts_last_n",
    "facts_home",
    "facts_last_home",
    "facts_table",
)
TABLES = ("facts_home", "facts_set", *(table_of(facts.collection) for facts in FACTS))


class Progress(NamedTuple):
    """How far the walk through the record is: records done, and in all; 0, 0 where none runs.

    ``changed`` are homes with changes that no figure has yet, beside those of the walk.
    """

    done: int
    total: int
    changed: int = 0

    def __bool__(self) -> bool:
        """Is there anything that is not in the figures yet?"""
        return bool(self.total or self.changed)


def progress_of(tx: Transaction) -> Progress:
    """How far the facts are."""
    now = _numbers(tx)
    seen = max(now.get(DONE_SEQ, 0), now.get(AIM_SEQ, 0))
    changed = tx.rows("SELECT count(*) FROM homes WHERE seq > ?", [seen])
    return Progress(now.get(DONE_N, 0), now.get(LAST_N, 0), int(changed[0][0]))


class Folding:
    """One store's facts."""

    def __init__(self, store: Store, schema: Schema) -> None:
        self._store = store
        self._schema = schema

    def __repr__(self) -> str:
        return f"Folding({self._store!r})"

    def refresh(self, told: Callable[[Progress], None] | None = None) -> None:
        """Bring the facts up to date with everything committed before this began."""
        with self._store.read() as tx:
            aim, stale = _seq(tx), self._stale(tx)
        while stale:
            self.step()
            with self._store.read() as tx:
                now, stale = _numbers(tx), self._stale(tx)
            if told and now.get(LAST_N):
                told(Progress(now[DONE_N], now[LAST_N]))
            # What is written meanwhile is for the next time, or this might never end.
            stale = stale and now.get(DONE_SEQ, 0) < aim

    def step(self) -> bool:
        """One short step; is there more to do? For those who let uploads in between."""
        with self._store.read() as tx:
            if not self._stale(tx):
                return False
        began = time.perf_counter()
        with self._store.write() as tx:
            self._make(tx)
            while more := self._part(tx):
                if time.perf_counter() - began > STEP_SECONDS:
                    break
            return more

    # ---- how far --------------------------------------------------------------------------------

    def _stale(self, tx: Transaction) -> bool:
        now = _numbers(tx)
        if now.get(FORM) != form_of(self._schema) or now.get(LAST_N):
            return True
        return bool(tx.rows("SELECT 1 FROM homes WHERE seq > ? LIMIT 1", [now.get(DONE_SEQ, 0)]))

    def _make(self, tx: Transaction) -> None:
        if _numbers(tx).get(FORM) == form_of(self._schema):
            return
        for name, (what, _) in tx.relations().items():
            if name.startswith("facts_") and what == "table":
                tx.define(f"DROP TABLE {quoted(name)}")
        for statement in statements(self._schema):
            tx.define(statement)
        for key in (DONE_SEQ, BASE_SEQ, AIM_SEQ, DONE_N, LAST_N, DONE_HOME, LAST_HOME, DONE_TABLE):
            _note(tx, key, 0)
        _note(tx, FORM, form_of(self._schema))

    def _part(self, tx: Transaction) -> bool:
        """The next part of what there is to do; is there more?"""
        now = _numbers(tx)
        if not now[LAST_N]:
            return self._begin(tx, now)
        if now[DONE_HOME] < now[LAST_HOME]:
            self._walk_homes(tx, now)
            return True
        if now[DONE_N] < now[LAST_N]:
            first, last = now[DONE_N], min(now[DONE_N] + PART_RECORDS, now[LAST_N])
            self._fold(tx, "r.n > ? AND r.n <= ? AND r.seq > ?", [first, last, now[DONE_SEQ]])
            _note(tx, DONE_N, last)
            return True
        if now[DONE_TABLE] < len(TABLES):
            # Each a part of its own: the largest takes a tenth of a second.
            if statement := self._store.statistics_sql(TABLES[now[DONE_TABLE]]):
                tx.define(statement)
            _note(tx, DONE_TABLE, now[DONE_TABLE] + 1)
            return True
        self._settle_joins(tx)
        _note(tx, DONE_SEQ, now[AIM_SEQ])
        _note(tx, LAST_N, 0)
        return False

    def _begin(self, tx: Transaction, now: dict[str, int]) -> bool:
        """Take in some changed homes at once, or begin a walk through the whole record."""
        seq, done = _seq(tx), now[DONE_SEQ]
        # A home that waits may have records that changed before those taken in by now: until none
        # waits, records are read from where the first began (one more, so that 0 says none).
        base = now.get(BASE_SEQ, 0) - 1 if now.get(BASE_SEQ) else done
        found = tx.rows(
            "SELECT n, seq FROM homes WHERE seq > ? ORDER BY seq, n LIMIT ?", [done, FEW_HOMES + 1]
        )
        if len(found) <= FEW_HOMES:
            self._take(tx, [int(row[0]) for row in found], base)
            _note(tx, DONE_SEQ, seq)
            _note(tx, BASE_SEQ, 0)
            return False
        if not self._is_walked(tx, done):
            # All homes of one number belong together: what is done ends between numbers.
            last = int(found[-1][1])
            upto = last if int(found[0][1]) == last else last - 1
            some = tx.rows("SELECT n FROM homes WHERE seq > ? AND seq <= ?", [done, upto])
            self._take(tx, [int(row[0]) for row in some], base)
            _note(tx, DONE_SEQ, upto)
            _note(tx, BASE_SEQ, base + 1)
            return True
        _note(tx, DONE_SEQ, base)
        _note(tx, BASE_SEQ, 0)
        last = int(tx.rows("SELECT coalesce(max(n), 0) FROM records")[0][0])
        homes = int(tx.rows("SELECT coalesce(max(n), 0) FROM homes")[0][0])
        for key, value in (
            (AIM_SEQ, seq),
            (DONE_N, 0),
            (LAST_N, max(last, 1)),
            (DONE_HOME, 0),
            (LAST_HOME, homes),
            (DONE_TABLE, 0),
        ):
            _note(tx, key, value)
        return True

    def _take(self, tx: Transaction, changed: Sequence[int], base: int) -> None:
        """Take in homes, and those of their records that changed since a commit."""
        moved = self._take_homes(tx, changed)
        for part in _parts(changed):
            self._fold(tx, f"r.home IN ({part}) AND r.seq > ?", [base])
        for part in _parts(moved):
            self._fold(tx, f"r.home IN ({part})", [])
        self._settle_joins(tx)

    def _is_walked(self, tx: Transaction, done: int) -> bool:
        """Did so many homes change that walking through all is quicker?"""
        changed = int(tx.rows("SELECT count(*) FROM homes WHERE seq > ?", [done])[0][0])
        homes = int(tx.rows("SELECT coalesce(max(n), 0) FROM homes")[0][0])
        return changed * WALKED_PART > homes

    def _walk_homes(self, tx: Transaction, now: dict[str, int]) -> None:
        """Take in the next homes of a walk, before any record of theirs."""
        found = tx.rows(
            "SELECT n FROM homes WHERE n > ? AND n <= ? AND seq > ? ORDER BY n LIMIT ?",
            [now[DONE_HOME], now[LAST_HOME], now[DONE_SEQ], PART_HOMES],
        )
        some = [int(row[0]) for row in found]
        for part in _parts(self._take_homes(tx, some)):
            self._fold(tx, f"r.home IN ({part})", [])
        _note(tx, DONE_HOME, some[-1] if len(some) == PART_HOMES else now[LAST_HOME])

    # ---- homes ----------------------------------------------------------------------------------

    def _take_homes(self, tx: Transaction, changed: Sequence[int]) -> list[int]:
        """Take in new homes and changed areas; the homes whose records are elsewhere by it."""
        moved: list[int] = []
        for part in _parts(changed):
            area = f"substr(h.area, 1, {AREA_CHARS_MAX})"
            moved += [
                int(row[0])
                for row in tx.rows(
                    "SELECT m.n FROM facts_home f JOIN homes h ON h.n = f.n"
                    f" JOIN facts_home m ON m.root = f.n WHERE f.n IN ({part})"
                    f" AND f.root = f.n AND f.area <> {area}"
                )
            ]
            tx.run(
                f"INSERT INTO facts_home SELECT h.n, h.id, h.n, {area} FROM homes h"
                f" WHERE h.n IN ({part}) AND NOT EXISTS (SELECT 1 FROM facts_home f"
                " WHERE f.n = h.n)"
            )
        for part in _parts(moved):
            tx.run(
                f"UPDATE facts_home SET area = (SELECT substr(h.area, 1, {AREA_CHARS_MAX})"
                f" FROM homes h WHERE h.n = facts_home.root) WHERE n IN ({part})"
            )
        return moved

    def _settle_joins(self, tx: Transaction) -> None:
        """Let the records of joined households count for the one that lives on."""
        joined = dict(
            tx.rows(
                "SELECT f.own, t.n FROM facts_household f JOIN facts_home t ON t.id = f.joined_into"
                " WHERE f.joined_into IS NOT NULL AND f.joined_into <> ''"
                " AND EXISTS (SELECT 1 FROM facts_household g WHERE g.own = t.n)"
            )
        )
        wanted = {home: _survivor(joined, home) for home in joined}
        was = dict(tx.rows("SELECT n, root FROM facts_home WHERE root <> n"))
        moved = [
            home
            for home in wanted.keys() | was.keys()
            if wanted.get(home, home) != was.get(home, home)
        ]
        tx.run_many(
            "UPDATE facts_home SET root = ?, area = (SELECT substr(h.area, 1, 15) FROM homes h"
            " WHERE h.n = ?) WHERE n = ?",
            [(wanted.get(home, home), wanted.get(home, home), home) for home in sorted(moved)],
        )
        for part in _parts(sorted(moved)):
            self._fold(tx, f"r.home IN ({part})", [])

    # ---- records --------------------------------------------------------------------------------

    def _fold(self, tx: Transaction, which: str, values: Sequence[Any]) -> None:
        """Read some records into their tables; ``which`` is a condition on the record ``r``."""
        # Looked for once: what is asked of a home's records lies on as many pages as it has.
        found: dict[int, list[int]] = {}
        for number, kind in tx.rows(f"SELECT r.n, r.kind FROM records r WHERE {which}", values):
            found.setdefault(int(kind), []).append(int(number))
        by_name = {tx.collection_of(kind): numbers for kind, numbers in found.items()}
        for facts in FACTS:
            for part in _parts(sorted(by_name.get(facts.collection, ()))):
                self._fold_some(tx, facts, part)

    def _fold_some(self, tx: Transaction, facts: Facts, part: str) -> None:
        table = table_of(facts.collection)
        tx.run(f"DELETE FROM {table} WHERE n IN ({part})")
        columns = "".join(
            f", {self._store.typed_sql(name, kind)}" for name, kind in kinds_of(self._schema, facts)
        )
        some = f"WHERE r.n IN ({part}) AND r.voided = 0"
        tx.run(
            f"INSERT INTO {table} SELECT r.n, h.root, r.home, h.area{columns}"
            f" FROM records r JOIN facts_home h ON h.n = r.home {some}"
        )
        for field in facts.sets.split():
            tx.run(f"DELETE FROM facts_set WHERE field = '{field}' AND n IN ({part})")
            each, value = self._store.each_sql(field)
            tx.run(
                f"INSERT INTO facts_set SELECT DISTINCT r.n, '{field}',"
                f" substr({value}, 1, {WORD_CHARS_MAX}) FROM records r, {each}"
                f" {some} AND {value} IS NOT NULL"
            )


def refresh(store: Store, schema: Schema, told: Callable[[Progress], None] | None = None) -> None:
    """Bring a store's facts up to date; ``told`` hears of a long walk's progress."""
    Folding(store, schema).refresh(told)


def _survivor(joined: dict[int, int], home: int) -> int:
    """The home that a joined one counts for; itself where joins lead in a circle or too far."""
    at = home
    for _ in range(JOINS_MAX):
        if at not in joined:
            return at
        at = joined[at]
    return home


def _parts(numbers: Sequence[int]) -> list[str]:
    """Numbers as lists for SQL, each of at most LISTED_MAX."""
    plain = [str(number) for number in numbers]
    return [",".join(plain[i : i + LISTED_MAX]) for i in range(0, len(plain), LISTED_MAX)]


def _seq(tx: Transaction) -> int:
    return int(tx.rows("SELECT coalesce(max(value), 0) FROM meta WHERE key = 'seq'")[0][0])


def _numbers(tx: Transaction) -> dict[str, int]:
    found = tx.rows("SELECT key, value FROM meta WHERE key >= 'facts_' AND key < 'facts`'")
    return {str(key): int(value) for key, value in found}


def _note(tx: Transaction, key: str, value: int) -> None:
    tx.run(
        "INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        [key, value],
    )
