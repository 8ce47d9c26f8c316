# SPDX-License-Identifier: Apache-2.0
"""What the console keeps in memory while the server runs: wrong tries, lines just logged, names.

What lives here: waiting after wrong tries. What must not: pages. Invariants
- An account never closes by wrong tries: it waits, at most WAIT_MS_MAX, and only for browsers in
  which it never signed in; so a stranger who knows all names cannot lock a district out.
- Names that do not exist wait like those that do.
"""

from __future__ import annotations

from collections import OrderedDict

from server.area_names import RememberedAreas
from server.web.access import Seen
from server.web.errors import SignInWaits

FREE_TRIES = 5
WAIT_MS_FIRST, WAIT_MS_MAX = 30_000, 15 * 60_000
REMEMBERED_MAX = 20_000
"""Accounts and browsers whose wrong tries are remembered."""
STEP_UP_MS = 5 * 60_000
"""How long the code that was asked again counts."""


class Tries:
    """Wrong tries by account and browser; "" is any browser that is not known."""

    def __init__(self) -> None:
        self._wrong: OrderedDict[tuple[str, str], tuple[int, int]] = OrderedDict()

    def check(self, account: str, browser: str, now_ms: int) -> None:
        """Raises SignInWaits while this account has to wait in this browser."""
        _, until_ms = self._wrong.get((account, browser), (0, 0))
        if now_ms < until_ms:
            raise SignInWaits(f"{(until_ms - now_ms + 999) // 1000} s")

    def wrong(self, account: str, browser: str, now_ms: int) -> None:
        """Note a wrong try."""
        count = self._wrong.pop((account, browser), (0, 0))[0] + 1
        over = count - FREE_TRIES
        wait = min(WAIT_MS_MAX, WAIT_MS_FIRST * 2 ** min(over, 10)) if over >= 0 else 0
        self._wrong[account, browser] = (count, now_ms + wait)
        while len(self._wrong) > REMEMBERED_MAX:
            self._wrong.popitem(last=False)

    def right(self, account: str, browser: str) -> None:
        """Forget the wrong tries of this browser."""
        self._wrong.pop((account, browser), None)


class Console:
    """The console's memory."""

    def __init__(self) -> None:
        self.tries = Tries()
        self.seen = Seen()
        self.areas = RememberedAreas()
        self.streams = 0
