# SPDX-License-Identifier: Apache-2.0
"""Bringing work to another server than the own district's, and fetching what this team holds there.

What lives here: the exchange with a server of the tree whose tablet this is not. What must not:
transport. Invariants
- The other server's key leads to the own district; nothing is taken of one whose key does not.
- No receipt of another server counts: the own district gets everything all the same.
- What is taken is kept as signed states that the own district may not know.
"""

from __future__ import annotations

from typing import NamedTuple

from client_sdk.devices import (
    PAGE,
    learn,
    own_replicas,
    statements_for,
    succeed,
    verifier,
)
from client_sdk.errors import ServerRefused
from client_sdk.exchange import HANDED_PAGES_MAX, take_states
from client_sdk.store.base import Clock, Store
from client_sdk.store.feeds import known_of, leaves, own_point, replicas_held
from client_sdk.store.signed import handed_of
from client_sdk.transport import Exchanger
from client_sdk.upload import for_teammate
from sync.feed import Partial
from sync.messages import (
    EXCHANGE,
    WANT_STATES,
    Handed,
    Known,
    Relay,
    Reply,
    Request,
    decode_reply,
    encode_exchange,
    unpack_pages,
)
from sync.schema import Schema
from sync.session import off_my_chain, open_page

PARTIALS_AT_ONCE = 100
KNOWN_MAX = 32


class Visited(NamedTuple):
    """What a visit came to: runs brought, records that changed."""

    brought: int
    records: int


class Visiting:
    """One visit. Make it, then ``run``; it is used once."""

    def __init__(
        self, store: Store, schema: Schema, clock: Clock, transport: Exchanger, server: bytes
    ) -> None:
        self._store = store
        self._schema = schema
        self._clock = clock
        self._transport = transport
        self._server = server

    def run(self, *, push: bool, pull: bool) -> Visited:
        """Compare heads and feeds; bring what the server lacks; fetch states.

        Raises Unreachable, ServerRefused, PeerUnknown where the server's key leads nowhere.
        """
        store = self._store
        reply = self._exchange([], [], 0, "", listed=True)
        brought = 0
        if push and reply.relayed is not None:
            with store.transaction():
                partials = for_teammate(store, reply.relayed.points or [], lambda record: True)
            handed = handed_of(store, "1 = 1", ())
            while partials or handed:
                self._exchange(
                    partials[:PARTIALS_AT_ONCE], handed[:HANDED_PAGES_MAX], 0, "", listed=False
                )
                brought += len(partials[:PARTIALS_AT_ONCE])
                partials = partials[PARTIALS_AT_ONCE:]
                handed = handed[HANDED_PAGES_MAX:]
        records, after, more = 0, "", pull
        while more:
            reply = self._exchange([], [], WANT_STATES, after, listed=False)
            records += self._take(reply)
            after, more = reply.after, reply.more
        return Visited(brought, records)

    def _exchange(
        self,
        partials: list[Partial],
        handed: list[Handed],
        want: int,
        after: str,
        *,
        listed: bool,
    ) -> Reply:
        store = self._store
        chain = store.chain
        held = replicas_held(store)
        keys = statements_for(store, [chain.replica, *own_replicas(store), *held])
        points = [Known(r, counter, head) for r in held for counter, head in leaves(store, r)]
        feed = store.get(f"feed of {self._server.hex()}", self._server)
        request = Request(
            EXCHANGE,
            chain.replica,
            chain.counter,
            chain.head,
            self._clock(),
            want,
            b"",
            0,
            after,
            0,
            0,
            known_of(store, feed)[:KNOWN_MAX],
            None,
            [],
            partials,
            handed,
            relay=Relay(keys, None, points if listed else None),
        )
        reply = decode_reply(self._transport.exchange(encode_exchange(request)))
        if reply.server != self._server:
            raise ServerRefused(200, "another server")
        with store.transaction():
            if reply.relayed is not None:
                learn(store, reply.relayed.keys)
            store.put(f"feed of {self._server.hex()}", reply.feed)
            self._look_at_own_chain(reply)
        return reply

    def _look_at_own_chain(self, reply: Reply) -> None:
        store = self._store
        chain = store.chain

        def head_at(counter: int) -> bytes | None:
            found = own_point(store, counter)
            return found[0] if found else None

        def tag_at(counter: int) -> bytes | None:
            found = own_point(store, counter)
            return found[1][:4] if found else None

        if off_my_chain(reply.known, chain.replica, chain.counter, head_at, tag_at):
            succeed(store)

    def _take(self, reply: Reply) -> int:
        store = self._store
        pages = [open_page(page, verifier(store, PAGE)) for page in unpack_pages(reply.pages)]
        with store.transaction():
            records, _ = take_states(store, self._schema, pages, unknown=True)
        return records
