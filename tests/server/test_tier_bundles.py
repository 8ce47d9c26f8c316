# SPDX-License-Identifier: Apache-2.0
"""Two servers whose line is down for weeks: a stick goes up, and its answer comes back."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from fixtures.tree import Tier, raised
from fixtures.waiting import until

pytestmark = pytest.mark.slow


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[Tier, Tier]]:
    """A city and a district that exchanged once, and whose line then went down."""
    with ExitStack() as stack:
        tiers = raised(tmp_path, (("city", "4401"), ("district", "440103")), stack)
        city, district = tiers["city"], tiers["district"]
        until(lambda: district.rows("SELECT met_at_ms FROM links") != [(None,)])
        city.process.stop()
        yield city, district


def write(tier: Tier, home: str, **fields: str) -> None:
    """A change written at the office of a server, whether it is served or not."""
    from server.office import writing

    with writing(tier.settings) as desk:
        known = {"area": "440103019001"} if not tier.shown(home) else {}
        desk.writer.write("office", "household", home, known | fields)


def carried(city: Tier, district: Tier, stick: Path) -> str:
    """One stick up and down; what the district says of the answer."""
    district.cli("bundle", "export", str(stick), "--to", "upstream")
    city.cli("bundle", "import", str(stick), "--by", "office")
    return district.cli("bundle", "import", str(stick), "--by", "office").output


def test_a_stick_carries_work_up_and_what_the_city_wrote_down(
    pair: tuple[Tier, Tier], tmp_path: Path
) -> None:
    city, district = pair
    stick = tmp_path / "stick"
    stick.mkdir()
    for number in range(30):
        write(district, f"h{number}", phone=str(number))
    write(city, "from the city", phone="9")
    assert "records changed" in carried(city, district, stick)
    assert city.shown("h29")["phone"] == "29"
    assert district.shown("from the city")["phone"] == "9"
    assert district.rows("SELECT count(*) FROM links WHERE up_seq > 0") == [(1,)]
    # What one settled reaches the other by the next stick; nothing goes twice.
    write(city, "h0", phone="settled")
    stick2 = tmp_path / "stick2"
    stick2.mkdir()
    carried(city, district, stick2)
    assert district.shown("h0")["phone"] == "settled"
    bundle = next(stick2.rglob("to-*/*.bundle"))
    assert bundle.stat().st_size < 40_000
    assert [tier.verify() for tier in pair] == [[], []]
    # When the line is back it goes on from where the sticks came to.
    city.process.start()
    write(district, "h1", phone="by line")
    until(lambda: city.shown("h1")["phone"] == "by line")
    assert [tier.verify() for tier in pair] == [[], []]


def test_a_lost_answer_and_one_that_comes_late_change_nothing_and_lose_nothing(
    pair: tuple[Tier, Tier], tmp_path: Path
) -> None:
    city, district = pair
    lost, late = tmp_path / "lost", tmp_path / "late"
    for stick in (lost, late):
        stick.mkdir()
    write(district, "h0", phone="1")
    district.cli("bundle", "export", str(lost), "--to", "upstream")
    city.cli("bundle", "import", str(lost), "--by", "office")
    shutil.copytree(lost, tmp_path / "kept")
    shutil.rmtree(lost)
    write(district, "h1", phone="1")
    assert "records changed" in carried(city, district, late)
    assert city.shown("h1")["phone"] == "1"
    # The first answer turns up: what it said has changed since, and it is left.
    found = district.run("bundle", "import", str(tmp_path / "kept"), "--by", "office")
    assert (found.exit_code, "sync/bundle-late" in found.output) == (1, True)
    again = district.run("bundle", "import", str(late), "--by", "office")
    assert (again.exit_code, "sync/bundle-repeated" in again.output) == (1, True)
    assert [tier.verify() for tier in pair] == [[], []]


def test_a_stick_is_for_the_upstream_alone(pair: tuple[Tier, Tier], tmp_path: Path) -> None:
    city, district = pair
    stick = tmp_path / "stick"
    stick.mkdir()
    write(district, "h0", phone="1")
    district.cli("bundle", "export", str(stick), "--to", "upstream")
    other = Tier(tmp_path / "other")
    assert "No bundle for this server" in other.cli("bundle", "import", str(stick)).output
    bundle = next(stick.rglob("*.bundle"))
    data = bytearray(bundle.read_bytes())
    data[-1] ^= 1
    bundle.write_bytes(bytes(data))
    found = city.run("bundle", "import", str(stick), "--by", "office")
    assert "crypto/bundle-refused" in found.output or "Damaged" in found.output
    assert city.shown("h0") == {}
    without = other.run("bundle", "export", str(stick), "--to", "upstream")
    assert (without.exit_code, "server/not-found" in without.output) == (1, True)
