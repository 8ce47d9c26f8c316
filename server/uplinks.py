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
