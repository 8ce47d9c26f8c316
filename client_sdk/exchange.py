# SPDX-License-Identifier: Apache-2.0
"""The exchange with a server, over the store: what to ask, what to do with the answer.

What lives here: ``build_request`` and ``absorb_reply``. What must not: transport, threads, waiting.

Invariants: what the server knows of this tablet's chain is compared before anything is joined; the
cursor moves in the transaction that stores the states it stands for; a receipt is believed only
with the server's signature.
"""

from __future__ import annotations

from typing import NamedTuple

from client_sdk import custody, erasing, field_keys, machine, readings, watching
from client_sdk.devices import (
    PAGE,
    RECEIPTS,
    District,
    district_of,
    own_replicas,
    statements_for,
    succeed,
    successions_to,
    verifier,
)
from client_sdk.errors import ServerRefused
from client_sdk.merging import Incoming, incoming_of, merge
from client_sdk.pace import TEXT_BYTES_MAX
from client_sdk.repair import Wanted, compare, handing, mark_handed, take_told, wanted
from client_sdk.roots import roots_of
from client_sdk.scope import enter, is_owed, leave, purge, purge_leaving, purge_strays
from client_sdk.statements import ANSWER, take_statements
from client_sdk.store.base import Store
from client_sdk.store.feeds import (
    forget_receipts,
    known_of,
    mark_receipted,
    own_point,
)
from client_sdk.store.records import held_homes, home_digests, scope_digest
from client_sdk.store.signed import Signed, add_page, handed_of, keep_signed
from client_sdk.upload import Upload, for_server
from crypto.erasure import ERASED
from sync.feed import HEAD_BYTES
from sync.messages import (
    EXCHANGE,
    PROTOCOL,
    WANT_STATES,
    Handed,
    Notice,
    Relay,
    Reply,
    Request,
    Statement,
    decode_known,
    decode_state,
    encode,
    unpack_pages,
)
from sync.ranges import name_records
from sync.schema import Schema
from sync.session import (
    SignedStates,
    held_sum,
    off_my_chain,
    open_page,
    receipts_message,
)

HANDED_PAGES_MAX = 200
"""Pages handed on in one request."""
KNOWN_MAX = 4
"""Points of the server's own feed shown to it, the highest first: one beyond its chain is enough
to tell it that it was set back; each tablet shows its highest before it hears anything newer."""


class Asked(NamedTuple):
    """A request and what it carried, so that the answer can be understood.

    ``rest``: more is to be sent than this request took; ``pages`` were handed on.
    """

    request: Request
    rest: bool
    pages: list[bytes]
    wanted: Wanted


class Absorbed(NamedTuple):
    """What an answer brought.

    ``more``: ask again at once. ``succeeded``: this store goes on as a new replica, which the
    server must be told of before the next request. ``differs``: both sides hold different records.
    ``log``: what was found about the server's log, ``grown`` where all is well.
    """

    more: bool
    succeeded: bool
    records: int
    waiting: int
    entered: list[str]
    left: list[str]
    notices: list[Notice]
    differs: bool
    server_clock_ms: int
    log: str


def build_request(
    store: Store,
    now_ms: int,
    *,
    want: int = WANT_STATES,
    bring: bool = True,
    piece_bytes: int = TEXT_BYTES_MAX,
    version: int = EXCHANGE,
) -> Asked:
    """What this tablet says next: unsent changes, its cursor, its digest of the scope.

    ``now_ms`` is the raw wall clock; ``want=0`` only brings, ``WANT_STATES`` also asks for
    states; ``bring=False`` brings nothing. ``version`` is the newest one the server speaks.
    """
    asking = wanted(store) if want & WANT_STATES and version > PROTOCOL else Wanted([], [], [])
    upload = for_server(store, piece_bytes) if bring else Upload([], [], False)
    handed = _handed(store) if bring else []
    homes = None
    if store.get("homes_wanted", False):
        homes = list(home_digests(store, held_homes(store)).items())
    chain = store.chain
    district = district_of(store)
    incarnation, seq, after = store.get("cursor", [b"", 0, ""])
    request = Request(
        protocol=version,
        replica=chain.replica,
        counter=chain.counter,
        head=chain.head,
        clock_ms=now_ms,
        want=want,
        incarnation=incarnation,
        seq=seq,
        after=after,
        held=held_sum(held_homes(store)),
        digest=scope_digest(store),
        known=known_of(store, store.get("server_feed", district.replica))[:KNOWN_MAX],
        homes=homes,
        segments=upload.segments,
        partials=upload.partials,
        handed=handed,
        relay=_relay(store, upload),
        ask=asking.ask,
        repair=asking.repair,
        statements=_statements(store, want, asking) if version > PROTOCOL else [],
    )
    return Asked(request, upload.rest, [h.signature for h in handed], asking)


def _statements(store: Store, want: int, asking: Wanted) -> list[Statement]:
    """What it says of the records it holds of homes to be mended, of the district's log, of
    erasures, of what was read here, and, where it asks for states, of its field keys."""
    have = name_records(asking.have) if asking.repair else []
    shown = [*have, *watching.shown(store), *machine.said(store)]
    shown += [*erasing.answers(store), *readings.shown(store)]
    return [*shown, field_keys.said(store)] if want & WANT_STATES else shown


def _relay(store: Store, upload: Upload) -> Relay | None:
    """The statements that lead to the writers this tablet carries for: the server may not know one
    that another district took in, or that it forgot when it was set back."""
    own = set(own_replicas(store))
    writers = dict.fromkeys(p.replica for p in upload.partials if p.replica not in own)
    keys = [*successions_to(store, writers), *statements_for(store, writers)] if writers else []
    return Relay(keys) if keys else None


def _handed(store: Store) -> list[Handed]:
    where = (
        "p.id IN (SELECT x.id FROM pages x WHERE x.unknown = 1"
        " AND EXISTS (SELECT 1 FROM signed y WHERE y.page = x.id) LIMIT ?)"
    )
    return [*handed_of(store, where, (HANDED_PAGES_MAX,)), *handing(store)]


def absorb_reply(store: Store, schema: Schema, asked: Asked, reply: Reply, now_ms: int) -> Absorbed:
    """Take in a server's answer, all of it or nothing.

    Raises ServerRefused where another server answers, and what ``sync`` and ``crypto`` raise for
    pages and receipts that do not hold.
    """
    district = district_of(store)
    if reply.server != district.replica:
        raise ServerRefused(200, "another server")
    # Checking and unpacking come before the transaction: it shall be short.
    pages = [open_page(page, verifier(store, PAGE)) for page in unpack_pages(reply.pages)]
    with store.transaction():
        succeeded, forgot = _check_chain(store, reply)
        forgot |= _take_lineage(store, asked, reply, pages)
        _take_receipts(store, district, reply, now_ms)
        field_keys.forget_wanted(store, asked.request.statements)
        said = [kind for kind, _ in asked.request.statements]
        erasing.mark_answered(store, said.count(ERASED))
        store.put(ANSWER, False)
        take_statements(store, district, reply.statements, now_ms)
        log = watching.watch(store, asked.request, reply, now_ms)
        machine.mark_told(store, asked.request)
        store.run_many(
            "UPDATE pages SET unknown = 0 WHERE signature = ?", ((s,) for s in asked.pages)
        )
        unhanded = mark_handed(store, asked.pages)
        merged, waiting = take_states(store, schema, pages, unknown=False)
        enter(store, reply.entered)
        leave(store, reply.left)
        _take_gone(store, reply.gone)
        if asked.request.want & WANT_STATES:
            # A push alone may just have brought a household back that the server had lost: whether
            # it is to leave, the next answer with states tells anew.
            purge_leaving(store)
            if not (reply.more or reply.wanted):
                purge_strays(store)
            store.put("cursor", [reply.incarnation, reply.seq, reply.after])
            # An answer that comes late, by stick, is told from this one by the count.
            store.put("absorbed", store.get("absorbed", 0) + 1)
        store.put("server_feed", reply.feed)
        if reply.nonce:
            store.put("nonce", reply.nonce)
        _keep_notices(store, reply.notices, now_ms)
        store.put("homes_wanted", reply.wanted)
        store.put("server_offset_ms", reply.clock_ms - now_ms)
        differs = take_told(store, asked.wanted, reply) or _compare(store, asked, reply)
    keys = field_keys.asks_on(store, asked.request.statements)
    # What the server lost and this request did not bring goes at once.
    more = reply.more or asked.rest or succeeded or reply.wanted or forgot
    more = more or unhanded or store.get(ANSWER, False)
    return Absorbed(
        more or differs or keys,
        succeeded,
        merged,
        waiting,
        reply.entered,
        reply.left,
        reply.notices,
        differs,
        reply.clock_ms,
        log,
    )


def _check_chain(store: Store, reply: Reply) -> tuple[bool, bool]:
    """Does the server know a point of this feed that is not on this chain? Then go on as another.

    The second word: the server holds less of this feed than it once gave receipts for.
    """
    chain = store.chain

    def head_at(counter: int) -> bytes | None:
        found = own_point(store, counter)
        return found[0] if found else None

    def tag_at(counter: int) -> bytes | None:
        found = own_point(store, counter)
        return found[1][:4] if found else None

    if off_my_chain(reply.known, chain.replica, chain.counter, head_at, tag_at):
        succeed(store)
        return True, False
    mine = [
        p.counter for p in reply.known if p.replica == chain.replica and len(p.mark) == HEAD_BYTES
    ]
    # A server that names no point holds nothing of it, whatever it signed before it was set back.
    return False, forget_receipts(store, chain.replica, max(mine, default=0))


def _take_receipts(store: Store, district: District, reply: Reply, now_ms: int) -> None:
    receipts = reply.receipts
    if receipts is None:
        return
    message = receipts_message(receipts.server, receipts.incarnation, receipts.body)
    verifier(store, RECEIPTS)(receipts.server, message, receipts.signature)
    if receipts.server != district.replica:
        raise ServerRefused(200, "receipts of another server")
    points = decode_known(receipts.body)
    for point in points:
        mark_receipted(store, point)
    custody.note(store, custody.DISTRICT, receipts.server, points, now_ms)


def take_last(store: Store, reply: Reply, now_ms: int) -> None:
    """What the district answers a tablet that it revoked: receipts, and nothing else is taken."""
    with store.transaction():
        _take_receipts(store, district_of(store), reply, now_ms)


def _take_lineage(store: Store, asked: Asked, reply: Reply, pages: list[SignedStates]) -> bool:
    """What the server no longer knows where it was set back: receipts it gave, pages it signed.

    To be called before the receipts of this reply are taken. True if something was lost.
    ``told`` is the furthest point that this server told of; a push moves it, not the cursor.
    """
    incarnation, seq = store.get("told", store.get("cursor", [b"", 0, ""])[:2])
    lost: list[tuple[int]] = []
    set_back = False
    if incarnation != reply.incarnation:
        known = dict(reply.lineage)
        if incarnation and known.get(incarnation, -1) < seq:
            # For the present feed the server says itself where it stands.
            sql = "UPDATE feed SET receipted = 0 WHERE replica != ? AND receipted = 1"
            set_back = store.run(sql, (store.chain.replica,)).rowcount > 0
        own = roots_of(store)
        rows = store.rows("SELECT id, incarnation, seq, server FROM pages WHERE unknown = 0")
        lost = [
            (number,)
            for number, signed_in, signed_at, server in rows
            if server in own
            and signed_in != reply.incarnation
            and signed_at > known.get(signed_in, -1)
        ]
        store.run_many("UPDATE pages SET unknown = 1 WHERE id = ?", lost)
    _keep_told(store, asked, reply, pages)
    return set_back or bool(lost)


def _keep_told(store: Store, asked: Asked, reply: Reply, pages: list[SignedStates]) -> None:
    seqs = [page.seq for page in pages]
    # The sequence of a reply that was cut, or that asks for the list of homes, is the old cursor's.
    if not (reply.more or reply.wanted) or not asked.request.want & WANT_STATES:
        seqs.append(reply.seq)
    told = [reply.incarnation, max(seqs, default=0)]
    if seqs and store.get("told") != told:
        store.put("told", told)


def take_states(
    store: Store, schema: Schema, pages: list[SignedStates], *, unknown: bool
) -> tuple[int, int]:
    """Merge and keep signed states that were checked; how many records changed, how many wait."""
    incoming: list[Incoming] = []
    signed: list[Signed] = []
    for page in pages:
        number = add_page(store, page, unknown=unknown and not _placed(store, page))
        read = [(place, raw, decode_state(raw)) for place, raw in page.states]
        gone = erasing.erased_among(store, [state.record for _, _, state in read])
        for place, raw, state in read:
            if state.record in gone:
                continue
            item = incoming_of(state)
            incoming.append(item)
            digest = int.from_bytes(page.digests[place * 32 : place * 32 + 6], "big")
            signed.append(Signed(item.state.record, number, place, digest, raw, item.causal))
    if not incoming:
        return 0, 0
    merged = merge(store, schema, [], incoming)
    keep_signed(store, signed)
    return len(merged.records), merged.waiting


def _placed(store: Store, page: SignedStates) -> bool:
    """Does the own server surely know that it signed this page?"""
    incarnation, seq, _ = store.get("cursor", [b"", 0, ""])
    return (
        page.server == district_of(store).replica
        and page.incarnation == incarnation
        and page.seq <= seq
    )


def _take_gone(store: Store, records: list[str]) -> None:
    """Records that moved out of every home held here go, unless the server lacks something."""
    gone = {record for record in records if not is_owed(store, {record})}
    if gone:
        purge(store, gone)


def _keep_notices(store: Store, notices: list[Notice], now_ms: int) -> None:
    store.run_many(
        "INSERT OR IGNORE INTO notices (received_at_ms, read, notice) VALUES (?, 0, ?)",
        ((now_ms, encode(notice)) for notice in notices),
    )


def _compare(store: Store, asked: Asked, reply: Reply) -> bool:
    """Do both sides hold the same, once all is said?"""
    if reply.more or reply.wanted or not asked.request.want & WANT_STATES or asked.rest:
        return False
    return compare(store, reply, listed=asked.request.homes is not None)
