# SPDX-License-Identifier: Apache-2.0
"""Without the district: a teammate met through the pages, a phone over the hot spot, where changes
are, news and warnings."""

import io
import socket
import ssl
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import ifaddr
import msgspec
import pytest
import segno

from client_sdk.app.desk import CATALOGUE, lease_left
from client_sdk.app.keeper import IDLE_SECONDS_MAX
from client_sdk.app.meeting import Meeting
from client_sdk.app.near import qr
from client_sdk.app.phones import PHONES_MAX, Phone
from client_sdk.app.serve import HOST
from client_sdk.keys import Keys
from client_sdk.lan_finding import own_addresses
from client_sdk.tablet import Tablet
from client_sdk.tablet_day import Standing
from client_sdk.texts import Words
from crypto.identity import DeviceKey
from crypto.log import TreeHead, sign_tree_head
from crypto.logword import FORKED, Evidence, encode
from crypto.tls import check_tls_pin, pem_to_der
from fixtures.tablet_app import PIN, WORKER, Held, Serving, Visitor
from fixtures.waiting import until
from tests.client_sdk.app.conftest import Seconds
from tests.client_sdk.app.test_pages import draft_of, tablet_of
from tests.client_sdk.meeting_names import named_apart


@pytest.fixture
def worker(visitor: Visitor) -> Visitor:
    visitor.unlock()
    return visitor


def quiet(meeting: Meeting) -> Meeting:
    """On loopback, and nothing is announced."""
    meeting.host, meeting.announces = HOST, False
    return meeting


# -- teammates --------------------------------------------------------------------------------


@pytest.fixture
def mate(held: Held) -> Iterator[Tablet]:
    """A teammate's tablet of the same district, which has news of one household."""
    assert held.mate
    folder, key = held.mate
    with Tablet.open_with(folder, key, worker="w-mate") as tablet:
        yield tablet


@pytest.mark.slow
def test_a_teammate_scans_the_code_on_the_page_and_both_are_up_to_date(
    worker: Visitor, pages: Serving, held: Held, mate: Tablet
) -> None:
    meeting = quiet(pages.app.keeper.meeting)
    mate.edit(held.homes[0], access="从后门进")
    assert "请让对方扫这个码" in worker.post("/meet/listen", {}).text
    code = until(lambda: meeting.code)
    page = worker.get("/meet/progress")
    assert page.headers["doorstep-running"] == "1"
    assert str(qr(code)) in page.text
    assert code not in str(page.url)
    report = mate.meet_by_code(code)
    assert report.given > 0
    # Pages are answered while it listens: it lets them in whenever it waits.
    assert "从后门进" in worker.get(f"/home/{held.homes[0]}").text
    told = until(lambda: [h for h in meeting.happened if h.report])
    assert told[0].report.taken == report.given
    assert "碰面完成" in worker.get("/meet").text
    worker.post("/meet/stop", {})
    until(lambda: not meeting.running)
    assert worker.get("/meet/progress").headers["doorstep-running"] == "0"


@pytest.mark.slow
def test_the_page_calls_a_teammate_by_a_picture_of_its_code(
    worker: Visitor, pages: Serving, held: Held, mate: Tablet
) -> None:
    meeting, codes, over = quiet(pages.app.keeper.meeting), list[str](), threading.Event()
    listening = threading.Thread(
        target=lambda: mate.serve_meeting(
            over.is_set, host=HOST, announce=False, on_ready=codes.append
        )
    )
    listening.start()
    try:
        picture = io.BytesIO()
        segno.make_qr(until(lambda: codes)[0], error="m").save(picture, kind="png", scale=4)
        worker.post("/meet/call", {}, files={"picture": ("a.png", picture.getvalue())})
        until(lambda: meeting.happened)
        assert "碰面完成" in worker.get("/meet").text
        assert "said bad" in worker.post("/meet/call", {"code": "DOORSTEP-MEET-AAAA"}).text + (
            until(lambda: worker.get("/meet").text if not meeting.running else "")
        )
        assert "请先拍下" in worker.post("/meet/call", {"code": ""}).text
    finally:
        over.set()
        listening.join()


def test_a_stick_carries_work_to_a_teammate_and_back_and_nobody_else_reads_it(
    worker: Visitor, pages: Serving, held: Held, mate: Tablet
) -> None:
    home, own = held.homes[0], pages.app.keeper
    mate.edit(home, access="从后门进")
    with own.tablet() as tablet:
        tablet.edit(held.homes[1], access="按两次门铃")
        replica = tablet.replica
    page = worker.get("/meet").text
    assert f'name="mate" value="{mate.replica.hex()}"' in page
    for _ in range(2):
        written = worker.post("/stick/write", {"mate": mate.replica.hex(), "from": "meet"})
        saved = written.headers["content-disposition"]
        assert f"doorstep-to-{mate.replica.hex()}" in saved
        assert "按两次门铃".encode() not in written.content
        assert mate.import_bundle(written.content).replica == replica
        file = {"stick": ("a.bundle", mate.export_for_teammate(replica))}
        told = worker.post("/stick/read", {"from": "meet"}, files=file)
        assert (str(told.url).rpartition("/")[2], "请给对方也写一份" in told.text) == ("meet", True)
    assert mate.read(held.homes[1])["access"] == "按两次门铃"
    assert "从后门进" in worker.get(f"/home/{home}").text
    # The same file again, one that was altered, and a name that nobody has, change nothing.
    broken = {"stick": ("a.bundle", file["stick"][1][:-1] + b"x")}
    for wrong in (file, broken, {"stick": ("a.card", b"no card")}):
        assert "said bad" in worker.post("/stick/read", {"from": "meet"}, files=wrong).text
    assert "said bad" in worker.post("/stick/write", {"mate": "ffffffff", "from": "meet"}).text


def test_a_card_makes_a_teammate_known_who_was_never_met(
    worker: Visitor, pages: Serving, mate: Tablet
) -> None:
    card = worker.post("/stick/card", {})
    with pages.app.keeper.tablet() as tablet:
        assert mate.learn_card(card.content) == tablet.replica
        tablet._store.run("DELETE FROM devices WHERE replica = ?", (mate.replica,))
        assert mate.replica not in tablet.teammates()
    file = {"stick": ("a.card", mate.card())}
    assert "的平板" in worker.post("/stick/read", {"from": "meet"}, files=file).text
    assert mate.replica.hex() in worker.get("/meet").text


def test_it_listens_no_longer_than_somebody_has_it_unlocked(
    worker: Visitor, pages: Serving
) -> None:
    keeper = pages.app.keeper
    quiet(keeper.meeting).listen()
    until(lambda: keeper.meeting.code)
    worker.post("/lock", {})
    until(lambda: not keeper.meeting.running and not keeper.is_open)


@pytest.mark.slow
def test_a_teammate_is_found_by_name_or_the_page_says_that_nobody_is_there(
    worker: Visitor, pages: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    named_apart(monkeypatch)
    meeting = pages.app.keeper.meeting
    meeting.host = HOST
    worker.post("/meet/look", {})
    until(lambda: not meeting.running)
    assert "附近没有等待碰面的平板" in worker.get("/meet").text


# -- a phone over the hot spot ----------------------------------------------------------------


def let_in(worker: Visitor, pages: Serving, monkeypatch: pytest.MonkeyPatch) -> tuple[Phone, str]:
    """A phone is let in from the tablet's page, at loopback; and what that page shows."""
    monkeypatch.setattr("client_sdk.app.near.own_addresses", lambda: [HOST])
    page = worker.post("/phone", {"host": HOST}).text
    assert pages.app.phones
    return pages.app.phones.listed()[-1], page


def on(phone: Phone, pages: Serving) -> Visitor:
    """The phone's browser, which trusts the one certificate it was shown and no other."""
    with pages.app.keeper.tablet() as tablet:
        key = tablet.page_key(HOST)
    trusted = ssl.create_default_context(cadata=key.certificate_pem.decode())
    return Visitor(Serving(phone.app), address=phone.address, trusted=trusted)


def test_a_phone_gets_the_pages_by_a_code_over_tls_with_this_tablets_key(
    worker: Visitor, pages: Serving, held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    phone, page = let_in(worker, pages, monkeypatch)
    assert phone.address.startswith("https://")
    assert str(qr(phone.address)) in page
    assert phone.mark[:4] in page
    with pytest.raises(httpx.ConnectError):
        httpx.get(phone.address)
    with pytest.raises(httpx.HTTPError):
        httpx.get(phone.address.replace("https", "http"))
    shown = ssl.get_server_certificate((HOST, phone.app.port))
    check_tls_pin(pem_to_der(shown.encode()), phone.pin)
    with on(phone, pages) as telephone:
        assert telephone.get("/").url.path.endswith("/unlock")
        assert "Secure" in str(telephone.client.get(phone.app.address()).headers["set-cookie"])
        assert not telephone.unlock().url.path.endswith("/unlock")
        assert telephone.get(f"/home/{held.homes[0]}").status_code == 200
        # The address was good once, and a phone lets no further phone in.
        assert telephone.client.get(phone.address).status_code == 403
        assert telephone.get("/phone").status_code == 404
        assert "手机已进来" in worker.get("/phone").text
    worker.post("/phone/away", {"port": str(phone.app.port)})
    assert pages.app.phones
    assert pages.app.phones.listed() == []
    with pytest.raises(OSError, match="refused"), socket.create_connection((HOST, phone.app.port)):
        pass


@pytest.mark.slow
def test_each_browser_has_a_lock_and_a_worker_of_its_own(
    worker: Visitor,
    pages: Serving,
    held: Held,
    seconds: Seconds,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own = {"worker": "w002", "old": PIN, "new": "572913", "again": "572913"}
    worker.post("/settings/worker", own)
    phone, _ = let_in(worker, pages, monkeypatch)
    with on(phone, pages) as telephone:
        assert (
            "还可再试 9 次"
            in telephone.post("/unlock", {"worker": "w002", "secret": "804613"}).text
        )
        assert telephone.get("/").url.path.endswith("/unlock")
        keys = Keys(held.folder, held.keyring)
        entries = tuple(msgspec.structs.replace(e, wait_ms=0) for e in keys.vault().entries)
        keys._store(msgspec.structs.replace(keys.vault(), entries=entries))
        telephone.post("/unlock", {"worker": "w002", "secret": "572913"})
        homes = held.homes
        for browser, home, who in ((telephone, homes[2], "w002"), (worker, homes[3], WORKER)):
            draft = draft_of(browser.get(f"/home/{home}/visit").text)
            browser.post(f"/home/{home}/visit/{draft}", {"quick": "well"})
            assert tablet_of(pages).read(draft)["workers"] == [who]
        # The tablet's own page is left alone for two minutes; the phone goes on.
        seconds.now += IDLE_SECONDS_MAX - 1
        assert not telephone.get("/").url.path.endswith("/unlock")
        seconds.now += 2
        assert worker.get("/").url.path.endswith("/unlock")
        assert not telephone.get("/").url.path.endswith("/unlock")
        assert pages.app.keeper.is_open
        telephone.post("/lock", {})
        assert not pages.app.keeper.is_open


@pytest.mark.slow
def test_no_more_phones_than_a_team_has_and_none_at_a_foreign_address(
    worker: Visitor, pages: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(PHONES_MAX + 1):
        let_in(worker, pages, monkeypatch)
    assert pages.app.phones
    assert len(pages.app.phones.listed()) == PHONES_MAX
    pages.app.phones.stop_all()
    assert "said bad" not in worker.post("/phone", {"host": "192.0.2.77"}).text
    assert pages.app.phones.listed() == []


def test_the_key_a_phone_took_stays_and_its_certificate_follows_the_address(
    worker: Visitor, pages: Serving
) -> None:
    with pages.app.keeper.tablet() as tablet:
        first, again = tablet.page_key(HOST), tablet.page_key(HOST)
        moved = tablet.page_key("10.42.0.1")
    assert first == again
    assert moved.pin == first.pin
    assert moved.certificate_pem != first.certificate_pem
    assert first.key_pem.decode() not in repr(first)


def test_a_hot_spot_without_a_way_out_has_an_address_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class NoWay(socket.socket):
        def connect(self, address: Any) -> None:
            raise OSError("unreachable")

    ip = ifaddr.IP("10.42.0.1", 24, "wlan0")
    loopback = ifaddr.IP("127.0.0.1", 8, "lo")
    adapters = [ifaddr.Adapter("lo", "lo", [loopback]), ifaddr.Adapter("wlan0", "wlan0", [ip])]
    monkeypatch.setattr(ifaddr, "get_adapters", lambda: adapters)
    monkeypatch.setattr(socket, "socket", NoWay)
    assert own_addresses() == ["10.42.0.1"]


# -- where changes are ------------------------------------------------------------------------


def test_each_change_says_where_it_is_by_what_was_heard(
    worker: Visitor, pages: Serving, held: Held, mate: Tablet
) -> None:
    need = {"household": held.homes[0], "kind": "repair", "status": "open"}
    with pages.app.keeper.tablet() as tablet:
        made = tablet.create_record("need", need)
    alone = worker.get(f"/record/{made}").text
    assert "本机" in alone
    assert "由 平板八号 携带" not in alone
    with pages.app.keeper.tablet() as tablet:
        tablet.meet(mate)
        tablet.meet(mate)
    assert "由 平板八号 携带" in worker.get(f"/record/{made}").text
    first = worker.get("/custody").text
    assert "由 平板八号 携带" in first
    assert "/custody?from=30" in first
    assert "/custody?from=0" in worker.get("/custody?from=30").text


# -- news and warnings ------------------------------------------------------------------------


def test_who_found_a_need_reads_by_whom_it_was_solved(
    worker: Visitor, pages: Serving, held: Held, mate: Tablet
) -> None:
    home = held.homes[0]
    with pages.app.keeper.tablet() as tablet:
        need = {"household": home, "kind": "wheelchair", "status": "open", "reporter": WORKER}
        made = tablet.create_record("need", need)
        tablet.meet(mate)
        mate.edit(made, status="solved")
        tablet.meet(mate)
        name = tablet.name_of_record(home)
    assert "有 1 条新消息" in worker.get("/").text
    page = worker.get("/notices").text
    assert f"{name}的“轮椅”：已解决，w-mate" in page
    worker.post("/notices", {"solved": made})
    assert "新消息" not in worker.get("/").text
    assert f"{name}的“轮椅”" in worker.get("/notices").text


def test_what_is_wrong_with_the_servers_log_stands_on_every_page_until_it_was_read(
    worker: Visitor, pages: Serving
) -> None:
    tablet, key = tablet_of(pages), DeviceKey.generate()
    first, second = (
        sign_tree_head(key, TreeHead(key.replica, 0, 7, root * 32, 1)) for root in (b"a", b"b")
    )
    with tablet._store.transaction():
        said = encode(Evidence(FORKED, first, second, 1_000, tablet.replica))
        tablet._store.put("log-evidence", [[said, False]])
    assert "服务器的日志有异常" in worker.get("/day").text
    page = worker.get("/notices").text
    assert "服务器的日志前后矛盾" in page
    worker.post("/notices", {})
    assert "服务器的日志有异常" not in worker.get("/day").text
    assert "服务器的日志前后矛盾" in worker.get("/notices").text


def test_a_lease_that_runs_out_is_told_in_days_and_then_in_hours() -> None:
    words = Words("zh", CATALOGUE)
    day = 86_400_000
    base = Standing(0, 0, 0, 0, 0, 0, None, 0, None, None)
    for left, whole, said in (
        (None, None, ""),
        (14 * day, 30 * day, ""),
        (3 * day, 30 * day, "3 天"),
        (2 * day - 1, 30 * day, "47 小时"),
        (3 * day, 4 * day, ""),
        (0, 30 * day, "0 小时"),
    ):
        assert lease_left(base._replace(lease_left_ms=left, lease_ms=whole), words) == said
