# SPDX-License-Identifier: Apache-2.0
"""A server that serves keeps the figures up with the record by itself, and between uploads."""

import asyncio
import time
from itertools import pairwise
from pathlib import Path

from fixtures.district import new_district
from fixtures.waiting import WAIT_SECONDS_MAX
from server.app import opened_district
from server.reports.background import PAUSE_SHARE, KeepingUp
from server.reports.folding import progress_of
from server.service import Service
from tests.server.reports.record import GRID


def test_figures_follow_the_record_though_nobody_asks_for_them(tmp_path: Path) -> None:
    settings = new_district(tmp_path / "server")
    with opened_district(settings) as (district, keys):
        service = Service(district, settings, keys.tls.tls_pin)
        for number in range(5):
            values = {"area": GRID, "address": f"龙津西路{number}号", "head_name": "陈桂兰"}
            district.write("office", "household", None, dict(values))

        async def until_it_is_done() -> None:
            task = asyncio.create_task(KeepingUp(service, 0.01).run())
            while True:
                await asyncio.sleep(0.01)
                with district.store.read() as tx:
                    if "facts_home" in tx.relations() and not progress_of(tx):
                        break
            service.stopping = True
            await task

        asyncio.run(asyncio.wait_for(until_it_is_done(), WAIT_SECONDS_MAX))
        with district.store.read() as tx:
            assert tx.rows("SELECT count(*) FROM facts_household") == [(5,)]
        service.close()


def test_between_two_steps_the_writing_thread_is_free(tmp_path: Path) -> None:
    settings = new_district(tmp_path / "server")
    with opened_district(settings) as (district, keys):
        service = Service(district, settings, keys.tls.tls_pin)
        worked: list[tuple[float, float]] = []

        def slow() -> bool:
            began = time.perf_counter()
            time.sleep(0.02)
            worked.append((began, time.perf_counter()))
            service.stopping = len(worked) == 3
            return True

        asyncio.run(asyncio.wait_for(KeepingUp(service, 0.01, slow).run(), WAIT_SECONDS_MAX))
        assert len(worked) == 3
        for (began, ended), (again, _) in pairwise(worked):
            assert again - ended >= PAUSE_SHARE * (ended - began) * 0.9
        service.close()
