# SPDX-License-Identifier: Apache-2.0
"""Structured logs: one JSON object a line, and nothing personal in any of them.

What lives here: the lines and their fields. What must not: values of records, names, household ids,
bodies, messages of exceptions, which may quote what they refuse. Invariant: a line is made of a
fixed event name and of numbers, codes and device ids; there is no field for free text.
"""

from __future__ import annotations

import logging
import sys
import time
import traceback
from typing import Any, TextIO

import msgspec

from server.api.replies import Answer
from server.settings import Settings

LOGGER = logging.getLogger("doorstep")


class Timer:
    """Milliseconds since it was made."""

    def __init__(self) -> None:
        self._start = time.perf_counter()

    @property
    def ms(self) -> float:
        """Milliseconds, to two digits."""
        return round((time.perf_counter() - self._start) * 1000, 2)


class Lines(logging.Formatter):
    """Our own records with their fields; of others (uvicorn, asyncio) only level and place."""

    def __init__(self, as_json: bool) -> None:
        super().__init__()
        self._json = as_json

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        line: dict[str, Any] = {
            "at_ms": int(record.created * 1000),
            "level": record.levelname.lower(),
        }
        fields = getattr(record, "fields", None)
        if isinstance(fields, dict):
            line |= {"event": record.msg, **fields}
        else:
            # A foreign message may quote what a caller sent: only its place is kept.
            line |= {"event": "library", "logger": record.name, "line": record.lineno}
            if record.exc_info and record.exc_info[0]:
                line["error"] = record.exc_info[0].__name__
        if self._json:
            return msgspec.json.encode(line).decode()
        return " ".join(f"{name}={value}" for name, value in line.items())


def set_up_logs(settings: Settings, stream: TextIO | None = None) -> None:
    """Send all logging of the process to ``stream`` (standard error) in our form."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(Lines(settings.log_format == "json"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    LOGGER.setLevel(settings.log_level.upper())


def log(event: str, level: int = logging.INFO, **fields: Any) -> None:
    """Write one line: an event's name, and numbers, codes or device ids."""
    if LOGGER.isEnabledFor(level):
        LOGGER.log(level, event, extra={"fields": fields})


def log_request(route: str, answer: Answer, bytes_in: int, timer: Timer) -> None:
    """One line for one request; the route's pattern, never its target."""
    if not LOGGER.isEnabledFor(logging.INFO):
        return
    fields: dict[str, Any] = {
        "route": route,
        "status": answer.status,
        "ms": timer.ms,
        "bytes_in": bytes_in,
        "bytes_out": len(answer.body),
    }
    if answer.device:
        fields["device"] = answer.device
    if answer.code:
        fields["code"] = answer.code
    log("request", **fields)


def log_fault(error: BaseException, code: str) -> None:
    """A fault of the program or its machine: kind and place, without the message."""
    places = [f"{f.filename.rsplit('/', 1)[-1]}:{f.lineno}" for f in _frames(error)][-6:]
    log("fault", logging.ERROR, error=type(error).__name__, code=code, at=places)


def _frames(error: BaseException) -> list[traceback.FrameSummary]:
    return list(traceback.extract_tb(error.__traceback__))
