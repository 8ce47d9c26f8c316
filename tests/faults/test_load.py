# SPDX-License-Identifier: Apache-2.0
"""Many tablets at once: no error, nothing lost, stalled senders harmless."""

from pathlib import Path

import msgspec
import pytest

from fixtures.load import Plan, run
from fixtures.load_report import Report, write


@pytest.mark.slow
def test_sixty_tablets_arrive_and_nothing_fails_or_is_lost(tmp_path: Path) -> None:
    report = run(tmp_path, Plan(60, 6, 2, (5, 20), 2, stalled=20, processes=2))
    assert report.arrivals.syncs == 60
    assert (report.arrivals.errors, [s.errors for s in report.curve]) == ([], [[], []])
    assert report.acknowledged == (60 + 2 * 5 + 2 * 20) * 8
    assert (report.lost, report.verified, report.fine) == (0, True, True)
    write(report, tmp_path / "load.json")
    again = msgspec.json.decode((tmp_path / "load.json").read_bytes(), type=Report)
    assert again == report
    assert (tmp_path / "load.svg").read_text().startswith("<svg")
