# SPDX-License-Identifier: Apache-2.0
"""What the declarations share: short ways to write choices, patterns and limits.

What lives here: patterns and limits, and the fields and lists that several collections have in
common. What must not: anything of one collection alone. Invariant: a choice's value is ASCII and
never changes once it was in use, since old tablets keep sending it; only labels may be reworded.
"""

from __future__ import annotations

from sync.change import ID_CHARS_MAX
from sync.schema import Choice, Field, Label

AREA_PATTERN = r"[0-9]{2}|[0-9]{4}|[0-9]{6}|[0-9]{9}|[0-9]{12}|[0-9]{15}"
"""Province, city, district, street, community, or a grid: a community's code and three digits."""
PHONE_PATTERN = r"\+?[0-9][0-9 -]{3,18}[0-9]"
"""Mobile, landline with area code, or an extension: people give what they have."""
GPS_PATTERN = r"-?[0-9]{1,2}\.[0-9]{1,6},-?[0-9]{1,3}\.[0-9]{1,6}"
"""Latitude and longitude in degrees (WGS 84): six decimals are a tenth of a metre."""
IDENTITY_PATTERN = r"[0-9]{15}|[0-9]{17}[0-9Xx]"
"""A resident identity number, of 18 characters or of the 15 before 1999."""
YEAR_MIN, YEAR_MAX = 1890, 2200
NAME_CHARS, LINE_CHARS, NOTE_CHARS = 60, 120, 2_000
"""A person's name (long Uyghur and foreign names fit), one line of a form, a page of remarks."""
FEN_MAX = 10_000_000_00
"""Ten million yuan: more is a slip of the finger."""


def choices(*rows: tuple[str, str, str]) -> tuple[Choice, ...]:
    """Allowed values from ``(value, Chinese, English)`` rows, in the order of the form."""
    return tuple(Choice(value=value, label=Label(zh=zh, en=en)) for value, zh, en in rows)


def order_of(stages: tuple[Choice, ...]) -> tuple[str, ...]:
    """The values of choices that are listed from lowest to highest."""
    return tuple(stage.value for stage in stages)


def sealed(
    readers: str,
    zh: str,
    en: str,
    why: str,
    *,
    chars: int,
    pattern: str = "",
    searched: bool = False,
) -> Field:
    """A text that only a class of readers may read, wherever it is held and merged."""
    return Field(
        policy="ask",
        why=why,
        label=Label(zh=zh, en=en),
        chars_max=chars,
        pattern=pattern,
        sealed=True,
        readers=readers,
        searched=searched,
    )


READERS = choices(
    ("identity", "身份证号", "Identity numbers"),
    ("illness", "疾病", "Illness"),
    ("child", "儿童保护", "Child protection"),
)
"""The classes of readers of the built-in sealed fields."""
ENDED = frozenset(
    {
        "brought_back",
        "cancelled",
        "checked",
        "closed",
        "confirmed",
        "done",
        "granted",
        "handed_over",
        "left",
        "not_counted",
        "paid",
        "signed",
        "solved",
        "withdrawn",
    }
)
"""Stages of any life cycle (a field named ``status``) that leave nothing to do. In every order
they stand below all others, so that whoever says that something is left to do is heard."""
CATEGORIES = choices(
    ("dibao", "低保", "Minimum living allowance"),
    ("extreme_poverty", "特困", "Extreme poverty support"),
    ("low_income", "低收入", "Low income"),
    ("disabled", "残疾", "Disabled"),
    ("living_alone", "独居", "Elderly living alone"),
    ("no_family", "孤寡", "Elderly without family"),
    ("child_in_difficulty", "困境儿童", "Child in difficulty"),
    ("left_behind", "留守", "Left behind"),
    ("pregnant", "孕产妇", "Pregnant or newly delivered"),
    ("chronic_illness", "慢病", "Chronic illness"),
    ("mental_illness", "精神障碍", "Mental illness"),
)
CARE_LEVELS = choices(
    ("independent", "能自理", "Independent"),
    ("some_help", "需部分照料", "Needs some help"),
    ("much_help", "需较多照料", "Needs much help"),
    ("full_care", "完全不能自理", "Needs full care"),
)
SHORTAGES = choices(
    ("rice", "缺米", "No rice"),
    ("vegetables", "缺菜", "No vegetables"),
    ("gas", "缺气", "No gas"),
    ("medicine", "缺药", "No medicine"),
)
HOUSEHOLD = Field(
    policy="ask",
    why="A record in two households' files is read by two teams: a person says where it belongs.",
    label=Label(zh="所属户", en="Household"),
    refers_to="household",
    required=True,
    chars_max=ID_CHARS_MAX,
)
PERSON = Field(
    policy="ask",
    why="What was found about one person must not silently move to another.",
    label=Label(zh="对象", en="Person"),
    refers_to="person",
    chars_max=ID_CHARS_MAX,
)
NOTES = Field(
    policy="append",
    why="Two people's remarks are both true; nobody's words replace another's.",
    label=Label(zh="备注", en="Notes"),
    chars_max=NOTE_CHARS,
)
CARE_LEVEL = Field(
    policy="highest",
    why="Where two workers judge differently, the greater need is served until it is settled.",
    kind="choice",
    label=Label(zh="自理能力", en="Care level"),
    choices=CARE_LEVELS,
    order=order_of(CARE_LEVELS),
)
