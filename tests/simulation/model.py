# SPDX-License-Identifier: Apache-2.0
"""An independent judge: what every record must show, from explicit causal histories.

What lives here: writes, what each writer was seen to have read, and what follows. What must not:
anything of Doorstep's: no vectors, no counters, no stamps. Invariants
- A writer knew what it was shown before it wrote, all that those writers knew, and its own earlier
  writes on that record in the same life of its store. Nothing else counts as known for certain.
- Every value is written once, so a value names its write.
- A write that was cut off (a crash, a set-back store) may or may not have happened: it happened if
  anyone shows it, or knew it when writing something that happened.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

Life = tuple[int, int]
"""Which life of a store, and how often the record was purged in it."""

SET, ADD, REMOVE, COUNT, APPEND, VOID = "set", "add", "remove", "count", "append", "void"


@dataclass
class Write:
    """One write. ``value`` names it in fields that keep values; ``seen`` is known for certain,
    ``before`` is all that was written earlier anywhere: what could have been known at most.
    """

    number: int
    by: str
    life: int
    record: str
    op: str
    fields: tuple[str, ...]
    value: Any
    seen: frozenset[int]
    before: frozenset[int]
    certain: bool = True
    acknowledged: bool = False


@dataclass
class Shown:
    """What one replica shows of one record, as plain values."""

    registers: dict[str, frozenset[str]] = field(default_factory=dict)
    elements: dict[str, frozenset[str]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    appends: dict[str, tuple[str, ...]] = field(default_factory=dict)
    voided: bool = False

    def values(self) -> set[str]:
        """Every value that names a write."""
        out = {value for many in self.registers.values() for value in many}
        return out.union(*self.appends.values()) if self.appends else out


class Model:
    """All writes of one run."""

    def __init__(self) -> None:
        self.writes: dict[int, Write] = {}
        self.by_value: dict[str, int] = {}
        self._own: dict[tuple[str, str, Life], set[int]] = {}
        self._read: dict[tuple[str, str, Life], set[int]] = {}

    # ---- what happens ------------------------------------------------------------------------

    def knows(self, shown: Shown | None) -> set[int]:
        """The writes that a reader of this knows for certain. KeyError: a value nobody wrote."""
        known: set[int] = set()
        for value in shown.values() if shown else ():
            number = self.by_value[value]
            known |= {number} | self.writes[number].seen
        return known

    def write(
        self,
        by: str,
        life: Life,
        record: str,
        op: str,
        fields: Iterable[str],
        value: Any,
        shown: Shown | None,
    ) -> Write:
        """A write is about to be made by one who was shown this."""
        key = (by, record, life)
        own = self._own.setdefault(key, set())
        seen = self.knows(shown) | own
        for number in list(own):
            seen |= self.writes[number].seen
        made = Write(
            len(self.writes),
            by,
            life[0],
            record,
            op,
            tuple(fields),
            value,
            frozenset(seen),
            frozenset(n for n, w in self.writes.items() if w.record == record),
            certain=False,
        )
        self.writes[made.number] = made
        if op in (SET, APPEND):
            self.by_value[value] = made.number
        return made

    def happened(self, write: Write, life: Life) -> None:
        """The writer was told that it is saved."""
        write.certain = True
        self._own[write.by, write.record, life].add(write.number)

    def read(self, by: str, life: Life, record: str, shown: Shown) -> list[str]:
        """Somebody looks: complaints where they know less than they did in the same life."""
        key = (by, record, life)
        now = self.knows(shown)
        before = self._read.get(key, set())
        # A value goes only when one who knew it writes over it, and whoever shows that knows both.
        lost = [n for n in sorted(before - now) if self.writes[n].op in (SET, APPEND)]
        self._read[key] = before | now
        return [f"{by} no longer knows write {n} on {record}" for n in lost]

    def acknowledge(self, by: str, life: int) -> set[int]:
        """A server said that it holds all that this life of a store wrote: which writes."""
        found = {
            number
            for number, write in self.writes.items()
            if write.by == by and write.life == life and write.certain
        }
        for number in found:
            self.writes[number].acknowledged = True
        return found

    def set_back(self, by: str, life: int) -> None:
        """A store was set back; ``life`` is its present one. What it alone held may be gone."""
        for write in self.writes.values():
            if write.by == by and write.life < life and not write.acknowledged:
                write.certain = False

    def server_set_back(self, forgotten: set[int], lives: dict[str, int]) -> None:
        """The server that had acknowledged these was set back to before that."""
        for number in forgotten:
            write = self.writes[number]
            write.acknowledged = False
            if write.life < lives.get(write.by, 0):
                write.certain = False

    # ---- what must be ------------------------------------------------------------------------

    def settled(self, shown: Iterable[Shown]) -> set[int]:
        """The writes that happened, given all that anyone shows in the end."""
        out = {n for n, w in self.writes.items() if w.certain}
        for one in shown:
            out |= self.knows(one)
        todo = list(out)
        while todo:
            for number in self.writes[todo.pop()].seen - out:
                out.add(number)
                todo.append(number)
        return out

    def complaints(self, record: str, shown: Shown, happened: set[int], who: str) -> list[str]:
        """Where what is shown is not what must be shown."""
        writes = [self.writes[n] for n in sorted(happened) if self.writes[n].record == record]
        maybe = [w for w in self.writes.values() if w.record == record and w.number not in happened]
        out = [f"{who}: {record}.{line}" for line in self._registers(writes, shown)]
        out += [f"{who}: {record}.{line}" for line in self._elements(writes, maybe, shown)]
        out += [f"{who}: {record}.{line}" for line in self._sums(writes, maybe, shown)]
        out += [f"{who}: {record}.{line}" for line in self._appended(writes, shown)]
        out += [f"{who}: {record} {line}" for line in self._voided(writes, maybe, shown)]
        return out

    def siblings(self, record: str, name: str, happened: set[int]) -> frozenset[str]:
        """The values of a register nobody who knew of them has overwritten."""
        sets = [
            w
            for n in happened
            if (w := self.writes[n]).record == record and w.op == SET and name in w.fields
        ]
        return frozenset(w.value for w in sets if not any(w.number in other.seen for other in sets))

    def _registers(self, writes: list[Write], shown: Shown) -> list[str]:
        happened = {w.number for w in writes}
        names = {name for w in writes if w.op == SET for name in w.fields} | set(shown.registers)
        out = []
        for name in sorted(names):
            record = writes[0].record if writes else ""
            must = self.siblings(record, name, happened)
            found = shown.registers.get(name, frozenset())
            if must - found:
                out.append(f"{name} lost {sorted(must - found)}")
            if found - must:
                out.append(f"{name} brought back {sorted(found - must)}")
        return out

    def _elements(self, writes: list[Write], maybe: list[Write], shown: Shown) -> list[str]:
        out = []
        names = {(w.fields[0], e) for w in writes if w.op in (ADD, REMOVE) for e in w.value}
        for name, element in sorted(names):
            about = [w for w in writes if w.fields[:1] == (name,)]
            adds = [w for w in about if w.op == ADD and element in w.value]
            removes = [w for w in about if w.op == REMOVE and element in w.value]
            unsure = [
                w
                for w in maybe
                if w.fields[:1] == (name,) and w.op in (ADD, REMOVE) and element in w.value
            ]
            here = element in shown.elements.get(name, frozenset())
            able = [*removes, *(w for w in unsure if w.op == REMOVE)]
            surely = any(all(a.number not in r.before for r in able) for a in adds)
            never = all(any(a.number in r.seen for r in removes) for a in adds) and not any(
                w.op == ADD for w in unsure
            )
            if surely and not here:
                out.append(f"{name} lost element {element}")
            if never and here:
                out.append(f"{name} brought back element {element}")
        return out

    def _sums(self, writes: list[Write], maybe: list[Write], shown: Shown) -> list[str]:
        out = []
        for name in sorted({w.fields[0] for w in writes if w.op == COUNT} | set(shown.counts)):
            total = sum(w.value for w in writes if w.op == COUNT and w.fields == (name,))
            found = shown.counts.get(name, 0)
            spare = [w.value for w in maybe if w.op == COUNT and w.fields == (name,)]
            possible = {total}
            for amount in spare:
                possible |= {one + amount for one in possible}
            if found not in possible:
                out.append(f"{name} is {found}, not {total}")
        return out

    def _appended(self, writes: list[Write], shown: Shown) -> list[str]:
        out = []
        for name in sorted({w.fields[0] for w in writes if w.op == APPEND} | set(shown.appends)):
            must = {w.value for w in writes if w.op == APPEND and w.fields == (name,)}
            found = shown.appends.get(name, ())
            if len(set(found)) != len(found):
                out.append(f"{name} shows an entry twice")
            if must - set(found):
                out.append(f"{name} lost entries {sorted(must - set(found))}")
        return out

    def _voided(self, writes: list[Write], maybe: list[Write], shown: Shown) -> list[str]:
        voids = [w for w in writes if w.op == VOID]
        edits = {w.number for w in writes if w.op != VOID}
        could = edits | {w.number for w in maybe if w.op != VOID}
        surely = any(could <= w.seen for w in voids)
        able = voids + [w for w in maybe if w.op == VOID]
        never = not any(edits <= w.before for w in able)
        if surely and not shown.voided:
            return ["is not voided"]
        return ["is voided over an edit that was not known"] if never and shown.voided else []
