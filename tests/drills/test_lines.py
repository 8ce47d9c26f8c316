# SPDX-License-Identifier: Apache-2.0
"""Drills: whoever carries the stick, sits on the line, or finds the server's port."""

import os
import secrets
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from fixtures.district import district_process
from fixtures.drill_ground import Ground, shown_in, words_in
from fixtures.drill_tablet import NAME, NOTE
from fixtures.tablets import Refused, TabletProcess

pytestmark = pytest.mark.slow

STRANGERS = 60
RUBBISH_BYTES = 200_000
HEAD_BYTES = 193
"""Of a bundle: 128 and the signature (crypto/README.md)."""


def laid_on(stick: Path, tablet: TabletProcess) -> bytes:
    """A bundle on a stick, by the tablet's own hand."""
    data: bytes = tablet.ask("stick")
    tablet.ask("lay", str(stick), data)
    return data


def test_a_carrier_reads_nothing_and_what_is_altered_or_repeated_is_refused(
    ground: Ground, tmp_path: Path
) -> None:
    tablet = ground.tablet()
    home = tablet.ask("home")
    tablet.ask("note", home, NOTE)
    stick, altered = tmp_path / "stick", tmp_path / "altered"
    data = laid_on(stick, tablet)
    assert shown_in(stick) == set()
    altered.mkdir()
    for file in filter(Path.is_file, stick.rglob("*")):
        body = bytearray(file.read_bytes())
        body[len(body) // 2] ^= 1
        to = altered / file.relative_to(stick)
        to.parent.mkdir(parents=True, exist_ok=True)
        to.write_bytes(body)
    ground.doorstep("bundle", "import", str(altered), fails=True)
    assert ground.sql(f"SELECT 1 FROM records WHERE id = '{home}'") == []
    ground.doorstep("bundle", "import", str(stick))
    assert ground.sql(f"SELECT 1 FROM records WHERE id = '{home}'") == [(1,)]
    again = tmp_path / "again"
    tablet.ask("lay", str(again), data)
    assert "[" in ground.doorstep("bundle", "import", str(again), fails=True).output


def test_a_carrier_who_keeps_a_stick_back_costs_nothing_and_the_gap_is_named(
    ground: Ground, tmp_path: Path
) -> None:
    tablet = ground.tablet()
    kept = [tablet.ask("home")]
    laid_on(tmp_path / "kept", tablet)
    kept.append(tablet.ask("home"))
    laid_on(tmp_path / "brought", tablet)
    told = ground.doorstep("bundle", "import", str(tmp_path / "brought")).output
    assert "1" in told
    for home in kept:
        assert ground.sql(f"SELECT 1 FROM records WHERE id = '{home}'") == [(1,)]


def test_whoever_keeps_todays_sticks_and_outboxes_needs_both_key_exchanges_to_open_them(
    ground: Ground, tmp_path: Path
) -> None:
    tablet = ground.tablet()
    tablet.ask("home")
    data: bytes = tablet.ask("stick")
    (outbox,) = (tablet.folder / "outbox").iterdir()
    assert data[HEAD_BYTES] == 0x21
    assert outbox.read_bytes()[0] == 0x22
    # X-Wing: ML-KEM-768 (1,088 bytes), then X25519 (32). Another word of either opens nothing,
    # so what is drawn from X25519 alone, as a quantum computer could, is not the key.
    for start, end in ((1, 1_089), (1_089, 1_121)):
        altered = bytearray(outbox.read_bytes())
        altered[start:end] = secrets.token_bytes(end - start)
        (tmp_path / "outbox").write_bytes(altered)
        told = ground.doorstep("recover", str(tmp_path / "outbox")).output
        assert "0 changes" in told
    assert "1 changes" in ground.doorstep("recover", str(outbox)).output


def test_whoever_sits_on_the_line_reads_nothing_and_a_replay_does_nothing(ground: Ground) -> None:
    tablet = ground.tablet()
    # From the first byte of a connection on.
    ground.wire.drop()
    ground.wire.seen.clear()
    home = tablet.ask("home")
    tablet.ask("note", home, NOTE)
    ground.synced(tablet)
    passed = bytes(ground.wire.seen)
    assert len(passed) > 1_000
    assert words_in(passed) == set()
    before = ground.sql("SELECT (SELECT count(*) FROM segments), (SELECT count(*) FROM records)")
    with socket.create_connection(("127.0.0.1", ground.server.port), 5) as line:
        line.settimeout(5)
        with suppress(OSError):
            line.sendall(passed)
            line.recv(1_000)
    assert before == ground.sql(
        "SELECT (SELECT count(*) FROM segments), (SELECT count(*) FROM records)"
    )


def test_a_server_that_plays_the_district_hears_nothing_from_a_tablet(
    ground: Ground, tmp_path: Path
) -> None:
    tablet = ground.tablet()
    home = tablet.ask("home")
    with (
        district_process(tmp_path / "other", disk_free_bytes_min=0) as other,
        ground.wire.leading_to(other.port),
    ):
        assert tablet.ask("sync", 0).code == "crypto/pin-mismatch"
    ground.synced(tablet)
    assert ground.sql(f"SELECT 1 FROM records WHERE id = '{home}'") == [(1,)]


@contextmanager
def besieged(port: int) -> Iterator[None]:
    """Strangers hold the port: half a handshake, half a request, rubbish, a body without end."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    held: list[socket.socket] = []
    heads = (
        b"POST /v1/sync HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999999\r\n\r\n",
        b"POST /v1/sync HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nffffffff\r\n",
        b"GET /" + b"a" * RUBBISH_BYTES,
        b"GET / HTTP/1.1\r\nsignature-input: " + b"(" * 5_000,
        os.urandom(RUBBISH_BYTES),
    )
    try:
        for number in range(STRANGERS):
            line = socket.create_connection(("127.0.0.1", port), 5)
            held.append(line)
            if number % 3 == 0:
                line.sendall(os.urandom(500))
                continue
            with suppress(OSError):
                line = held[-1] = context.wrap_socket(line)
                line.sendall(heads[number % len(heads)])
        yield
    finally:
        for line in held:
            line.close()


def test_strangers_at_the_port_neither_stop_the_server_nor_keep_a_tablet_waiting(
    ground: Ground,
) -> None:
    tablet = ground.tablet()
    pid = ground.server.pid
    with besieged(ground.server.port):
        home = tablet.ask("home")
        begun = time.monotonic()
        ground.synced(tablet)
        assert time.monotonic() - begun < 20
    assert ground.server.pid == pid
    assert ground.sql(f"SELECT 1 FROM records WHERE id = '{home}'") == [(1,)]
    assert "Traceback" not in ground.server.log.read_text("utf-8")
    assert NAME not in ground.server.log.read_text("utf-8")


def test_a_tablet_that_was_never_enrolled_gets_nothing(ground: Ground, tmp_path: Path) -> None:
    code = "DOORSTEP-" + "A" * 200
    with pytest.raises(Refused):
        ground.start(tmp_path / "stranger").ask("begin", code, "陌生", "w1")
