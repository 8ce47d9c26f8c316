# SPDX-License-Identifier: Apache-2.0
"""Many tablets at once: no error, nothing lost, stalled senders harmless."""

from pathlib import Path

import msgspec
import pytest

from fixtures.load import Plan, run
from fixtures.load_figures import BEGIN, END, README, growth_of, known, table
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


def test_the_readme_shows_the_load_figures_of_the_file_and_nothing_was_lost() -> None:
    shown = README.read_text("utf-8").partition(BEGIN)[2].partition(END)[0]
    assert shown.strip() == table(known())
    for kept in known().values():
        assert (kept["errors"], kept["lost"], kept["verified"]) == (0, 0, True)
        assert not kept["commit"].endswith("-dirty")


def test_memory_that_grows_after_it_had_warmed_up_is_told_from_memory_that_does_not() -> None:
    warming = [100.0, 150.0, 190.0, *[200.0] * 147]
    restless = [200.0 + n % 7 for n in range(450)]
    for flat in ([200.0] * 450, restless, sorted(restless, reverse=True)):
        assert not growth_of([*warming, *flat]).beyond(16)
    # 4 KiB a second, which is a kilobyte or two of each exchange; and what a longer time shows.
    leaking = [m + n * 12 / 1024 for n, m in enumerate(restless)]
    assert growth_of([*warming, *leaking]).beyond(16)
    slow = [200.0 + n % 7 + n * 6 / 1024 for n in range(2700)]
    assert growth_of([*[150.0] * 900, *slow]).beyond(16)
    assert str(growth_of([*warming, *leaking])).endswith("MiB an hour")
    assert growth_of([]).mib == 0.0
