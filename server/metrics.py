# SPDX-License-Identifier: Apache-2.0
"""Figures for Prometheus: what the server did since it started, and how it stands.

What lives here: the counters, and the page. What must not: who may ask (``api/endpoints.py``).
Invariants
- Labels are routes, statuses, error codes and states of tablets: from lists of this program, so
  that no person, household, tablet or address is in them, and their number is bounded.
- Counting costs microseconds; what must be asked of the store is asked when the page is, on a
  connection that only reads.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric

from server.api.replies import Answer
from server.store.base import Store
from server.store.sqlite_file import files_of

if TYPE_CHECKING:
    from server.service import Service

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
"""From an empty sync to the largest upload on a slow disk."""
ASKED: tuple[tuple[str, str, str], ...] = (
    ("runs", "Runs of changes stored", "SELECT coalesce(max(n), 0) FROM segments"),
    ("records", "Records held", "SELECT coalesce(max(n), 0) FROM records"),
    ("conflicts", "Conflicts ever found", "SELECT coalesce(max(n), 0) FROM conflicts"),
    (
        "conflicts_open",
        "Conflicts that wait for a person",
        "SELECT count(*) FROM conflicts WHERE state = 'open'",
    ),
    (
        "quarantined",
        "Changes in quarantine",
        "SELECT count(*) FROM quarantine WHERE released_by IS NULL",
    ),
    ("waiting", "Changes that wait for earlier ones", "SELECT count(*) FROM waiting"),
    ("forked_feeds", "Feeds written by two copies", "SELECT count(*) FROM forks"),
    (
        "last_backup_seconds",
        "When the last backup was made, since 1970",
        "SELECT coalesce(max(at_ms), 0) / 1000 FROM journal WHERE what = 'backup'",
    ),
)


class Metrics:
    """The counters of one served district."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry(auto_describe=False)
        made = self.registry
        self._requests = Counter(
            "doorstep_requests", "Requests", ["route", "status"], registry=made
        )
        self._errors = Counter(
            "doorstep_errors", "Requests refused, by code", ["code"], registry=made
        )
        self._bytes = Counter("doorstep_bytes", "Bytes of bodies", ["direction"], registry=made)
        self._seconds = Histogram(
            "doorstep_request_seconds",
            "Time of a request",
            ["route"],
            buckets=SECONDS,
            registry=made,
        )
        self._commits = Histogram(
            "doorstep_commit_seconds", "Time of one commit", buckets=SECONDS, registry=made
        )
        self.connections: Callable[[], int] = lambda: 0

    def request(self, route: str, answer: Answer, bytes_in: int, ms: float) -> None:
        """Count one request; ``route`` is its pattern."""
        self._requests.labels(route, str(answer.status)).inc()
        self._seconds.labels(route).observe(ms / 1000)
        self._bytes.labels("in").inc(bytes_in)
        self._bytes.labels("out").inc(len(answer.body))
        if answer.code:
            self._errors.labels(answer.code).inc()

    def commit(self, ms: float) -> None:
        """Count one transaction of the exchange."""
        self._commits.observe(ms / 1000)

    def page(self, service: Service, store: Store) -> bytes:
        """The whole page, in Prometheus' text format."""
        now = CollectorRegistry(auto_describe=False)
        now.register(_Now(service, store))
        return generate_latest(self.registry) + generate_latest(now)


class _Now:
    """How the server stands at this moment."""

    def __init__(self, service: Service, store: Store) -> None:
        self._service = service
        self._store = store

    def collect(self) -> Iterator[Metric]:
        """The gauges."""
        service, settings = self._service, self._service.settings
        found = os.statvfs(settings.data_dir)
        free = found.f_bavail * found.f_frsize
        size = sum(file.stat().st_size for file in files_of(settings.store_path))
        for name, text, value in (
            ("connections", "Connections held", service.metrics.connections()),
            ("places_taken", "Requests that wait for the store", service.places.taken),
            ("sent_away", "Requests told to come back later", service.places.refused),
            ("store_bytes", "Bytes of the store's files", size),
            ("disk_free_bytes", "Bytes free on its disk", free),
            (
                "disk_alarm",
                "1 below disk_free_bytes_alarm",
                int(free < settings.disk_free_bytes_alarm),
            ),
        ):
            yield GaugeMetricFamily(f"doorstep_{name}", text, value=value)
        with self._store.read() as tx:
            for name, text, sql in ASKED:
                yield GaugeMetricFamily(f"doorstep_{name}", text, value=int(tx.rows(sql)[0][0]))
            tablets = GaugeMetricFamily("doorstep_tablets", "Tablets, by state", labels=["state"])
            for state, count in tx.rows("SELECT state, count(*) FROM devices GROUP BY state"):
                tablets.add_metric([str(state)], int(count))
            yield tablets
