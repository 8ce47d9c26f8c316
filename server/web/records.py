# SPDX-License-Identifier: Apache-2.0
"""A record: as it is, why each value is shown, every change, as it was at any moment; its photos.

What lives here: forms to functions. What must not: finding out, which ``history`` and ``why`` do.
"""

from __future__ import annotations

import re
from typing import Any

from crypto.blob import decrypt_blob
from crypto.errors import CryptoError
from server.accounts import READ
from server.blobs import blob_state, get_piece
from server.custody_places import last_backup, upstream_kind
from server.errors import BlobUnknown, NotFound
from server.history import History, Stored
from server.web.graph import picture
from server.web.routing import Download, Result, Shown, Visit, page
from server.web.scoped import Scoped
from server.why import why_shown
from sync.policy import kinds, shown_fields
from sync.sealing import is_sealed

PICTURE_KINDS = ("image/jpeg", "image/png", "image/webp")
BLOB = re.compile("[0-9a-f]{64}")
"""What a browser may show of what tablets sent; anything else would be taken for a page."""
PICTURE_BYTES_MAX = 12_000_000
HIDDEN = ("blob_key",)
"""Fields that open something: never shown."""


@page("/records/{record:str}", READ)
def record(visit: Visit) -> Result:
    """One record with its whole history; ``at``: as it was after so many changes."""
    name = visit.param("record")
    visit.purpose = "history"
    with visit.scope() as scoped:
        history, stored = scoped.history(name)
        home, area = scoped.place(name)
        at = visit.query_number("at")
        of_field, photos = beside_text(scoped.photos(home, name), name)
        values: dict[str, Any] = {
            "record": name,
            "home": home,
            "place_code": area,
            "collection_name": history.collection,
            "title": scoped.titles([name]).get(name, ""),
            "voided": bool(stored and stored.voided),
            "graph": picture(history, scoped.names, scoped.schema, visit.lang),
            "moments": _moments(visit, scoped, history),
            "beyond": any(last_backup(scoped.tx)) or upstream_kind(scoped.tx) is not None,
            "fields": _fields(visit, scoped, history, stored),
            "missing": len(history.missing),
            "at": at,
            "then": _then(visit, scoped, history, at),
            "conflicts": scoped.conflicts_of(name),
            "others": _others(scoped, home, name),
            "photos": photos,
            "of_field": of_field,
            "names": scoped.names,
        }
    return Shown("record.html", values)


def beside_text(found: list[Stored], record: str) -> tuple[dict[str, list[Stored]], list[Stored]]:
    """Photos by the field of the record that they belong to; and those that belong to none."""
    by_field: dict[str, list[Stored]] = {}
    others = []
    for one in found:
        name = one.body.get("about_field") if one.body.get("about_record") == record else None
        if isinstance(name, str) and name:
            by_field.setdefault(name, []).append(one)
        else:
            others.append(one)
    return by_field, others


def _fields(
    visit: Visit, scoped: Scoped, history: History, stored: Stored | None
) -> list[tuple[str, str, str]]:
    """Field, value, and why it is shown."""
    if stored is None:
        return []
    declared = scoped.schema.collections.get(stored.collection)
    held = kinds(stored.state)
    order = [n for n in declared.fields if n in held] if declared else []
    order += sorted(n for n in held if n not in order)
    return [
        (
            name,
            visit.value(stored.collection, name, _opened(scoped, stored, name)),
            why_shown(scoped.names, scoped.schema, history, stored, name, visit.lang),
        )
        for name in order
        if name not in HIDDEN
    ]


def _opened(scoped: Scoped, stored: Stored, name: str) -> Any:
    """The shown value of a field, opened where it is sealed and the officer may read it."""
    value = stored.body.get(name)
    by_dot = stored.state.registers.get(name, {}) if is_sealed(value) else {}
    for d, held in by_dot.items():
        if held == value:
            return scoped.opened(stored.collection, stored.record, name, d, value)
    return value


def _moments(visit: Visit, scoped: Scoped, history: History) -> list[dict[str, Any]]:
    """Every change as text, newest first."""
    out = []
    held = scoped.custody(history, visit.service.district.key.replica)
    for n, (one, custody) in enumerate(zip(history.moments, held, strict=True), 1):
        change = one.entry.change
        tablet = scoped.names.tablet(one.dot[:16])
        out.append(
            {
                "n": n,
                "who": scoped.names.worker(change.worker),
                "tablet": tablet,
                "carrier": custody.carrier,
                "places": custody.places,
                "at_ms": change.stamp_ms + change.clock_ms,
                "received_ms": one.found.received_at_ms,
                "fate": one.fate,
                "reason": change.reason(),
                "void": change.void,
                "writes": [
                    (
                        name,
                        visit.value(
                            change.collection,
                            name,
                            scoped.opened(
                                change.collection, one.entry.record, name, one.dot, value
                            ),
                        ),
                    )
                    for name, value in zip(change.names, change.values, strict=True)
                    if name not in HIDDEN
                ],
                "others": [
                    (op, field, visit.value(change.collection, field, v))
                    for op, field, v in change.others
                    if field
                ],
                "parents": [m + 1 for m, x in enumerate(history.moments) if x.dot in one.parents],
            }
        )
    return out[::-1]


def _then(
    visit: Visit, scoped: Scoped, history: History, at: int | None
) -> list[tuple[str, str]] | None:
    """The record as it was after its first ``at`` changes."""
    if at is None:
        return None
    if not 1 <= at <= len(history.moments):
        raise NotFound("moment")
    state = history.state_at(at)
    collection = history.collection
    if scoped.sealed is not None:
        state = scoped.sealed.state(collection, visit.param("record"), state)
        scoped.note_opened()
    body = shown_fields(state, scoped.schema, collection)
    return [
        (name, visit.value(collection, name, one.value))
        for name, one in body.items()
        if name not in HIDDEN and one.value not in (None, "", [])
    ]


def _others(scoped: Scoped, home: str, name: str) -> list[tuple[Stored, str]]:
    """The other records of the household, with what people call them."""
    found = (
        scoped.records_of(home)
        if scoped.tx.rows("SELECT 1 FROM homes WHERE id = ?", [home])
        else []
    )
    titles = scoped.titles([one.record for one in found] + [home])
    return [(one, titles.get(one.record, "")) for one in found if one.record != name]


@page("/photos/{record:str}", READ)
def photo(visit: Visit) -> Result:
    """A picture that a tablet took, opened with the key that stands in its record."""
    visit.purpose = "photo"
    with visit.scope() as scoped:
        stored = scoped.record(visit.param("record"))
    body = stored.body
    kind, name, key = (str(body.get(n, "")) for n in ("media_type", "blob", "blob_key"))
    if stored.collection != "attachment" or kind not in PICTURE_KINDS or not BLOB.fullmatch(name):
        raise NotFound("photo")
    blob = bytes.fromhex(name)
    state = blob_state(visit.store, blob)
    if not state.complete or state.total > PICTURE_BYTES_MAX:
        raise BlobUnknown()
    parts, at = [], 0
    while at < state.total:
        piece = get_piece(visit.store, blob, at, state.total - at)
        if not piece:
            raise BlobUnknown()
        parts.append(piece)
        at += len(piece)
    try:
        plain = decrypt_blob(blob, bytes.fromhex(key), b"".join(parts))
    except (CryptoError, ValueError):
        raise BlobUnknown() from None
    return Download(plain, kind, f"{stored.record}.{kind.partition('/')[2]}", inline=True)
