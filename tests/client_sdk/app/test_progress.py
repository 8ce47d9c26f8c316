# SPDX-License-Identifier: Apache-2.0
"""A sync beside the pages: how far it is in changes and bytes, while the worker goes on."""

import random
import re
import threading
from pathlib import Path

import pytest

from client_sdk.app.keeper import Keeper
from client_sdk.pace import TEXT_BYTES_MAX, text_cut
from fixtures.tablet_app import Visitor, served
from fixtures.waiting import WAIT_SECONDS_MAX
from fixtures.world import HOUSEHOLD, InProcess, World

pytestmark = pytest.mark.slow

FAR = re.compile(r"已上传 (\d+) / (\d+) 条，([\d,]+) KB / ([\d,]+) KB")
HOMES = 300


def test_a_sync_says_how_far_it_is_in_changes_and_bytes_and_work_goes_on(tmp_path: Path) -> None:
    chosen = random.Random(6)
    world = World(tmp_path)
    tablet = world.tablet("t1")
    for number in range(HOMES):
        notes = "".join(chr(chosen.randrange(0x4E00, 0x9000)) for _ in range(60))
        tablet.create_record("household", HOUSEHOLD | {"room": str(number), "access": notes[:40]})
    # A line that broke before: it is given little at a time.
    text_cut(tablet._store, TEXT_BYTES_MAX)
    reached, go = threading.Event(), threading.Event()
    line = tablet.transport
    assert isinstance(line, InProcess)

    def answer(data: bytes) -> bytes:
        if len(line.requests) == 2:
            # As a real line does, it lets the pages have their turn while it waits.
            with tablet.waiting():
                reached.set()
                assert go.wait(WAIT_SECONDS_MAX)
        return data

    line.alter = answer
    with served(Keeper(tmp_path / "t1")) as pages, Visitor(pages) as worker:
        pages.app.keeper.take(tablet)
        worker.post("/sync", {"blobs": ""})
        assert reached.wait(WAIT_SECONDS_MAX)
        state = worker.get("/sync/progress")
        name = HOUSEHOLD["head_name"]
        hits = worker.post("/search", {"q": name}).text
        go.set()
        assert state.headers["doorstep-running"] == "1"
        found = FAR.search(state.text)
        assert found, re.sub("<[^>]+>", " ", state.text)
        sent, to_send, kb, kb_to_send = (int(one.replace(",", "")) for one in found.groups())
        assert 0 < sent < to_send == HOMES
        assert 0 < kb < kb_to_send
        assert "可以继续记录" in state.text
        assert name in hits
        pages.app.keeper.syncing.wait(WAIT_SECONDS_MAX)
        done = worker.get("/sync")
        assert f"上传 {HOMES} 条" in done.text
        assert worker.get("/sync/progress").headers["doorstep-running"] == "0"
    world.close()
