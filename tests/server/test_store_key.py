# SPDX-License-Identifier: Apache-2.0
"""The key of the store is kept elsewhere: the environment, a systemd credential, an HSM."""

import os
import secrets
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fixtures.district import new_district
from server.cli import main
from server.errors import KeyFileWrong
from server.key_files import write_file
from server.keys import make_keys, read_keys
from server.store_key import (
    COMMAND,
    CREDENTIAL,
    ENVIRONMENT,
    FILE,
    FROM,
    SEALED,
    Place,
    move_out,
)
from server.store_keyring import StoreKeyring

TOOLS = Path(__file__).parent / "softhsm"
MODULES = Path("/usr/lib/softhsm/libsofthsm2.so"), Path("/usr/lib64/softhsm/libsofthsm2.so")
PIN = "271828"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_keys(tmp_path / "keys", ("localhost",))
    return tmp_path / "keys"


def gone(folder: Path, key: str) -> bool:
    """Is the key in no file of the folder?"""
    plain = (key.encode(), bytes.fromhex(key))
    files = [file.read_bytes() for file in folder.iterdir()]
    return not any(one in data for data in files for one in plain)


def test_the_key_may_stand_in_the_environment(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = read_keys(folder).store_hex
    assert not gone(folder, key)
    monkeypatch.setenv("DOORSTEP_STORE_KEY", key)
    move_out(folder, Place(ENVIRONMENT, ("DOORSTEP_STORE_KEY",)))
    assert gone(folder, key)
    assert read_keys(folder).store_hex == key
    monkeypatch.delenv("DOORSTEP_STORE_KEY")
    with pytest.raises(KeyFileWrong) as refused:
        read_keys(folder)
    assert key not in str(refused.value)


def test_the_key_may_stand_in_a_credential(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = read_keys(folder).store_hex
    given = tmp_path / "credentials"
    given.mkdir()
    (given / "doorstep-store").write_bytes((folder / FILE).read_bytes())
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(given))
    move_out(folder, Place(CREDENTIAL, ("doorstep-store",)))
    assert gone(folder, key)
    assert read_keys(folder).store_hex == key


@pytest.mark.parametrize("there", ["", "00" * 31, "zz" * 32])
def test_the_file_stays_where_its_new_place_gives_no_key(
    folder: Path, there: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = read_keys(folder).store_hex
    monkeypatch.setenv("DOORSTEP_STORE_KEY", there)
    with pytest.raises(KeyFileWrong):
        move_out(folder, Place(ENVIRONMENT, ("DOORSTEP_STORE_KEY",)))
    assert read_keys(folder).store_hex == key
    assert (folder / FILE).exists()
    assert not (folder / FROM).exists()


def test_the_key_is_wrapped_under_another_which_may_change_in_a_moment(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, outer = read_keys(folder).store_hex, [secrets.token_hex(32) for _ in range(2)]
    for name, one in zip(("FIRST", "SECOND"), outer, strict=True):
        monkeypatch.setenv(name, one)
        move_out(folder, Place(ENVIRONMENT, (name,)))
        assert gone(folder, key)
        assert gone(folder, one)
        assert read_keys(folder).store_hex == key
    monkeypatch.delenv("FIRST")
    assert read_keys(folder).store_hex == key
    monkeypatch.setenv("SECOND", outer[0])
    with pytest.raises(KeyFileWrong):
        read_keys(folder)


def test_what_a_key_service_sealed_for_an_earlier_version_opens_on(folder: Path) -> None:
    key = read_keys(folder).store_hex
    for name, text in ((FROM, "command cat\n"), (SEALED, key + "\n")):
        write_file(folder / name, text.encode())
    (folder / FILE).unlink()
    ring = StoreKeyring(folder)
    assert ring.present.reveal().hex() == key
    following = ring.make_next()
    ring.retire(1)
    ring.promote()
    assert StoreKeyring(folder).present == following
    assert not gone(folder, key)
    move_out(folder, Place(COMMAND, ("cat",)), ("cat",))
    assert gone(folder, key)
    assert StoreKeyring(folder).present == following


@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_key_is_next_then_present_then_earlier_and_then_forgotten(
    folder: Path, elsewhere: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if elsewhere:
        monkeypatch.setenv("OUTER", secrets.token_hex(32))
        move_out(folder, Place(ENVIRONMENT, ("OUTER",)))
    ring = StoreKeyring(folder)
    used = [ring.present]
    for at_ms in range(1, 5):
        # Begun and cut off, at either step: nothing of it stays.
        ring.make_next()
        ring.retire(at_ms)
        assert StoreKeyring(folder).present == used[-1]
        ring.drop_next()
        used.append(ring.make_next())
        assert StoreKeyring(folder).next() == used[-1]
        ring.retire(at_ms)
        ring.promote()
        assert StoreKeyring(folder).next() is None
    again = StoreKeyring(folder)
    assert again.all() == used[::-1]
    assert gone(folder, used[0].reveal().hex())
    assert gone(folder, used[3].reveal().hex())
    assert [one.until_ms for one in again.forget(3)] == [2, 1]
    assert StoreKeyring(folder).all() == [used[4], used[3], used[2]]


@pytest.mark.parametrize("line", ["", "cloud x", "environment", "environment A B", "command 'x"])
def test_a_place_that_cannot_be_read_is_refused_by_name(folder: Path, line: str) -> None:
    (folder / FROM).write_text(line)
    (folder / FROM).chmod(0o600)
    with pytest.raises(KeyFileWrong):
        read_keys(folder)


@pytest.mark.parametrize(
    "words", [("/no/such/program",), ("false",), ("echo", "no key"), ("echo", "ab" * 32)]
)
def test_a_key_service_that_does_not_answer_is_told_and_nothing_moves(
    folder: Path, words: tuple[str, ...]
) -> None:
    with pytest.raises(KeyFileWrong):
        move_out(folder, Place(COMMAND, words), ("cat",))
    assert (folder / FILE).exists()
    assert sorted(p.name for p in folder.iterdir() if "sealed" in p.name) == []


# ---- a real module -------------------------------------------------------------------------------


class Hsm:
    """A SoftHSM token with an RSA key that cannot be taken out."""

    def __init__(self, folder: Path) -> None:
        self.module = next(path for path in MODULES if path.exists())
        (folder / "tokens").mkdir(parents=True)
        (folder / "softhsm.conf").write_text(f"directories.tokendir = {folder}/tokens\n")
        (folder / "pin").write_text(PIN)
        os.environ["SOFTHSM2_CONF"] = str(folder / "softhsm.conf")
        self.folder = folder
        self._run(
            *("softhsm2-util", "--init-token", "--free", "--label", "d"),
            *("--pin", PIN, "--so-pin", PIN),
        )
        tool = ("pkcs11-tool", "--module", str(self.module), "--token-label", "d")
        self._run(
            *(*tool, "--login", "--pin", PIN, "--keypairgen", "--key-type", "rsa:3072"),
            *("--label", "doorstep", "--id", "01"),
        )
        self._run(
            *(*tool, "--read-object", "--type", "pubkey", "--label", "doorstep"),
            *("--output-file", str(folder / "public.der")),
        )

    def _run(self, *words: str) -> None:
        subprocess.run(words, check=True, capture_output=True, timeout=60)

    @property
    def seal(self) -> str:
        """The command that seals."""
        return f"{TOOLS / 'seal'} {self.folder / 'public.der'}"

    @property
    def open(self) -> tuple[str, ...]:
        """The command that opens."""
        return (str(TOOLS / "open"), str(self.module), "d", str(self.folder / "pin"))


@pytest.fixture
def hsm(tmp_path: Path) -> Iterator[Hsm]:
    before = os.environ.get("SOFTHSM2_CONF")
    yield Hsm(tmp_path / "hsm")
    os.environ.pop("SOFTHSM2_CONF")
    if before is not None:
        os.environ["SOFTHSM2_CONF"] = before


@pytest.mark.slow
def test_a_district_opens_by_a_key_that_only_an_hsm_can_open(tmp_path: Path, hsm: Hsm) -> None:
    folder = tmp_path / "server"
    new_district(folder)
    key = read_keys(folder / "keys").store_hex

    def doorstep(*words: str, fails: int = 0) -> Result:
        found = CliRunner().invoke(main, ["--data-dir", str(folder), "--lang", "en", *words])
        assert found.exit_code == fails, found.output + repr(found.exception)
        return found

    run: Callable[..., Result] = doorstep
    run("keys", "keep", "command", "--seal", hsm.seal, "--", *hsm.open)
    assert gone(folder / "keys", key)
    run("teams", "add", "t1", "龙津一组")
    run("backup", str(tmp_path / "copy.db"))
    run("keys", "renew", "store")
    assert gone(folder / "keys", read_keys(folder / "keys").store_hex)
    assert read_keys(folder / "keys").store_hex != key
    (hsm.folder / "pin").write_text("000000")
    assert "server/key-file" in run("teams", "list", fails=1).output
    (hsm.folder / "pin").write_text(PIN)
    assert "龙津一组" in run("teams", "list").output
