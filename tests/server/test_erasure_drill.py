# SPDX-License-Identifier: Apache-2.0
"""The erasure drill: from the request to the certificate, on two servers in processes of their own,
with two tablets that are offline when it is asked for, one stick on its way."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

import client_sdk.store.base as tablet_store
from client_sdk.store.opening import PAGE_BYTES, STORE_FILE
from client_sdk.tablet import Tablet
from crypto.bundle import read_head
from fixtures.district import add_team
from fixtures.pages import count_of, plain_pages
from fixtures.tree import PASSPHRASE, Tier, raised
from fixtures.waiting import until
from server.feeds import open_stored
from server.store.sqlite import SqliteStore
from server.store.sqlite_file import PAGE_BYTES as SERVER_PAGE_BYTES
from sync.carry.stick import Label, write_bundle

pytestmark = pytest.mark.slow

KEPT_SECONDS_MAX = 300.0
"""Pages of a log are rewritten every minute or so, on a slow machine later."""
PLANTED = ["欧阳若兰甲", "13912345678", "龙津东路九百九十九号", "敲门无人应答二次"]
LATE = ["夜里发作须尽快送医", "侄女每周六来一次"]


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> dict[Path, bytes]:
    """The raw keys of the tablets' stores: what a finder of both would have."""
    found: dict[Path, bytes] = {}
    real = tablet_store.connect

    def connect(directory: Path, key: Any, **more: Any) -> Any:
        found[directory] = bytes.fromhex(key.reveal()[2:-1].decode())
        return real(directory, key, **more)

    monkeypatch.setattr(tablet_store, "connect", connect)
    return found


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[dict[str, Tier]]:
    with ExitStack() as stack:
        yield raised(tmp_path / "tree", [("city", "4401"), ("district", "440103")], stack)


def on_server(tier: Tier, words: list[str]) -> dict[str, int]:
    """Every page of a server's store and log, and every change in its feeds, unpacked."""
    key = bytes.fromhex(tier.keys.store_hex)
    found = count_of(words, plain_pages(tier.settings.store_path, key, SERVER_PAGE_BYTES, "sha256"))
    store = SqliteStore(tier.settings.store_path, tier.keys.store_hex, reads_only=True)
    try:
        with store.read() as tx:
            rows = tx.rows("SELECT kind, body FROM segments")
    finally:
        store.close()
    raws = b"".join(e.raw for kind, body in rows for e in open_stored(str(kind), bytes(body)))
    return {word: n + raws.count(word.encode()) for word, n in found.items()}


def on_tablet(folder: Path, keys: dict[Path, bytes], words: list[str]) -> dict[str, int]:
    return count_of(words, plain_pages(folder / STORE_FILE, keys[folder], PAGE_BYTES))


def opened(folder: Path) -> Tablet:
    return Tablet.open(folder, "t1-worker", PASSPHRASE, keyring=None)


def facts(tier: Tier, case: str, out: Path) -> dict[str, Any]:
    tier.cli("erase", "certificate", case, "--out", str(out), "--by", "周")
    tier.cli("log", "head", "--key", str(out) + ".key")
    tier.cli("erase", "check", str(out), "--root", str(out) + ".key")
    found: dict[str, Any] = msgspec.json.decode(out.read_bytes()[65:])
    return found


def prepared(tree: dict[str, Tier], tmp_path: Path) -> tuple[str, bytes]:
    """Two tablets hold the household; both go offline, each with something written on it since, one
    of them also on a stick. The household's id, and the stick's bundle."""
    district = tree["district"]
    add_team(district.settings, "t1", {"t1-worker": "张霞"})
    district.cli("assign", "--team", "t1", "--area", "440103")
    with (
        district.tablet(tmp_path / "a", "t1", "tablet a") as a,
        district.tablet(tmp_path / "b", "t1", "tablet b") as b,
    ):
        home = a.create_record(
            "household",
            {"area": "440103019003", "address": PLANTED[2], "head_name": PLANTED[0]},
        )
        a.create_record("person", {"household": home, "name": PLANTED[0], "phone": PLANTED[1]})
        a.append(home, "notes", PLANTED[3])
        a.attach(b"face" * 999, household=home, media_type="image/jpeg")
        a.create_record("household", {"area": "440103019003", "address": "九号", "head_name": "李"})
        a.sync()
        b.sync()
        assert a.search("欧阳")
        assert b.search("欧阳")
        a.append(home, "notes", LATE[0])
        b.append(home, "notes", LATE[1])
        return home, b.export_bundle(push_only=True)


def test_from_the_request_to_the_certificate(
    tree: dict[str, Tier], tmp_path: Path, keys: dict[Path, bytes]
) -> None:
    district, city = tree["district"], tree["city"]
    a, b = tmp_path / "a", tmp_path / "b"
    home, stick = prepared(tree, tmp_path)
    until(lambda: city.shown(home) != {})
    for tier in (district, city):
        until(lambda tier=tier: pictures(tier) == (1, 1))
    for found in (on_server(district, PLANTED), on_server(city, PLANTED)):
        assert all(found.values()), found
    assert all(on_tablet(a, keys, [*PLANTED, LATE[0]]).values())
    assert all(on_tablet(b, keys, [*PLANTED, LATE[1]]).values())

    # The request: a dry run, then the erasure, while both tablets lie in a drawer.
    assert home in district.cli("erase", "plan", home).output
    district.cli("erase", "now", home, "--reason", "本人要求", "--yes", "--by", "周")
    case = str(district.rows("SELECT hex(id) FROM erasures")[0][0]).lower()
    assert not any(on_server(district, PLANTED).values())
    until(lambda: city.shown(home) == {})
    until(
        lambda: city.rows("SELECT count(*) FROM erasures WHERE pages_at_ms IS NULL") == [(0,)],
        KEPT_SECONDS_MAX,
    )
    assert not any(on_server(city, PLANTED).values())
    first = facts(district, case, tmp_path / "first")
    states = {place["name"]: place["state"] for place in first["places"]}
    assert (states["tablet a"], states["tablet b"]) == ("asked", "asked")
    assert not first["complete"]

    # The stick arrives before its tablet does: nothing comes back.
    folder = tmp_path / "stick"
    folder.mkdir()
    head = read_head(stick)
    receiver = district.keys.sign.replica
    write_bundle(folder, receiver, Label(head.sender, head.sequence, head.name), stick)
    district.cli("bundle", "import", str(folder))
    assert district.shown(home) == {}
    for folder in (a, b):
        with opened(folder) as tablet:
            tablet.sync()
            assert not tablet.holds(home)
            assert tablet.search("欧阳") == []
        assert not any(on_tablet(folder, keys, [*PLANTED, *LATE]).values())
        assert list(folder.glob("blobs/*")) == []
    # What was late went at once; the pages of the log follow within a minute.
    until(lambda: not any(on_server(district, [*PLANTED, *LATE]).values()), KEPT_SECONDS_MAX)

    until(lambda: facts_complete(district, case, tmp_path))
    for tier in (district, city):
        assert pictures(tier) == (0, 0)
        assert tier.verify() == []
        tier.cli("verify")
        tier.cli("log", "verify")
    assert not any(on_server(city, [*PLANTED, *LATE]).values())


def pictures(tier: Tier) -> tuple[int, int]:
    """Attachments that a server holds whole, and their pieces."""
    sql = (
        "SELECT (SELECT count(*) FROM blobs WHERE complete = 1), (SELECT count(*) FROM blob_pieces)"
    )
    ((whole, pieces),) = tier.rows(sql)
    return whole, pieces


def facts_complete(tier: Tier, case: str, tmp_path: Path) -> bool:
    out = tmp_path / "last"
    out.unlink(missing_ok=True)
    found = facts(tier, case, out)
    assert found["backups_gone_by_ms"] > found["erased_at_ms"]
    assert not any(word.encode() in out.read_bytes() for word in [*PLANTED, *LATE])
    return bool(found["complete"])


NAMED = ["慕容若兰乙", "13800138777"]
SAID = f"{NAMED[0]}开门，说煤气快用完了"
LEVELS = [("province", "44"), ("city", "4401"), ("district", "440103")]


class Told(NamedTuple):
    """Somebody who is to be erased, and what stays and names them."""

    person: str
    home: str
    visit: str
    need: str


def named(district: Tier, folder: Path) -> Told:
    """Two tablets hold records that name somebody; both go offline, each with more about them."""
    add_team(district.settings, "t1", {"t1-worker": "张霞"})
    district.cli("assign", "--team", "t1", "--area", "440103")
    with (
        district.tablet(folder / "a", "t1", "tablet a") as a,
        district.tablet(folder / "b", "t1", "tablet b") as b,
    ):
        home = a.create_record(
            "household", {"area": "440103019003", "address": "九号", "head_name": "李"}
        )
        about = {"household": home}
        person = a.create_record("person", about | {"name": NAMED[0], "phone": NAMED[1]})
        seen = {"mode": "door", "outcome": "met", "at_ms": 1, "notes": SAID}
        visit = a.create_record("visit", about | seen)
        said = {"goods": "gas", "found_at_ms": 1, "prescription": f"送到{NAMED[0]}手上"}
        need = a.create_record("shortage", about | said)
        a.sync()
        b.sync()
        a.set_fields(need, {"prescription": f"改由{NAMED[0]}自取"})
        b.append(visit, "notes", f"再访{NAMED[0]}")
        return Told(person, home, visit, need)


def test_a_name_taken_out_of_records_that_stay_is_on_no_page_of_a_tree_of_servers(
    tmp_path: Path, keys: dict[Path, bytes]
) -> None:
    with ExitStack() as stack:
        tree = raised(tmp_path / "tree", LEVELS, stack)
        district, above = tree["district"], [tree["city"], tree["province"]]
        told = named(district, tmp_path)
        until(lambda: all(tier.shown(told.need) != {} for tier in above))
        for tier in tree.values():
            assert all(on_server(tier, NAMED).values())

        plan = district.cli("erase", "plan", told.person).output
        assert all(record in plan for record in (told.visit, told.need))
        redact = ["--redact", told.visit, "--redact", told.need]
        asked = ["--reason", "本人要求", "--yes", "--by", "周"]
        district.cli("erase", "now", told.person, *redact, *asked)
        case = str(district.rows("SELECT hex(id) FROM erasures")[0][0]).lower()
        assert not any(on_server(district, NAMED).values())
        for tier in above:
            until(lambda tier=tier: not any(on_server(tier, NAMED).values()))
            # The records stay, under other names.
            assert tier.shown(told.home)["address"] == "九号"
            assert [tier.shown(one) for one in told[2:]] == [{}, {}]
        why = {one["why"] for one in facts(district, case, tmp_path / "first")["not_erased"]}
        assert why == {"replaced: notes", "replaced: prescription"}

        # Both tablets come back, each with something late that names the person.
        for name in ("a", "b"):
            assert any(on_tablet(tmp_path / name, keys, NAMED).values())
            with opened(tmp_path / name) as tablet:
                tablet.sync()
                tablet.sync()
                visits = tablet.listed(told.home, "visit")["visit"]
                assert [tablet.read(hit.id)["notes"] for hit in visits] == [
                    [SAID.replace(NAMED[0], "＊" * len(NAMED[0]))]
                ]
            assert not any(on_tablet(tmp_path / name, keys, NAMED).values())
        # What the second one brought late was erased too: the first one has to answer for it.
        with opened(tmp_path / "a") as tablet:
            tablet.sync()
        until(lambda: facts_complete(district, case, tmp_path))
        for tier in tree.values():
            until(lambda tier=tier: not any(on_server(tier, NAMED).values()))
            assert tier.verify() == []
            tier.cli("log", "verify")
