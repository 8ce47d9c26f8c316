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
        "            if counter_of(entry.dot) < new_from:\n",
        "            if False:\n",
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
        "        _put(store, DIFFERING, pair)\n        return False\n",
        "        return False\n",
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
        "what is sealed to an old box key does not open any more",
        "server/boxes.py",
        "        return [made.key for made in reversed(self._look())]\n",
        "        return [self.present]\n",
        "tests/client_sdk/test_changed_keys.py",
    ),
    (
        "a bundle to an old box key is taken for ever",
        "server/boxes.py",
        "            if now_ms - after.at_ms <= GRACE_MS:\n",
        "            if after.at_ms:\n",
        "tests/client_sdk/test_changed_keys.py",
    ),
    (
        "an older word on the district's keys counts again",
        "client_sdk/roots.py",
        "    if said.serial <= store.get(_SERIAL, 0):\n",
        "    if not said.serial:\n",
        "tests/client_sdk/test_changed_keys.py",
    ),
    (
        "an open outbox goes on under the old box key",
        "client_sdk/outbox.py",
        " or box_public != self._box_public:\n",
        ":\n",
        "tests/client_sdk/test_changed_keys.py",
    ),
    (
        "a carrier does not tell the successions that lead to what it carries",
        "client_sdk/exchange.py",
        "*successions_to(store, writers), ",
        "",
        "tests/client_sdk/test_carried_successor.py",
    ),
    (
        "a revoked tablet's later key becomes a tablet of its own",
        "server/forgotten.py",
        "        if said.replica not in followed:\n",
        "        if said.replica:\n",
        "tests/client_sdk/test_carried_successor.py",
    ),
    (
        "a revoked writer's feed merged because a teammate carries it",
        "server/exchanging.py",
        "revoked_among(tx, here.devices_of(runs))",
        "frozenset({request.replica} if device.state == 'revoked' else ())",
        "tests/client_sdk/test_lost.py",
    ),
    (
        "a stick for a teammate is made for the district",
        "client_sdk/app/outside.py",
        "tablet.export_for_teammate(receiver) if mate else",
        "tablet.export_bundle() if mate else",
        "tests/client_sdk/app/test_near.py",
    ),
)
"""What is wrong, where, the text replaced, what stands there then, the tests that must fail."""
