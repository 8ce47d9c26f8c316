# SPDX-License-Identifier: Apache-2.0
"""Unlocking: several workers, tries counted on the disk, erasure, where the secret lies."""

from pathlib import Path

import keyring.backend
import pytest

from client_sdk.errors import KeyStoreFailed, StoreMissing
from client_sdk.keys import SECRET_FILE, Keys
from crypto.errors import SecretTooWeak, UnlockErased, UnlockRefused, UnlockUnknown, UnlockWait
from crypto.unlock import Cost, new_master

CHEAP = Cost(memory_kib=64, iterations=1, lanes=1)
GOOD = "雨夜敲门三百次也不停"
OTHER = "correct horse battery"
HOUR_MS = 3_600_000


class Memory(keyring.backend.KeyringBackend):
    """A key store that lives as long as the test."""

    priority = 1.0

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.kept[service, username]


def made(folder: Path) -> tuple[Keys, bytes]:
    keys = Keys(folder)
    with new_master() as master:
        keys.begin(master, "w1", GOOD, cost=CHEAP)
        return keys, master.reveal()


def test_two_workers_unlock_the_same_tablet_each_with_their_own(tmp_path: Path) -> None:
    keys, master = made(tmp_path)
    with keys.unlock("w1", GOOD, 0) as found:
        keys.add(found, "w2", OTHER, cost=CHEAP)
    assert Keys(tmp_path).unlock("w2", OTHER, 0).reveal() == master
    assert keys.workers() == ("w1", "w2")
    keys.remove("w1")
    with pytest.raises(UnlockUnknown):
        keys.unlock("w1", GOOD, 0)


def test_without_a_key_store_a_pin_is_refused_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(SecretTooWeak) as refused, new_master() as master:
        Keys(tmp_path).begin(master, "w1", "739284", cost=CHEAP)
    assert "十个字符" in refused.value.message("zh")
    assert not Keys(tmp_path).exists


def test_with_a_key_store_a_pin_will_do_and_no_secret_lies_on_the_disk(tmp_path: Path) -> None:
    store = Memory()
    keys = Keys(tmp_path, store)
    with new_master() as master:
        keys.begin(master, "w1", "739284", cost=CHEAP)
        kept = master.reveal()
    assert not (tmp_path / SECRET_FILE).exists()
    assert keys.unlock("w1", "739284", 0).reveal() == kept
    store.kept.clear()
    with pytest.raises(KeyStoreFailed):
        keys.unlock("w1", "739284", 0)


def test_wrong_tries_count_across_restarts_and_the_tenth_erases(tmp_path: Path) -> None:
    made(tmp_path)
    now_ms = 0
    for left in range(9, 0, -1):
        with pytest.raises(UnlockRefused) as refused:
            Keys(tmp_path).unlock("w1", "wrong wrong wrong", now_ms)
        assert refused.value.remaining_tries == left
        with pytest.raises(UnlockWait):
            Keys(tmp_path).unlock("w1", GOOD, now_ms)
        now_ms += HOUR_MS
    with pytest.raises(UnlockErased):
        Keys(tmp_path).unlock("w1", "wrong wrong wrong", now_ms)
    assert not (tmp_path / SECRET_FILE).exists()
    assert Keys(tmp_path).workers() == ()


def test_a_changed_secret_opens_and_the_old_one_does_not(tmp_path: Path) -> None:
    keys, master = made(tmp_path)
    keys.change("w1", GOOD, OTHER, 0)
    assert keys.unlock("w1", OTHER, 0).reveal() == master
    with pytest.raises(UnlockRefused):
        keys.unlock("w1", GOOD, 0)


def test_a_tablet_that_was_never_enrolled_says_so(tmp_path: Path) -> None:
    with pytest.raises(StoreMissing):
        Keys(tmp_path).unlock("w1", GOOD, 0)


def test_the_files_of_the_keys_are_for_their_owner_only(tmp_path: Path) -> None:
    made(tmp_path)
    for path in tmp_path.iterdir():
        assert path.stat().st_mode & 0o077 == 0, path.name
