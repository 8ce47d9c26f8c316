# SPDX-License-Identifier: Apache-2.0
"""Planted bugs of archives: what compacting might lose, keep or hide.

What must not live here: the run, which is ``plant.py``.
"""

from __future__ import annotations

from tests.planted import Plant

_TESTS = "tests/server/store/test_compacting.py"
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
        "    if marks_of(segment_of(*found)) != row.marks:\n",
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
        "server/erasing_keeping.py",
        "    files.blank(gone, named)\n",
        "",
        _TESTS,
    ),
    Plant(
        "an erasure is said to be done while an archive is elsewhere",
        "server/erasing_keeping.py",
        "    return all(files.places(name) for name in named)\n",
        "    return True\n",
        _TESTS,
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
