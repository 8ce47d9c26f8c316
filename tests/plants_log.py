# SPDX-License-Identifier: Apache-2.0
"""Planted bugs of the provable log: what a server, a tablet or a verifier might get wrong.

What must not live here: the run, which is ``plant.py``.
"""

from __future__ import annotations

from tests.planted import Plant

PLANTS_LOG = (
    Plant(
        "a shorter log is taken for a grown one",
        "crypto/logword.py",
        "    if said.size < before.size:\n        return ROLLED_BACK\n",
        "    if said.size < before.size:\n        return GROWN\n",
        "tests/client_sdk/test_log.py",
    ),
    Plant(
        "growth is believed without its proof",
        "crypto/logword.py",
        "    return GROWN if _grew(before, said, path) else FORKED\n",
        "    return GROWN\n",
        "tests/server/test_log.py",
    ),
    Plant(
        "what was taken in need not stand in the log",
        "client_sdk/watching.py",
        "    if not words:\n        if not (remembered and receipted):\n",
        "    if not words:\n        if True:\n",
        "tests/client_sdk/test_log.py",
    ),
    Plant(
        "two heads of one size from two tablets are not compared",
        "client_sdk/watching.py",
        "    if contradict(mine, heard):\n",
        "    if False:\n",
        "tests/client_sdk/test_log.py",
    ),
    Plant(
        "a server that was set back does not own up",
        "server/log_words.py",
        "        epoch = begin_epoch(tx, head, now_ms)\n",
        "        epoch = stand.epoch\n",
        "tests/client_sdk/test_log.py",
    ),
    Plant(
        "a restore says nothing of what it takes away",
        "server/backups.py",
        "        _own_up(fresh, path, keys, now_ms)\n",
        "",
        "-m slow tests/server/test_log.py",
    ),
    Plant(
        "a stored run has no leaf",
        "server/ingest.py",
        "        log.store()\n        return entries\n",
        "        return entries\n",
        "tests/client_sdk/test_log.py",
    ),
    Plant(
        "the list of hashes is believed without its root",
        "server/log_export.py",
        "    if _holds(read.hashes, last):\n",
        "    if len(read.hashes) >= last.size:\n",
        "tests/server/store/test_log.py",
    ),
    Plant(
        "an export is believed under any root",
        "server/log_export.py",
        "    return public in known.values()\n",
        "    return True\n",
        "tests/server/store/test_log.py",
    ),
    Plant(
        "journal and log are not compared",
        "server/log_export.py",
        "            holds = found[5] == salted(bytes(salt), said_by(*map(str, parts)))\n",
        "            holds = True\n",
        "tests/server/store/test_log.py",
    ),
    Plant(
        "an hour of readings never ends",
        "server/log_access.py",
        "        while seen[first][0] <= at_ms - within_ms:\n",
        "        while False:\n",
        "tests/server/test_log_access.py",
    ),
    Plant(
        "evidence stays with who found it",
        "client_sdk/watching.py",
        "    return said.finding if _keep(store, data, told=False) else GROWN\n",
        "    return GROWN\n",
        "tests/client_sdk/test_log.py",
    ),
    Plant(
        "a request that was long on its way moves back what is remembered of a log below",
        "server/log_below.py",
        "    if not memory.led:\n        return telling\n",
        "",
        "tests/server/test_log_below.py",
    ),
    Plant(
        "what a server below brings need not stand in its log",
        "server/log_below.py",
        "    few = min(1 if word.turns else PROOFS_MAX, len(wanted))\n",
        "    few = 0\n",
        "tests/server/test_log_below.py",
    ),
    Plant(
        "a server below that says nothing of its log any more is believed",
        "server/log_below.py",
        "        if memory.answered and (asker.runs or _due(tx, log, asker.request, lineage)):\n",
        "        if False:\n",
        "tests/server/test_log_below.py",
    ),
    Plant(
        "what a word left out is never asked for",
        "server/log_owed.py",
        "    return [(ASKED, encode(points))] if points else []\n",
        "    return []\n",
        "tests/server/test_log_owed.py",
    ),
    Plant(
        "what was asked for is not shown before what comes now",
        "server/log_owed.py",
        "    newest = {point.replica: point for point in asked}\n",
        "    newest: dict[bytes, Known] = {}\n",
        "tests/server/test_log_owed.py",
    ),
    Plant(
        "a log need not show what it was asked for",
        "server/log_below.py",
        "(bool(word.turns) or due <= shown.keys())\n",
        "True\n",
        "tests/server/test_log_owed.py",
    ),
    Plant(
        "who is asked for a leaf before it took the question in is accused",
        "server/log_below.py",
        "    return owed_by(tx, log, took)\n",
        "    return owed_by(tx, log)\n",
        "tests/server/test_log_owed.py",
    ),
)
