# SPDX-License-Identifier: Apache-2.0
"""Planted bugs in the engine and the cryptography, as texts replaced in one file each.

What must not live here: the run, which is ``plant.py``.
"""

from __future__ import annotations

from tests.planted import Plant

ENGINE = (
    Plant(
        "sibling dropped on equal counters",
        "sync/clock.py",
        "return tip[REPLICA_BYTES : REPLICA_BYTES + COUNTER_BYTES] > counter",
        "return tip[REPLICA_BYTES : REPLICA_BYTES + COUNTER_BYTES] >= counter",
        "tests/sync/test_clock.py tests/sync/test_record.py",
    ),
    Plant(
        "cover test off by one",
        "sync/clock.py",
        "any(chains.before(d, t) for t in tips if t[16:24] >= d[16:24])",
        "any(counter_of(t) + 1 >= counter_of(d) for t in tips)",
        "tests/sync/test_clock.py",
    ),
    Plant(
        "tag ignored",
        "sync/clock.py",
        "        if d == tip:\n            return True\n        counter",
        "        if d[:24] == tip[:24]:\n            return True\n        counter",
        "tests/sync/test_clock.py tests/sync/test_record.py",
    ),
    Plant(
        "branches of a known fork judged by counters",
        "sync/clock.py",
        "if d[:REPLICA_BYTES] not in self.forks:",
        "if True:",
        "tests/sync/test_clock.py tests/sync/test_record.py",
    ),
    Plant(
        "stamp not bumped within one millisecond",
        "sync/clock.py",
        "else Stamp(self.ms, self.n + 1)",
        "else Stamp(self.ms, self.n)",
        "tests/sync/test_clock.py",
    ),
    Plant(
        "vector accepted in any order",
        "sync/clock.py",
        "if d <= last:",
        "if d == last:",
        "tests/sync/test_clock.py tests/sync/test_change.py",
    ),
    Plant(
        "fork not spotted when a second branch arrives",
        "sync/record.py",
        "spot_forks(state, [entry.dot, *named], forks)",
        "spot_forks(state, named, forks)",
        "tests/sync/test_record.py tests/sync/test_batch.py",
    ),
    Plant(
        "fork not spotted when two states meet",
        "sync/record.py",
        "    spot_forks(a, list(b.preds), forks)\n    spot_forks(b, list(a.preds), forks)\n",
        "",
        "tests/sync/test_record.py",
    ),
    Plant(
        "an edit does not count among the edits that a void must have seen",
        "sync/record.py",
        "        state.edits.take_in((d,), chains)\n",
        "        pass\n",
        "tests/sync/test_record.py",
    ),
    Plant(
        "a later write overwrites what it had not seen",
        "sync/record.py",
        "**_uncovered(state.registers.get(name, {}), seen, chains),\n",
        "",
        "tests/sync/test_record.py",
    ),
    Plant(
        "union removal drops unseen adds",
        "sync/record.py",
        "state.elements[key] = _uncovered(state.elements.get(key, {}), seen, chains)",
        "state.elements[key] = {}",
        "tests/sync/test_record.py",
    ),
    Plant(
        "count counted twice where two states share it",
        "sync/record.py",
        "out.counts = _everything(a.counts, b.counts)",
        "out.counts = {n: {d: v * (1 + (d in a.counts.get(n, {}) and d in b.counts.get(n, {})))"
        " for d, v in m.items()} for n, m in _everything(a.counts, b.counts).items()}",
        "tests/sync/test_record.py",
    ),
    Plant(
        "append lost beside a concurrent append",
        "sync/record.py",
        "state.appends.setdefault(field, {})[d] = value",
        "state.appends[field] = {d: value}",
        "tests/sync/test_record.py",
    ),
    Plant(
        "void covers edits it had not seen",
        "sync/record.py",
        "any(void.seen.covers_all(self.edits, chains) for void in self.voids.values())",
        "bool(self.voids)",
        "tests/sync/test_record.py",
    ),
    Plant(
        "change applied before what its writer had seen",
        "sync/record.py",
        "return all(state.vector.covers(packed[i : i + 28], chains)",
        "return True or all(state.vector.covers(packed[i : i + 28], chains)",
        "tests/sync/test_record.py tests/sync/test_batch.py",
    ),
    Plant(
        "quick path forgets a sibling",
        "sync/batch.py",
        "        if beside and (self.forks or not apart(causal, change, replica)):\n"
        "            return False\n",
        "",
        "tests/sync/test_batch.py",
    ),
    Plant(
        "quick path takes edits of one field for edits beside each other",
        "sync/touched.py",
        " or not set(change.names).isdisjoint(row[5]):",
        ":",
        "tests/sync/test_batch.py",
    ),
    Plant(
        "quick path takes a branch that is not held for one it knows",
        "sync/touched.py",
        "        if held.get(d[:16]) != d and d not in listed:\n",
        "        if False:\n",
        "tests/sync/test_batch.py",
    ),
    Plant(
        "quick path takes a fork for a line",
        "sync/batch.py",
        "if d[16:24] <= packed[at + 16 : at + 24] or len(older) >= _OLDER_BYTES_MAX:",
        "if len(older) >= _OLDER_BYTES_MAX:",
        "tests/sync/test_batch.py",
    ),
    Plant(
        "quick path lets the record's stamp fall back",
        "sync/batch.py",
        "if stamp > (causal[1], causal[2]):",
        "if True:",
        "tests/sync/test_batch.py",
    ),
    Plant(
        "a first write loses its place within a millisecond",
        "sync/packing.py",
        "[[0, 0, n, worker, True]]",
        "[[0, 0, 0, worker, True]]",
        "tests/sync/test_packing.py",
    ),
    Plant(
        "losing values not kept when a state is packed",
        "sync/packing.py",
        "        _losers(state, body, by_kind, position),\n",
        "        [],\n",
        "tests/sync/test_packing.py",
    ),
    Plant(
        "a record of voids alone comes back alive",
        "sync/packing.py",
        ' and not (len(causal) == 7 and causal[-1] == b"")',
        "",
        "tests/sync/test_packing.py",
    ),
    Plant(
        "lowest shown where highest is declared",
        "sync/policy.py",
        '    pick = max if declared.policy == "highest" else min\n',
        "    pick = min\n",
        "tests/sync/test_policy.py",
    ),
    Plant(
        "equal values taken for a conflict",
        "sync/policy.py",
        "len(siblings) > 1 and len({same_key(s.value) for s in siblings}) > 1",
        "len(siblings) > 1",
        "tests/sync/test_policy.py",
    ),
    Plant(
        "signature of a segment not checked",
        "sync/feed.py",
        "    verify(segment.replica, head_message(segment.replica, segment.last, head),"
        " segment.signature)\n",
        "",
        "tests/sync/test_feed.py",
    ),
    Plant(
        "signature of a page not checked",
        "sync/session.py",
        "    verify(handed.server, message, handed.signature)\n",
        "",
        "tests/sync/test_session.py",
    ),
    Plant(
        "a state handed on need not stand in its page",
        "sync/session.py",
        "if handed.digests[place * 32 : place * 32 + 32] != state_digest(raw) or place < 0:",
        "if place < 0:",
        "tests/sync/test_session.py",
    ),
    Plant(
        "a copy of a feed not noticed",
        "sync/session.py",
        "if point.counter > counter:",
        "if point.counter > counter + 1:",
        "tests/sync/test_session.py",
    ),
    Plant(
        "a bomb is unpacked",
        "sync/compression.py",
        "if declared > bytes_max:",
        "if False:",
        "tests/sync/test_compression.py",
    ),
    Plant(
        "the version of a message is not looked at",
        "sync/messages.py",
        "if len(data) <= at or not PROTOCOL <= data[at] <= newest:",
        "if len(data) <= at:",
        "tests/sync/test_messages.py",
    ),
    Plant(
        "ticket usable twice (crypto)",
        "crypto/ticket.py",
        "    if used:\n        raise TicketUsed()\n",
        "",
        "tests/crypto/test_ticket.py",
    ),
    Plant(
        "the number of a bundle is not looked at",
        "sync/parcel.py",
        '            if known.before:\n                raise BundleRepeated(f"number {sequence}")\n'
        '            raise BundleLate(f"number {sequence}")\n',
        "            continue\n",
        "tests/sync/test_parcel.py",
    ),
    Plant(
        "a bundle is not signed over its receiver",
        "crypto/bundle.py",
        "    return head\n",
        "    return head[:24] + head[40:]\n",
        "tests/crypto/test_bundle.py",
    ),
)
