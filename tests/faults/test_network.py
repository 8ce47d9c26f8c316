# SPDX-License-Identifier: Apache-2.0
"""A small network of processes in a bad week: all agree in the end, and every write has a fate."""

from pathlib import Path

import pytest

from fixtures.model_check import main
from fixtures.network_accounts import LOST, OVERWRITTEN, QUARANTINED, SHOWN, WAITING
from fixtures.network_plan import FULL, KILLED, MEET, SMALL, STICK, SYNC, draw, islanded
from fixtures.network_verdict import HISTORY, judged, played

SEED = 5


@pytest.mark.slow
def test_a_small_network_in_a_bad_week_agrees_in_the_end_and_loses_nothing(tmp_path: Path) -> None:
    run = played(SEED, SMALL, tmp_path, quiet=True)
    verdict = judged(run)
    assert verdict.troubles == []
    did = run.tally.did
    for what in (SYNC, MEET, STICK, "backup", "restore", "clone", "move", "kill", "revoke"):
        assert did[what], what
    assert did["links between servers cut"]
    assert did["lost tablets wiped"] == 1
    fates = {one.fate for one in verdict.accounts}
    assert fates >= {SHOWN, OVERWRITTEN, QUARANTINED}
    assert not fates & {LOST, WAITING}
    assert all(one.by_whom for one in verdict.accounts if one.fate == OVERWRITTEN)
    assert len(verdict.check.happened) > 80
    assert main([str(tmp_path / HISTORY)]) == 0


def test_one_number_gives_one_schedule() -> None:
    assert draw(7, FULL) == draw(7, FULL)
    assert draw(7, FULL) != draw(8, FULL)


def test_the_full_network_has_what_it_is_to_have() -> None:
    above = {place.name: place.above for place in FULL.places}
    depth = {name: 1 for name, up in above.items() if not up}
    while len(depth) < len(above):
        depth |= {name: depth[up] + 1 for name, up in above.items() if up in depth}
    assert len(above) == 8
    assert max(depth.values()) == 4
    assert len(FULL.tablets()) == 40
    rounds = draw(7, FULL)
    events = [event for one in rounds for event in (*one.before, *one.beside)]
    kinds = [event.kind for event in events]
    assert (kinds.count("restore"), kinds.count("clone"), kinds.count("move")) == (1, 2, 3)
    jobs = {job.kind for one in rounds for job in one.jobs}
    assert jobs >= {SYNC, MEET, STICK, KILLED}


def test_a_tablet_whose_line_is_down_has_sticks_and_teammates_alone() -> None:
    alone = islanded(FULL)
    assert len(alone) == 5
    for one in draw(3, FULL):
        for job in one.jobs:
            if job.who[0] in alone:
                assert job.kind != SYNC
