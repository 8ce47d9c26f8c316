# SPDX-License-Identifier: Apache-2.0
"""What a tablet writes: records, fields, attachments, resolutions.

What lives here: the public methods that write. What must not: how it is done (``entering.py``,
``writing.py``). Invariant: when one of these returns, the change is durable in the store and in the
sealed outbox.
"""

from __future__ import annotations

from collections.abc import Mapping

from client_sdk.consents import below_fourteen, check_consent
from client_sdk.entering import entries_of, values_of
from client_sdk.errors import NotFound
from client_sdk.tablet_base import TabletBase
from sync.change import ADD, APPEND, COUNT, REMOVE, Value
from sync.effects import Writing, day_of


class TabletWriting(TabletBase):
    """The methods of a ``Tablet`` that write."""

    def create_record(
        self,
        collection: str,
        fields: Mapping[str, Value] | None = None,
        *,
        record: str | None = None,
    ) -> str:
        """Make a record and return its id, 22 characters that sort by time.

        ``union`` fields take a list, ``sum`` fields an amount, ``append`` fields an entry or a
        list.
        ``record`` gives an id of one's own (imports). What the declaration fills in need not be
        given; where there is one record per key, a second making writes on the first. Raises
        EntryRefused naming each field that may not be written, OperationMisplaced for an unknown
        collection, StoreFull.
        """
        given: Mapping[str, Value] = fields or {}
        here = False
        if collection == "consent" and self._checked:
            check_consent(self._store, given, signed=False)
        if record is None and self._checked:
            record, given, here = self._effecting.born(collection, given, self.worker)
        return self._write(self._entering.creates(collection, record, given, here=here))

    def edit(
        self, record: str, *, collection: str | None = None, reason: str = "", **fields: Value
    ) -> None:
        """Set fields of a record: what this tablet shows of them is overwritten, nothing else is.

        ``collection`` is needed only where the record is not held. Raises NotFound, EntryRefused,
        OperationMisplaced (``union``, ``sum`` and ``append`` fields have their own methods).
        """
        self.set_fields(record, fields, collection=collection, reason=reason)

    def set_fields(
        self,
        record: str,
        fields: Mapping[str, Value],
        *,
        collection: str | None = None,
        reason: str = "",
    ) -> None:
        """``edit`` with the fields in a mapping, for names that are no identifiers."""
        known = self._collection(record, collection)
        self._write(self._entering.sets(known, record, fields, reason))

    def add(
        self, record: str, field: str, *values: str | int, collection: str | None = None
    ) -> None:
        """Add elements to a ``union`` field; adding beats a removal that did not know of it."""
        known = self._collection(record, collection)
        self._write(self._entering.operates(known, record, ADD, field, list(values_of(values))))

    def remove(
        self, record: str, field: str, *values: str | int, collection: str | None = None
    ) -> None:
        """Take elements out of a ``union`` field, as far as this tablet has seen them."""
        known = self._collection(record, collection)
        self._write(self._entering.operates(known, record, REMOVE, field, list(values_of(values))))

    def count(self, record: str, field: str, amount: int, *, collection: str | None = None) -> None:
        """Add an amount to a ``sum`` field; negative amounts take away."""
        known = self._collection(record, collection)
        self._write(self._entering.operates(known, record, COUNT, field, amount))

    def append(
        self, record: str, field: str, *entries: Value, collection: str | None = None
    ) -> None:
        """Add entries to an ``append`` field."""
        known = self._collection(record, collection)
        self._write(self._entering.operates(known, record, APPEND, field, entries_of(entries)))

    def void(self, record: str, reason: str, *, collection: str | None = None) -> None:
        """Void a record. It stays readable, and an edit made without knowing revives it."""
        known = self._collection(record, collection)
        self._write(self._entering.voids(known, record, reason))

    def resolve(
        self,
        record: str,
        field: str,
        value: Value,
        *,
        reason: str = "",
        collection: str | None = None,
    ) -> None:
        """Settle a conflict with one of its values or a third one: a change that has seen them
        all."""
        self.set_fields(record, {field: value}, collection=collection, reason=reason)

    def _collection(self, record: str, given: str | None) -> str:
        if given is not None:
            return given
        found = self._store.one("SELECT collection FROM records WHERE id = ?", (record,))
        if found is None:
            raise NotFound()
        return str(found[0])

    def _write(self, draft: Writing) -> str:
        if not self._checked:
            return self._writer.write(draft, self.worker).record
        return self._effecting.write(draft, self.worker).record

    def attach(
        self,
        data: bytes,
        *,
        household: str,
        media_type: str,
        purpose: str = "other",
        about: tuple[str, str, str] | None = None,
        caption: str = "",
    ) -> str:
        """Attach a photo, a sound or a signature to a household; returns the attachment's id.

        ``data`` is at most 8 MiB; ``about`` may name (collection, record, field). The bytes are
        encrypted on the disk before the record is written, and uploaded after all text. Raises
        AttachmentRefused, EntryRefused, StoreFull.
        """
        blob = self._blobs.keep(data)
        fields: dict[str, Value] = {
            "household": household,
            "purpose": purpose,
            "blob": blob.name,
            "blob_key": blob.key,
            "blob_bytes": blob.size,
            "media_type": media_type,
            "taken_at_ms": self._clock(),
            "taken_by": self.worker,
        }
        if about is not None:
            names = ("about_collection", "about_record", "about_field")
            fields.update(zip(names, about, strict=True))
        if caption:
            fields["caption"] = caption
        record = self.create_record("attachment", fields)
        with self._store.transaction():
            self._blobs.note(blob.name, record)
        return record

    def consent(
        self,
        person: str,
        purpose: str,
        answer: str,
        *,
        signature: bytes,
        media_type: str = "image/png",
        guardian: str = "",
        guardian_relation: str = "",
        words: str = "",
    ) -> str:
        """Record what a person, or the guardian of a child, agreed to, refused or took back.

        ``answer`` is ``given``, ``refused`` or ``withdrawn``; ``signature`` the picture of it;
        ``words`` the version of the notice that was shown. Returns the id of the consent. Raises
        NotFound, EntryRefused where a guardian must sign and none is named, AttachmentRefused.
        """
        home = self._reader.record(person).home
        fields: dict[str, Value] = {
            "household": home,
            "person": person,
            "purpose": purpose,
            "answer": answer,
            "on": day_of(self._clock()),
            "signed_by": "guardian" if guardian else "self",
            "guardian": guardian or None,
            "guardian_relation": guardian_relation or None,
            "words": words or None,
        }
        fields = {name: value for name, value in fields.items() if value is not None}
        self.check_consent(fields, signed=bool(signature))
        signed = self.attach(
            signature,
            household=home,
            media_type=media_type,
            purpose="signature",
            about=("person", person, "consent"),
        )
        return self.create_record("consent", fields | {"signature": signed})

    def needs_guardian(self, person: str, on: str) -> bool:
        """May a person be below fourteen on a day (YYYY-MM-DD), so that a guardian signs?"""
        return below_fourteen(self._store, person, on)

    def check_consent(self, fields: Mapping[str, Value], *, signed: bool) -> None:
        """Look whether a consent lacks something before its signature is kept: whose, what for and
        what the answer is have to stand there when somebody signs.

        Raises EntryRefused, and keeps nothing.
        """
        self._entering.creates("consent", None, fields)
        check_consent(self._store, fields, signed=signed)

    def attachment_bytes(self, record: str) -> bytes:
        """The photo, sound or signature of an attachment; fetched where it is not here.

        Raises NotFound, AttachmentRefused, Unreachable.
        """
        shown = self._reader.record(record)
        return self._blobs.open(
            str(shown["blob"] or ""), str(shown["blob_key"] or ""), self.transport
        )
