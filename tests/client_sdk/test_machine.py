# SPDX-License-Identifier: Apache-2.0
"""A tablet tells its district its version and the room on it, once until that changes."""

from pathlib import Path

import pytest

from client_sdk.exchange import build_request
from client_sdk.machine import used_bytes
from fixtures.console import World, console_world
from sync.errors import MessageMalformed
from sync.machine import TABLET, Machine, decode_machine, encode_machine, machine_of
from sync.messages import PROTOCOL


def test_figures_are_told_in_whole_steps() -> None:
    told = machine_of("1.2", 1_048_577, 900 * 1024**2)
    assert told == Machine("1.2", 2 * 1024**2, 768 * 1024**2)
    assert decode_machine(encode_machine(told)) == told


@pytest.mark.parametrize(
    "data", [b"", b"\xc1", b"\x93\xa1x\xff\x00", b"\x93\xa1x\x00\xcb" + bytes(8)]
)
def test_what_is_no_such_statement_is_refused(data: bytes) -> None:
    with pytest.raises(MessageMalformed):
        decode_machine(data)


def test_all_files_of_a_folder_count(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "a").write_bytes(bytes(10))
    (tmp_path / "in" / "b").write_bytes(bytes(5))
    assert used_bytes(tmp_path) == 15


@pytest.mark.slow
def test_the_district_shows_what_a_tablet_told_and_is_told_again_only_when_it_changed(
    tmp_path: Path,
) -> None:
    with console_world(tmp_path) as world:
        tablet = world.tablets["zhangxia"]
        assert TABLET in [kind for kind, _ in build_request(tablet._store, 0).request.statements]
        assert build_request(tablet._store, 0, version=PROTOCOL).request.statements == []
        tablet.sync()
        used, free, version = _told(world)
        assert used >= used_bytes(tmp_path / "zhangxia")
        assert free > 0
        assert version
        kinds = [kind for kind, _ in build_request(tablet._store, 0).request.statements]
        assert TABLET not in kinds
        world.forget_codes("supervisor")
        with world.browse("supervisor") as visitor:
            page = visitor.get("/tablets").text
            assert version in page
            device = world.names_for_addresses()["device"]
            assert "Doorstep 用了" in visitor.get(f"/tablets/{device}").text


def _told(world: World) -> tuple[int, int, str]:
    with world.local.district.store.read() as tx:
        found = tx.rows("SELECT used_bytes, free_bytes, version FROM devices WHERE name = '平板一'")
    used, free, version = found[0]
    return int(used), int(free), str(version)
