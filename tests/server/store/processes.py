# SPDX-License-Identifier: Apache-2.0
"""Tablets of server processes that share a database."""

from __future__ import annotations

from pathlib import Path

import psycopg

from client_sdk import devices as tablet_devices
from client_sdk.tablet import Tablet
from client_sdk.tablet_base import Identity
from crypto.identity import DeviceKey
from crypto.seal import BoxKey
from crypto.secret import SecretBytes
from crypto.unlock import store_key
from fixtures.postgres import Postgres
from fixtures.waiting import until
from server import devices
from server.office import reading
from server.settings import Settings

TEAM = "龙津一组"
VALUES = {"area": "440103019003001", "head_name": "陈桂兰", "address": "龙津西路1号"}
_KEY = SecretBytes(b"several processes, one district.")


def tablet_behind_the_back(settings: Settings, folder: Path, number: int, port: int) -> Tablet:
    """A new tablet of the team; nobody tells the processes that serve."""
    key, box = DeviceKey.generate(), BoxKey.generate()
    with reading(settings) as desk, desk.store.write() as tx:
        _, certificate = devices.admit(
            tx, desk.keys.sign, f"平板{number}", TEAM, key.public, box.public, desk.now_ms
        )
        keys = desk.keys
    identity = Identity(
        device_key=key,
        box_key=box,
        district=tablet_devices.District(keys.sign.public, keys.box.public, ""),
        certificate=certificate,
        name=f"平板{number}",
        addresses=(f"127.0.0.1:{port}",),
        pin=keys.tls.tls_pin,
    )
    return Tablet.create(
        folder / f"tablet-{number}", store_key(_KEY), identity, worker=f"w{number}"
    )


def until_somebody_waits(postgres: Postgres) -> None:
    """Wait until a transaction waits for another one, for instance for its turn to write."""
    ask = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    with psycopg.connect(postgres.dsn(), autocommit=True) as connection:
        until(lambda: connection.execute(ask).fetchall())
