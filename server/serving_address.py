# SPDX-License-Identifier: Apache-2.0
"""The port that tablets are told: the running server's, else the configured one.

What must not live here: serving. Invariant: the file is written by the server once it listens.
"""

from __future__ import annotations

from server.settings import Settings

ADDRESS_NAME = "address"


def port_in_use(settings: Settings) -> int:
    """The port of the server that runs in this folder; the configured one where none does."""
    address = settings.data / ADDRESS_NAME
    if address.is_file():
        return int(address.read_text("utf-8").strip().rpartition(":")[2])
    return settings.port
