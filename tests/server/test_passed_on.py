# SPDX-License-Identifier: Apache-2.0
"""What goes up and down a tree beside records: photos after the text, where each change is, and who
was revoked."""

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from client_sdk.errors import Revoked
from client_sdk.tablet import Tablet
from crypto.certificate import Revocation, issue_revocation
from crypto.identity import DeviceKey
from fixtures.tree import Tier, raised
from fixtures.waiting import until
from fixtures.world import HOUSEHOLD, World
from server.custody import custody_of
from server.devices import revoke
from server.office import reading
from server.revocations import told_revocations

pytestmark = pytest.mark.slow

LEVELS = (("province", "44"), ("city", "4401"), ("district", "440103"))
PHOTO = bytes(range(256)) * 9_000
"""More than two pieces."""


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[dict[str, Tier], Tablet]]:
    """Three levels and a tablet, shared by tests that each write what they look at."""
    folder = tmp_path_factory.mktemp("tree")
    with ExitStack() as stack:
        tiers = raised(folder, LEVELS, stack)
        district = tiers["district"]
        district.cli("teams", "add", "t", "t")
        district.cli("workers", "add", "t-worker", "张霞", "--team", "t")
        tablet = district.tablet(folder / "tablet", "t", "tablet 1")
        stack.callback(tablet.close)
        yield tiers, tablet


def test_each_change_is_told_where_it_is_up_to_the_province_and_its_backup(
    tree: tuple[dict[str, Tier], Tablet], tmp_path: Path
) -> None:
    tiers, tablet = tree
    home = tablet.create_record("household", HOUSEHOLD)
    tablet.sync()
    until(lambda: tiers["province"].shown(home) != {})
    for name in ("province", "city"):
        tiers[name].cli("backup", str(tmp_path / f"{name}.db"), "--by", "office")

    def places() -> set[str]:
        tablet.sync()
        return {place.kind for one in tablet.custody(home) for place in one.places}

    until(lambda: places() >= {"tablet", "district", "city", "province", "backup"})

    def seen() -> set[str]:
        district = tiers["district"]
        with reading(district.settings) as desk, desk.store.read() as tx:
            found = custody_of(tx, desk.keys.sign.replica, home)
        return {place for one in found for place in one.places}

    until(lambda: seen() == {"city", "province", "city-backup", "province-backup"})
    shown = tiers["district"].cli("custody", home).output
    assert "backup of" in shown
    # What was written since is nowhere yet but where it was brought.
    tiers["city"].process.stop()
    try:
        tablet.edit(home, phone="13900139000")
        tablet.sync()
        newest = tablet.custody(home)[0]
        assert {place.kind for place in newest.places} == {"tablet", "district"}
    finally:
        # The other tests here need it too.
        tiers["city"].process.start()


def test_photos_follow_the_text_upwards_and_go_on_where_they_broke(
    tree: tuple[dict[str, Tier], Tablet],
) -> None:
    tiers, tablet = tree
    home = tablet.create_record("household", HOUSEHOLD)
    name = tablet.attach(PHOTO, household=home, media_type="image/jpeg")
    assert name
    tablet.sync()
    sql = "SELECT name, bytes, complete FROM blobs WHERE complete = 1"
    held = tiers["district"].rows(sql)
    assert len(held) == 1
    until(lambda: tiers["province"].rows(sql) == held)
    pieces = tiers["province"].rows("SELECT body FROM blob_pieces ORDER BY start")
    whole = b"".join(bytes(row[0]) for row in pieces)
    assert hashlib.sha256(whole).hexdigest() == held[0][0]
    assert len(pieces) > 2


def test_a_tablet_revoked_in_its_district_is_refused_by_every_server_of_the_tree(
    tree: tuple[dict[str, Tier], Tablet], tmp_path: Path
) -> None:
    tiers, _ = tree
    province = tiers["province"]
    with ExitStack() as stack:
        tablet = stack.enter_context(closing(tiers["district"].tablet(tmp_path, "t", "tablet 2")))
        # It is known above by what it wrote.
        home = tablet.create_record("household", HOUSEHOLD)
        tablet.sync()
        until(lambda: province.shown(home) != {})
        line = tablet.guest_line(
            province.keys.sign.replica,
            [f"127.0.0.1:{province.process.port}"],
            province.keys.tls.tls_pin,
        )
        stack.callback(line.close)
        tablet.visit(province.keys.sign.replica, line)
        tiers["district"].cli("revoke", "tablet 2", "--reason", "lost", "--by", "office")
        until(lambda: province.rows("SELECT count(*) FROM heard_revocations") == [(1,)])
        with pytest.raises(Revoked):
            tablet.visit(province.keys.sign.replica, line)
    assert [tier.verify() for tier in tiers.values()] == [[], [], []]


def test_nobody_but_its_own_server_revokes_a_tablet(tmp_path: Path) -> None:
    world = World(tmp_path)
    tablet = world.tablet("a")
    district = world.district
    stranger = DeviceKey.generate()
    body = Revocation(tablet.replica, 1, 1, stranger.replica, "mischief")
    # Of its server, about a tablet that nobody here knows, but with another signature.
    other = Revocation(stranger.replica, 1, 1, district.key.replica, "mischief")
    forged = bytearray(issue_revocation(district.key, other))
    forged[5] ^= 1
    with district.writing() as tx:
        told = [issue_revocation(stranger, body), bytes(forged), b"", b"x" * 200]
        district.learn(tx, told, 1)
        assert tx.rows("SELECT 1 FROM heard_revocations") == []
    with world.store.write() as tx:
        revoke(tx, district.key, tablet.replica.hex(), "lost", 2)
        assert len(told_revocations(tx, 0)) == 1
    world.close()
