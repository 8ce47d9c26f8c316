# SPDX-License-Identifier: Apache-2.0
"""What the READMEs tell people to type, typed."""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fixtures.neighbourhood import neighbourhood
from fixtures.office import write_households_csv
from fixtures.waiting import WAIT_SECONDS_MAX, until

ROOT = Path(__file__).resolve().parent.parent


def blocks(readme: Path) -> list[list[str]]:
    """The commands of each fenced block, comments left out."""
    fenced = re.findall(
        r"^```(?:sh)?\n(.*?)^```", readme.read_text("utf-8"), re.DOTALL | re.MULTILINE
    )
    return [
        [command for line in block.splitlines() if (command := line.partition("  #")[0].strip())]
        for block in fenced
    ]


def test_every_make_target_that_a_readme_names_is_there() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    for readme in ROOT.glob("**/README.md"):
        if ".venv" in readme.parts or "node_modules" in readme.parts:
            continue
        named = set(re.findall(r"`make ([a-z]+)", readme.read_text("utf-8")))
        named |= {
            line.split()[1]
            for block in blocks(readme)
            for line in block
            if line.startswith("make ") and len(line.split()) > 1
        }
        assert named <= targets, readme


@pytest.mark.slow
def test_the_servers_first_commands_work_as_they_are_written(tmp_path: Path) -> None:
    commands = next(
        b for b in blocks(ROOT / "server/README.md") if b[0].startswith("doorstep init")
    )
    shutil.copy(ROOT / "fixtures/areas.csv", tmp_path / "areas.csv")
    homes = neighbourhood(households=20, seed=20261122, days=0).town.homes
    write_households_csv(tmp_path / "households.csv", homes, "zh")
    environment = os.environ | {"DOORSTEP_HOST": "127.0.0.1", "DOORSTEP_PORT": "0"}
    program = str(Path(sys.executable).parent / "doorstep")
    assert commands[-1] == "doorstep serve"
    for command in commands[:-1]:
        words = shlex.split(command)
        assert words[0] == "doorstep"
        done = subprocess.run(
            [program, *words[1:]], cwd=tmp_path, env=environment, capture_output=True, check=False
        )
        assert done.returncode == 0, (command, done.stderr.decode())
    server = subprocess.Popen(
        [program, "serve"], cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL
    )
    try:
        address = tmp_path / "doorstep-data/address"
        until(lambda: address.exists() or server.poll() is not None)
        assert server.poll() is None
        server.send_signal(signal.SIGTERM)
        assert server.wait(WAIT_SECONDS_MAX) == 0
    finally:
        server.kill()
        server.wait()
