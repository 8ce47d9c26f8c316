# SPDX-License-Identifier: Apache-2.0
"""Links to other servers: the upstream, and where this server stands with it.

What lives here: the rows of links. What must not: the exchange (``linking.py``), HTTP. Invariant: a
link's cursor moves in the transaction that stores what it stands for.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from crypto.identity import replica_of
from server.errors import NotFound
from server.store.base import Transaction

UPSTREAM, BESIDE = "upstream", "beside"


class Link(NamedTuple):
    """One link. ``seq`` and ``after`` are the cursor at the other; ``up_seq`` is the own commit up
    to which the other has what it lacked; ``compare``: both list what they hold first."""

    server: bytes
    kind: str
    name: str
    public: bytes
    box_public: bytes
    addresses: tuple[str, ...]
    pin: bytes
    certificate: bytes
    area: str
    nonce: bytes
    feed: bytes
    incarnation: bytes
    seq: int
    after: str
    told_incarnation: bytes
    told_seq: int
    up_seq: int
    compare: bool


_COLUMNS = (
    "server, kind, name, public, box_public, addresses, pin, certificate, area, nonce, feed,"
    " incarnation, seq, after, told_incarnation, told_seq, up_seq, compare"
)


class NewLink(NamedTuple):
    """What a link is made from. ``certificate`` and ``area`` are the other's word about this
    server; ``nonce`` is for the first request."""

    kind: str
    name: str
    public: bytes
    box_public: bytes
    addresses: tuple[str, ...] = ()
    pin: bytes = b""
    certificate: bytes = b""
    area: str = ""
    nonce: bytes = b""


def add_link(tx: Transaction, new: NewLink, now_ms: int) -> bytes:
    """Make a link to a server; its replica id. What is held there is to be compared first."""
    server = replica_of(new.public)
    tx.run(
        f"INSERT INTO links ({_COLUMNS}, since_ms, code)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, '', ?, 0, 0, 1, ?, '')",
        [
            server,
            new.kind,
            new.name,
            new.public,
            new.box_public,
            msgspec.json.encode(new.addresses).decode(),
            new.pin,
            new.certificate,
            new.area,
            new.nonce,
            server,
            b"",
            b"",
            now_ms,
        ],
    )
    return server


def links(tx: Transaction) -> list[Link]:
    """All links."""
    found = tx.rows(f"SELECT {_COLUMNS} FROM links ORDER BY kind, server")
    return [_link(row) for row in found]


def link_to(tx: Transaction, server: bytes) -> Link:
    """The link to a server. Raises NotFound."""
    found = tx.rows(f"SELECT {_COLUMNS} FROM links WHERE server = ?", [server])
    if not found:
        raise NotFound("link")
    return _link(found[0])


def _link(row: tuple[Any, ...]) -> Link:
    values: list[Any] = [bytes(v) if isinstance(v, bytes | memoryview) else v for v in row]
    values[5] = msgspec.json.decode(values[5], type=tuple[str, ...])
    values[-1] = bool(values[-1])
    return Link(*values)


def keep_link(tx: Transaction, link: Link) -> None:
    """Store where this server stands with the other."""
    tx.run(
        "UPDATE links SET nonce = ?, feed = ?, incarnation = ?, seq = ?, after = ?,"
        " told_incarnation = ?, told_seq = ?, up_seq = ?, compare = ? WHERE server = ?",
        [
            link.nonce,
            link.feed,
            link.incarnation,
            link.seq,
            link.after,
            link.told_incarnation,
            link.told_seq,
            link.up_seq,
            int(link.compare),
            link.server,
        ],
    )


def note_try(tx: Transaction, server: bytes, code: str, now_ms: int) -> None:
    """Keep when an exchange was tried, and the code of what went wrong (empty: nothing)."""
    tx.run("UPDATE links SET tried_at_ms = ?, code = ? WHERE server = ?", [now_ms, code, server])
    if not code:
        tx.run("UPDATE links SET met_at_ms = ? WHERE server = ?", [now_ms, server])


class Standing(NamedTuple):
    """How a link does, for an officer."""

    tried_at_ms: int | None
    met_at_ms: int | None
    code: str


def standing(tx: Transaction, server: bytes) -> Standing:
    """When the link was last tried, when it last came to its end, and what went wrong."""
    found = tx.rows("SELECT tried_at_ms, met_at_ms, code FROM links WHERE server = ?", [server])
    return Standing(*found[0]) if found else Standing(None, None, "")


def changes_after(tx: Transaction, seq: int) -> int:
    """Changes that came after this commit: what a link has yet to bring."""
    found = tx.rows("SELECT sum(last - first + 1) FROM segments WHERE seq > ?", [seq])
    return int(found[0][0] or 0)
