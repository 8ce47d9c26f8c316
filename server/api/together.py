# SPDX-License-Identifier: Apache-2.0
"""Requests that wait for the store are worked on together.

What lives here: who waits, and who is taken next. What must not: the work itself. Invariants
- They are taken in the order they came.
- Whoever goes away while waiting hinders nobody: the work is done all the same.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")
A = TypeVar("A")


class Together(Generic[T, A]):
    """``work`` gets up to ``at_once_max`` items and gives an answer, or an error, for each."""

    def __init__(
        self, work: Callable[[Sequence[T]], Awaitable[Sequence[A | Exception]]], at_once_max: int
    ) -> None:
        self._work = work
        self._at_once_max = at_once_max
        self._waiting: deque[tuple[T, asyncio.Future[A]]] = deque()
        self._task: asyncio.Task[None] | None = None

    async def run(self, item: T) -> A:
        """The answer to one item. Raises what was given for it."""
        future: asyncio.Future[A] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._task is None:
            self._task = asyncio.create_task(self._work_off())
        return await future

    def next(self) -> list[T]:
        """Those that will be taken next, as far as they have come; from any thread."""
        # They are taken while no work runs, and join at the end: none here moves meanwhile.
        count = min(len(self._waiting), self._at_once_max)
        return [self._waiting[i][0] for i in range(count)]

    async def _work_off(self) -> None:
        try:
            while self._waiting:
                count = min(len(self._waiting), self._at_once_max)
                await self._answer([self._waiting.popleft() for _ in range(count)])
        finally:
            self._task = None

    async def _answer(self, some: list[tuple[T, asyncio.Future[A]]]) -> None:
        work = self._work([item for item, _ in some])
        (came,) = await asyncio.gather(work, return_exceptions=True)
        answers: Sequence[A | BaseException]
        answers = [came] * len(some) if isinstance(came, BaseException) else came
        for (_, future), answer in zip(some, answers, strict=True):
            if future.done():
                continue
            if isinstance(answer, BaseException):
                future.set_exception(answer)
            else:
                future.set_result(answer)
