# SPDX-License-Identifier: Apache-2.0
"""What the search goes through: names and addresses of households and people, also by pinyin.

What lives here: keeping the table ``lookup`` up with the record, a few hundred households at a
time. What must not: pages. Invariants
- It is derived from the record; emptied, it fills again. ``lookup_words`` has what is searched of
  each row, and comes and goes with it.
- Each step is short, and uploads come in between.
"""

from __future__ import annotations

import functools
import os
from typing import Any

import msgspec

from server.audit_show import title_of
from server.service import Service
from server.store.base import Store, Transaction
from server.web.keeping import keep_up
from server.web.remembered import SHOWN_MS, results_of
from sync.schema import Schema

HOMES_PER_STEP = 200
COLLECTIONS = ("household", "person", "street_person", "institution", "volunteer", "staff")
MARK = "lookup_seq"

_load = msgspec.json.Decoder(dict[str, Any]).decode


@functools.lru_cache(maxsize=20_000)
def _syllable(char: str) -> str:
    # At its first use, for the sake of a quick start; and without its phrases, which take 40 MB and
    # say nothing of a single character.
    os.environ.setdefault("PYPINYIN_NO_PHRASES", "true")
    from pypinyin import lazy_pinyin

    return str(lazy_pinyin(char)[0])


def words_of(text: str) -> str:
    """A text as it is searched: itself, its pinyin, and the first letters of that."""
    syllables = [_syllable(c) for c in text if not c.isspace()]
    full = "".join(syllables).casefold()
    initials = "".join(s[0] for s in syllables if s).casefold()
    return "\n".join(dict.fromkeys((text.casefold(), full, initials)))


def asked_of(text: str) -> str:
    """What was typed, as it is looked for: pinyin without its spaces."""
    plain = text.casefold().strip()
    return "".join(plain.split()) if plain.isascii() else plain


def step(store: Store, schema: Schema, homes_max: int = HOMES_PER_STEP) -> int:
    """Take in households that changed since the last step; how many."""
    with store.read() as tx:
        mark = _mark(tx)
        homes = tx.rows(
            "SELECT n, id, area, seq FROM homes WHERE seq > ? ORDER BY seq, n LIMIT ?",
            [mark, homes_max + 1],
        )
        if not homes:
            return 0
        # All households of one sequence number belong together: the mark stands between numbers.
        if len(homes) > homes_max and homes[0][3] == homes[-1][3]:
            homes = tx.rows(
                "SELECT n, id, area, seq FROM homes WHERE seq > ? AND seq <= ? ORDER BY n",
                [mark, homes[0][3]],
            )
        elif len(homes) > homes_max:
            homes = [home for home in homes if home[3] < homes[-1][3]]
        rows = _rows(tx, schema, {int(n): (str(i), str(area)) for n, i, area, _ in homes})
    with store.write() as tx:
        for _, home, _, _ in homes:
            of_home = "SELECT n FROM lookup WHERE home = ?"
            tx.run(f"DELETE FROM lookup_words WHERE n IN ({of_home})", [home])
            tx.run("DELETE FROM lookup WHERE home = ?", [home])
        tx.run_many(
            "INSERT INTO lookup (record, home, area, collection, title)"
            " VALUES (?, ?, ?, ?, ?) ON CONFLICT (record) DO UPDATE SET home = excluded.home,"
            " area = excluded.area, title = excluded.title",
            [row[:5] for row in rows],
        )
        tx.run_many(
            "INSERT INTO lookup_words (n, area, words) SELECT n, area, ? FROM lookup"
            " WHERE record = ? ON CONFLICT (n) DO UPDATE SET area = excluded.area,"
            " words = excluded.words",
            [(row[5], row[0]) for row in rows],
        )
        tx.run(
            "INSERT INTO meta (key, value) VALUES (?, ?)"
            " ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            [MARK, int(homes[-1][3])],
        )
    return len(homes)


def _mark(tx: Transaction) -> int:
    found = tx.rows("SELECT value FROM meta WHERE key = ?", [MARK])
    return int(found[0][0]) if found else 0


def behind(tx: Transaction) -> int:
    """Households that the search has not taken in yet."""
    return int(tx.rows("SELECT count(*) FROM homes WHERE seq > ?", [_mark(tx)])[0][0])


def read_ahead(service: Service) -> None:
    """Let a thread apart go through the table once: the first search for what nobody is called
    reads it from end to end, which takes twice as long where it must still come from the disk."""
    through = "SELECT max(length(words)) FROM lookup_words"
    results_of(service).get(("lookup",), lambda tx: tx.rows(through), 0.0, kept_ms=SHOWN_MS)


def _rows(
    tx: Transaction, schema: Schema, homes: dict[int, tuple[str, str]]
) -> list[tuple[str, str, str, str, str, str]]:
    found = tx.rows_in(
        "SELECT r.id, r.home, k.collection, r.body FROM records r JOIN kinds k ON k.kind = r.kind"
        " WHERE r.voided = 0 AND k.collection IN ('household', 'person', 'street_person',"
        " 'institution', 'volunteer', 'staff') AND r.home IN (?*)",
        list(homes),
    )
    out = []
    for record, number, collection, body in found:
        values = _load(body)
        home, area = homes[int(number)]
        declared = schema.collections.get(str(collection))
        texts = [
            str(values[name])
            for name, field in (declared.fields.items() if declared else ())
            if field.searched
            and not field.sealed
            and isinstance(values.get(name), str)
            and values[name]
        ]
        title = title_of(schema, str(collection), values)
        words = "\n".join(words_of(text) for text in texts)
        out.append((str(record), home, area, str(collection), title, words))
    return out


async def prepare(service: Service) -> None:
    """Take in what is new, as far as a page can wait; the rest goes on by itself."""
    store, schema = service.district.store, service.district.schema
    await keep_up("lookup", service, lambda: bool(step(store, schema)))
