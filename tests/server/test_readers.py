# SPDX-License-Identifier: Apache-2.0
"""Threads that compute give way soon, and only while they compute."""

import sys
import threading
from contextlib import closing
from pathlib import Path

from fixtures.waiting import WAIT_SECONDS_MAX
from server.readers import SWITCH_SECONDS, Readers
from server.store.base import Store
from server.store.sqlite import SqliteStore


def test_threads_take_turns_soon_only_while_something_is_computed(tmp_path: Path) -> None:
    before = sys.getswitchinterval()
    assert before > SWITCH_SECONDS
    going, end = threading.Event(), threading.Event()

    def work(store: Store) -> float:
        going.set()
        assert end.wait(WAIT_SECONDS_MAX)
        return sys.getswitchinterval()

    with closing(SqliteStore(tmp_path / "store.db", "ab" * 32)) as store:
        readers = Readers(store)
        both = [readers.submit(work), readers.submit(work)]
        assert going.wait(WAIT_SECONDS_MAX)
        assert abs(sys.getswitchinterval() - SWITCH_SECONDS) < 1e-6
        end.set()
        assert all(abs(one.result(WAIT_SECONDS_MAX) - SWITCH_SECONDS) < 1e-6 for one in both)
        readers.close()
    assert sys.getswitchinterval() == before
