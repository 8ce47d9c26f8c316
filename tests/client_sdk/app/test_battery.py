# SPDX-License-Identifier: Apache-2.0
"""Nothing is asked for again and again: not by the app's threads, not by the pages' script."""

import re
import threading
import time
from functools import partial
from pathlib import Path

from client_sdk.app import desk
from client_sdk.app.keeper import HIDDEN_SECONDS_MAX, IDLE_SECONDS_MAX
from fixtures.tablet_app import Held, Visitor, served
from fixtures.waiting import until
from tests.client_sdk.app.conftest import Seconds

QUIET_SECONDS = 1.0
WAKINGS_MAX = 3
"""In a second of rest; uvicorn's own loop would wake up ten times."""
SECONDS_MAX = 20.0
"""In none of so many seconds does a loop that looks around rest."""


def wakings(threads: list[threading.Thread]) -> int:
    """How often threads gave the processor back, which is once for each time they woke up."""
    counted = 0
    for thread in threads:
        status = Path(f"/proc/self/task/{thread.native_id}/status").read_text()
        found = re.search(r"^voluntary_ctxt_switches:\s*(\d+)", status, re.MULTILINE)
        assert found
        counted += int(found[1])
    return counted


def is_quiet(threads: list[threading.Thread]) -> bool:
    """Did threads rest for a second?"""
    count = wakings(threads)
    time.sleep(QUIET_SECONDS)
    return wakings(threads) - count <= WAKINGS_MAX


def test_an_app_that_nobody_asks_sleeps_locked_and_unlocked(held: Held) -> None:
    before = set(threading.enumerate())
    with served(held.keeper()) as pages, Visitor(pages) as worker:
        for do in (lambda: None, worker.unlock):
            do()
            mine = [one for one in threading.enumerate() if one not in before]
            assert mine
            # What an answer leaves behind is done some time; then there is nothing to do.
            assert until(partial(is_quiet, mine), SECONDS_MAX)


def test_it_wakes_up_in_time_to_lock_by_itself(held: Held, seconds: Seconds) -> None:
    with served(held.keeper(seconds)) as pages, Visitor(pages) as worker:
        keeper = pages.app.keeper
        worker.unlock()
        # The page goes out of sight just before two minutes are over: the watch is told, looks
        # at the clock and has a tenth of a second left.
        seconds.now += IDLE_SECONDS_MAX - 0.1
        keeper.hide()
        seconds.now += HIDDEN_SECONDS_MAX
        until(lambda: not keeper.is_open)
        assert keeper.locked


def test_the_script_asks_again_only_while_something_runs() -> None:
    script = (desk.FOLDER / "static" / "app.js").read_text("utf-8")
    # The one clock that ticks is the recorder's, from the first word to the last.
    assert script.count("setInterval(") == 1
    assert "clearInterval(clock)" in script
    # What asks again by itself stops with the word that nothing runs any more.
    assert script.count("setTimeout(watch") == 2
    assert 'answer.headers.get("doorstep-running") !== "1"' in script
    for page in (desk.FOLDER / "templates").glob("*.html"):
        text = page.read_text("utf-8")
        for found in re.finditer(r'http-equiv="refresh" content="(\d+)', text):
            # Without a script a page that waits for an end asks; all others only lock themselves.
            waits = page.name in ("sync.html", "meet.html", "enrolling.html")
            assert int(found[1]) >= IDLE_SECONDS_MAX or waits, page.name
