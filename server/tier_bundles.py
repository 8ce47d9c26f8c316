# SPDX-License-Identifier: Apache-2.0
"""The exchange of two servers by hand: a bundle for the upstream, and its answer.

What lives here: what a bundle between tiers holds, the question that its answer belongs to. What
must not: seals and lines (``bundles.py``), the exchange itself (``linking.py``, ``relaying.py``).
Invariants
- A bundle is one request of the exchange and its answer the replies to it: nothing is decided here.
- An answer is taken only to the question that still stands: where an exchange by line came in
  between, it says what has changed since, and is left.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from crypto.bundle import read_head
from crypto.errors import CryptoError
from crypto.identity import replica_of
from crypto.statement import check_root
from server.climbing import line_statements
from server.errors import LinkWrong
from server.following import follow_upstream
from server.linking import Asking, Linking
from server.points import Chosen
from server.store.base import Transaction
from server.uplinks import Link, note_try
from server.upstream import need_upstream
from sync.carry.stick import write_atomically
from sync.messages import (
    Known,
    Relay,
    Reply,
    Request,
    decode_request,
    encode,
    encode_exchange,
)
from sync.parcel import REPLIES_MAX, Answer, Parcel, parcel
from sync.relay import point_part
from sync.session import HELD_MASK

if TYPE_CHECKING:
    from server.bundles import Lines
    from server.district import District

UP_BYTES: Final = 6 * 1024 * 1024
"""Runs of one bundle for the upstream: what one message holds; more goes with the next one."""
DOWN_BYTES_MAX: Final = 32 * 1024 * 1024
QUESTION: Final = "question"


class Question(msgspec.Struct, array_like=True, frozen=True):
    """What was asked of the upstream in a bundle: its name, the request without its load, the ends
    of the runs it brought, how far they reach."""

    name: bytes
    request: bytes
    ends: list[tuple[int, bytes, Known]]
    upto: int
    more: bool
    states_upto: int
    listed: list[Known] | None
    brought: bool
    up_seq: int


def for_upstream(district: District) -> tuple[Link, Parcel, Asking]:
    """The contents of the next bundle for the upstream. Raises NotFound where there is none."""
    with district.store.read() as tx:
        link = need_upstream(tx)
    talk = Linking(district, link.server, piece_bytes=UP_BYTES)
    body = talk.ask()
    contents = msgspec.structs.replace(
        parcel(district.clock()), statements=line_statements(district, link), request=body
    )
    if talk.asked is None:
        raise LinkWrong("nothing was asked")
    return link, contents, talk.asked


def keep_question(lines: Lines, data: bytes, link: Link, asked: Asking) -> None:
    """Remember what a bundle asked; the one before it stands no more."""
    bare = msgspec.structs.replace(asked.request, segments=[], partials=[], handed=[])
    chosen = asked.chosen
    question = Question(
        read_head(data).name,
        encode_exchange(bare),
        chosen.ends if chosen else [],
        chosen.upto if chosen else 0,
        chosen.more if chosen else False,
        asked.states_upto,
        asked.listed,
        chosen is not None,
        link.up_seq,
    )
    write_atomically(lines.folder / QUESTION, encode(question))


def public_above(tx: Transaction, sender: bytes, contents: Parcel) -> bytes | None:
    """The key of the upstream by its replica id, its present root or one the bundle leads to."""
    found = tx.rows("SELECT server, public FROM links WHERE kind = 'upstream'")
    for server, public in found:
        at, key = bytes(server), bytes(public)
        for statement in contents.statements:
            if at == sender:
                break
            try:
                said = check_root(statement, key)
            except CryptoError:
                continue
            key = said.new_public
            at = replica_of(key)
        if at == sender:
            return key
    return None


def take_answer(district: District, lines: Lines, contents: Parcel) -> tuple[int, bool]:
    """Take in what the upstream answered; records that changed, and whether more is to be sent.

    An answer to a question that no longer stands changes nothing. Raises what the exchange raises.
    """
    with district.writing() as tx:
        follow_upstream(tx, district.roots, contents.statements, b"", district.clock())
        link = need_upstream(tx)
    district.reload()
    question = _standing(lines, link, contents.answers)
    if question is None:
        return 0, False
    request = decode_request(question.request)
    chosen = None
    if question.brought:
        chosen = Chosen([], [], question.ends, question.upto, question.more)
    talk = Linking(district, link.server, piece_bytes=UP_BYTES)
    asked: Asking | None = Asking(request, chosen, question.states_upto, question.listed)
    more = False
    for answer in contents.replies:
        talk.asked = asked or talk.ask_on()
        at = talk.asked.request
        if (at.incarnation, at.seq, at.after) != (answer.incarnation, answer.seq, answer.after):
            break
        more = talk.take(answer.reply)
        asked = None
    (lines.folder / QUESTION).unlink(missing_ok=True)
    with district.store.write() as tx:
        note_try(tx, link.server, "", district.clock())
    return talk.met().records, more


def _standing(lines: Lines, link: Link, name: bytes) -> Question | None:
    path = lines.folder / QUESTION
    if not path.is_file():
        return None
    question = msgspec.msgpack.decode(path.read_bytes(), type=Question)
    request = decode_request(question.request)
    asked = (request.incarnation, request.seq, request.after, question.up_seq)
    stands = asked == (link.incarnation, link.seq, link.after, link.up_seq)
    return question if question.name == name and stands else None


# ---- as the one that is asked --------------------------------------------------------------------


def answers_below(district: District, device: str, request: Request) -> list[Answer]:
    """The replies to a server's request and to those that would follow it."""
    relay = request.relay
    if relay is None:
        raise LinkWrong("a server's bundle without its part")
    out: list[Answer] = []
    size = 0
    while True:
        reply = district.relaying.answer(device, request, request.relay or Relay())
        encoded = encode_exchange(reply)
        out.append(Answer(request.incarnation, request.seq, request.after, 0, encoded))
        size += len(encoded)
        ends = not reply.more or reply.relayed is None or reply.relayed.wanted
        if ends or not request.want or len(out) >= REPLIES_MAX or size > DOWN_BYTES_MAX:
            return out
        request = _following(district, device, request, reply)


def _following(district: District, device: str, request: Request, reply: Reply) -> Request:
    """What the server below would ask after this reply, if it takes it in as it is."""
    with district.store.read() as tx:
        rows = tx.rows("SELECT replica, counter, head FROM peer_points WHERE peer = ?", [device])
    total = sum(point_part(bytes(r), int(c), bytes(h)) for r, c, h in rows) & HELD_MASK
    return msgspec.structs.replace(
        request,
        incarnation=reply.incarnation,
        seq=reply.seq,
        after=reply.after,
        segments=[],
        partials=[],
        handed=[],
        statements=[],
        relay=Relay([], total, None),
    )
