# SPDX-License-Identifier: Apache-2.0
"""What follows an erasure by itself: pages overwritten, the list outside the store, retention.

What lives here: the background job, and the list of erasures beside the store. What must not:
erasing. Invariants
- A store that was set back behind an erasure hears of it again before anybody reads it: the signed
  statements stand in ``erasures`` in the data folder too.
- Answers kept for sticks that were made before an erasure go: they may hold states of it.
- The store's own pages wait for no archive; an archive that is back is seen to at the next look.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from crypto.erasure import ERASURE
from server.bundles import FOLDER
from server.district import District
from server.erasing_archives import is_back, look_through, overwrite, waiting_cases
from server.erasing_mentions import redact
from server.erasing_plan import Chosen, plan_erasure, plan_records
from server.key_files import sync_folder
from server.logs import log
from server.retention import retain
from server.service import Service
from server.store.base import Transaction

NAME = "erasures"
KEEPING_LOOK_SECONDS = 2.0
"""What was erased lies in the write-ahead log for no longer; looking costs one short query."""
ARCHIVE_AGAIN_MS = 60_000
"""An archive that is there and cannot be overwritten (read-only, damaged) is tried again then."""
RETAIN_HOURS_MS = 24 * 3_600_000
RETAINED_AT = "retained_at_ms"
_SIZE_BYTES = 4


def keep_outside(district: District, data: Path) -> int:
    """Add the statements that the list outside lacks; how many it has."""
    path = data / NAME
    held = set(read_outside(data))
    with district.store.read() as tx:
        bodies = [bytes(r[0]) for r in tx.rows("SELECT body FROM erasure_parts ORDER BY n")]
    new = [body for body in bodies if body not in held]
    if new:
        with path.open("ab") as file:
            path.chmod(0o600)
            for body in new:
                file.write(len(body).to_bytes(_SIZE_BYTES, "big") + body)
            file.flush()
        sync_folder(data)
    return len(held) + len(new)


def read_outside(data: Path) -> list[bytes]:
    """The statements of the list outside; what was cut off at its end is left."""
    path = data / NAME
    raw = path.read_bytes() if path.is_file() else b""
    out, at = [], 0
    while at + _SIZE_BYTES <= len(raw):
        size = int.from_bytes(raw[at : at + _SIZE_BYTES], "big")
        body = raw[at + _SIZE_BYTES : at + _SIZE_BYTES + size]
        if len(body) == size:
            out.append(body)
        at += _SIZE_BYTES + size
    return out


def hear_outside(district: District, data: Path) -> int:
    """Carry out what the list outside names and the store does not know; how many that were."""
    statements = [(ERASURE, body) for body in read_outside(data)]
    if not statements:
        return 0
    with district.writing() as tx:
        before = int(tx.rows("SELECT count(*) FROM erasure_parts")[0][0])
        district.erasing.take(tx, statements, district.clock())
        found = int(tx.rows("SELECT count(*) FROM erasure_parts")[0][0]) - before
    if found:
        log("erasures-again", count=found)
    return found


def settle(district: District, data: Path) -> bool:
    """Overwrite what is left on pages and in files; False where something is left: it is to be
    tried again, or an archive is away."""
    look_through(district)
    keep_outside(district, data)
    with district.store.read() as tx:
        waiting = tx.rows("SELECT n, at_ms FROM erasures WHERE pages_at_ms IS NULL")
        cases = {int(n) for n, _ in waiting} | set(waiting_cases(tx))
    if cases:
        overwrite(district, cases)
    if waiting and not _overwrite_store(district, data, waiting):
        return False
    with district.store.read() as tx:
        return not waiting_cases(tx)


def _overwrite_store(district: District, data: Path, waiting: Sequence[Sequence[Any]]) -> bool:
    """Overwrite the pages of the store, and let go of answers from before."""
    newest = max(int(at_ms) for _, at_ms in waiting)
    for answer in (data / FOLDER).glob("answer-*"):
        if answer.stat().st_mtime * 1000 <= newest + 1000:
            answer.unlink(missing_ok=True)
    if not district.store.overwrite_freed():
        return False
    now_ms = district.clock()
    with district.store.write() as tx:
        for n, _ in waiting:
            tx.run("UPDATE erasures SET pages_at_ms = ? WHERE n = ?", [now_ms, n])
    return True


def erase_here(district: District, data: Path, *asked: Any) -> bytes:
    """Plan and carry out an erasure in the process that has the store; the case's id.

    ``asked``: subject, basis, reason, who, further records, and which of those that stay are to be
    redacted; an empty subject means the further records alone. Raises NotFound, HoldStands.
    """
    subject, basis, reason, who, also, *more = asked
    chosen = Chosen(also, more[0] if more else ())
    with district.store.read() as tx:
        if subject:
            plan = plan_erasure(
                tx, district.schema, subject, basis, reason, who, chosen, district.fields
            )
        else:
            plan = plan_records(tx, district.schema, also, basis, reason, who)
    # First what stays, without the name: cut off in between, doing it again comes to the same.
    redact(district, plan.words, plan.rows, plan.redactions, who)
    case = district.erasing.carry_out(plan.case)
    settle(district, data)
    return case


class Keeping:
    """The job: soon after an erasure, when an archive is back that was away then, and once a day
    for what its time is over for."""

    name = "erasures"

    def __init__(self, data: Path) -> None:
        self._data = data
        self._archives_at_ms = 0

    def is_due(self, tx: Transaction, now_ms: int) -> bool:
        """Is something to be overwritten, or was nothing looked for today?"""
        if tx.rows("SELECT 1 FROM erasures WHERE pages_at_ms IS NULL LIMIT 1"):
            return True
        if now_ms >= self._archives_at_ms and is_back(tx):
            return True
        found = tx.rows("SELECT value FROM meta WHERE key = ?", [RETAINED_AT])
        return now_ms - (int(found[0][0]) if found else 0) >= RETAIN_HOURS_MS

    def work(self, service: Service) -> None:
        """Retention where it is time, then the pages and archives."""
        district = service.district
        with district.store.read() as tx:
            found = tx.rows("SELECT value FROM meta WHERE key = ?", [RETAINED_AT])
        if district.clock() - (int(found[0][0]) if found else 0) >= RETAIN_HOURS_MS:
            erased = retain(district)
            with district.store.write() as tx:
                tx.run(
                    "INSERT INTO meta (key, value) VALUES (?, ?)"
                    " ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                    [RETAINED_AT, district.clock()],
                )
            if erased:
                log("retention", records=erased)
        settle(district, self._data)
        with district.store.read() as tx:
            if is_back(tx):
                self._archives_at_ms = district.clock() + ARCHIVE_AGAIN_MS
