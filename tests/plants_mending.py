# SPDX-License-Identifier: Apache-2.0
"""Planted bugs of damaged stores: what is left of one taken for a new one, or mended wrongly.

What must not live here: the run, which is ``plant.py``.
"""

from __future__ import annotations

from tests.planted import Plant

_SLOW = "-m slow tests/faults/test_mending.py"
PLANTS_MENDING = (
    Plant(
        "a tablet takes an empty file for a new store",
        "client_sdk/store/opening.py",
        "    if not create and path.stat().st_size == 0:\n",
        "    if False:\n",
        _SLOW,
    ),
    Plant(
        "a server takes a store without tables for a new one",
        "server/store/migrations.py",
        '    if made and not db["migrations"].exists():\n',
        "    if False:\n",
        "tests/server/test_doctor.py",
    ),
    Plant(
        "a repaired tablet goes on under its old key",
        "client_sdk/mending.py",
        "    succeed(store)\n",
        "",
        _SLOW,
    ),
    Plant(
        "a repair makes a new store before the outbox is handed over",
        "client_sdk/mending.py",
        "        handed = upload(directory, address)\n        rows = _readable(path, store_key)\n"
        "        aside = _set_aside(directory)\n",
        "        rows = _readable(path, store_key)\n        aside = _set_aside(directory)\n"
        "        handed = upload(directory, address)\n",
        _SLOW,
    ),
)
