# SPDX-License-Identifier: Apache-2.0
"""The exchange with another server, as the one that asks: what to say, what to do with the answer.

What lives here: rounds over one link. What must not: HTTP, waiting, when it is done. Invariants
- What the other knows of this server's chain is compared before anything of it is joined.
- The cursor moves in the transaction that stores what it stands for; what was sent counts as held
  by the other only after its receipt.
- Any round may break: the next one goes on from where receipts and cursor stand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import msgspec

from server import log_below
from server.aside_words import aside_words, hear_asides
from server.erasing_places import TOLD_MAX
from server.errors import LinkWrong
from server.feeds import Run, open_stored, whole
from server.field_handing import step, told_words
from server.following import hear_above, told_above
from server.ingest import Sender
from server.made import take_in
from server.opening import open_relayed
from server.points import PIECE_BYTES, Believed, Choice, Chosen, all_points
from server.pull import pages_of
from server.reach import forget_marks, hear_reach, note_mark
from server.relayed_blobs import forget_brought
from server.relaying import ANSWERS_MAX, NOBODY
from server.revocations import told_revocations
from server.scope import revoked_among
from server.store.base import Transaction
from server.told import known_of
from server.trust import keys_for
from server.uplinks import Link, keep_link, link_to
from sync.messages import (
    EXCHANGE,
    WANT_STATES,
    Handed,
    Known,
    Relay,
    Relayed,
    Reply,
    Request,
    Statement,
    decode_known,
    decode_reply,
    encode_exchange,
    encode_state,
    unpack_pages,
)
from sync.packing import vector_of
from sync.relay import points_sum
from sync.session import open_page, receipts_message, state_digest

if TYPE_CHECKING:
    from server.district import District

ROUNDS_MAX = 10_000
"""Rounds of one exchange: 20 GB in pieces; one that never ends is a fault of the other."""
COMPARES_MAX = 3
"""Lists in one exchange: after that a difference waits for the next one."""
STATES_AT_ONCE = 500

_load = msgspec.json.Decoder(dict[str, Any]).decode


class Carrier(Protocol):
    """Carries bytes to the other server and its answer back."""

    def exchange(self, body: bytes) -> bytes:
        """``POST /v1/sync``. Raises LinkDown, LinkRefused."""
        ...


class Met(NamedTuple):
    """What an exchange came to."""

    rounds: int
    sent: int
    received: int
    records: int
    bytes_up: int
    bytes_down: int


class Asking(NamedTuple):
    """A request and what it brought, so that the answer can be understood."""

    request: Request
    chosen: Chosen | None
    states_upto: int
    listed: list[Known] | None


class Linking:
    """One exchange over one link: ``ask`` says what to send, ``hear`` takes the answer and says
    what to send next, None at the end. It is used once.

    ``push`` alone fetches nothing, ``pull`` alone brings nothing.
    """

    def __init__(
        self,
        district: District,
        server: bytes,
        *,
        push: bool = True,
        pull: bool = True,
        piece_bytes: int = PIECE_BYTES,
    ) -> None:
        self._district = district
        self._server = server
        self._push = push
        self._pull = pull
        self._piece_bytes = piece_bytes
        self.asked: Asking | None = None
        """What was asked last; None once its answer was taken."""
        self._answers: list[Statement] = []
        self._telling = False
        self._missed: dict[bytes, int] = {}
        self._rounds = self._compares = 0
        self._sent = self._received = self._records = self._up = self._down = 0

    def run(self, carrier: Carrier) -> Met:
        """All rounds over one carrier. Raises what it raises, LinkWrong."""
        body: bytes | None = self.ask()
        while body is not None:
            body = self.hear(carrier.exchange(body))
        return self.met()

    def met(self) -> Met:
        """What the exchange came to so far."""
        return Met(self._rounds, self._sent, self._received, self._records, self._up, self._down)

    def ask(self) -> bytes:
        """The next request, encoded."""
        self.asked = self._ask(self._push, self._pull)
        body = encode_exchange(self.asked.request)
        self._up += len(body)
        return body

    def hear(self, answer: bytes) -> bytes | None:
        """Take in an answer; the next request, None where all is said. Raises LinkWrong."""
        return self.ask() if self.take(answer) and self._rounds < ROUNDS_MAX else None

    def take(self, answer: bytes) -> bool:
        """Take in an answer; True where there is more to say. Raises LinkWrong."""
        if self.asked is None:
            raise LinkWrong("nothing was asked")
        asked, self.asked = self.asked, None
        self._rounds += 1
        self._down += len(answer)
        return self._absorb(asked, decode_reply(answer), self._push, self._pull)

    def ask_on(self) -> Asking:
        """What is asked next of a server that has all of this one's: states and runs alone."""
        self.asked = self._ask(False, True)
        return self.asked

    # ---- asking ----------------------------------------------------------------------------------

    def _ask(self, push: bool, pull: bool) -> Asking:
        district = self._district
        with district.writing() as tx:
            if not self._rounds:
                step(tx, district, district.clock())
            link = link_to(tx, self._server)
            believed = Believed(tx, f"above {self._server.hex()}")
            chosen: Chosen | None = None
            handed: list[Handed] = []
            listed: list[Known] | None = None
            upto = district.lineage.last_seq(tx)
            told = district.erasing.told(tx, self._server.hex())
            # A run with blanks is taken where the erasures that name them are known: these first.
            self._telling = len(told) == TOLD_MAX
            push = push and not self._telling
            keys: list[bytes] = []
            total: int | None = None
            if link.compare:
                listed = all_points(tx)
                total = points_sum(listed)
            elif push:
                choice = Choice(tx, believed, district.forks, None)
                choice.without = {r for r, times in self._missed.items() if times > 1}
                chosen = choice.runs(link.up_seq, self._piece_bytes)
                new = [e.replica for _, _, e in chosen.ends if e.replica not in believed.points]
                keys = keys_for(tx, district.key.replica, list(dict.fromkeys(new)))
                if not chosen.more:
                    keys += told_revocations(tx, link.up_seq) + told_words(tx, link.up_seq)
                    handed = self._handed(tx, link, choice, upto)
                    total = points_sum(all_points(tx))
            else:
                total = points_sum(all_points(tx))
            own = district.own
            first = keys_for(tx, district.key.replica, [own.key.replica])
            keys = [*district.roots.words, *first, *keys]
            want = WANT_STATES if pull and total is not None and not link.compare else 0
            request = Request(
                EXCHANGE,
                own.key.replica,
                own.counter,
                own.head,
                district.clock(),
                want,
                link.incarnation,
                link.seq,
                link.after,
                0,
                0,
                self._known(tx, link),
                None,
                chosen.segments if chosen else [],
                chosen.partials if chosen else [],
                handed,
                statements=[
                    *log_below.told_above(tx, district, link.server, chosen),
                    *told_above(district),
                    *told,
                    *self._answers,
                    *(aside_words(tx, district.key, chosen.runs) if chosen else ()),
                ],
                relay=Relay(keys, total, listed),
            )
        return Asking(request, chosen, upto, listed)

    def _known(self, tx: Transaction, link: Link) -> list[Known]:
        """Points of the other's own feed, under whatever keys it is known to have written."""
        known: list[Known] = []
        for replica in dict.fromkeys([link.feed, *self._district.trust.line_of(link.server.hex())]):
            known += known_of(tx, replica)
        return known[:64]

    def _handed(self, tx: Transaction, link: Link, choice: Choice, upto: int) -> list[Handed]:
        """What is held only as states, signed by this server as it is now."""
        found = tx.rows(
            "SELECT DISTINCT record FROM joined_states WHERE arrived_seq > ? AND arrived_seq <= ?"
            " AND (server != ? OR ? = 0)",
            [link.up_seq, upto, link.server, link.up_seq],
        )
        states: list[bytes] = []
        records = [str(row[0]) for row in found]
        for replica in choice.without:
            # What the other does not take as a feed goes as what it came to.
            rows = tx.rows(
                "SELECT kind, body FROM segments WHERE replica = ? AND seq > ?",
                [tx.number_of(replica), link.up_seq],
            )
            for kind, body in rows:
                records += {e.record for e in open_stored(*whole(tx, str(kind), bytes(body)))}
        records = list(dict.fromkeys(records))
        for start in range(0, len(records), STATES_AT_ONCE):
            rows = tx.rows_in(
                "SELECT id, kind, causal, body FROM records WHERE id IN (?*)",
                records[start : start + STATES_AT_ONCE],
            )
            for record, kind, causal, body in rows:
                if choice.rests_elsewhere(vector_of(bytes(causal))):
                    values = _load(body)
                    kind_name = tx.collection_of(kind)
                    states.append(
                        encode_state(
                            kind_name, record, bytes(causal), list(values), list(values.values())
                        )
                    )
        district = self._district
        sign = (district.key.replica, district.lineage.incarnation, district.sign_page)
        return [
            Handed(
                page.server,
                page.incarnation,
                page.seq,
                b"".join(map(state_digest, page.states)),
                page.signature,
                list(enumerate(page.states)),
            )
            for page in pages_of(states, sign, upto)
        ]

    # ---- the answer ------------------------------------------------------------------------------

    def _absorb(self, asked: Asking, reply: Reply, push: bool, pull: bool) -> bool:
        district = self._district
        if reply.server != self._server or reply.relayed is None:
            raise LinkWrong("another server answered")
        relayed = reply.relayed
        now_ms = district.clock()
        with district.writing() as tx:
            district.learn(tx, relayed.keys, now_ms)
            self._answers = district.erasing.take(tx, reply.statements, now_ms)[:ANSWERS_MAX]
            district.erasing.hear(tx, reply.statements)
        runs = open_relayed(relayed.segments, relayed.partials, district.check)
        verify = district.check.page
        states = [open_page(page, verify) for page in unpack_pages(reply.pages)]
        with district.writing() as tx:
            link = link_to(tx, self._server)
            district.look_at_own_chain(tx, reply.known)
            believed = Believed(tx, f"above {self._server.hex()}")
            link = self._take_lineage(tx, link, reply)
            link = self._take_receipts(link, believed, asked, reply)
            link = self._take_points(link, believed, asked, relayed)
            again = log_below.hear_above(tx, district, link, asked.request, reply, now_ms)
            link = hear_above(tx, district, link, reply.statements, now_ms)
            revoked = revoked_among(tx, district.devices_of(runs))
            aside = hear_asides(tx, district.trust, self._server.hex(), reply.statements)
            offset_ms = reply.clock_ms - now_ms
            sender = Sender(self._server, "", "", offset_ms, revoked, aside)
            batch = (runs, states)
            out = take_in(district, tx, district.forks, NOBODY, batch, sender, now_ms)
            self._take_ends(believed, runs, out.receipts)
            link = link._replace(feed=reply.feed, nonce=reply.nonce or link.nonce)
            if asked.request.want and not relayed.wanted:
                link = link._replace(
                    incarnation=reply.incarnation, seq=reply.seq, after=reply.after
                )
            keep_link(tx, link)
            hear_reach(tx, link, reply.statements)
            if not link.compare and asked.chosen is not None and not asked.chosen.more:
                # The answer was made after the commit that holds what was brought.
                note_mark(tx, link.server, link.up_seq, reply.seq)
        district.forks |= out.forked
        self._records += out.applied
        # Once: whoever shows another head each time would keep this server asking.
        return (again and self._rounds == 1) or self._more(link, asked, reply, relayed, push, pull)

    def _more(
        self,
        link: Link,
        asked: Asking,
        reply: Reply,
        relayed: Relayed,
        push: bool,
        pull: bool,
    ) -> bool:
        if link.compare:
            self._compares += 1
            return self._compares <= COMPARES_MAX and (push or relayed.wanted)
        if asked.listed is not None or self._answers or self._telling:
            return True
        if push and asked.chosen is not None and asked.chosen.more:
            return True
        return pull and (reply.more or not asked.request.want)

    @staticmethod
    def _take_lineage(tx: Transaction, link: Link, reply: Reply) -> Link:
        """Was the other set back behind what it told? Then everything is to be compared, states
        too."""
        earlier = dict(reply.lineage)
        at, seq = link.told_incarnation, link.told_seq
        if at and at != reply.incarnation and earlier.get(at, -1) < seq:
            link = link._replace(compare=True, up_seq=0)
            forget_marks(tx, link.server)
            forget_brought(tx, link.server)
        told = reply.seq if at != reply.incarnation else max(seq, reply.seq)
        return link._replace(told_incarnation=reply.incarnation, told_seq=told)

    def _take_receipts(self, link: Link, believed: Believed, asked: Asking, reply: Reply) -> Link:
        points: set[tuple[bytes, int, bytes]] = set()
        if reply.receipts is not None:
            receipts = reply.receipts
            message = receipts_message(receipts.server, receipts.incarnation, receipts.body)
            if receipts.server != self._server:
                raise LinkWrong("receipts of another server")
            self._district.trust.verify_receipts(receipts.server, message, receipts.signature)
            points = {(p.replica, p.counter, p.mark) for p in decode_known(receipts.body)}
        chosen = asked.chosen
        if chosen is None:
            return link
        missing = False
        for first, before, end in chosen.ends:
            if (end.replica, end.counter, end.mark) in points:
                believed.extend(first, before, end, offered=False)
                self._sent += 1
            else:
                missing = True
                self._missed[end.replica] = self._missed.get(end.replica, 0) + 1
        if missing and self._compares < COMPARES_MAX:
            return link._replace(compare=True)
        upto = chosen.upto if chosen.more else asked.states_upto
        return link if link.compare else link._replace(up_seq=upto)

    def _take_points(self, link: Link, believed: Believed, asked: Asking, relayed: Relayed) -> Link:
        if asked.listed is not None and relayed.points is not None:
            # All that is listed the other holds; or it lacks something, and says what it has.
            believed.replace(relayed.points if relayed.lacks else asked.listed)
            link = link._replace(compare=False)
            return link._replace(up_seq=0) if relayed.lacks else link
        if relayed.lacks or relayed.wanted:
            return link._replace(compare=True)
        return link

    def _take_ends(self, believed: Believed, runs: list[Run], receipts: list[Known]) -> None:
        taken = {(point.replica, point.counter, point.mark) for point in receipts}
        for run in runs:
            if (run.replica, run.last, run.head) in taken:
                self._received += 1
                end = Known(run.replica, run.last, run.head)
                believed.extend(run.first, run.before, end, offered=False)
