# SPDX-License-Identifier: Apache-2.0
"""A store that several processes share, by its DSN.

What must not live here: how it is done (``postgres.py``). That is imported where one is opened: its
library takes time that the start of a server over a file need not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from server.store.postgres import PostgresStore


def shared_store(dsn: str, district: str, *, made: bool = False) -> PostgresStore:
    """The store of a district in the database at ``dsn``. Raises what opening it raises.

    ``made``: there is to be one already; none is made.
    """
    from server.store.postgres import PostgresStore

    return PostgresStore(dsn, district, made=made)
