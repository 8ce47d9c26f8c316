# SPDX-License-Identifier: Apache-2.0
"""Households where nobody was reached for some days."""

from __future__ import annotations

from server.reports.common import last_reached
from server.reports.define import Report, Share, Source, both, count

_LONG = "(l.last_ms IS NULL OR l.last_ms < :before_ms)"
_TAGGED = (
    "EXISTS (SELECT 1 FROM facts_set s WHERE s.n = f.n AND s.field = 'categories'"
    " AND s.value IN ({0}))"
)

UNVISITED = Report(
    name="unvisited",
    label=both("久未走访", "Not reached for long"),
    words=both(
        "截止日结束时，已有规定天数（默认 30 天）没有见到人或由他人告知的户。",
        "Households where nobody was met or told by another for the given number of days (30 if"
        " not given), at the end of the last day.",
    ),
    sources={
        "household": Source(
            f"facts_household f LEFT JOIN {last_reached(':end_ms')} l ON l.home = f.home",
            "f.own = f.home",
        )
    },
    figures=(
        count(
            "households", "household", "户数", "Households", "在册的户。", "Households on the list."
        ),
        count(
            "unvisited",
            "household",
            "久未见到",
            "Not reached",
            "规定天数内没有见到的户，含从未见到的。",
            "Not reached for that many days, or never.",
            _LONG,
        ),
        count(
            "never",
            "household",
            "从未见到",
            "Never reached",
            "没有任何一次见到的记录。",
            "Without any visit at which someone was reached.",
            "l.last_ms IS NULL",
        ),
        count(
            "alone",
            "household",
            "其中独居孤寡",
            "of them elderly alone",
            "久未见到的户中，类别含独居或孤寡的。",
            "Those not reached whose categories have elderly living alone or without family.",
            f"{_LONG} AND " + _TAGGED.format("'living_alone', 'no_family'"),
        ),
        count(
            "poor",
            "household",
            "其中特困",
            "of them in extreme poverty",
            "久未见到的户中，类别含特困的。",
            "Those not reached whose categories have extreme poverty support.",
            f"{_LONG} AND " + _TAGGED.format("'extreme_poverty'"),
        ),
        count(
            "appointed",
            "household",
            "约定已过",
            "Appointment missed",
            "约定的下次走访早于截止日，之后没有见到的户。",
            "The appointment for the next visit lies before the last day, and nobody was reached"
            " for that many days.",
            f"{_LONG} AND f.next_visit < :until",
        ),
    ),
    shares=(
        Share(
            name="unvisited_share",
            part="unvisited",
            whole="households",
            label=both("占比", "Share"),
            words=both("久未见到占户数。", "Not reached of all households."),
        ),
    ),
)
