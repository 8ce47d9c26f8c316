# SPDX-License-Identifier: Apache-2.0
"""Which households were entered twice: proposals with their reasons, for an officer to decide.

What lives here: comparing households by address, names and telephones. What must not: joining them
(``joining.py``). Invariants
- A proposal joins nothing, and says for each reason what it weighs.
- What an officer has found to be different households (``known_apart``) is not proposed again.
- Only pairs that share something rare are compared: a telephone, an address as it is normalised, a
  name in one community. So 100,000 households take seconds, not days.
- What is kept of each household is text in tuples and structures without cycles, which Python's
  collector does not look through again and again: it would stop the server for that long.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import combinations
from typing import Any, NamedTuple

import msgspec
from rapidfuzz.distance import OSA

from server.store.base import Transaction
from server.store.walking import walk
from sync.joining import joins

COMMUNITY_DIGITS = 12
BLOCK_MAX = 60
"""Households that share one key: more share it by chance (a switchboard's number), not by name."""
POINTS_MIN = 4.0
"""Points from which two are proposed: one address and one name, or one telephone and one name."""
ROAD_ALIKE = 1
"""Characters in which two roads may differ: one wrong character is a slip of the pen."""

_DIGITS = {c: str(n) for n, c in enumerate("零一二三四五六七八九")} | {"〇": "0", "两": "2"}
_NUMERAL = re.compile(r"[零〇一二两三四五六七八九十百]+(?=[号號栋幢座单元楼层室房之巷梯])")
_FLAT = re.compile(r"(?<=[栋幢座号號楼])[零〇一二三四五六七八九]{3,4}$")
_ABOVE = re.compile(
    r"^(?:[^0-9]{2,4}省)?(?:[^0-9]{2,4}市)?(?:[^0-9]{2,4}区)?(?:[^0-9]{2,5}(?:街道|镇))?"
)
_NUMBER = re.compile(r"[0-9]+")
_NOT_ROAD = re.compile(r"[^\u4e00-\u9fffa-z]")
_UNITS = re.compile(r"[号號栋幢座单元楼层室房之巷梯]+")


class Entry(msgspec.Struct, frozen=True, gc=False):
    """A household as it is compared. ``road`` and ``numbers`` are its normalised address."""

    id: str
    area: str
    address: str
    road: str
    numbers: tuple[str, ...]
    head: str
    names: tuple[str, ...]
    phones: tuple[str, ...]
    others: tuple[str, ...]
    apart: tuple[str, ...]


class Reason(NamedTuple):
    """One thing that speaks for or against: its kind and its points."""

    kind: str
    points: float


class Proposal(NamedTuple):
    """Two households that may be one, with the reasons; ``points`` are their sum."""

    first: str
    second: str
    points: float
    reasons: tuple[Reason, ...]


def number_of(numeral: str) -> str:
    """A Chinese numeral as digits: 十二 and 一二 are 12, 三零一 is 301."""
    if "十" not in numeral and "百" not in numeral:
        return "".join(_DIGITS[c] for c in numeral)
    total, digit = 0, 0
    for c in numeral:
        if c in "十百":
            total += (digit or 1) * (10 if c == "十" else 100)
            digit = 0
        else:
            digit = int(_DIGITS[c])
    return str(total + digit)


def normalised(address: str) -> tuple[str, tuple[str, ...]]:
    """The road and the numbers of an address, however it was written."""
    text = unicodedata.normalize("NFKC", address).casefold()
    text = re.sub(r"[\s,，。.、()（）-]+", lambda m: "-" if "-" in m[0] else "", text)
    text = _NUMERAL.sub(lambda m: number_of(m[0]), text)
    text = _FLAT.sub(lambda m: number_of(m[0]), text)
    text = _ABOVE.sub("", text)
    first = _NUMBER.search(text)
    road = _NOT_ROAD.sub("", text[: first.start()] if first else text)
    numbers = tuple(found.lstrip("0") or "0" for found in _NUMBER.findall(text))
    return road, numbers


def phone_key(phone: object) -> str:
    """The digits of a telephone number without the country's code; "" where it is none."""
    digits = "".join(c for c in str(phone or "") if c.isdigit())
    digits = digits.removeprefix("0086")
    if len(digits) == 13:
        digits = digits.removeprefix("86")
    return digits if len(digits) >= 7 else ""


def _name(name: object) -> str:
    return re.sub(r"[\s·.]+", "", unicodedata.normalize("NFKC", str(name or ""))).casefold()


class _Household(msgspec.Struct, gc=False):
    area: str | None = ""
    address: str | None = ""
    head_name: str | None = ""
    phone: str | None = None
    phone2: str | None = None
    emergency_phone: str | None = None
    joined_into: str | None = None
    known_apart: list[str] = []


class _Person(msgspec.Struct, gc=False):
    name: str | None = ""
    phone: str | None = None


_household = msgspec.json.Decoder(_Household, strict=False).decode
_person = msgspec.json.Decoder(_Person, strict=False).decode


def read_entries(tx: Transaction, under: str = "") -> list[Entry]:
    """The households of an area, but for void ones and those joined away, with their people."""
    people: dict[str, list[_Person]] = defaultdict(list)
    sql = "SELECT r.n, h.id, r.body FROM records r JOIN homes h ON h.n = r.home"
    sql += " WHERE r.kind = ? AND r.voided = 0"
    for part in walk(tx, sql, [tx.kind_of("person")]):
        for _, home, body in part:
            people[home].append(_person(body))
    found: dict[str, _Household] = {}
    for part in walk(tx, sql, [tx.kind_of("household")]):
        found |= {home: _household(body) for _, home, body in part}
    into = joins({home: h.joined_into for home, h in found.items()}, found)
    return [
        _entry(home, h, people.get(home, []))
        for home, h in found.items()
        if home not in into.survivor and (h.area or "").startswith(under)
    ]


def entry_of(home: str, values: dict[str, Any], people: Iterable[tuple[str, str]]) -> Entry:
    """A household as it is compared, from its fields and its people's names and telephones."""
    household = msgspec.convert(values, _Household, strict=False)
    return _entry(home, household, [_Person(name, phone) for name, phone in people])


def _entry(home: str, h: _Household, people: list[_Person]) -> Entry:
    road, numbers = normalised(h.address or "")
    head = _name(h.head_name)
    phones = {phone_key(p) for p in (h.phone, h.phone2, *(one.phone for one in people))}
    return Entry(
        home,
        h.area or "",
        h.address or "",
        road,
        numbers,
        head,
        tuple(sorted({head, *(_name(one.name) for one in people)} - {""})),
        tuple(sorted(phones - {""})),
        tuple(filter(None, [phone_key(h.emergency_phone)])),
        tuple(h.known_apart),
    )


def _keys(entry: Entry) -> Iterator[str]:
    """What a household shares with its double, and with few others."""
    community = entry.area[:COMMUNITY_DIGITS]
    for phone in (*entry.phones, *entry.others):
        yield "p" + phone
    if entry.numbers:
        numbers = " ".join(entry.numbers)
        yield f"a{entry.road} {numbers}"
        yield f"c{community} {numbers}"
    for name in entry.names:
        yield f"n{community} {name}"
        if entry.numbers:
            yield f"r{name} {entry.numbers[-1]} {entry.numbers[0]}"


def compare(one: Entry, two: Entry) -> Proposal:
    """What speaks for two households being one, and what against."""
    reasons = [_address(one, two), _names(one, two), _phones(one, two)]
    kept = tuple(reason for reason in reasons if reason.points)
    first, second = sorted((one.id, two.id))
    return Proposal(first, second, sum(reason.points for reason in kept), kept)


def _address(one: Entry, two: Entry) -> Reason:
    if not one.numbers or not two.numbers:
        return Reason("address-unknown", 0.0)
    road = one.road == two.road or (
        OSA.distance(one.road, two.road, score_cutoff=ROAD_ALIKE) <= ROAD_ALIKE
    )
    if road and one.numbers == two.numbers:
        return Reason("address-same", 4.0)
    shorter, longer = sorted((one.numbers, two.numbers), key=len)
    if road and len(shorter) < len(longer) and _within(shorter, longer):
        return Reason("address-part", 2.0)
    slips = [(a, b) for a, b in zip(shorter, longer, strict=False) if a != b]
    if road and len(shorter) == len(longer) and len(slips) == 1:
        a, b = slips[0]
        if OSA.distance(a, b) == 1:
            # In a street of many doors a neighbour of the same name is as likely as a slip.
            return Reason("address-slip", 1.0)
    return Reason("address-other", -3.0)


def _within(shorter: tuple[str, ...], longer: tuple[str, ...]) -> bool:
    """Are these the numbers of the other, one or more left out?"""
    left = iter(longer)
    return all(number in left for number in shorter)


def _names(one: Entry, two: Entry) -> Reason:
    if not one.names or not two.names:
        return Reason("name-unknown", 0.0)
    shared = set(one.names).intersection(two.names)
    if len(shared) >= 2:
        return Reason("people-same", 4.5)
    if one.head and one.head == two.head:
        return Reason("head-same", 3.0)
    if one.head in two.names or two.head in one.names:
        return Reason("head-among-people", 3.0)
    if shared:
        return Reason("person-same", 2.0)
    if len(one.head) == len(two.head) >= 2 and OSA.distance(one.head, two.head) == 1:
        # With three characters one of them may be a slip; with two it is half the name.
        same_surname = one.head[0] == two.head[0]
        return Reason("head-alike", 1.5 if len(one.head) > 2 or same_surname else 0.5)
    return Reason("name-other", -3.0)


def _phones(one: Entry, two: Entry) -> Reason:
    if not set(one.phones).isdisjoint(two.phones):
        return Reason("phone-same", 4.0)
    if not {*one.phones, *one.others}.isdisjoint((*two.phones, *two.others)):
        return Reason("phone-of-contact", 2.0)
    return Reason("phone-other", -0.5 if one.phones and two.phones else 0.0)


def candidates(entries: Iterable[Entry]) -> Iterator[tuple[Entry, Entry]]:
    """The pairs that share a key, each once."""
    held = list(entries)
    # Nearly all keys are one household's alone: a list is made for those of several.
    first: dict[str, int] = {}
    blocks: dict[str, list[int]] = {}
    for at, entry in enumerate(held):
        for key in set(_keys(entry)):
            one = first.setdefault(key, at)
            if one != at:
                blocks.setdefault(key, [one]).append(at)
    seen: set[tuple[int, int]] = set()
    for block in blocks.values():
        if len(block) > BLOCK_MAX:
            continue
        for pair in combinations(block, 2):
            if pair not in seen:
                seen.add(pair)
                yield held[pair[0]], held[pair[1]]


def propose(entries: Iterable[Entry], least: float = POINTS_MIN) -> list[Proposal]:
    """The pairs that may be one household, the surest first."""
    found = []
    for one, two in candidates(entries):
        if two.id in one.apart or one.id in two.apart:
            continue
        proposal = compare(one, two)
        if proposal.points >= least:
            found.append(proposal)
    return sorted(found, key=lambda p: (-p.points, p.first, p.second))
