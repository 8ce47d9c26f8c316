# SPDX-License-Identifier: Apache-2.0
"""The tablet against a real server on loopback TLS: enrolment, sync, attachments, commands."""

import io
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import segno
from click.testing import CliRunner

import client_sdk
from client_sdk.cli import cli
from client_sdk.enrolment import read_picture
from client_sdk.errors import EnrolmentFailed, StoreExists, Unreachable
from client_sdk.http_transport import HttpTransport
from client_sdk.store.opening import copy_store
from client_sdk.tablet import Tablet
from crypto.errors import PinMismatch, SecretTooWeak
from crypto.ticket import typed_code
from fixtures.district import Local, add_team, local_district, make_ticket, ticket_text

pytestmark = pytest.mark.slow

PASSPHRASE = "雨夜敲门三百次也不停"
PHOTO = bytes(range(256)) * 2_000


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Local]:
    with local_district(tmp_path / "district") as local:
        add_team(local.settings, "team", {"w1": "张霞", "w2": "陈宇轩"})
        local.service.reload()
        yield local


def code(server: Local) -> str:
    return ticket_text(server.settings, "team", server.port)


def enrolled(server: Local, folder: Path) -> Tablet:
    return Tablet.enrol(
        folder,
        code(server),
        name="tablet 1",
        worker="w1",
        secret=PASSPHRASE,
        show_digits=lambda digits: None,
        keyring=None,
    )


def test_a_tablet_enrols_works_and_syncs(
    server: Local, tmp_path: Path, fields: dict[str, Any]
) -> None:
    shown: list[str] = []
    tablet = Tablet.enrol(
        tmp_path / "t",
        code(server),
        name="tablet 1",
        worker="w1",
        secret=PASSPHRASE,
        show_digits=shown.append,
        keyring=None,
    )
    assert re.fullmatch(r"[0-9]{6}", shown[0])
    assert (tablet.name, tablet.team) == ("tablet 1", "team")
    home = tablet.create_record("household", fields)
    assert tablet.sync().agrees
    tablet.close()
    with Tablet.open(tmp_path / "t", "w1", PASSPHRASE, keyring=None) as again:
        assert again.is_sent(home)
        assert again.read(home).fields["phone"].siblings[0].by.worker_name == "张霞"
        again.edit(home, phone="13900139000")
        assert again.sync().rounds == 1


def test_a_ticket_read_from_a_picture_is_the_one_drawn(server: Local) -> None:
    text, picture = code(server), io.BytesIO()
    segno.make(text).save(picture, kind="png", scale=6)
    assert read_picture(picture.getvalue()) == text
    with pytest.raises(EnrolmentFailed):
        read_picture(b"no picture")


def test_a_ticket_cannot_be_used_twice(server: Local, tmp_path: Path) -> None:
    text = code(server)
    arguments: dict[str, Any] = {"name": "t", "worker": "w1", "secret": PASSPHRASE}
    arguments |= {"show_digits": lambda digits: None, "keyring": None}
    Tablet.enrol(tmp_path / "a", text, **arguments).close()
    with pytest.raises(EnrolmentFailed):
        Tablet.enrol(tmp_path / "b", text, **arguments)
    assert not (tmp_path / "b" / "store.db").exists()
    with pytest.raises(StoreExists):
        Tablet.enrol(tmp_path / "a", text, **arguments)


def test_a_weak_secret_is_refused_before_the_ticket_is_spent(server: Local, tmp_path: Path) -> None:
    text = code(server)
    arguments: dict[str, Any] = {"name": "t", "worker": "w1", "show_digits": lambda digits: None}
    with pytest.raises(SecretTooWeak):
        Tablet.enrol(tmp_path / "a", text, secret="123456", keyring=None, **arguments)
    Tablet.enrol(tmp_path / "a", text, secret=PASSPHRASE, keyring=None, **arguments).close()


def test_a_typed_code_enrols_with_the_address(server: Local, tmp_path: Path) -> None:
    ticket = make_ticket(server.settings, "team", server.port)
    tablet = Tablet.enrol(
        tmp_path / "t",
        typed_code(ticket.secret),
        name="t",
        worker="w1",
        secret=PASSPHRASE,
        show_digits=lambda digits: None,
        address=f"127.0.0.1:{server.port}",
        keyring=None,
    )
    assert tablet.sync().agrees
    tablet.close()


def test_a_server_with_another_key_is_not_spoken_to(server: Local, tmp_path: Path) -> None:
    tablet = enrolled(server, tmp_path / "t")
    assert isinstance(tablet.transport, HttpTransport)
    tablet.set_server([f"127.0.0.1:{server.port}"], b"x" * 32)
    with pytest.raises(PinMismatch):
        tablet.sync()
    tablet.close()


def test_without_a_server_all_but_the_sync_works(
    server: Local, tmp_path: Path, fields: dict[str, Any]
) -> None:
    tablet = enrolled(server, tmp_path / "t")
    tablet.set_server(["127.0.0.1:1"])
    home = tablet.create_record("household", fields)
    with pytest.raises(Unreachable):
        tablet.sync()
    assert [u.record for u in tablet.unsent()] == [home]
    assert tablet.search("dxx")[0].id == home
    tablet.close()


def test_a_lost_nonce_costs_one_more_round_trip(server: Local, tmp_path: Path) -> None:
    tablet = enrolled(server, tmp_path / "t")
    tablet._store.put("nonce", b"lost")
    assert tablet.sync().rounds == 1
    tablet._store.put("nonce", b"")
    assert tablet.sync().rounds == 1
    tablet.close()


def test_a_copy_that_uses_up_the_nonce_at_the_same_moment_does_not_break_the_sync(
    server: Local, tmp_path: Path
) -> None:
    enrolled(server, tmp_path / "t").close()
    copy_store(tmp_path / "t", tmp_path / "copy")
    first, second = (
        Tablet.open(tmp_path / name, "w1", PASSPHRASE, keyring=None) for name in ("t", "copy")
    )
    first._store.put("nonce", b"")
    transport: Any = first.transport
    keep, races = transport._signing.keep, 2

    def kept(nonce: bytes) -> None:
        # The answer that names a fresh nonce is under way when the copy asks, and spends it.
        nonlocal races
        keep(nonce)
        if races:
            races -= 1
            second.sync()

    transport._signing = transport._signing._replace(keep=kept)
    assert first.sync().rounds == 1
    assert races == 0
    first.close()
    second.close()


def test_a_photo_goes_up_in_pieces_and_is_read_by_a_teammate(
    server: Local, tmp_path: Path, fields: dict[str, Any]
) -> None:
    first, second = enrolled(server, tmp_path / "a"), enrolled(server, tmp_path / "b")
    home = first.create_record("household", fields)
    photo = first.attach(PHOTO, household=home, media_type="image/jpeg", purpose="home")
    assert first.status().blobs == 1
    assert first.sync().blobs_sent == 1
    assert first.status().blobs == 0
    second.sync()
    assert second.attachment_bytes(photo) == PHOTO
    second.set_server(["127.0.0.1:1"])
    assert second.attachment_bytes(photo) == PHOTO
    first.close()
    second.close()


def test_a_photo_that_broke_off_goes_on_where_it_stood(
    server: Local, tmp_path: Path, fields: dict[str, Any]
) -> None:
    tablet = enrolled(server, tmp_path / "a")
    home = tablet.create_record("household", fields)
    tablet.attach(PHOTO, household=home, media_type="image/jpeg")
    name, size, _ = tablet._blobs.unsent()[0]
    transport = tablet.transport
    assert transport is not None
    path = tablet.directory / "blobs" / name
    transport.put_blob(name, 0, size, path.read_bytes()[:100_000])
    assert transport.blob_bytes(name) == 100_000
    assert tablet.sync().blobs_sent == 1
    tablet.close()


def test_the_command_line_does_a_day(server: Local, tmp_path: Path) -> None:
    runner = CliRunner(env={"DOORSTEP_TABLET_SECRET": PASSPHRASE, "PYTHON_KEYRING_BACKEND": NULL})
    base = ["--dir", str(tmp_path / "t"), "--worker", "w1", "--lang", "en"]

    def run(*arguments: str) -> str:
        result = runner.invoke(cli, [*base, *arguments], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.output

    assert "Enrolled" in run("enrol", code(server), "--name", "t1")
    saved = run("new", "household", "area=440103019003", "户主=陈桂兰", "address=龙津东路1号")
    home = saved.split("Saved: ")[1].strip()
    run("edit", "--reason", "told", "--", home, "phone=13800138000")
    run("add", "--", home, "categories", "dibao")
    assert "陈桂兰" in run("search", "cgl")
    assert "13800138000" in run("show", "--", home)
    assert home in run("unsent")
    assert "Synced" in run("sync")
    assert "holds everything" in run("unsent")
    assert "No conflicts" in run("conflicts")
    assert "t1" in run("status")
    assert home in run("list")
    run("settle", "--", home, "phone", "13900139000")
    run("void", "--", home, "moved away")
    assert "moved away" in run("show", "--", home)
    assert "Wiped" in run("wipe", "--yes")


NULL = "keyring.backends.null.Keyring"


def test_the_program_in_the_readme_runs(server: Local, tmp_path: Path) -> None:
    readme = Path(client_sdk.__file__).with_name("README.md").read_text()
    program = re.findall(r"```python\n(.*?)```", readme, re.S)[0]
    assert len(program.splitlines()) <= 30
    file = tmp_path / "program.py"
    file.write_text(program)
    root = Path(client_sdk.__file__).parent.parent
    done = subprocess.run(
        [sys.executable, str(file), str(tmp_path / "t"), code(server), PASSPHRASE],
        capture_output=True,
        text=True,
        timeout=60,
        env={"PYTHONPATH": str(root), "PYTHON_KEYRING_BACKEND": NULL, "LANG": "C.UTF-8"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "unsent 0" in done.stdout
