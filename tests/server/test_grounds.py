# SPDX-License-Identifier: Apache-2.0
"""On what ground something is erased: asked for, purpose met, consent withdrawn, its time over."""

from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from fixtures.demo_server import StoryClock
from fixtures.district import Process
from fixtures.tree import Tier
from fixtures.waiting import until
from fixtures.world import HOUSEHOLD, World
from server.app import wall_clock_ms
from server.cli import main
from server.erasing_certificate import facts_of, sentences
from server.erasing_keeping import erase_here

DAY_MS = 86_400_000
LONG_AGO_DAYS = 1_200


@pytest.mark.parametrize(
    ("basis", "zh", "en"),
    [
        ("request", "本人要求", "the person's request"),
        ("purpose", "目的已实现", "its purpose was met"),
        ("consent", "撤回同意", "consent was withdrawn"),
    ],
)
def test_the_certificate_says_on_what_ground_something_was_erased(
    tmp_path: Path, basis: str, zh: str, en: str
) -> None:
    world = World(tmp_path)
    try:
        home = world.district.write("office", "household", None, HOUSEHOLD)
        case = erase_here(world.district, tmp_path, home, basis, "结案", "周", [])
        with world.store.write() as tx:
            assert tx.rows("SELECT 1 FROM records WHERE id = ?", [home]) == []
            facts = facts_of(tx, world.district.key, case.hex(), world.now_ms)
        assert (facts["basis"], facts["reason"]) == (basis, "结案")
        for lang, words in (("zh", zh), ("en", en)):
            assert any(words in line for line in sentences(facts, lang, str))
    finally:
        world.close()


@pytest.mark.slow
def test_a_served_process_erases_what_its_time_is_over_for_and_a_dry_run_tells_it_before(
    tmp_path: Path,
) -> None:
    tier, clock = Tier(tmp_path / "district"), StoryClock(tmp_path / "clock")
    process = Process(tier.settings, ("fixtures.demo_server", str(tmp_path / "clock")))

    def told() -> str:
        call = ["--lang", "en", "--data-dir", tier.settings.data_dir, "retention", "--records"]
        return CliRunner().invoke(main, call).output

    try:
        clock.set_to(wall_clock_ms() - LONG_AGO_DAYS * DAY_MS)
        process.start()
        with closing(process.caller()) as caller:
            home = caller.write("office", "household", None, HOUSEHOLD)
            letter = {"household": home, "title": "旧", "status": "signed", "receiver": "陈"}
            old = caller.write("office", "letter", None, letter)
            unhanded = {"household": home, "title": "未办", "status": "to_hand_over"}
            stays = caller.write("office", "letter", None, unhanded)
        process.stop()
        clock.set_right()
        assert (old in told(), stays in told()) == (True, False)
        # A dry run changes nothing.
        assert tier.shown(old)["title"] == "旧"
        process.start()
        until(lambda: tier.shown(old) == {})
        process.stop()
        assert tier.shown(stays)["title"] == "未办"
        assert tier.rows("SELECT basis FROM erasures") == [("retention",)]
        assert old not in told()
    finally:
        process.stop()
