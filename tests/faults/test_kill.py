# SPDX-License-Identifier: Apache-2.0
"""Servers and tablets killed in the middle of uploads and writes: twenty times of many."""

from pathlib import Path

import pytest

from fixtures.kill_runs import Runs
from tests.conftest import SEED

RUNS = 20


@pytest.mark.slow
def test_twenty_kills_lose_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    runs = Runs(SEED, tmp_path)
    runs.go(RUNS)
    assert runs.losses == []
    assert runs.saves > 100
    assert runs.receipts > RUNS
    assert sum(runs.kills.values()) >= RUNS
    # Half of the kills hit a tablet that toils and would toil on.
    assert runs.cut_short >= RUNS // 2
