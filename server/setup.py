# SPDX-License-Identifier: Apache-2.0
"""Making a new server: its folder, keys, certificate and empty store.

What lives here: the first start. What must not: anything that touches a server that is there.
"""

from __future__ import annotations

import ipaddress
import re
import socket

from server.errors import AlreadyInitialised, ConfigurationWrong
from server.keys import ServerKeys, make_keys
from server.settings import Settings
from server.store.base import Store
from server.store.shared import shared_store
from server.store.sqlite import SqliteStore
from server.views import refresh_views
from sync.collections import SCHEMA

_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,88}[A-Za-z0-9])?")


def init_server(settings: Settings, names: tuple[str, ...] = ()) -> ServerKeys:
    """Make keys, certificate and store. Raises AlreadyInitialised, ConfigurationWrong."""
    if settings.store_path.exists() or (settings.store_dsn and _is_used(settings)):
        raise AlreadyInitialised(settings.data_dir)
    settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    settings.data.chmod(0o700)
    try:
        keys = make_keys(settings.keys, tuple(dict.fromkeys((*names, *host_names(settings)))))
    except ValueError as error:
        raise ConfigurationWrong(str(error)) from None
    store: Store
    if settings.store_dsn:
        store = shared_store(settings.store_dsn, settings.store_district)
    else:
        store = SqliteStore(settings.store_path, keys.store_hex)
        settings.store_path.chmod(0o600)
    refresh_views(store, SCHEMA)
    store.close()
    return keys


def _is_used(settings: Settings) -> bool:
    """Did a server ever start on this schema? Its records are bound to that server's keys."""
    store = shared_store(settings.store_dsn, settings.store_district)
    try:
        with store.read() as tx:
            return bool(tx.rows("SELECT 1 FROM incarnations LIMIT 1"))
    finally:
        store.close()


def host_names(settings: Settings) -> list[str]:
    """Names under which this machine is reached: from the settings, else its own."""
    found = [address.rpartition(":")[0].strip("[]") for address in settings.addresses]
    if settings.host not in ("0.0.0.0", "::", ""):
        found.append(settings.host)
    own = socket.gethostname()
    if _HOST.fullmatch(own):
        found.append(own)
    found += ["localhost", "127.0.0.1"]
    return list(dict.fromkeys(found))


def ticket_addresses(settings: Settings, port: int) -> tuple[str, ...]:
    """What a ticket tells a tablet: ``host:port``, at most four."""
    if settings.addresses:
        return settings.addresses
    found = host_names(settings)
    # A tablet cannot reach this machine by its own loopback, but tests and demos can.
    named = [name for name in found if not _is_loopback(name)] + ["127.0.0.1"]
    return tuple(f"[{name}]:{port}" if ":" in name else f"{name}:{port}" for name in named[:4])


def _is_loopback(name: str) -> bool:
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"
