# SPDX-License-Identifier: Apache-2.0
"""Short ways to write one field of each kind: policy, Chinese, English, reason, then its limits.

What lives here: functions from the words of a declaration to a ``Field``. What must not: any
field's own words. Invariants: a field of a rule that compares choices takes its order from them,
lowest first, so the two never differ; money is whole fen, moments are milliseconds.
"""

from __future__ import annotations

from sync.change import ID_CHARS_MAX
from sync.collections import declare
from sync.schema import Choice, Field, Label, Policy


def line(
    policy: Policy,
    zh: str,
    en: str,
    why: str,
    *,
    chars: int = declare.LINE_CHARS,
    required: bool = False,
    pattern: str = "",
    searched: bool = False,
) -> Field:
    """Text of at most ``chars`` characters, one line of a form where nothing else is said."""
    return Field(
        policy=policy,
        why=why,
        label=Label(zh=zh, en=en),
        chars_max=chars,
        required=required,
        pattern=pattern,
        searched=searched,
    )


def words(zh: str, en: str, why: str) -> Field:
    """Remarks that are kept beside each other."""
    return line("append", zh, en, why, chars=declare.NOTE_CHARS)


def phone(zh: str, en: str, why: str) -> Field:
    """A telephone number: two different ones are asked about."""
    return line("ask", zh, en, why, chars=20, pattern=declare.PHONE_PATTERN, searched=True)


def worker(policy: Policy, zh: str, en: str, why: str, *, required: bool = False) -> Field:
    """The id of one who works with Doorstep."""
    return line(policy, zh, en, why, chars=ID_CHARS_MAX, required=required)


def team(policy: Policy, zh: str, en: str, why: str) -> Field:
    """The id of a team of the office's list."""
    label = Label(zh=zh, en=en)
    return Field(policy=policy, why=why, label=label, chars_max=ID_CHARS_MAX, names="team")


def pick(
    policy: Policy,
    zh: str,
    en: str,
    why: str,
    choices: tuple[Choice, ...],
    *,
    required: bool = False,
) -> Field:
    """One of ``choices``, or several under ``union``; lowest first where the policy compares."""
    return Field(
        policy=policy,
        why=why,
        kind="choice",
        label=Label(zh=zh, en=en),
        choices=choices,
        order=declare.order_of(choices) if policy in ("highest", "lowest") else (),
        required=required,
    )


def status(why: str, choices: tuple[Choice, ...]) -> Field:
    """A life cycle: ``choices`` from the last stage back to the one that leaves most to do."""
    return pick("highest", "状态", "Status", why, choices, required=True)


def number(
    policy: Policy,
    zh: str,
    en: str,
    why: str,
    maximum: int,
    *,
    minimum: int = 0,
    unit: str = "",
    required: bool = False,
) -> Field:
    """A whole number; under ``sum`` the limits are those of one amount, and it may be negative."""
    return Field(
        policy=policy,
        why=why,
        kind="integer",
        label=Label(zh=zh, en=en),
        unit=unit,
        minimum=-maximum if policy == "sum" else minimum,
        maximum=maximum,
        required=required,
    )


def money(policy: Policy, zh: str, en: str, why: str) -> Field:
    """An amount of money in fen."""
    return number(policy, zh, en, why, declare.FEN_MAX, unit="fen")


def warmth(policy: Policy, zh: str, en: str, why: str, *, required: bool = False) -> Field:
    """A body temperature in degrees Celsius."""
    return Field(
        policy=policy,
        why=why,
        kind="number",
        label=Label(zh=zh, en=en),
        unit="°C",
        minimum=30,
        maximum=45,
        required=required,
    )


def moment(policy: Policy, zh: str, en: str, why: str, *, required: bool = False) -> Field:
    """A point in time in milliseconds; any, since clocks of tablets may be wrong."""
    return Field(
        policy=policy,
        why=why,
        kind="time",
        label=Label(zh=zh, en=en),
        unit="ms",
        required=required,
    )


def day(policy: Policy, zh: str, en: str, why: str, *, required: bool = False) -> Field:
    """A date."""
    return Field(policy=policy, why=why, kind="date", label=Label(zh=zh, en=en), required=required)


def yes_no(policy: Policy, zh: str, en: str, why: str) -> Field:
    """Yes or no."""
    return Field(policy=policy, why=why, kind="boolean", label=Label(zh=zh, en=en))


def link(policy: Policy, zh: str, en: str, why: str, to: str, *, required: bool = False) -> Field:
    """A reference to a record of the collection ``to``, or several under ``union``."""
    return Field(
        policy=policy,
        why=why,
        label=Label(zh=zh, en=en),
        refers_to=to,
        required=required,
        chars_max=ID_CHARS_MAX,
    )


def home(to: str, zh: str, en: str) -> Field:
    """The field ``household`` of a record that travels with one of ``to`` instead of a household.

    ``to`` is a collection whose records are their own homes and have an ``area``.
    """
    why = "The record travels with what it belongs to: a person says where that is."
    return link("ask", zh, en, why, to, required=True)


AREA = line(
    "ask",
    "所在区域",
    "Area",
    "It decides which teams and offices read the record: never by a rule.",
    chars=15,
    required=True,
    pattern=declare.AREA_PATTERN,
)
SIGNATURE = link(
    "ask",
    "签名",
    "Signature",
    "A signature binds: two of them are looked at side by side.",
    "attachment",
)
PHOTOS = link(
    "union", "照片", "Photos", "Each worker's pictures are evidence: all are kept.", "attachment"
)
WORKERS = worker("union", "经办人", "Workers", "All who took part stand by it.")
