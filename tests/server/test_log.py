# SPDX-License-Identifier: Apache-2.0
"""The provable log between servers, after a restore, and on the command line."""

import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from crypto.identity import DeviceKey
from crypto.log import check_tree_head
from crypto.logword import FORKED, ROLLED_BACK, SET_BACK
from fixtures.district import district_settings
from server.app import opened_district
from server.cli import main
from server.district import District
from server.linking import Linking
from server.log_tree import stand_of
from server.log_words import evidence_in
from server.store.sqlite import SqliteStore
from sync.collections import SCHEMA
from sync.messages import decode_request, encode_exchange
from tests.server.test_trust import STORE_KEY, Hand, Made, made, put_under

assert made  # a fixture of its own name
Doorstep = Callable[..., Result]
HOME = {"area": "440103019003", "address": "龙津东路1号", "head_name": "单雄信"}


class Deaf(Hand):
    """A server above that does not want to hear which of its heads are remembered."""

    def exchange(self, body: bytes) -> bytes:
        request = msgspec.structs.replace(decode_request(body), statements=[])
        return super().exchange(encode_exchange(request))


def findings(district: District) -> list[str]:
    with district.store.read() as tx:
        return [found.finding for found in evidence_in(tx)]


def bring(below: District, above: District, hand: Hand) -> None:
    below.write("gsy", "household", None, dict(HOME))
    Linking(below, above.key.replica).run(hand)


def test_a_server_below_notices_what_the_one_above_does_to_its_log(
    made: Made, tmp_path: Path
) -> None:
    below, above = made("below"), made("above")
    hand = put_under(below, above, "440103")
    bring(below, above, hand)
    assert isinstance(above.store, SqliteStore)
    above.store.backup(str(tmp_path / "earlier"))
    for _ in range(3):
        bring(below, above, hand)
    assert findings(below) == []
    earlier = SqliteStore(tmp_path / "earlier", STORE_KEY)
    try:
        back = District(earlier, SCHEMA, above.key, above.box, lambda: 1)
        bring(below, back, Deaf(below, back))
        assert findings(below)[-1] == ROLLED_BACK
        with below.store.read() as tx:
            found = evidence_in(tx)[-1]
            told = tx.rows("SELECT detail FROM journal WHERE what = 'log-evidence' ORDER BY n")
        heads = [check_tree_head(h, above.key.public) for h in (found.first, found.second)]
        assert heads[0].size > heads[1].size
        assert told[0] == (ROLLED_BACK,)
        # The server above hears of it with the next exchange, and has it in its own journal.
        bring(below, above, hand)
        assert ROLLED_BACK in findings(above)
    finally:
        earlier.close()


def test_two_logs_of_a_server_above_contradict_each_other(made: Made, tmp_path: Path) -> None:
    below, above = made("below"), made("above")
    hand = put_under(below, above, "440103")
    bring(below, above, hand)
    assert isinstance(above.store, SqliteStore)
    above.store.backup(str(tmp_path / "twin"))
    bring(below, above, hand)
    twin = SqliteStore(tmp_path / "twin", STORE_KEY)
    try:
        other = District(twin, SCHEMA, above.key, above.box, lambda: 1)
        for _ in range(3):
            other.write("gsy", "household", None, dict(HOME))
        bring(below, other, Deaf(below, other))
        assert findings(below)[-1] == FORKED
    finally:
        twin.close()


@pytest.fixture
def doorstep(tmp_path: Path) -> Doorstep:
    def run(*arguments: str, lang: str = "en", fails: int = 0) -> Result:
        base = ["--data-dir", str(tmp_path / "district"), "--lang", lang]
        found = CliRunner().invoke(main, [*base, *arguments])
        assert found.exit_code == fails, found.output + repr(found.exception)
        return found

    return run


@pytest.mark.slow
def test_a_stranger_checks_an_export_with_the_root_key_alone(
    doorstep: Doorstep, tmp_path: Path
) -> None:
    doorstep("init")
    doorstep("teams", "add", "t1", "龙津一组")
    root, exported = tmp_path / "root.key", tmp_path / "log.jsonl"
    doorstep("log", "head", "--key", str(root))
    doorstep("log", "export", str(exported))
    assert "holds" in doorstep("log", "verify").stdout
    shutil.rmtree(tmp_path / "district")
    assert "holds" in doorstep("log", "verify", str(exported), "--root", str(root)).stdout
    lines = exported.read_text().splitlines(keepends=True)
    exported.write_text("".join(lines[:-1]))
    told = doorstep("log", "verify", str(exported), "--root", str(root), fails=1).stdout
    assert f"leaf {len(lines) - 4} was removed" in told
    root.write_text(DeviceKey.generate().public.hex())
    told = doorstep("log", "verify", str(exported), "--root", str(root), fails=1, lang="zh").stdout
    assert "根公钥" in told


@pytest.mark.slow
def test_a_restored_server_owns_up_and_says_what_was_lost(
    doorstep: Doorstep, tmp_path: Path
) -> None:
    doorstep("init")
    doorstep("backup", str(tmp_path / "backup.db"))
    doorstep("teams", "add", "t1", "龙津一组")
    settings = district_settings(tmp_path / "district")
    with opened_district(settings) as (district, _), district.store.read() as tx:
        before = stand_of(tx)
    doorstep("restore", str(tmp_path / "backup.db"), "--yes")
    with opened_district(settings) as (district, _), district.store.read() as tx:
        after = stand_of(tx)
        said = tx.rows("SELECT detail FROM journal WHERE what = 'restore'")
    assert after.epoch == before.epoch + 1
    assert said == [(f"{before.epoch} {before.size}",)]
    assert "set back 1 times: holds" in doorstep("log", "verify").stdout
    assert SET_BACK not in doorstep("log", "evidence").stdout
