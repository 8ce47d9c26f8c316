# SPDX-License-Identifier: Apache-2.0
"""Planted bugs of archives: what compacting might lose, keep or hide.

What must not live here: the run, which is ``plant.py``.
"""

from __future__ import annotations

from tests.planted import Plant

_TESTS = "tests/server/store/test_compacting.py"
_AWAY = "tests/server/store/test_erasing_archives.py"
PLANTS_ARCHIVES = (
    Plant(
        "a run goes into an archive that no backup has",
        "server/compacting.py",
        "        if seq > self._backed_up:\n",
        "        if False:\n",
        _TESTS,
    ),
    Plant(
        "what was merely sent to the upstream counts as held there",
        "server/compacting.py",
        '                " AND offered = 0",\n',
        '                " AND offered >= 0",\n',
        _TESTS,
    ),
    Plant(
        "an archive's run need not be the one that went there",
        "server/feeds.py",
        "    if marks_of(source) != row.marks:\n",
        "    if False:\n",
        _TESTS,
    ),
    Plant(
        "an archived run is forgotten where an upload begins inside it",
        "server/feeds.py",
        "        if known & {(counter, heads[back]), (counter, heads[back][:MARK_BYTES])}:\n",
        "        if (counter, heads[back]) in known:\n",
        _TESTS,
    ),
    Plant(
        "an erasure leaves archives as they are",
        "server/erasing_archives.py",
        "        rid = files.blank({d for some in dots.values() for d in some}, named)\n",
        "        rid = set(named)\n",
        _TESTS,
    ),
    Plant(
        "an erasure is said to be done while an archive is elsewhere",
        "server/erasing_archives.py",
        "sorted(holding[n] - rid)],\n",
        "()],\n",
        _AWAY,
    ),
    Plant(
        "what is found of an erased record ends at an archive that is away",
        "server/history.py",
        "                if self._away is None:\n",
        "                if True:\n",
        _AWAY,
    ),
    Plant(
        "a case does not remember that an archive was away",
        "server/erasing.py",
        "            wait_for(tx, n, gone.away | case.away, now_ms)\n",
        "",
        _AWAY,
    ),
    Plant(
        "a case that follows another server's does not remember that an archive was away",
        "server/erasing.py",
        "        wait_for(tx, n, gone.away, now_ms)\n        part = ",
        "        part = ",
        _AWAY,
    ),
    Plant(
        "an archive that is back serves before it was looked through",
        "server/feeds.py",
        "        raise ArchiveWaits(row.file)\n",
        "        pass\n",
        _AWAY,
    ),
    Plant(
        "a copy of an archive that was not overwritten shows what is erased",
        "server/feeds.py",
        "    return _as_erased(tx, source) or found\n",
        "    return found\n",
        _AWAY,
    ),
    Plant(
        "nobody looks through an archive that is back",
        "server/erasing_keeping.py",
        "    look_through(district)\n",
        "",
        _AWAY,
    ),
    Plant(
        "an archive that is back is waited for until the next day",
        "server/erasing_keeping.py",
        "        if now_ms >= self._archives_at_ms and is_back(tx):\n",
        "        if False:\n",
        _AWAY,
    ),
    Plant(
        "a certificate is complete while an archive is away",
        "server/erasing_certificate.py",
        'all(one["done_at_ms"] for one in archives)\n',
        "True\n",
        _AWAY,
    ),
    Plant(
        "a server says erased while an archive of its own is away",
        "server/erasing.py",
        "ERASED_WAITS if away_for(tx, said.case) else ERASED\n",
        "ERASED\n",
        _AWAY,
    ),
    Plant(
        "verify takes changes of a missing archive for lost ones",
        "server/verify.py",
        "            if self._feeds.absent:\n",
        "            if False:\n",
        _TESTS,
    ),
    Plant(
        "the store lets go before the second copy is there",
        "server/archives.py",
        "            for folder in self.folders:\n                folder.mkdir",
        "            for folder in self.folders[:1]:\n                folder.mkdir",
        _TESTS,
    ),
)
