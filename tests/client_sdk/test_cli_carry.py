# SPDX-License-Identifier: Apache-2.0
"""Sticks, codes, meetings and outboxes as people type them: real commands in processes."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from fixtures.district import add_team, district_settings, new_district, ticket_text
from fixtures.waiting import WAIT_SECONDS_MAX
from server.settings import Settings

SECRET = "一个很长的口令 2026"
TABLET, OFFICE = "client_sdk.cli", "server.cli"


def run(module: str, *words: object, check: bool = True) -> subprocess.CompletedProcess[str]:
    with start(module, *words) as done:
        out, err = heard(done)
    assert not check or done.returncode == 0, out + err
    return subprocess.CompletedProcess(words, done.returncode, out, err)


def heard(done: subprocess.Popen[str]) -> tuple[str, str]:
    """All a command says to its end; one that does not end is killed, so that none is left."""
    try:
        return done.communicate(timeout=WAIT_SECONDS_MAX)
    finally:
        done.kill()


def start(module: str, *words: object) -> subprocess.Popen[str]:
    environment = os.environ | {
        "DOORSTEP_TABLET_SECRET": SECRET,
        "DOORSTEP_LANG": "en",
        "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
    }
    code = f"import sys; from {module} import main; sys.exit(main())"
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, words)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


class Place:
    """A district's folder, tablets' folders, a stick."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stick = folder / "stick"
        self.stick.mkdir()
        self.settings: Settings = new_district(folder / "server")
        add_team(self.settings, "t1", {"zhangxia": "张霞"})

    def tablet(self, name: str, *words: object, check: bool = True) -> str:
        done = run(TABLET, "--dir", self.folder / name, *words, check=check)
        return done.stdout + done.stderr

    def office(self, *words: object, check: bool = True) -> str:
        done = run(OFFICE, "--data-dir", self.settings.data_dir, *words, check=check)
        return done.stdout + done.stderr

    def enrol(self, *names: str) -> None:
        from fixtures.district import district_process

        with district_process(Path(self.settings.data_dir)) as server:
            for name in names:
                text = ticket_text(self.settings, "t1", server.port)
                self.tablet(name, "--worker", "zhangxia", "enrol", text, "--name", name)

    def new_home(self, name: str, head: str) -> str:
        told = self.tablet(
            name,
            "new",
            "household",
            "area=440103019003",
            "address=龙津东路1号",
            f"head_name={head}",
        )
        return told.split()[-1]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.mark.slow
def test_the_commands_bring_visits_in_by_stick_by_codes_and_face_to_face(place: Place) -> None:
    place.enrol("a", "b")
    place.new_home("a", "陈桂兰")
    told = place.tablet("a", "bundle", "export", place.stick, "--room-bytes", 1000)
    assert "The stick holds a part" in told
    assert "bytes of a bundle are missing" in place.office("bundle", "import", place.stick)
    assert "Bundle 1 for" in place.tablet("a", "bundle", "export", place.stick)
    assert "Bundle 1 of tablet “a” taken in" in place.office("bundle", "import", place.stick)
    assert "陈桂兰" in place.office("sql", "SELECT head_name FROM household")
    assert "1 households entered" in place.tablet("a", "bundle", "import", place.stick)
    assert "imported before" in place.tablet("a", "bundle", "import", place.stick, check=False)

    gif = place.folder / "codes.gif"
    place.tablet("b", "bundle", "show", "--gif", gif)
    assert "crypto/bundle-foreign" in place.tablet("a", "bundle", "read", gif, check=False)

    homes = [place.new_home("a", "李秀英"), place.new_home("b", "黄少芬")]
    listener = start(
        TABLET, "--dir", place.folder / "a", "meet", "listen", "--host", "127.0.0.1",
        "--once", "--plain", "--no-announce", "--seconds", 100,
    )  # fmt: skip
    try:
        assert listener.stdout is not None
        code = listener.stdout.readline().strip()
        # What a holds already and b does not is carried sealed; what is new is the team's.
        told = place.tablet("b", "meet", "with", code)
        assert "Met: 1 given, 1 taken, 1 carried" in told
    finally:
        out, err = heard(listener)
    assert "Met: 2 given, 1 taken" in out, err
    listed = place.tablet("b", "list")
    assert all(home in listed for home in homes)


@pytest.mark.slow
def test_the_commands_hand_an_outbox_over_without_unlocking(place: Place) -> None:
    place.enrol("a")
    place.new_home("a", "陈桂兰")
    (place.folder / "a" / "vault").write_bytes(b"damaged")
    (place.folder / "a" / "store.db").write_bytes(b"damaged")
    assert "1 sealed outbox files copied" in place.tablet("a", "outbox", "export", place.stick)
    told = place.office("bundle", "import", place.stick)
    assert re.search(r"Sealed outbox \S+: 1 changes taken in, 0 refused", told)
    assert "陈桂兰" in place.office("sql", "SELECT head_name FROM household")
    from fixtures.district import district_process

    with district_process(Path(place.settings.data_dir)) as server:
        address = f"127.0.0.1:{server.port}"
        told = place.tablet("a", "outbox", "upload", "--address", address)
        assert "1 sealed outbox files sent: 1 changes taken, 0 refused" in told
        # While the server runs, sticks are taken in by it.
        assert "1 changes taken in" in place.office("bundle", "import", place.stick)
    assert district_settings(place.folder).port == 0
