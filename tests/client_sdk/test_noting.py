# SPDX-License-Identifier: Apache-2.0
"""What is only noted does not wait for the disk; what is written waits for it, before and after."""

from typing import Any

import pytest

FULL, NORMAL = 2, 1


def waits(store: Any) -> int:
    return int(store.one("PRAGMA synchronous")[0])


def test_a_note_does_not_wait_and_whatever_follows_does(world: Any) -> None:
    store = world.tablet("a")._store
    assert waits(store) == FULL
    with store.noting():
        store.put("a-note", 7)
        assert waits(store) == NORMAL
    assert waits(store) == FULL
    store.reload()
    assert store.get("a-note") == 7


def test_a_note_that_fails_is_undone_and_whatever_follows_waits(world: Any) -> None:
    store = world.tablet("a")._store

    def note() -> None:
        with store.noting():
            store.put("a-note", 7)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        note()
    assert waits(store) == FULL
    assert store.get("a-note") is None


def test_a_note_within_something_written_waits_with_it(world: Any) -> None:
    store = world.tablet("a")._store
    with store.transaction():
        with store.noting():
            store.put("a-note", 7)
        assert waits(store) == FULL


def test_a_sync_waits_for_the_disk_once_for_its_answer(
    world: Any, fields: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    tablet = world.tablet("a")
    tablet.sync()
    tablet.create_record("household", fields)
    store = tablet._store
    run, seen = store.run, list[int]()

    def watched(sql: str, values: Any = ()) -> Any:
        if sql == "COMMIT":
            seen.append(int(run("PRAGMA synchronous").fetchone()[0]))
        return run(sql, values)

    monkeypatch.setattr(store, "run", watched)
    tablet.sync(push_only=True)
    assert seen.count(FULL) == 1
    assert seen.count(NORMAL) >= 1
