# SPDX-License-Identifier: Apache-2.0
"""Planted bugs of a tablet's life: moves, leases, wipes, copies, repair.

What must not live here: the run, which is in ``plant.py``.
"""

from __future__ import annotations

PLANTS_TABLETS = (
    (
        "purge before receipt",
        "client_sdk/scope.py",
        "        if is_owed(store, records):\n            continue\n",
        "",
        "tests/client_sdk/test_exchange.py tests/client_sdk/test_moves.py",
    ),
    (
        "the log keeps what was purged",
        "client_sdk/scope.py",
        '    store.run("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()\n',
        "",
        "tests/client_sdk/test_moves.py",
    ),
    (
        "work that was here before the move is marked",
        "server/scope.py",
        "run.entries[fresh.get(run.head, run.last) + 1 - run.first :]",
        "run.entries",
        "tests/client_sdk/test_moves.py",
    ),
    (
        "lease from the wall clock alone",
        "client_sdk/lease.py",
        "spent_ms = self.spent_ms + max(0, now_ms - self.clock_ms)",
        "spent_ms = now_ms - self.lease.issued_at_ms",
        "tests/client_sdk/test_ending.py",
    ),
    (
        "keys erased at the first look of a clock that jumped",
        "client_sdk/lease.py",
        "0 < erase_ms <= self.spent_ms - self.closed_ms",
        "0 < erase_ms <= self.spent_ms - self.lease.open_ms",
        "tests/client_sdk/test_ending.py",
    ),
    (
        "proof of wipe not signed",
        "server/devices.py",
        "check_wiped(proof, bytes(public))\n",
        "msgspec.msgpack.decode(proof[65:], type=Wiped)\n",
        "tests/client_sdk/test_ending.py",
    ),
    (
        "what differs is compared again at every exchange",
        "client_sdk/repair.py",
        "        _put(store, DIFFERING, pair)\n        return True\n",
        "        return True\n",
        "tests/client_sdk/test_repair.py",
    ),
    (
        "a short range told without its last home",
        "sync/ranges.py",
        "told.homes.extend((home, digest) for _, home, digest in members)",
        "told.homes.extend((home, digest) for _, home, digest in members[1:])",
        "tests/sync/test_ranges.py",
    ),
    (
        "a teammate waits for what is in quarantine",
        "server/seen_through.py",
        "            own = entry.dot[:16] == at[:16] and found.reason != MISFIT\n",
        "            own = True\n",
        "tests/server/test_seen_through.py",
    ),
    (
        "a release forgets what waited for it",
        "server/resolving.py",
        "            district.retry(tx, record)\n",
        "            pass\n",
        "tests/server/test_seen_through.py",
    ),
    (
        "a revoked writer's feed merged because a teammate carries it",
        "server/district.py",
        "revoked_among(tx, self.devices_of(runs))",
        "frozenset({request.replica} if device.state == 'revoked' else ())",
        "tests/client_sdk/test_lost.py",
    ),
)
"""What is wrong, where, the text replaced, what stands there then, the tests that must fail."""
