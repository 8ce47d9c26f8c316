# SPDX-License-Identifier: Apache-2.0
"""What an app reads: records with their siblings, who wrote them, and what their writers had seen.

What lives here: plain values, no store behind them. What must not: statements, rules. Invariant: a
view does not change after it was made; read again to see what is new.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from crypto.logword import GROWN
from sync.messages import Notice


@dataclass(frozen=True)
class Writer:
    """Who wrote something, when, on what.

    ``worker`` is the id, ``worker_name`` what people call them; ``replica`` the writing store in
    hex,
    ``device`` the name of its tablet; ``at_ms`` the stamp's wall clock; ``clock_ms`` the raw clock
    of the tablet, None where the change itself is not held here.
    """

    worker: str
    worker_name: str
    replica: str
    device: str
    at_ms: int
    clock_ms: int | None = None


@dataclass(frozen=True)
class Sibling:
    """A value nobody has yet overwritten with knowledge of it.

    ``had_seen`` and ``had_not_seen`` name writers of this record's other live values; ``known`` is
    false where the change is not held here: then only what was not seen is certain.
    """

    value: Any
    by: Writer
    shown: bool
    had_seen: tuple[Writer, ...] = ()
    had_not_seen: tuple[Writer, ...] = ()
    known: bool = False


@dataclass(frozen=True)
class Field:
    """One field as it is shown.

    ``policy`` is how siblings become one value; ``conflict``: more than one different value;
    ``open``: a person has to decide; ``siblings`` stand in order of their stamps. For ``union``,
    ``sum`` and ``append`` the siblings are the contributions.
    """

    name: str
    value: Any
    policy: str
    conflict: bool
    open: bool
    siblings: tuple[Sibling, ...]


@dataclass(frozen=True)
class Record:
    """One record as it is shown. ``home`` is the household it belongs to (its own id for one)."""

    id: str
    collection: str
    home: str
    voided: bool
    void_reason: str
    fields: dict[str, Field] = field(default_factory=dict)

    @property
    def values(self) -> dict[str, Any]:
        """Field -> shown value."""
        return {name: shown.value for name, shown in self.fields.items()}

    def __getitem__(self, name: str) -> Any:
        """The shown value of a field; None where nothing was written."""
        found = self.fields.get(name)
        return found.value if found else None


@dataclass(frozen=True)
class Hit:
    """A household in a list: its id, its shown values, and whether something of it is in
    conflict."""

    id: str
    values: dict[str, Any]
    voided: bool
    conflicts: int


@dataclass(frozen=True)
class Unsent:
    """A change that no server has acknowledged yet."""

    record: str
    collection: str
    fields: tuple[str, ...]
    worker: str
    at_ms: int
    counter: int


@dataclass(frozen=True)
class Place:
    """One place where a change is: ``tablet``, ``carried``, ``district``, or one further up.

    ``who`` is the carrier or server; ``at_ms`` when that was heard, by this tablet's clock.
    """

    kind: str
    who: str
    at_ms: int | None


@dataclass(frozen=True)
class Custody:
    """A change written here and the places it is known to be at, in the order they were heard.

    What was purged here has places, and no record any more.
    """

    replica: str
    counter: int
    record: str
    collection: str
    fields: tuple[str, ...]
    worker: str
    at_ms: int
    places: tuple[Place, ...]


@dataclass(frozen=True)
class Status:
    """Where this tablet stands.

    ``unsent`` counts own changes without a receipt, ``carried`` those of teammates, ``blobs``
    photos and sounds still to be uploaded, ``waiting`` changes that lack something they build on.
    ``synced_at_ms`` is None before the first sync; ``clock_offset_ms`` is the server's clock less
    ours.
    """

    name: str
    replica: str
    worker: str
    households: int
    records: int
    written: int
    unsent: int
    carried: int
    blobs: int
    waiting: int
    conflicts: int
    notices: int
    synced_at_ms: int | None
    clock_offset_ms: int | None


@dataclass(frozen=True)
class Told:
    """What became of something written here: told by the district, with the reason."""

    id: int
    received_at_ms: int
    read: bool
    notice: Notice


@dataclass(frozen=True)
class Solved:
    """Something found here that somebody else has seen to: the record, who did it and when, and
    whether a worker has read of it."""

    record: Record
    by: Writer
    read: bool


@dataclass(frozen=True)
class Progress:
    """How far a sync is: rounds made, changes sent of those there were, records and bytes."""

    phase: str
    rounds: int
    sent: int
    to_send: int
    records: int
    bytes_up: int
    bytes_down: int


@dataclass(frozen=True)
class SyncReport:
    """What a sync did. ``succeeded``: the tablet went on under a new key; the district was told.

    ``log``: the gravest thing found about the district's log (``crypto.logword``)."""

    rounds: int
    sent: int
    records: int
    bytes_up: int
    bytes_down: int
    entered: tuple[str, ...]
    left: tuple[str, ...]
    notices: tuple[Notice, ...]
    succeeded: bool
    agrees: bool
    blobs_sent: int = 0
    log: str = GROWN


@dataclass(frozen=True)
class MeetingReport:
    """What two tablets gave each other: changes read and carried, and records that changed."""

    given: int
    taken: int
    carried: int
    records: int


@dataclass(frozen=True)
class MeetingProgress:
    """How far a meeting over a line is: rounds, changes given and taken, bytes."""

    rounds: int
    given: int
    taken: int
    bytes_up: int
    bytes_down: int
