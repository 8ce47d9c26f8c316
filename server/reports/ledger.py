# SPDX-License-Identifier: Apache-2.0
"""The ledger of special groups (台账) by category: how many, who is in a zone, who has a helper."""

from __future__ import annotations

from server.reports.common import last_reached
from server.reports.define import Dimension, Report, Source, both, count, listed
from sync.collections.declare import CATEGORIES, ENDED
from sync.collections.zone import LEVELS

_TAGS = "facts_set s ON s.n = f.n AND s.field = 'categories'"


_RANK = " ".join(f"WHEN '{choice.value}' THEN {rank}" for rank, choice in enumerate(LEVELS))
_ZONED = (
    f"(SELECT h.n AS n, max(CASE z.level {_RANK} END) AS rank FROM facts_zone z"
    " JOIN facts_household h ON h.area >= z.area AND h.area < z.area || ':'"
    " WHERE coalesce(z.starts_on, '') <= :until AND (z.ends_on IS NULL OR z.ends_on >= :until)"
    " AND (NOT EXISTS (SELECT 1 FROM facts_set b WHERE b.n = z.n AND b.field = 'buildings')"
    " OR EXISTS (SELECT 1 FROM facts_set b WHERE b.n = z.n AND b.field = 'buildings'"
    " AND b.value = h.building)) GROUP BY h.n)"
)
"""The strictest zone that a household lies in on the last day, by its place among the levels."""
_HELPERS = (
    "(SELECT DISTINCT home FROM facts_helper_assignment"
    f" WHERE coalesce(status, '') NOT IN ({listed(ENDED)}))"
)
_HELPED = "coalesce(f.helper, '') <> '' OR a.home IS NOT NULL"


def _in_zone(level: str) -> str:
    return f"z.rank = {[choice.value for choice in LEVELS].index(level)}"


LEDGER = Report(
    name="ledger",
    label=both("特殊群体台账", "Ledger of special groups"),
    words=both(
        "按类别的户与人；一户或一人有几个类别就出现在几行，合计中只计一次。",
        "Households and people by category; one with several categories stands in several rows,"
        " and once in the total.",
    ),
    dimension=Dimension(
        name="category", label=both("类别", "Category"), sql="s.value", choices=CATEGORIES
    ),
    overlapping=True,
    sources={
        "household": Source(
            f"facts_household f JOIN {_TAGS}"
            f" LEFT JOIN {last_reached(':end_ms')} l ON l.home = f.home"
            f" LEFT JOIN {_ZONED} z ON z.n = f.n LEFT JOIN {_HELPERS} a ON a.home = f.home",
            "f.own = f.home",
        ),
        "person": Source(f"facts_person f JOIN {_TAGS}", "coalesce(f.died_on, '') = ''"),
    },
    figures=(
        count(
            "households",
            "household",
            "户",
            "Households",
            "类别中有此项的户。",
            "Households of the category.",
        ),
        count(
            "people",
            "person",
            "人",
            "People",
            "类别中有此项的在世人员。",
            "People of the category who are alive.",
        ),
        count(
            "closed",
            "household",
            "封控区",
            "In closed zones",
            "截止日在封控区内的户；在几个区内的按最严的算。",
            "Households in a closed zone on the last day; of several the strictest counts.",
            _in_zone("closed"),
        ),
        count(
            "controlled",
            "household",
            "管控区",
            "In controlled zones",
            "截止日在管控区内的户。",
            "Households in a controlled zone on the last day.",
            _in_zone("controlled"),
        ),
        count(
            "watched",
            "household",
            "防范区",
            "In watched zones",
            "截止日在防范区内的户。",
            "Households in a watched zone on the last day.",
            _in_zone("watched"),
        ),
        count(
            "helped",
            "household",
            "有帮扶人",
            "With a named helper",
            "档案中有帮扶人，或有未结束的一对一帮扶。",
            "A helper is named in the household's file, or by an assignment that has not ended.",
            _HELPED,
        ),
        count(
            "unvisited",
            "household",
            "久未见到",
            "Not reached",
            "规定天数（默认 30 天）内没有见到的户。",
            "Nobody was reached for the given number of days (30 if not given).",
            "l.last_ms IS NULL OR l.last_ms < :before_ms",
        ),
    ),
)
