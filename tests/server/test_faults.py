# SPDX-License-Identifier: Apache-2.0
"""A server that is killed or set back: nonces, locks, outboxes."""

import os
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from crypto.seal import SealedWriter
from fixtures.district import Process, add_team, district_settings, local_district, make_ticket
from fixtures.wire import Feed, Speaker, error_of, household
from server import devices
from server.app import opened_district
from server.cli import main
from server.errors import ServerRunning
from server.office import writing
from server.setup import init_server
from sync.messages import encode
from sync.sealing import OUTBOX_INFO


@pytest.mark.slow
def test_a_request_replayed_to_a_killed_and_restarted_server_is_refused(tmp_path: Path) -> None:
    settings = district_settings(tmp_path / "d")
    init_server(settings)
    with opened_district(settings) as (district, _):
        from fixtures.district import admit

        enrolment = admit(district, "tablet", "team")
    process = Process(settings)
    process.start()
    speaker = Speaker(process.url, enrolment._replace(nonce=b"\0" * 16))
    body = encode(speaker.request())
    assert speaker.send("POST", "/v1/sync", body).status_code == 401
    used = speaker.nonce
    segment = speaker.feed.segment([household()])
    reply = speaker.sync(speaker.request(segments=[segment]))
    process.kill()
    process.start()
    for nonce in (used, reply.nonce):
        answer = speaker.send("POST", "/v1/sync", body, nonce)
        assert (answer.status_code, error_of(answer)["code"]) == (401, "server/nonce")
    told = speaker.sync(speaker.request())
    assert {(k.counter, k.mark) for k in told.known} == {(1, speaker.feed.head)}
    assert process.stop() == 0
    speaker.client.close()


def test_a_second_writer_is_refused_and_an_office_command_asks_the_first(tmp_path: Path) -> None:
    with local_district(tmp_path / "d") as local:
        with pytest.raises(ServerRunning), opened_district(local.settings):
            pass
        with writing(local.settings) as desk:
            values = {"area": "440103019003001", "address": "1", "head_name": "陈"}
            made = desk.writer.write("office", "household", None, values)
        with local.district.store.read() as tx:
            assert tx.rows("SELECT id FROM household") == [(made,)]
        assert local.district.own.counter == 1


def outbox_of(feed: Feed, count: int, box_public: bytes) -> bytes:
    writer = SealedWriter(box_public, OUTBOX_INFO)
    data = writer.header
    for n in range(count):
        data += writer.seal_next(msgspec.msgpack.encode(feed.segment([household(ms=n + 1)])))
    return data


def test_an_outbox_is_taken_in_and_its_torn_tail_is_counted(tmp_path: Path) -> None:
    with local_district(tmp_path / "d") as local:
        enrolment = local.admit("tablet", "team")
        data = outbox_of(Feed(enrolment.key), 5, enrolment.server_box_public)
        with writing(local.settings) as desk:
            found = desk.recover(data[:-10])
            assert (found.changes, found.refused) == (4, 0)
            assert found.unreadable_bytes > 0
            assert desk.recover(data).changes == 5
        with local.district.store.read() as tx:
            assert tx.rows("SELECT count(*) FROM household") == [(5,)]


def test_the_outbox_of_a_revoked_tablet_goes_to_quarantine(tmp_path: Path) -> None:
    with local_district(tmp_path / "d") as local:
        enrolment = local.admit("tablet", "team")
        data = outbox_of(Feed(enrolment.key), 3, enrolment.server_box_public)
        with local.district.store.write() as tx:
            devices.revoke(tx, local.district.key, enrolment.device, "lost", 1)
        with writing(local.settings) as desk:
            desk.recover(data)
        with local.district.store.read() as tx:
            assert tx.rows("SELECT count(*) FROM household") == [(0,)]
            assert tx.rows("SELECT count(*) FROM quarantine") == [(3,)]


def test_an_outbox_of_a_stranger_is_refused_whole(tmp_path: Path) -> None:
    from crypto.identity import DeviceKey

    with local_district(tmp_path / "d") as local:
        box = local.district.box.public
        with writing(local.settings) as desk:
            found = desk.recover(outbox_of(Feed(DeviceKey.generate()), 2, box))
        assert (found.changes, found.refused) == (0, 2)


def test_nothing_secret_or_personal_is_in_the_log_or_in_any_repr(tmp_path: Path) -> None:
    with local_district(tmp_path / "d") as local:
        add_team(local.settings, "t1", {"w1": "张霞"})
        ticket = make_ticket(local.settings, "t1", local.port)
        shown = repr((ticket, local.keys, local.service, local.district, local.service.nonces))
        for secret in (
            ticket.secret,
            local.keys.store.present.reveal(),
            local.district.key.private,
        ):
            assert secret.hex() not in shown
            assert repr(secret)[2:-1] not in shown
        assert os.stat(local.settings.data).st_mode & 0o077 == 0


@pytest.mark.parametrize("alone", [True, False])
def test_a_file_that_does_not_open_keeps_no_other_outbox_out(tmp_path: Path, alone: bool) -> None:
    """Torn in its header by a power cut before the first change behind it was saved."""
    with local_district(tmp_path / "d") as local:
        enrolment = local.admit("tablet", "team")
        data = outbox_of(Feed(enrolment.key), 2, enrolment.server_box_public)
        torn, good = tmp_path / "00000001.sealed", tmp_path / "00000002.sealed"
        torn.write_bytes(data[:500])
        good.write_bytes(data)
        arguments = ["--data-dir", local.settings.data_dir, "--lang", "en", "recover"]
        if not alone:
            found = CliRunner().invoke(main, [*arguments, str(torn), str(good)])
            assert found.exit_code == 0, found.output
            assert "2 changes taken in" in found.output
            assert torn.name in found.output
    if alone:
        found = CliRunner().invoke(main, [*arguments, str(torn), str(good)])
        assert found.exit_code == 0, found.output
        assert "2 changes taken in" in found.output
