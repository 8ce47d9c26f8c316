# SPDX-License-Identifier: Apache-2.0
"""The logs of servers below: what each says of its own, and what the one above makes of that.

What lives here: the word in a request upwards, remembering and judging it above. What must not: the
word's form (``log_words.py``), judging itself (``crypto.logword``). Invariants
- The one above remembers one head of each log and shows it until it is led to the log's next one.
- A head counts as shown only where the one below says so, or by its cursor took in an answer that
  was given after it: a lost answer, or a stick that was long on its way, accuses nobody.
- Of more feeds than a word shows leaves of, the others are asked for until each was shown.
- Nothing found here stops an exchange: both heads are kept, the journal says so, work goes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from crypto.errors import CryptoError, LogRefused
from crypto.identity import DeviceKey
from crypto.log import check_tree_head
from crypto.logword import (
    FORKED,
    GROWN,
    PROOFS_MAX,
    SET_BACK,
    SHOWN,
    UNPROVEN,
    WORD,
    Judged,
    Word,
    check_run,
    contradict,
    judge,
    log_of,
    read_word,
)
from server.feeds import Run
from server.incarnations import Lineage
from server.log_owed import (
    Leaf,
    ask_for,
    asked_by,
    forget_owed,
    hear_asked,
    in_turn,
    note_owed,
    note_shown,
    owed_by,
)
from server.log_tree import stand_of
from server.log_words import (
    ends_of,
    hear_linked,
    keep_finding,
    leaves_of_ends,
    own_up,
    shown_in,
    shown_to,
    word_of,
)
from server.points import Chosen
from server.store.base import Transaction
from server.trust import Key, Trust
from server.uplinks import Link
from sync.messages import Known, Reply, Request, Statement

if TYPE_CHECKING:
    from server.district import District

# ---- below ---------------------------------------------------------------------------------------


def told_above(
    tx: Transaction, district: District, above: bytes, chosen: Chosen | None
) -> list[Statement]:
    """What a request upwards says of logs: the receiver's as remembered here, evidence, its own.

    ``chosen`` are the runs in the request.
    """
    brought = [end for _, _, end in chosen.ends] if chosen else []
    ends = in_turn(asked_by(tx, above), ends_of(district.own.key.replica, brought))
    own = _own_word(tx, district.key, above, ends, district.clock())
    return [*shown_to(tx, above), *own]


def hear_above(
    tx: Transaction, district: District, link: Link, request: Request, reply: Reply, now_ms: int
) -> bool:
    """Judge what the one above says of its log, and take in what it remembers of this one; True
    where there is more to say of that."""
    hear_linked(tx, link, request, reply, now_ms)
    said, told = request.statements, reply.statements
    asked = hear_asked(tx, link.server, told)
    return _hear_remembered(tx, district.key, link.server, said, told, now_ms) or asked


def _own_word(
    tx: Transaction, key: DeviceKey, above: bytes, ends: Sequence[Known], now_ms: int
) -> list[Statement]:
    """The head that the receiver remembers of this log, and the word that leads from it to the log
    as it is, with the leaves of what is brought."""
    found = tx.rows("SELECT head FROM log_told WHERE server = ?", [above])
    echo: list[Statement] = [(SHOWN, bytes(row[0])) for row in found]
    shown = shown_in(key, echo)
    stand = stand_of(tx)
    if not ends and [(head.size, head.epoch) for head in shown.heads] == [stand]:
        return echo
    leaves = leaves_of_ends(tx, ends)
    return [*echo, (WORD, word_of(tx, key, shown, stand, leaves, now_ms))]


def _hear_remembered(
    tx: Transaction,
    key: DeviceKey,
    above: bytes,
    said: Sequence[Statement],
    heard: Sequence[Statement],
    now_ms: int,
) -> bool:
    """Take in which head of this log the one above remembers; True where it is another than this
    server led from or came to in its request: there is more to say then."""
    own_up(tx, key, heard, now_ms)
    shown = shown_in(key, heard).data[:1]
    if not shown:
        return False
    tx.run(
        "INSERT INTO log_told (server, head) VALUES (?, ?)"
        " ON CONFLICT (server) DO UPDATE SET head = excluded.head",
        [above, shown[0]],
    )
    known = [data for kind, data in said if kind == SHOWN]
    return shown[0] not in [*known, *(_head_of(data) for kind, data in said if kind == WORD)]


def _head_of(word: bytes) -> bytes:
    try:
        return read_word(word).head
    except LogRefused:
        return b""


# ---- above ---------------------------------------------------------------------------------------


class Asker(NamedTuple):
    """The server below that asks: its key, what it says, the runs it brought."""

    key: Key
    request: Request
    runs: Sequence[Run]


class _Memory(NamedTuple):
    """The head remembered of a log, whether its keeper says from where it leads, or took in an
    answer that was given after the head was first shown."""

    head: bytes = b""
    echoed: bool = True
    answered: bool = False

    @property
    def led(self) -> bool:
        """Is the log's word to be held against this head?"""
        return self.echoed or self.answered


def hear_word(tx: Transaction, district: District, asker: Asker, now_ms: int) -> list[Statement]:
    """Judge and remember what a server below says of its log; the head remembered, where it has to
    be told."""
    trust, lineage, me = district.trust, district.lineage, district.key.replica
    log = bytes.fromhex(asker.key.device)
    word = _word_in(asker.request.statements)
    if word is not None:
        # Under another root it keeps another log; nobody speaks for a log of somebody else.
        log = _log_of(word, trust, asker.key) or log
    public = trust.signs_pages(log)
    if public is None:
        return []
    memory = _memory(tx, log, asker.request, lineage)
    telling: list[Statement] = [] if memory.echoed else [(SHOWN, memory.head)]
    if word is None:
        if memory.answered and (asker.runs or _due(tx, log, asker.request, lineage)):
            # It kept a log, brings something or was asked for it, and says nothing of it.
            keep_finding(tx, UNPROVEN, (memory.head, b""), log, me, now_ms)
        return [*telling, *ask_for(tx, log, lineage.last_seq(tx))]
    try:
        judged = _judged(public, word, memory)
    except CryptoError:
        return [*telling, *ask_for(tx, log, lineage.last_seq(tx))]
    finding, against = judged.finding, judged.against
    asking, enough = _owed_after(tx, log, word, judged, asker, lineage)
    telling += asking
    if finding == GROWN and memory.led and not enough:
        finding, against = UNPROVEN, memory.head
    if finding != GROWN:
        keep_finding(tx, finding, (against, judged.head), log, me, now_ms)
    if not memory.led:
        return telling
    tx.run(
        "INSERT INTO log_seen (server, head, at_ms, seq) VALUES (?, ?, ?, ?) ON CONFLICT (server)"
        " DO UPDATE SET head = excluded.head, at_ms = excluded.at_ms, seq = excluded.seq",
        [log, judged.head, now_ms, lineage.last_seq(tx)],
    )
    return [(SHOWN, judged.head), *asking]


def _word_in(statements: Sequence[Statement]) -> Word | None:
    for kind, data in statements:
        if kind == WORD:
            try:
                return read_word(data)
            except LogRefused:
                return None
    return None


def _log_of(word: Word, trust: Trust, asker: Key) -> bytes | None:
    try:
        log = log_of(word.head)
    except LogRefused:
        return None
    known = trust.keys.get(log)
    return log if known is not None and known.device == asker.device else None


def _memory(tx: Transaction, log: bytes, request: Request, lineage: Lineage) -> _Memory:
    found = tx.rows("SELECT head, seq FROM log_seen WHERE server = ?", [log])
    if not found:
        # Of a first word nothing can be asked but that its leaves stand in it.
        return _Memory()
    head, seq = bytes(found[0][0]), int(found[0][1])
    echoed = any(kind == SHOWN and data == head for kind, data in request.statements)
    return _Memory(head, echoed, request.incarnation == lineage.incarnation and request.seq > seq)


def _judged(public: bytes, word: Word, memory: _Memory) -> Judged:
    """Raises LogRefused where the word's head is not signed by its log."""
    if memory.led:
        return judge(public, [memory.head] if memory.head else [], word)
    judged = judge(public, [], word)
    if contradict(check_tree_head(memory.head, public), judged.said):
        return judged._replace(finding=FORKED, against=memory.head)
    return judged


def _owed_after(
    tx: Transaction, log: bytes, word: Word, judged: Judged, asker: Asker, lineage: Lineage
) -> tuple[list[Statement], bool]:
    """What is asked of a log after this word; and whether the word shows enough of the feeds that
    came with it, and of those it was asked for in an answer that its keeper took in."""
    request, seq = asker.request, lineage.last_seq(tx)
    if judged.finding == SET_BACK:
        forget_owed(tx, log)
    owed = owed_by(tx, log)
    due = {point.replica for point in _due(tx, log, request, lineage)}
    ends = {(run.replica, run.last): run.head for run in asker.runs}
    points = [Known(s.replica, s.last, b"") for s in request.segments]
    points += [Known(s.replica, s.last, b"") for s in request.partials]
    brought = ends_of(request.replica, points)
    shown = _shown(word, judged, in_turn(owed, brought), asker)
    note_shown(tx, log, shown, seq)
    left = [
        Known(end.replica, end.counter, ends[end.replica, end.counter])
        for end in brought
        if end.replica not in shown and (end.replica, end.counter) in ends
    ]
    note_owed(tx, log, left, seq)
    wanted = {end.replica for end in brought} | due
    # What it was asked for comes first. Of many leaves the word may leave some out to stay within
    # its size, never all.
    few = min(1 if word.turns else PROOFS_MAX, len(wanted))
    enough = len(shown) >= few and (bool(word.turns) or due <= shown.keys())
    return ask_for(tx, log, seq), enough


def _due(tx: Transaction, log: bytes, request: Request, lineage: Lineage) -> list[Known]:
    """What a log was asked for in an answer that its keeper took in."""
    took = request.seq if request.incarnation == lineage.incarnation else 0
    return owed_by(tx, log, took)


def _shown(word: Word, judged: Judged, ends: Sequence[Known], asker: Asker) -> dict[bytes, Leaf]:
    """The feeds of which a leaf at or behind these points is shown to stand in the log."""
    heads: dict[tuple[bytes, int], set[bytes]] = {}
    for run in asker.runs:
        heads.setdefault((run.replica, run.last), set()).add(run.head)
    shown = {}
    for end in ends:
        try:
            *_, last, _, head = check_run(word, judged.said, end.replica, end.counter)
        except LogRefused:
            continue
        known = heads.get((end.replica, last))
        if known is None or head in known:
            shown[end.replica] = Leaf(last, head)
    return shown
