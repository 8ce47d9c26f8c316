# SPDX-License-Identifier: Apache-2.0
"""What is asked of a report: area, level, days; and the bounds of days in Guangzhou's time.

What lives here: parameters, their limits, and what SQL gets of them. What must not: SQL. Invariants
- A day begins at midnight in ``Asia/Shanghai``, wherever the server stands.
- Whoever may see one area only is never shown another, whatever is asked for.
"""

from __future__ import annotations

import datetime
import re
from typing import Literal
from zoneinfo import ZoneInfo

import msgspec

from server.errors import ReportRefused

ZONE = ZoneInfo("Asia/Shanghai")
Level = Literal["city", "district", "street", "community", "grid"]
DIGITS: dict[str, int] = {"city": 4, "district": 6, "street": 9, "community": 12, "grid": 15}
"""Length of the area codes of each level."""
DAY_MS = 86_400_000
DAYS_MAX = 3_660
"""Ten years: a longer period is a slip of the finger."""
_AREA = re.compile(r"[0-9]{0,15}")


class Params(msgspec.Struct, frozen=True, kw_only=True):
    """``since`` and ``until`` are ISO dates, both days included; empty: today, one day.

    ``level`` empty is the report's own; ``days`` is the number of days that reports ask about
    (without a visit, without a check).
    """

    area: str = ""
    level: str = ""
    since: str = ""
    until: str = ""
    days: int = 30


def day_of(ms: int) -> datetime.date:
    """The day in Guangzhou of a moment."""
    return datetime.datetime.fromtimestamp(ms / 1000, ZONE).date()


def start_ms(day: datetime.date) -> int:
    """The moment at which a day begins in Guangzhou."""
    return int(datetime.datetime.combine(day, datetime.time(), ZONE).timestamp()) * 1000


def scoped(area: str, scope: str) -> str:
    """The area to report on, for someone who may see ``scope``. Raises ReportRefused."""
    if not _AREA.fullmatch(area) or not _AREA.fullmatch(scope):
        raise ReportRefused("area")
    if area.startswith(scope):
        return area
    if scope.startswith(area):
        return scope
    raise ReportRefused("area outside of what you may see")


def _date(text: str, name: str) -> datetime.date:
    try:
        return datetime.date.fromisoformat(text)
    except ValueError:
        raise ReportRefused(name) from None


class Asked(msgspec.Struct, frozen=True):
    """Parameters that were checked, with all that follows from them."""

    area: str
    level: str
    since: datetime.date
    until: datetime.date
    days: int
    now_ms: int

    @property
    def digits(self) -> int:
        """Digits of the codes that rows stand for."""
        return DIGITS[self.level]

    def bound(self) -> dict[str, int | str]:
        """What the parameters in SQL stand for."""
        end = start_ms(self.until + datetime.timedelta(days=1))
        before = self.until - datetime.timedelta(days=self.days)
        return {
            "area": self.area,
            "area_end": self.area + ":",
            "start_ms": start_ms(self.since),
            "end_ms": end,
            "since": self.since.isoformat(),
            "until": self.until.isoformat(),
            "last_ms": start_ms(self.until),
            "before": before.isoformat(),
            "week": (self.until - datetime.timedelta(days=7)).isoformat(),
            "before_ms": end - self.days * DAY_MS,
            "offset_ms": self._offset_ms(),
            "year": self.until.year,
        }

    def _offset_ms(self) -> int:
        midnight = datetime.datetime.combine(self.until, datetime.time(), ZONE)
        offset = midnight.utcoffset() or datetime.timedelta()
        return int(offset.total_seconds()) * 1000


def checked(params: Params, level: str, scope: str, now_ms: int) -> Asked:
    """Check parameters. Raises ReportRefused naming what does not hold."""
    until = _date(params.until, "until") if params.until else day_of(now_ms)
    since = _date(params.since, "since") if params.since else until
    wanted = params.level or level
    if wanted not in DIGITS:
        raise ReportRefused("level")
    if not 1 <= params.days <= DAYS_MAX:
        raise ReportRefused("days")
    if since > until or (until - since).days > DAYS_MAX or not 1970 < since.year < 9000:
        raise ReportRefused("since")
    return Asked(scoped(params.area, scope), wanted, since, until, params.days, now_ms)
