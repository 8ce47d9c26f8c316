# SPDX-License-Identifier: Apache-2.0
"""The servers around the district: who may certify, who may sign states, who may open what is
sealed.

What lives here: reading the tree of servers from checked statements. What must not: keeping
statements (``devices.py``). Invariants
- A server below another is one that the other certified; one above is one that the district, or a
  server above it, vouches for. A tablet certifies nobody and signs no states.
- What is sealed is sealed to the district first, then to servers that the district named.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from client_sdk.errors import NotEnrolled
from client_sdk.roots import roots_of
from client_sdk.store.base import Store
from crypto.certificate import Certificate, check_certificate
from crypto.errors import CertificateRefused
from crypto.identity import SIGNATURE_BYTES
from sync.decoding import MALFORMED

TABLET, UPSTREAM = "tablet", "upstream"
RECEIVERS_MAX = 8
"""Servers a carried part is sealed to: 1.2 KB each."""


class Authority(NamedTuple):
    """A server whose statements hold. ``above``: the district itself, or above it."""

    public: bytes
    box_public: bytes
    area: str
    above: bool


def authority(store: Store, replica: bytes) -> Authority | None:
    """A server of the tree by its first key, None for anyone else."""
    root = roots_of(store).get(replica)
    if root is not None:
        return Authority(root, store.get("district")[1], "", True)
    row = store.one("SELECT statement FROM devices WHERE replica = ?", (replica,))
    said = _said(bytes(row[0])) if row else None
    if said is None or said.replica != replica or said.role == TABLET:
        return None
    return Authority(said.public, said.box_public, said.area, said.role == UPSTREAM)


def _said(statement: bytes) -> Certificate | None:
    try:
        return msgspec.msgpack.decode(statement[SIGNATURE_BYTES:], type=Certificate)
    except MALFORMED:
        return None


def checked_certificate(store: Store, statement: bytes) -> Certificate:
    """A certificate by the district or any server of its tree. Raises CertificateRefused."""
    said = _said(statement)
    issuer = authority(store, said.issuer) if said is not None else None
    if said is None or issuer is None:
        raise CertificateRefused("another issuer")
    above = said.role == UPSTREAM
    if above != issuer.above and above:
        raise CertificateRefused("nobody below says who is above")
    # A tablet has a team and no area of its own.
    if said.role not in (TABLET, UPSTREAM) and not said.area.startswith(issuer.area):
        raise CertificateRefused("another area")
    return check_certificate(statement, issuer.public)


def known_server(store: Store, statement: bytes) -> bytes | None:
    """The replica of a server that a statement is about, if that server is known already."""
    said = _said(statement)
    if said is None or said.role == TABLET or authority(store, said.replica) is None:
        return None
    return said.replica


def receivers(store: Store) -> list[bytes]:
    """The box keys (1,216 bytes each) that carried contents are sealed to, the district's first."""
    district = store.get("district")
    if district is None:
        raise NotEnrolled("district")
    out = [district[1]]
    for (statement,) in store.rows("SELECT statement FROM devices ORDER BY replica"):
        said = _said(bytes(statement))
        if said is None or said.role == TABLET or said.box_public in out:
            continue
        if len(out) == RECEIVERS_MAX:
            break
        out.append(said.box_public)
    return out
