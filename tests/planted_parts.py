# SPDX-License-Identifier: Apache-2.0
"""Planted bugs in the server, the tablet and what lies between, as texts replaced in one file each.

What must not live here: the run, which is ``plant.py``.
"""

from __future__ import annotations

from tests.planted import Plant

PARTS = (
    Plant(
        "signatures of feeds not checked by the server",
        "server/opening.py",
        "    entries, head = verify_segment(segment, check.feed)\n",
        "    entries, head = verify_segment(segment, lambda *_: None)\n",
        "tests/server/test_promises.py",
    ),
    Plant(
        "receipt before the commit",
        "server/exchanging.py",
        "        with self.district.transaction() as tx:\n",
        "        with suppress(OSError), self.district.transaction() as tx:\n",
        "tests/server/test_promises.py",
    ),
    Plant(
        "the server's counter moves on outside the transaction",
        "server/district.py",
        "                run, ids = self.own.build(tx, worker, writes, reason, seal)\n",
        "                run, ids = self.own.build(tx, worker, writes, reason, seal)\n"
        "                self.own.commit(run)\n",
        "tests/server/test_promises.py",
    ),
    Plant(
        "the tablet's counter moves on outside the transaction",
        "client_sdk/store/base.py",
        '        self.run(\n            "INSERT OR REPLACE INTO chain (id,',
        '        self.run("COMMIT", ())\n        self.run("BEGIN IMMEDIATE", ())\n'
        '        self.run(\n            "INSERT OR REPLACE INTO chain (id,',
        "tests/client_sdk/test_writing.py",
    ),
    Plant(
        "own-prefix rule left out",
        "client_sdk/writing.py",
        "                succeed(store)\n",
        "                pass\n",
        "tests/client_sdk/test_writing.py",
    ),
    Plant(
        "cursor steps over a commit",
        "server/pull.py",
        "upto = cursor.upto if cursor.after else self.now_seq",
        "upto = self.now_seq",
        "tests/client_sdk/test_paging.py",
    ),
    Plant(
        "more is lost",
        "server/pull.py",
        "more = bool(after) or seq < self.now_seq",
        "more = False",
        "tests/client_sdk/test_paging.py",
    ),
    Plant(
        "who wrote beside another is not sent what they lack",
        "server/batch_rows.py",
        "        if slot.beside or slot.applied[-1] in self._cut:\n",
        "        if slot.applied[-1] in self._cut:\n",
        "tests/server/test_beside.py",
    ),
    Plant(
        "the file of the key goes though its new place gives another",
        "server/store_key.py",
        "        if _given(kept) != made:\n",
        "        if not _given(kept).reveal():\n",
        "tests/server/test_store_key.py",
    ),
    Plant(
        "ticket usable twice (server)",
        "server/enrolment.py",
        "row.state in (DONE, SPENT))\n        if row.asked is None:",
        "False)\n        if row.asked is None or row.state == DONE:",
        "tests/server/test_enrolment.py",
    ),
    Plant(
        "a meeting shows more than the scope both have",
        "client_sdk/meeting.py",
        "greeting.everything or bool(homes & theirs) or new",
        "greeting.everything or bool(homes) or new",
        "tests/client_sdk/test_meeting.py",
    ),
    Plant(
        "what a giver shows beyond the scope is kept in clear",
        "client_sdk/meeting.py",
        "        return bool(homes & mine)\n",
        "        return True\n",
        "tests/client_sdk/test_lan.py",
    ),
    Plant(
        "a late answer is taken in though a newer one came",
        "client_sdk/bundles.py",
        'question.absorbed == store.get("absorbed", 0) or not question.request.want',
        "True",
        "tests/client_sdk/test_bundles.py",
    ),
    Plant(
        "who is at the other end of a meeting is not checked",
        "client_sdk/lan_link.py",
        "            verify(public, purpose, message + proof.replica, proof.signature)\n",
        "            pass\n",
        "tests/client_sdk/test_lan.py",
    ),
    Plant(
        "what waits is opened anew with every commit before its turn",
        "server/api/early.py",
        "        if self._reading is None:\n            self._reading =",
        "        if True:\n            self._reading =",
        "tests/server/test_early.py",
    ),
    Plant(
        "a request that was read early brings a nonce that is still good",
        "server/api/sync.py",
        "        signer = spend(service, early.verified if early else item.check(service))\n",
        "        verified = early.verified if early else item.check(service)\n"
        "        device = service.district.trust.keys[verified.replica].device\n"
        "        signer = Signer(device, verified.replica)\n"
        "        signer = signer if early else spend(service, verified)\n",
        "tests/server/test_early.py",
    ),
    Plant(
        "what is written after a note does not wait for the disk",
        "client_sdk/store/base.py",
        '            if not self.closed:\n                self.run("PRAGMA synchronous = FULL")\n',
        "            pass\n",
        "tests/client_sdk/test_noting.py",
    ),
    Plant(
        "the answer of a district is only noted",
        "client_sdk/exchange.py",
        "    with store.transaction():\n        succeeded, forgot = _check_chain(store, reply)\n",
        "    with store.noting():\n        succeeded, forgot = _check_chain(store, reply)\n",
        "tests/client_sdk/test_noting.py",
    ),
    Plant(
        "of changes in an archive that is not here one line is assumed behind the fork too",
        "server/recalling.py",
        "        return not twice\n",
        "        return True\n",
        "tests/server/store/test_compacting.py",
    ),
    Plant(
        "what stands before a change that is missing is looked for nowhere",
        "server/history.py",
        "todo += [one.entry.dot for one in reader.upto(d[:16], counter_of(d), record)]\n",
        "pass\n",
        "tests/server/test_history.py",
    ),
    Plant(
        "an animation larger than a screen is opened",
        "sync/carry/frames.py",
        "    if wide * high > ANIMATION_PIXELS_MAX:\n",
        "    if False:\n",
        "tests/fuzz/test_found.py",
    ),
    Plant(
        "of a frame beyond its picture only the height is looked at",
        "sync/carry/frames.py",
        "            if left + across > wide or top + down > high:\n",
        "            if top + down > high:\n",
        "tests/fuzz/test_found.py",
    ),
)
