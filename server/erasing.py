# SPDX-License-Identifier: Apache-2.0
"""Erasing: contents that are gone for good, here and wherever they went.

What lives here: carrying an erasure out and saying so under signature, doing it again for what
arrives late, taking other servers' erasures, and the answers of those who were told. What must not:
which records a request comes to (``erasing_plan.py``), HTTP. Invariants
- For an erased record, erased beats value from then on: whatever brings it back, in the same
  transaction it is taken out again, and nobody sees it.
- Every change whose content is missing here is named by a signed statement: a blank that none names
  is refused, as before.
- A server below erases only what lies in its own area; the upstream anything.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from crypto.erasure import (
    CASE_BYTES,
    ERASED,
    ERASED_WAITS,
    ERASURE,
    Erased,
    Erasure,
    check_erased,
    check_erasure,
    erased_by,
    issue_erased,
    issue_erasure,
    issuer_of,
    parts_of,
    statement_digest,
)
from crypto.errors import CryptoError
from server.blanks import erased_dots, named_of
from server.erasing_archives import Content, away_for, wait_for
from server.erasing_places import ask_again, ask_places, homes_of, keep_part, told_to
from server.erasing_rows import remove, remove_blobs
from server.errors import RecordErased
from server.feeds import Run
from server.journal import note
from server.store.base import Transaction
from server.trust import UPSTREAM
from sync.clock import Dot, counter_of
from sync.messages import Statement, decode_state
from sync.session import SignedStates

if TYPE_CHECKING:
    from server.district import District

_json = msgspec.json.Encoder().encode
_load = msgspec.json.Decoder(dict[str, int]).decode


class Case(NamedTuple):
    """What is to be erased: which records and dots, for whom, why, by whose order.

    ``kept`` are sentences' parts about what stays: (what, why) by stable words and ids; ``away``
    are archives that could not be looked into.
    """

    subject: str
    basis: str
    reason: str
    who: str
    area: str
    records: frozenset[str]
    dots: frozenset[Dot]
    kept: tuple[tuple[str, str], ...] = ()
    away: frozenset[str] = frozenset()


class Erasing:
    """One server's erasures. ``records`` are the ids of all records erased here."""

    def __init__(self, district: District) -> None:
        self._district = district
        self.records: set[str] = set()
        self._dots: dict[bytes, set[bytes]] = {}
        self._upto = -1

    def load(self, tx: Transaction) -> None:
        """Read again what is kept in memory, where there is more of it."""
        upto = int(tx.rows("SELECT coalesce(max(n), 0) FROM erasure_parts")[0][0])
        if upto == self._upto:
            return
        self._upto, self._dots = upto, {}
        self.records = {str(row[0]) for row in tx.rows("SELECT record FROM erased")}
        for d in erased_dots(tx):
            self._dots.setdefault(d[:16], set()).add(d[16:])

    def covers(self, replica: bytes, blanks: Sequence[tuple[int, bytes]]) -> bool:
        """Is the content of all these changes erased by a statement held here?"""
        known = self._dots.get(replica, set())
        return all(counter.to_bytes(8, "big") + digest[:4] in known for counter, digest in blanks)

    def _remember(self, part: Erasure) -> None:
        self.records |= set(part.records)
        for replica, counter, tag in part.dots():
            self._dots.setdefault(replica, set()).add(counter.to_bytes(8, "big") + tag)

    def refuse(self, records: Iterable[str | None]) -> None:
        """Raises RecordErased where one of these records was erased."""
        if any(record in self.records for record in records):
            raise RecordErased()

    # ---- an erasure of this server ---------------------------------------------------------------

    def carry_out(self, case: Case) -> bytes:
        """Erase and say so; the case's id (16 bytes). Durable when this returns."""
        district = self._district
        now_ms, number = district.clock(), os.urandom(CASE_BYTES)
        with district.writing() as tx:
            homes, writers = homes_of(tx, case.records), {d[:16] for d in case.dots}
            gone = remove(tx, case.records, case.dots)
            n = self._add(tx, number, case, gone.counts, now_ms)
            wait_for(tx, n, gone.away | case.away, now_ms)
            head = Erasure(number, district.key.replica, now_ms, case.basis, case.area, [], [])
            parts = self._say(tx, n, head, case.records, gone.dots, now_ms)
            ask_places(tx, parts, homes, writers, case.area, b"", now_ms)
            note(tx, now_ms, case.who, "erasure", case.subject, number.hex())
            _tell_others(tx)
        return number

    def _add(
        self, tx: Transaction, number: bytes, case: Case, counts: dict[str, int], now_ms: int
    ) -> int:
        tx.run(
            "INSERT INTO erasures (id, at_ms, who, basis, reason, subject, area, counts, kept,"
            " issuer) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                number,
                now_ms,
                case.who,
                case.basis,
                case.reason,
                case.subject,
                case.area,
                _json(counts).decode(),
                _json(case.kept).decode(),
                self._district.key.replica,
            ],
        )
        return int(tx.rows("SELECT n FROM erasures WHERE id = ?", [number])[0][0])

    def _say(
        self,
        tx: Transaction,
        n: int,
        head: Erasure,
        records: Collection[str],
        dots: Iterable[Dot],
        now_ms: int,
    ) -> list[int]:
        """Sign what is erased, in as many statements as it takes; their numbers."""
        by_writer: dict[bytes, list[tuple[int, bytes]]] = {}
        for d in dots:
            by_writer.setdefault(d[:16], []).append((counter_of(d), d[24:]))
        numbers = []
        for part in parts_of(head, sorted(records), by_writer):
            data = issue_erasure(self._district.key, part)
            numbers.append(keep_part(tx, n, part, data, now_ms))
            self._remember(part)
        return numbers

    @staticmethod
    def _note_more(tx: Transaction, n: int, counts: dict[str, int]) -> None:
        """More was erased under a case: pages are to be overwritten again."""
        tx.run(
            "UPDATE erasures SET counts = ?, pages_at_ms = NULL WHERE n = ?",
            [_json(counts).decode(), n],
        )

    # ---- what arrives late -----------------------------------------------------------------------

    def again(
        self,
        tx: Transaction,
        runs: Sequence[Run],
        states: Sequence[SignedStates],
        now_ms: int,
        sender: str,
    ) -> None:
        """Take out again what this batch brought of erased records, in its own transaction.

        ``sender``, the device that brought it, holds it: it is told again, whatever it answered.
        Two copies of one tablet answer as one, and the other may have been the one that did.
        """
        if not self.records:
            return
        late = [e for run in runs for e in run.entries if e.record in self.records]
        found = {entry.record for entry in late}
        for page in states:
            found |= self.records.intersection(decode_state(raw).record for _, raw in page.states)
        if not found:
            return
        gone = remove(tx, found, {entry.dot for entry in late})
        cases: dict[int, set[str]] = {}
        for record, n in tx.rows_in(
            "SELECT record, erasure FROM erased WHERE record IN (?*)", sorted(found)
        ):
            cases.setdefault(int(n), set()).add(str(record))
        ask_again(tx, sender, cases)
        of_record = {entry.record: entry for entry in late}
        for n, records in sorted(cases.items()):
            wait_for(tx, n, gone.away, now_ms)
            dots = {e.dot for e in late if e.record in records} - named_of(tx, gone.dots)
            if dots:
                some = records & of_record.keys()
                case = self._say_more(tx, n, some, dots, {"late": len(dots)}, now_ms)
                note(tx, now_ms, "", "erasure-late", case, str(len(dots)))

    def _say_more(
        self,
        tx: Transaction,
        n: int,
        records: Collection[str],
        dots: Collection[Dot],
        more: dict[str, int],
        now_ms: int,
    ) -> str:
        """Sign what else is erased under a case, for all who were told of it; the case in hex."""
        number, basis, area, counts = tx.rows(
            "SELECT id, basis, area, counts FROM erasures WHERE n = ?", [n]
        )[0]
        before = _load(counts)
        both = {name: before.get(name, 0) + count for name, count in more.items()}
        self._note_more(tx, n, before | both)
        me = self._district.key.replica
        head = Erasure(bytes(number), me, now_ms, str(basis), str(area), [], [])
        parts = self._say(tx, n, head, records, dots, now_ms)
        ask_places(tx, parts, set(), {d[:16] for d in dots}, str(area), b"", now_ms, like=n)
        return bytes(number).hex()

    # ---- archives that were away -----------------------------------------------------------------

    def found_in(
        self, tx: Transaction, archive: str, found: Mapping[int, Content], now_ms: int
    ) -> None:
        """Erase what an archive that is back still holds, by case; nothing more waits for a look
        into it. The file itself is overwritten after the commit (``erasing_keeping.py``)."""
        waiting = {
            int(n)
            for (n,) in tx.rows(
                "SELECT erasure FROM erasure_archives WHERE archive = ? AND searched_at_ms IS NULL",
                [archive],
            )
        }
        for n in sorted(waiting | found.keys()):
            content = found.get(n, Content(set(), set()))
            more = {"changes": len(content.dots), "files": remove_blobs(tx, content.blobs)}
            new = content.dots - named_of(tx, content.dots)
            case = self._say_more(tx, n, [], new, more, now_ms)
            tx.run(
                "INSERT INTO erasure_archives (erasure, archive, away_at_ms, searched_at_ms,"
                " changes) VALUES (?, ?, ?, ?, ?) ON CONFLICT (erasure, archive) DO UPDATE SET"
                " searched_at_ms = excluded.searched_at_ms, changes = erasure_archives.changes"
                " + excluded.changes, done_at_ms = NULL",
                [n, archive, now_ms, now_ms, len(content.dots)],
            )
            note(tx, now_ms, "", "erasure-archive", case, f"{archive} {len(content.dots)}")
        _tell_others(tx)

    # ---- other servers' erasures -----------------------------------------------------------------

    def take(
        self, tx: Transaction, statements: Iterable[Statement], now_ms: int
    ) -> list[Statement]:
        """Carry out what another server erased, or this one before it was set back; the answers.

        Inside ``District.writing``. One that is no server's, or reaches beyond its area, is left.
        """
        answers: list[Statement] = []
        for kind, data in statements:
            if kind != ERASURE:
                continue
            try:
                said = self._believed(tx, data)
            except CryptoError:
                continue
            if said is None:
                continue
            digest = statement_digest(data)
            counts = (0, 0, 0)
            if not tx.rows("SELECT 1 FROM erasure_parts WHERE digest = ?", [digest]):
                counts = self._follow(tx, said, data, now_ms)
            answer = Erased(self._district.key.replica, digest, now_ms, counts)
            # Whoever asked may not certify as erased what lies in an archive that is away.
            how = ERASED_WAITS if away_for(tx, said.case) else ERASED
            answers.append((how, issue_erased(self._district.key, answer, how)))
        return answers

    def _believed(self, tx: Transaction, data: bytes) -> Erasure | None:
        trust = self._district.trust
        issuer = issuer_of(data)
        public = trust.signs_pages(issuer)
        if public is None:
            return None
        said = check_erasure(data, public)
        key = trust.keys[issuer]
        if issuer == trust.me or key.role == UPSTREAM:
            return said
        areas = [
            str(area)
            for (area,) in tx.rows_in(
                "SELECT h.area FROM records r JOIN homes h ON h.n = r.home WHERE r.id IN (?*)",
                list(said.records),
            )
        ]
        within = all(area.startswith(key.area) for area in (said.area, *areas))
        return said if within else None

    def _follow(
        self, tx: Transaction, said: Erasure, data: bytes, now_ms: int
    ) -> tuple[int, int, int]:
        homes = homes_of(tx, said.records)
        dots = {r + c.to_bytes(8, "big") + tag for r, c, tag in said.dots()}
        gone = remove(tx, said.records, dots)
        found = tx.rows("SELECT n, counts FROM erasures WHERE id = ?", [said.case])
        if found:
            n, before = int(found[0][0]), _load(found[0][1])
            both = {name: before.get(name, 0) + more for name, more in gone.counts.items()}
            self._note_more(tx, n, before | both)
        else:
            tx.run(
                "INSERT INTO erasures (id, at_ms, who, basis, reason, subject, area, counts, kept,"
                " issuer) VALUES (?, ?, '', ?, '', '', ?, ?, '[]', ?)",
                [
                    said.case,
                    said.at_ms,
                    said.basis,
                    said.area,
                    _json(gone.counts).decode(),
                    said.issuer,
                ],
            )
            n = int(tx.rows("SELECT n FROM erasures WHERE id = ?", [said.case])[0][0])
            note(tx, now_ms, "", "erasure-followed", said.case.hex(), said.issuer.hex())
        wait_for(tx, n, gone.away, now_ms)
        part = keep_part(tx, n, said, data, now_ms)
        self._remember(said)
        # What only this store knew of these records is erased too, under this server's own word.
        extra = gone.dots - dots - named_of(tx, gone.dots)
        me = self._district.key
        head = msgspec.structs.replace(said, issuer=me.replica, at_ms=now_ms)
        more = self._say(tx, n, head, [], extra, now_ms) if extra else []
        writers = {d[:16] for d in dots}
        ask_places(tx, [part], homes, writers, said.area, said.issuer, now_ms)
        ask_places(tx, more, homes, writers, said.area, b"", now_ms)
        _tell_others(tx)
        counts = gone.counts
        rest = sum(v for k, v in counts.items() if k not in ("records", "changes"))
        return counts["records"], counts["changes"], rest

    # ---- answers ---------------------------------------------------------------------------------

    def told(self, tx: Transaction, place: str) -> list[Statement]:
        """What a tablet or server is to be told now."""
        now_ms = self._district.clock()
        return [(ERASURE, body) for body in told_to(tx, place, now_ms)]

    def hear(self, tx: Transaction, statements: Iterable[Statement]) -> None:
        """Note who carried out what: signed answers of tablets and servers."""
        for kind, data in statements:
            if kind not in (ERASED, ERASED_WAITS):
                continue
            try:
                key = self._district.trust.keys.get(erased_by(data))
                if key is None:
                    continue
                said = check_erased(data, key.public, kind)
            except CryptoError:
                continue
            column = "done_at_ms" if kind == ERASED else "waits_at_ms"
            tx.run(
                f"UPDATE erasure_places SET {column} = ?, proof = ? WHERE place = ?"
                " AND done_at_ms IS NULL"
                " AND part IN (SELECT n FROM erasure_parts WHERE digest = ?)",
                [self._district.clock(), data, key.device, said.statement],
            )


def _tell_others(tx: Transaction) -> None:
    """Let other processes over the same database read again what they keep in memory."""
    tx.run("UPDATE devices SET state = state WHERE id = ''")
