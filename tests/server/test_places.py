# SPDX-License-Identifier: Apache-2.0
"""A busy district says when to come back; whoever stalls keeps nobody out; nothing is lost."""

import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from client_sdk.devices import District
from client_sdk.errors import ServerRefused
from client_sdk.http_transport import BUSY_SECONDS_MAX, HttpTransport, Signing
from fixtures.district import Local, district_settings, local_district
from fixtures.waiting import WAIT_SECONDS_MAX, until
from fixtures.wire import Speaker, error_of, household
from server.errors import ServerBusy
from server.places import SECONDS_MAX, Places
from sync.messages import decode_reply, encode


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Local]:
    folder = tmp_path / "d"
    from server.setup import init_server

    settings = district_settings(folder, requests_at_once_max=1, request_seconds_max=5)
    init_server(settings)
    with local_district(folder, settings=settings) as local:
        yield local


def test_those_sent_away_get_moments_of_their_own() -> None:
    now = [100.0]
    places = Places(1, lambda: now[0])
    told = []
    with places.place():
        for _ in range(400):
            with pytest.raises(ServerBusy) as caught:
                places.check()
            told.append(caught.value.seconds)
        now[0] += 0.1
    assert told == sorted(told)
    assert told[0] >= 1
    assert told[-1] == SECONDS_MAX
    assert max(told[:100].count(second) for second in told[:100]) <= 2
    places.check()
    for _ in range(200):
        with places.place():
            now[0] += 0.01
    now[0] += SECONDS_MAX
    with places.place(), pytest.raises(ServerBusy) as caught:
        places.check()
    # What was measured counts: at a hundred a second the next one is soon due.
    assert caught.value.seconds == 1


class Held:
    """The store's thread, held up until released."""

    def __init__(self, local: Local) -> None:
        self._go, begun = threading.Event(), threading.Event()

        def hold() -> None:
            begun.set()
            self._go.wait(WAIT_SECONDS_MAX)

        self._thread = local.service._worker
        self._thread.submit(hold)
        begun.wait(WAIT_SECONDS_MAX)

    def release(self) -> None:
        self._go.set()


def test_a_busy_district_answers_503_with_seconds_and_the_tablet_comes_back_by_itself(
    served: Local,
) -> None:
    first, second = (Speaker(served.url, served.admit(n, "team")) for n in ("a", "b"))
    held = Held(served)
    waiting = threading.Thread(target=lambda: first.sync(first.request()))
    waiting.start()
    until(lambda: served.service.places.taken)
    refused = second.send("POST", "/v1/sync", encode(second.request()))
    assert (refused.status_code, error_of(refused)["code"]) == (503, "server/busy")
    assert 1 <= int(refused.headers["retry-after"]) <= SECONDS_MAX
    assert served.service.places.refused == 1

    naps: list[float] = []

    def nap(seconds: float) -> None:
        naps.append(seconds)
        held.release()
        waiting.join(WAIT_SECONDS_MAX)
        # Its place is given back a moment after the answer was read.
        until(lambda: not served.service.places.taken)

    nonces = [second.nonce]
    enrolment = second.enrolment
    server = District(enrolment.server_public, enrolment.server_box_public, "").replica
    signing = Signing(
        lambda: enrolment.key, lambda: nonces[-1], nonces.append, lambda: server, lambda: pin
    )
    pin = served.keys.tls.tls_pin
    transport = HttpTransport([f"127.0.0.1:{served.port}"], signing, sleep=nap)
    segment = second.feed.segment([household()])
    decode_reply(transport.exchange(encode(second.request(segments=[segment]))))
    transport.close()
    assert len(naps) == 1
    with served.district.store.read() as tx:
        assert tx.rows("SELECT count(*) FROM household") == [(1,)]
    first.client.close()
    second.client.close()


def test_a_tablet_does_not_wait_for_ever(served: Local) -> None:
    speaker = Speaker(served.url, served.admit("a", "team"))
    served.service.places.at_once_max = 0
    naps: list[float] = []
    enrolment = speaker.enrolment
    server = District(enrolment.server_public, enrolment.server_box_public, "").replica
    signing = Signing(
        lambda: enrolment.key, lambda: b"\0", lambda _: None, lambda: server, lambda: pin
    )
    pin = served.keys.tls.tls_pin
    transport = HttpTransport([f"127.0.0.1:{served.port}"], signing, sleep=naps.append)
    with pytest.raises(ServerRefused) as caught:
        transport.exchange(encode(speaker.request()))
    transport.close()
    assert (caught.value.status, caught.value.server_code) == (503, "server/busy")
    assert BUSY_SECONDS_MAX - SECONDS_MAX <= sum(naps) <= BUSY_SECONDS_MAX
    speaker.client.close()


def test_senders_that_stall_keep_nobody_out(served: Local) -> None:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    lines = []
    for _ in range(20):
        line = context.wrap_socket(socket.create_connection(("127.0.0.1", served.port)))
        line.sendall(b"POST /v1/enrol HTTP/1.1\r\nhost: d\r\ncontent-length: 500\r\n\r\nx")
        lines.append(line)
    speaker = Speaker(served.url, served.admit("a", "team"))
    for _ in range(3):
        speaker.sync(speaker.request())
    assert served.service.places.refused == 0
    for line in lines:
        line.close()
    speaker.client.close()
