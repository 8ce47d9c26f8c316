# SPDX-License-Identifier: Apache-2.0
"""No server and no tablet speaks to an address that nobody configured, as the kernel sees it."""

import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from fixtures.district import Process, add_team, ticket_text
from fixtures.drill_ground import TEAM, doorstep
from fixtures.traced import WORKER, Spoken, addresses
from fixtures.tree import Tier, enrol
from fixtures.waiting import WAIT_SECONDS_MAX, until

pytestmark = pytest.mark.slow
HERE = "127.0.0.1"
LOOKING_UP = (
    "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(('192.0.2.1', 53))"
)


def traced(trace: Path, *words: str) -> int:
    """Run a program under the tracer to its end; the process id it had."""
    with subprocess.Popen([sys.executable, "-m", "fixtures.traced", str(trace), *words]) as done:
        assert done.wait(WAIT_SECONDS_MAX) == 0
    return done.pid


def spoken(found: set[Spoken]) -> set[tuple[str, int]]:
    return {(one.host, one.port) for one in found if one.call != "bind"}


def test_whatever_a_program_speaks_to_is_seen(tmp_path: Path) -> None:
    (tmp_path / "looking_up.py").write_text(LOOKING_UP)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}")
        pid = traced(tmp_path / "trace", "looking_up")
    assert addresses(tmp_path / "trace", pid) == {Spoken("connect", "192.0.2.1", 53)}


def test_in_a_whole_day_a_server_and_a_tablet_speak_to_nobody_but_who_was_configured(
    tmp_path: Path,
) -> None:
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setenv("DOORSTEP_UPSTREAM_SECONDS", "1")
        patch.setenv("DOORSTEP_BACKUP_DIR", str(tmp_path / "backups"))
        city, district = Tier(tmp_path / "city"), Tier(tmp_path / "district")
        city.process.start()
        stack.callback(city.process.stop)
        enrol(city, district, "荔湾区", "440103")
        add_team(district.settings, TEAM, {WORKER: "张霞"})
        doorstep(district.settings, "assign", "--team", TEAM, "--area", "440103")
        trace = tmp_path / "server.trace"
        district.process = Process(
            district.settings, ("fixtures.traced", str(trace), "server.cli", "serve")
        )
        district.process.start()
        stack.callback(district.process.stop)
        server, port = district.process.pid, district.process.port

        code = ticket_text(district.settings, TEAM, port)
        day = ("fixtures.traced", "day", str(tmp_path / "tablet"), code)
        tablet = traced(tmp_path / "tablet.trace", *day)
        until(lambda: city.rows("SELECT count(*) FROM records") >= [(2,)])
        until(lambda: list((tmp_path / "backups").glob("*.db")))
        for path in ("/sign-in", "/metrics", "/v1/health"):
            assert httpx.get(f"{district.process.url}{path}", verify=False).status_code == 200
        home = city.rows("SELECT id FROM homes")[0][0]
        doorstep(district.settings, "person", "show", home)
        doorstep(district.settings, "erase", "now", home, "--reason", "本人要求", "--yes")
        until(lambda: city.rows("SELECT count(*) FROM homes") == [(0,)])
        assert district.process.stop() == 0

        found = addresses(trace, server)
        assert spoken(found) == {(HERE, city.process.port)}
        assert {one[1:] for one in found if one.call == "bind"} == {(HERE, 0)}
        found = addresses(tmp_path / "tablet.trace", tablet)
        assert {one[1:] for one in found if one.call == "bind"} == {(HERE, 0)}
        # The district, and its own pages, which the same process asked for here.
        assert {host for host, _ in spoken(found)} == {HERE}
        assert (HERE, port) in spoken(found)
        assert len(spoken(found)) == 2
