# SPDX-License-Identifier: Apache-2.0
"""Errors of one of several: kept, so that the others go on.

What must not live here: judging errors. Invariant: only errors are kept; what stops the program
stops it.
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import TypeVar

T = TypeVar("T")


class _Kept:
    def __init__(self) -> None:
        self.error: Exception | None = None

    def __enter__(self) -> _Kept:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        if isinstance(error, Exception):
            self.error = error
        return self.error is not None


def apart(work: Callable[[], T]) -> T | Exception:
    """What the work gives, or the error it raised: it belongs to one of several."""
    kept = _Kept()
    with kept:
        return work()
    return kept.error or RuntimeError("no error")
