# SPDX-License-Identifier: Apache-2.0
"""The lock: the PIN, its tries, two idle minutes, a page out of sight, a sync that goes on."""

import threading

import pytest

from client_sdk.app.keeper import HIDDEN_SECONDS_MAX, IDLE_SECONDS_MAX
from client_sdk.errors import Locked
from fixtures.tablet_app import PIN, WORKER, Held, Serving, Visitor
from fixtures.waiting import WAIT_SECONDS_MAX
from tests.client_sdk.app.conftest import Seconds

WRONG = "804613"


def is_locked(visitor: Visitor) -> bool:
    return visitor.get("/").url.path.endswith("/unlock")


def test_nothing_is_shown_before_the_pin(visitor: Visitor, held: Held) -> None:
    for path in ("/", f"/home/{held.homes[0]}", "/search", "/sync/progress", "/settings"):
        assert visitor.get(path).url.path.endswith("/unlock")
    assert visitor.unlock().status_code == 200
    assert visitor.get("/").url.path.endswith("/")


def test_wrong_tries_are_counted_down_in_words_and_make_wait(visitor: Visitor) -> None:
    assert "还可再试 9 次" in visitor.unlock(WRONG).text
    answer = visitor.unlock()
    assert "尚在等待时间内" in answer.text
    assert is_locked(visitor)


def test_two_idle_minutes_lock_and_close_the_store(
    visitor: Visitor, pages: Serving, seconds: Seconds
) -> None:
    visitor.unlock()
    seconds.now += IDLE_SECONDS_MAX - 1
    assert not is_locked(visitor)
    seconds.now += IDLE_SECONDS_MAX + 1
    assert is_locked(visitor)
    assert not pages.app.keeper.is_open
    with pytest.raises(Locked), pages.app.keeper.tablet():
        pass


def test_a_page_out_of_sight_locks_sooner(visitor: Visitor, seconds: Seconds) -> None:
    visitor.unlock()
    visitor.client.post(
        visitor.base + "/seen", headers={"origin": visitor.pages.url, "doorstep-seen": "hidden"}
    )
    seconds.now += HIDDEN_SECONDS_MAX + 1
    assert is_locked(visitor)


def test_a_touch_keeps_it_open_and_a_locked_page_is_told(
    visitor: Visitor, seconds: Seconds
) -> None:
    visitor.unlock()
    seen = visitor.base + "/seen"
    headers = {"origin": visitor.pages.url}
    for _ in range(3):
        seconds.now += IDLE_SECONDS_MAX - 10
        assert visitor.client.post(seen, headers=headers).status_code == 204
    seconds.now += IDLE_SECONDS_MAX + 1
    assert visitor.client.post(seen, headers=headers).status_code == 403


def test_after_the_pin_the_worker_goes_on_where_it_was(visitor: Visitor, held: Held) -> None:
    path = f"/home/{held.homes[0]}"
    visitor.get(path)
    assert visitor.unlock().url.path.endswith(path)


def test_a_new_pin_needs_the_old_one(visitor: Visitor) -> None:
    visitor.unlock()
    fresh = {"new": "572913", "again": "572913"}
    assert "还可再试" in visitor.post("/settings/secret", {"old": WRONG, **fresh}).text
    visitor.pages.app.keeper.lock()
    assert visitor.unlock("572913").url.path.endswith("/unlock")


def test_a_pin_is_changed_with_the_old_one_and_refused_when_weak(visitor: Visitor) -> None:
    visitor.unlock()
    weak = visitor.post("/settings/secret", {"old": PIN, "new": "123456", "again": "123456"})
    assert "said bad" in weak.text
    other = visitor.post("/settings/secret", {"old": PIN, "new": "572913", "again": "572931"})
    assert "said bad" in other.text
    visitor.post("/settings/secret", {"old": PIN, "new": "572913", "again": "572913"})
    visitor.post("/lock", {})
    assert not visitor.unlock("572913").url.path.endswith("/unlock")


def test_a_teammate_unlocks_with_a_pin_of_their_own(visitor: Visitor, pages: Serving) -> None:
    visitor.unlock()
    visitor.post(
        "/settings/worker", {"worker": "w002", "old": PIN, "new": "572913", "again": "572913"}
    )
    visitor.post("/lock", {})
    visitor.post("/unlock", {"worker": "w002", "secret": "572913"})
    assert pages.app.keeper.worker == "w002"


class SlowLine:
    """A connection whose answer comes when the test lets it."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.answer = threading.Event()


def test_pages_work_and_lock_while_a_sync_waits_for_the_network(
    visitor: Visitor, pages: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    from client_sdk.errors import Unreachable
    from client_sdk.http_transport import Connection

    line = SlowLine()

    def request(*_: object) -> None:
        line.asked.set()
        line.answer.wait(WAIT_SECONDS_MAX)
        raise Unreachable("test")

    monkeypatch.setattr(Connection, "request", request)
    visitor.unlock()
    visitor.post("/sync", {"blobs": "1"})
    assert line.asked.wait(WAIT_SECONDS_MAX)
    assert "正在同步" in visitor.get("/").text
    visitor.post("/lock", {})
    keeper = pages.app.keeper
    assert keeper.locked
    assert keeper.is_open
    with pytest.raises(Locked), keeper.tablet():
        pass
    assert visitor.unlock(WRONG).url.path.endswith("/unlock")
    line.answer.set()
    keeper.syncing.wait(WAIT_SECONDS_MAX)
    assert not keeper.is_open
    assert keeper.syncing.ended is not None
    assert isinstance(keeper.syncing.ended.error, Unreachable)
    assert keeper.worker != WORKER
