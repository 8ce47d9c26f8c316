# SPDX-License-Identifier: Apache-2.0
"""Drawing on the terminal what a tablet shows.

What lives here: tables of records, conflicts, notices. What must not: commands (``cli.py``).
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from client_sdk.texts import Words
from client_sdk.views import Field, Hit, Record, Sibling, Status, Told, Writer
from sync import labels
from sync.joining import JOINED_SEEN
from sync.schema import Schema

UNSHOWN = frozenset({"blob_key", JOINED_SEEN})
"""Fields that stay out of sight: a key is for programs, and so is what a joiner had seen."""


class Shower:
    """Draws in one language for one schema."""

    def __init__(self, console: Console, words: Words, schema: Schema) -> None:
        self._console = console
        self._words = words
        self._schema = schema

    def households(self, hits: Iterable[Hit]) -> None:
        """A list of households."""
        w = self._words
        table = Table(w("head-id"), w("head-name"), w("head-address"), w("head-state"))
        for hit in hits:
            state = w("void") if hit.voided else w("conflict") if hit.conflicts else ""
            table.add_row(
                hit.id, _text(hit.values.get("head_name")), _text(hit.values.get("address")), state
            )
        self._show(table)

    def record(self, record: Record) -> None:
        """One record, each field with its siblings and who wrote them."""
        w = self._words
        declared = self._schema.collections.get(record.collection)
        title = declared.label.text(w.lang) if declared else record.collection
        mark = f" · {w('void')} {record.void_reason}" if record.voided else ""
        table = Table(
            w("head-field"), w("head-value"), w("head-who"), title=f"{title} {record.id}{mark}"
        )
        order = list(declared.fields) if declared else []
        names = sorted(
            record.fields, key=lambda n: (order.index(n) if n in order else len(order), n)
        )
        for name in names:
            if name not in UNSHOWN:
                self._field(table, record, record.fields[name])
        self._show(table)

    def _field(self, table: Table, record: Record, shown: Field) -> None:
        w = self._words
        declared = self._schema.field(record.collection, shown.name)
        label = declared.label.text(w.lang) if declared.label else shown.name
        if not shown.conflict:
            who = self.writer(shown.siblings[-1].by) if shown.siblings else ""
            table.add_row(label, Text(self.value(record.collection, shown.name, shown.value)), who)
            return
        table.add_row(
            f"{label} [{w('conflict')}: {w('to-decide' if shown.open else 'settled-by-rule')}]",
            "",
            "",
        )
        for number, sibling in enumerate(shown.siblings, 1):
            mark = f" ({w('shown')})" if sibling.shown else ""
            value = self.value(record.collection, shown.name, sibling.value)
            table.add_row(f"  {number}{mark}", Text(value), self.saw(sibling))

    def value(self, collection: str, name: str, value: Any) -> str:
        """A value as people read it."""
        return labels.shown(self._schema.field(collection, name), value, self._words.lang)

    def writer(self, by: Writer) -> str:
        """Who wrote, on what, when."""
        return self._words(
            "by", worker=by.worker_name, device=by.device or by.replica[:8], when=when(by.at_ms)
        )

    def saw(self, sibling: Sibling) -> str:
        """Who wrote a sibling and what of the others was known then, in words."""
        parts = [self.writer(sibling.by)]
        for key, writers in (
            ("had-seen", sibling.had_seen),
            ("had-not-seen", sibling.had_not_seen),
        ):
            if writers:
                whose = self._words("and").join(
                    self._words("of-day", worker=x.worker_name, day=when(x.at_ms)[:10])
                    for x in writers
                )
                parts.append(self._words(key, whose=whose))
        return "\n".join(parts)

    def notices(self, told: Iterable[Told]) -> None:
        """What became of one's edits."""
        w = self._words
        table = Table(
            w("head-record"), w("head-field"), w("head-yours"), w("head-kept"), w("head-reason")
        )
        for one in told:
            notice = one.notice
            table.add_row(
                notice.record,
                notice.field,
                self.value(notice.collection, notice.field, notice.yours),
                self.value(notice.collection, notice.field, notice.kept),
                f"{notice.kept_by}: {notice.reason}",
            )
        self._show(table)

    def status(self, status: Status) -> None:
        """Where the tablet stands."""
        w = self._words
        table = Table(show_header=False)
        synced = when(status.synced_at_ms) if status.synced_at_ms is not None else w("never")
        for key, value in (
            ("status-name", f"{status.name} ({status.replica[:8]})"),
            ("status-worker", status.worker),
            ("status-households", status.households),
            ("status-records", status.records),
            ("status-unsent", status.unsent),
            ("status-carried", status.carried),
            ("status-blobs", status.blobs),
            ("status-waiting", status.waiting),
            ("status-conflicts", status.conflicts),
            ("status-notices", status.notices),
            ("status-synced", synced),
        ):
            table.add_row(w(key), str(value))
        self._show(table)

    def _show(self, table: Table) -> None:
        if table.row_count:
            self._console.print(table)
        else:
            self._console.print(self._words("nothing"))


def when(at_ms: int) -> str:
    """A time as people read it, in the device's own time zone; far-off clocks too."""
    try:
        return time.strftime("%Y-%m-%d %H:%M", time.localtime(at_ms / 1000))
    except (OverflowError, ValueError, OSError):
        return str(at_ms)


def _text(value: Any) -> str:
    return "" if value is None else str(value)
