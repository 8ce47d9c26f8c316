# SPDX-License-Identifier: Apache-2.0
"""Reports as GeoJSON (RFC 7946): one feature for each area, with its figures.

What lives here: outlines of areas from the positions of their households. What must not: figures.
Invariants
- Positions are longitude, latitude in WGS 84; a ring is closed and runs counterclockwise.
- An outline is that of all households together; no household stands in it by itself. An area of
  fewer than HOMES_MIN positions has no outline: it would show where somebody lives.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import msgspec

from server.reports.running import Result
from server.reports.sheets import notice_of
from server.store.base import Transaction
from sync.collections.declare import GPS_PATTERN

HOMES_MIN = 5
_GPS = re.compile(GPS_PATTERN)
Point = tuple[float, float]


def as_geojson(tx: Transaction, result: Result, lang: str) -> bytes:
    """A report that is not divided by anything but the area, as a FeatureCollection."""
    report, asked = result.report, result.asked
    wanted = {row.area for row in result.rows}
    points: dict[str, list[Point]] = {}
    limits = " AND area >= ? AND area < ?" if asked.area else ""
    values = [asked.area, asked.area + ":"] if asked.area else []
    for area, gps in tx.rows(
        f"SELECT substr(area, 1, {asked.digits}), gps FROM facts_household"
        f" WHERE own = home AND gps IS NOT NULL{limits}",
        values,
    ):
        if area in wanted and (point := position(str(gps))):
            points.setdefault(area, []).append(point)
    labels = {one.name: one.label.text(lang) for one in report.columns}
    features = [
        {
            "type": "Feature",
            "id": row.area,
            "geometry": outline(points.get(row.area, ())),
            "properties": {"area": row.area, "name": row.area_name, **row.values},
        }
        for row in result.rows
    ]
    return msgspec.json.encode(
        {
            "type": "FeatureCollection",
            "report": report.name,
            "since": asked.since,
            "until": asked.until,
            "not_counted_yet": notice_of(result, lang),
            "labels": labels,
            "features": features,
        }
    )


def position(gps: str) -> Point | None:
    """Longitude and latitude of a written position; None where it is none on Earth."""
    if not _GPS.fullmatch(gps):
        return None
    latitude, longitude = map(float, gps.split(","))
    on_earth = abs(latitude) <= 90 and abs(longitude) <= 180
    return (longitude, latitude) if on_earth else None


def outline(points: Iterable[Point]) -> dict[str, Any] | None:
    """The convex outline of some positions as a Polygon; None where it would tell too much."""
    some = sorted(set(points))
    if len(some) < HOMES_MIN:
        return None
    hull = _half(some) + _half(some[::-1])
    if len(hull) < 3:
        return None
    return {"type": "Polygon", "coordinates": [[*map(list, hull), list(hull[0])]]}


def _half(points: list[Point]) -> list[Point]:
    """One side of the outline, without its last point, always turning left."""
    side: list[Point] = []
    for point in points:
        while len(side) > 1 and _turn(side[-2], side[-1], point) <= 0:
            side.pop()
        side.append(point)
    return side[:-1]


def _turn(a: Point, b: Point, c: Point) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
