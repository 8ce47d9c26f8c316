# SPDX-License-Identifier: Apache-2.0
"""The rows that pass between ingest and a store: plain tuples with names.

What must not live here: behaviour.
"""

from __future__ import annotations

from typing import NamedTuple


class Held(NamedTuple):
    """What merging needs of a stored record; ``n`` is its number in the store."""

    collection: str
    home: str
    causal: bytes
    n: int


class NewRow(NamedTuple):
    """A record that is new to the store. ``body`` is JSON, ``origin`` the number of a replica or
    0."""

    id: str
    home: str
    kind: int
    seq: int
    origin: int
    voided: int
    causal: bytes
    body: str


class FullRow(NamedTuple):
    """New causal data and shown values of a stored record."""

    home: str
    seq: int
    origin: int
    voided: int
    causal: bytes
    body: str
    n: int


class PatchRow(NamedTuple):
    """New causal data of a stored record, and shown values to set over what is there (as JSON)."""

    seq: int
    origin: int
    causal: bytes
    values: list[tuple[str, str]]
    n: int


class HomeRow(NamedTuple):
    """A home that something changed in; ``digest`` is what to add. ``area`` "" leaves it as it
    is."""

    id: str
    area: str
    seq: int
    digest: int


class SegmentRow(NamedTuple):
    """A stored run of a feed. ``kind`` is ``segment`` or ``partial``, ``body`` its encoded form;
    ``leaf`` is its number in the provable log."""

    replica: bytes
    first: int
    last: int
    before: bytes
    head: bytes
    kind: str
    seq: int
    received_at_ms: int
    offset_ms: int | None
    carrier: bytes
    body: bytes
    leaf: int


class ConflictRow(NamedTuple):
    """A conflict as it is first kept; ``siblings`` is JSON, made by the audit."""

    record: str
    home: str
    collection: str
    field: str
    policy: str
    state: str
    opened_seq: int
    opened_at_ms: int
    siblings: str
