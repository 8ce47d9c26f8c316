# SPDX-License-Identifier: Apache-2.0
"""The exchange by hand: what goes into a bundle for the district or a teammate, and what comes out.

What lives here: filling and emptying bundles, the line of those made and taken. What must not:
sticks and pictures (``carry``), seals (``crypto.bundle``), merging.

Invariants: nothing of a bundle is applied before all of it was checked, and all of it in one
transaction; an answer is taken only to a question that still stands, so that a late one never says
what has changed since; every bundle holds all that no receipt covers, so that a lost one costs
nothing but time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from client_sdk import meeting
from client_sdk.devices import (
    box_public_of,
    district_of,
    learn,
    mark_certified,
    name_of,
    own_replicas,
    own_successions,
    public_of,
    statements_for,
    untold_successions,
)
from client_sdk.errors import MeetingRefused
from client_sdk.exchange import Absorbed, Asked, absorb_reply, build_request
from client_sdk.greeting import compare_heads, greet, read_greeting
from client_sdk.repair import Wanted
from client_sdk.revoked import check_not_revoked, keep_revocations, revocations_known
from client_sdk.roots import root_words, take_server_keys
from client_sdk.statements import is_server_keys
from client_sdk.store.base import Store
from client_sdk.store.records import held_homes, home_digests
from client_sdk.watching import worst_of
from crypto.bundle import FIRST_BEFORE, BundleHead, make_bundle, open_bundle, read_head
from crypto.certificate import check_certificate
from crypto.errors import CertificateRefused
from crypto.logword import GROWN
from crypto.seal import BoxKey
from sync.messages import (
    MESSAGE_BYTES_MAX,
    WANT_STATES,
    Request,
    decode_reply,
    encode,
    encode_exchange,
)
from sync.parcel import (
    TAKEN_MAX,
    Answer,
    Parcel,
    Taken,
    decode_parcel,
    parcel,
    place_of,
    remember,
)
from sync.schema import Schema

BUNDLE_PIECE_BYTES = 16 * 1024 * 1024
"""Contents of one bundle, not yet compressed: months of one tablet; the rest waits for receipts."""
QUESTIONS_MAX = 8
"""Bundles to the district whose answer is awaited: sticks get lost, and another is sent."""

_lines = msgspec.msgpack.Decoder(list[Taken])


class Question(msgspec.Struct, array_like=True, frozen=True):
    """What was asked of the district in a bundle: its name, and the request without its load.

    ``absorbed`` counts the answers with states that had been taken in then, ``outboxes`` are the
    names of carried files that went along.
    """

    name: bytes
    request: Request
    rest: bool
    pages: list[bytes]
    absorbed: int
    outboxes: list[str]


@dataclass(frozen=True)
class BundleReport:
    """What a bundle brought.

    ``sender`` is what the sender is called, ``missing`` the numbers of bundles before it that did
    not arrive ((0, 0): none), ``branch``: it comes from a copy of its sender. ``stale``: it answers
    a question that no longer stands, and its states were left out. ``more``: make the next bundle
    for the sender. ``succeeded``: this store goes on under a new key. ``wipe`` is the district's
    order to wipe this tablet, empty for none; ``outboxes`` are sealed files to carry on. ``log``:
    the gravest thing found about the district's log.
    """

    sender: str
    replica: bytes
    sequence: int
    missing: tuple[int, int]
    branch: bool
    stale: bool
    changes: int
    carried: int
    records: int
    entered: int
    left: int
    more: bool
    succeeded: bool
    wipe: bytes
    outboxes: tuple[bytes, ...]
    delivered: tuple[str, ...]
    log: str = GROWN


_question = msgspec.msgpack.Decoder(Question)


# ---- making -------------------------------------------------------------------------------------


def for_district(
    store: Store,
    now_ms: int,
    outboxes: Mapping[str, bytes] | None = None,
    *,
    want: int = WANT_STATES,
    bring: bool = True,
) -> bytes:
    """A bundle for the district: unsent work, carried work, where this tablet stands.

    ``outboxes`` are sealed files that are carried for others, by name. Raises NotEnrolled.
    """
    district = district_of(store)
    asked = _request(store, now_ms, want, bring)
    contents = msgspec.structs.replace(
        parcel(now_ms),
        statements=list(dict.fromkeys([*own_successions(store), *untold_successions(store)])),
        request=encode_exchange(asked.request),
        outboxes=list((outboxes or {}).values()),
    )
    with store.transaction():
        data = _make(store, district.replica, district.box_public, contents)
        kept = msgspec.structs.replace(asked.request, segments=[], partials=[], handed=[])
        question = Question(
            read_head(data).name,
            kept,
            asked.rest,
            asked.pages,
            store.get("absorbed", 0),
            list(outboxes or ()),
        )
        questions = [*_questions(store), encode(question)][-QUESTIONS_MAX:]
        store.put("questions", questions)
    return data


def _request(store: Store, now_ms: int, want: int, bring: bool) -> Asked:
    """The request of a bundle: as much as one message holds, and always the list of homes, since
    to be asked for it would cost another stick there and back."""
    piece_bytes = BUNDLE_PIECE_BYTES
    while True:
        asked = build_request(store, now_ms, want=want, bring=bring, piece_bytes=piece_bytes)
        homes = list(home_digests(store, held_homes(store)).items()) if want else None
        asked = asked._replace(request=msgspec.structs.replace(asked.request, homes=homes))
        if len(encode_exchange(asked.request)) <= MESSAGE_BYTES_MAX or piece_bytes < 1024:
            return asked
        piece_bytes //= 2


def _questions(store: Store) -> list[bytes]:
    found: list[bytes] = store.get("questions", [])
    return found


def for_teammate(store: Store, replica: bytes, now_ms: int, *, bring: bool = True) -> bytes:
    """A bundle for a teammate whose certificate is known here (``learn_card``).

    The first one only greets; those that follow bring what the teammate lacked by its last
    greeting. ``bring=False`` only greets. Raises PeerUnknown, PeerRevoked.
    """
    check_not_revoked(store, replica)
    known = store.get(_greeting_of(replica))
    with store.transaction():
        given = b""
        if known and bring:
            given = meeting.give(store, read_greeting(known)).data
        contents = msgspec.structs.replace(
            parcel(now_ms),
            statements=[*root_words(store), *statements_for(store, [store.chain.replica])],
            revocations=revocations_known(store),
            greeting=greet(store, replica),
            meeting=given,
        )
        return _make(store, replica, box_public_of(store, replica), contents)


def _greeting_of(replica: bytes) -> str:
    return f"greeting/{replica.hex()}"


def _line(store: Store, way: str, replica: bytes) -> list[Taken]:
    found = store.get(f"bundles-{way}/{replica.hex()}")
    return _lines.decode(found) if found else []


def _keep_line(store: Store, way: str, replica: bytes, line: list[Taken]) -> None:
    store.put(f"bundles-{way}/{replica.hex()}", encode(line))


def _make(store: Store, receiver: bytes, box_public: bytes, contents: Parcel) -> bytes:
    """Number, seal and sign; inside a transaction. The line is that of the present key."""
    line = _line(store, f"out/{store.chain.replica.hex()}", receiver)
    last = line[-1] if line else Taken(0, FIRST_BEFORE, b"")
    earlier = [made.name for made in reversed(line)][:TAKEN_MAX]
    whole = encode(msgspec.structs.replace(contents, earlier=earlier))
    data = make_bundle(store.key, receiver, box_public, last.sequence + 1, last.name, whole)
    made = Taken(last.sequence + 1, read_head(data).name, last.name)
    _keep_line(store, f"out/{store.chain.replica.hex()}", receiver, [*line, made][-TAKEN_MAX:])
    return data


# ---- taking -------------------------------------------------------------------------------------


def take(store: Store, schema: Schema, data: bytes, now_ms: int) -> BundleReport:
    """Check a bundle and take it in, all or nothing.

    Raises what ``crypto.bundle`` raises, BundleRepeated, BundleLate, PeerUnknown, PeerRevoked,
    MeetingRefused, and what ``sync`` raises for messages that do not hold.
    """

    def public_for(sender: bytes, contents: bytes) -> bytes:
        # Each statement proves itself; where the bundle does not hold, they are undone with it.
        learn(store, decode_parcel(contents).statements)
        return public_of(store, sender)

    with store.transaction():
        opened = open_bundle(data, own_replicas(store), boxes(store), public_for)
        head, contents = opened.head, decode_parcel(opened.contents)
        line = _line(store, "in", head.sender)
        place = place_of(line, head.sequence, head.name, head.before)
        keep_revocations(store, contents.revocations)
        if head.sender == district_of(store).replica:
            report = _from_district(store, schema, head, contents, now_ms)
        else:
            report = _from_teammate(store, schema, head, contents)
        taken = Taken(head.sequence, head.name, head.before)
        _keep_line(store, "in", head.sender, remember(line, taken, contents.earlier))
    return replace(report, missing=place.missing, branch=place.branch)


def boxes(store: Store) -> list[BoxKey]:
    """The keys that open what is sealed to this tablet."""
    return [store.box]


def _report(store: Store, head: BundleHead, contents: Parcel, **brought: Any) -> BundleReport:
    plain = dict.fromkeys(("changes", "carried", "records", "entered", "left"), 0)
    flags: dict[str, Any] = dict.fromkeys(("branch", "stale", "more", "succeeded"), False)
    flags["delivered"] = ()
    return BundleReport(
        sender=name_of(store, head.sender),
        replica=head.sender,
        sequence=head.sequence,
        missing=(0, 0),
        wipe=contents.wipe,
        outboxes=tuple(contents.outboxes),
        **(plain | flags | brought),
    )


def _from_district(
    store: Store, schema: Schema, head: BundleHead, contents: Parcel, now_ms: int
) -> BundleReport:
    _take_certificates(store, contents.statements)
    question = _standing(store, contents.answers)
    if question is None:
        return _report(store, head, contents, stale=bool(contents.replies))
    done: list[Absorbed] = []
    request = question.request
    wanted = Wanted(request.ask, request.repair, [])
    asked: Asked | None = Asked(request, question.rest, question.pages, wanted)
    for answer in contents.replies:
        if done:
            asked = _next(store, now_ms, answer)
        if asked is None:
            break
        # The district made all its answers to the one request that it saw.
        said = msgspec.structs.replace(asked.request, statements=request.statements)
        asked = asked._replace(request=said)
        done.append(absorb_reply(store, schema, asked, decode_reply(answer.reply), now_ms))
        if done[-1].succeeded:
            break
    return _report(
        store,
        head,
        contents,
        records=sum(one.records for one in done),
        entered=sum(len(one.entered) for one in done),
        left=sum(len(one.left) for one in done),
        more=bool(done) and done[-1].more,
        delivered=tuple(question.outboxes),
        succeeded=any(one.succeeded for one in done),
        log=worst_of([one.log for one in done]),
    )


def _standing(store: Store, name: bytes) -> Question | None:
    """The question that a bundle answers, if nothing was taken from the district since."""
    for raw in _questions(store):
        question = _question.decode(raw)
        if question.name == name:
            stands = question.absorbed == store.get("absorbed", 0) or not question.request.want
            return question if stands else None
    return None


def _next(store: Store, now_ms: int, answer: Answer) -> Asked | None:
    """What this tablet would ask next, if that is what the district took it to ask."""
    asked = build_request(store, now_ms, bring=False)
    request = asked.request
    said = (answer.incarnation, answer.seq, answer.after, answer.held)
    same = (request.incarnation, request.seq, request.after, request.held) == said
    return asked if same else None


def _take_certificates(store: Store, statements: Sequence[bytes]) -> None:
    """The district's own word on this tablet's newer keys."""
    district, mine = district_of(store), set(own_replicas(store))
    for statement in statements:
        try:
            certificate = check_certificate(statement, district.public)
        except CertificateRefused:
            # A succession: it was checked when it was learnt.
            if is_server_keys(store, statement):
                take_server_keys(store, statement)
            continue
        if certificate.replica in mine:
            mark_certified(store, certificate, statement)
            if certificate.replica == store.chain.replica:
                store.put("certificate", statement)


def _from_teammate(
    store: Store, schema: Schema, head: BundleHead, contents: Parcel
) -> BundleReport:
    check_not_revoked(store, head.sender)
    greeting = read_greeting(contents.greeting)
    if greeting.replica != head.sender:
        raise MeetingRefused("another writer than the one that signed")
    succeeded = compare_heads(store, greeting)
    store.put(_greeting_of(head.sender), contents.greeting)
    taken = meeting.Taken(0, 0, 0, False)
    if contents.meeting:
        taken = meeting.take(store, schema, greeting, contents.meeting)
    return _report(
        store,
        head,
        contents,
        changes=taken.changes,
        carried=taken.carried,
        records=taken.records,
        more=not contents.meeting,
        succeeded=succeeded,
        log=taken.log,
    )
