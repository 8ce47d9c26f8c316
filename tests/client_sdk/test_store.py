# SPDX-License-Identifier: Apache-2.0
"""The encrypted store: what opens it, what refuses, what a thief sees."""

import os
from typing import Any

import pytest

from client_sdk.errors import Locked, StoreBusy, StoreKeyWrong, StoreMissing, StoreTooNew
from client_sdk.store.opening import copy_store
from client_sdk.tablet import Tablet
from crypto.secret import SecretBytes


def test_a_wrong_key_opens_nothing(world: Any) -> None:
    world.tablet("a").close()
    wrong = SecretBytes(b"x'" + os.urandom(32).hex().encode() + b"'")
    with pytest.raises(StoreKeyWrong):
        Tablet.open_with(world.folder / "a", wrong, worker="w")


def test_a_store_is_open_in_one_program_only(world: Any) -> None:
    a = world.tablet("a")
    with pytest.raises(StoreBusy):
        world.open("a")
    with pytest.raises(StoreBusy):
        copy_store(a.directory, world.folder / "copy")
    a.close()
    world.open("a")


def test_no_file_of_a_tablet_shows_what_was_written(world: Any, fields: dict[str, Any]) -> None:
    a = world.tablet("a")
    home = a.create_record("household", fields)
    a.attach(b"a photograph" * 50, household=home, media_type="image/jpeg")
    secret = [fields["phone"].encode(), fields["head_name"].encode(), b"a photograph"]
    for path in a.directory.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert not any(word in data for word in secret), path.name


def test_a_store_of_a_newer_program_is_left_alone(world: Any) -> None:
    a = world.tablet("a")
    a._store.run("PRAGMA user_version = 99")
    a.close()
    with pytest.raises(StoreTooNew):
        world.open("a")


def test_a_missing_store_is_named_as_missing(world: Any) -> None:
    key = SecretBytes(b"x'" + os.urandom(32).hex().encode() + b"'")
    with pytest.raises(StoreMissing):
        Tablet.open_with(world.folder / "nowhere", key, worker="w")


def test_a_locked_tablet_shows_nothing(world: Any, fields: dict[str, Any]) -> None:
    a = world.tablet("a")
    home = a.create_record("household", fields)
    a.lock()
    with pytest.raises(Locked):
        a.read(home)


def test_a_value_that_is_not_there_has_the_default_of_each_who_asks(world: Any) -> None:
    store = world.tablet("a")._store
    assert store.get("no such value", 1) == 1
    assert store.get("no such value", 2) == 2
    assert store.get("no such value") is None
