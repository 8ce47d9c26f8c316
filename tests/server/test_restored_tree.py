# SPDX-License-Identifier: Apache-2.0
"""The server in the middle is restored from an old backup, as processes: those around it bring
back what it forgot, and in the end it is as if nothing had happened."""

from contextlib import ExitStack
from pathlib import Path

import pytest

from fixtures.tree import Tier, raised
from fixtures.waiting import until

pytestmark = pytest.mark.slow

LEVELS = (("province", "44"), ("city", "4401"), ("district", "440103"))


def write(tier: Tier, home: str, **fields: str) -> None:
    caller = tier.process.caller()
    known = {} if tier.shown(home) else {"area": "440103019001"}
    caller.write("office", "household", home, known | fields)
    caller.close()


def test_the_middle_server_gets_back_all_it_forgot_its_own_writings_too(tmp_path: Path) -> None:
    with ExitStack() as stack:
        tiers = raised(tmp_path, LEVELS, stack)
        province, city, district = (tiers[name] for name in ("province", "city", "district"))
        write(district, "before", phone="1")
        until(lambda: province.shown("before") != {})
        backup = tmp_path / "city.db"
        city.cli("backup", str(backup), "--by", "office")
        # What follows is in no backup: from below, from above, and the city's own.
        for number in range(5):
            write(district, f"below {number}", phone=str(number))
        write(province, "above", phone="9")
        write(city, "before", phone="2")
        names = [f"below {number}" for number in range(5)] + ["above"]
        until(lambda: all(tier.shown(name) for tier in tiers.values() for name in names))
        until(lambda: all(tier.shown("before")["phone"] == "2" for tier in tiers.values()))
        city.process.stop()
        city.cli("restore", str(backup), "--yes")
        assert city.shown("above") == {}
        city.process.start()
        until(lambda: all(city.shown(name) for name in names))
        until(lambda: city.shown("before")["phone"] == "2")
        # It goes on under a new key: no number is given twice, and what it writes now counts.
        write(city, "before", phone="3")
        until(lambda: all(tier.shown("before")["phone"] == "3" for tier in tiers.values()))
        assert [tier.verify() for tier in tiers.values()] == [[], [], []]
        assert city.rows("SELECT count(*) FROM server_keys") == [(1,)]
        assert len({str(tier.shown(name)) for tier in tiers.values() for name in ["before"]}) == 1
