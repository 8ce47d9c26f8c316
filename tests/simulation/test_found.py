# SPDX-License-Identifier: Apache-2.0
"""What runs once brought to light, each as the shortest history that showed it."""

from __future__ import annotations

import json

import pytest

from tests.simulation.running import Stage, play

FOUND = {
    # Seed 1043: the server's disk failed between telling two copies apart and reading devices anew;
    # the copy that wrote on was then taken for one that was not told apart yet.
    "copies told apart, then a failing disk": """
{"do": "write", "by": "t0", "record": "household/h3", "op": "append", "number": 27}
{"do": "move", "of": "t4", "record": "household/h3", "to": "t5"}
{"do": "sync", "by": "t0", "way": "", "line": "flipped", "round": 1, "bit": 421042462}
{"do": "clone", "of": "t5", "to": "t3"}
{"do": "sync", "by": "t5", "way": "pull"}
{"do": "write", "by": "t5", "record": "household/h3", "op": "set", "number": 87, "fields": ["ask"]}
{"do": "meet", "from": "t5", "to": "t1"}
{"do": "sync", "by": "t1", "way": ""}
{"do": "sync", "by": "t3", "way": ""}
{"do": "sync", "by": "t5", "way": "", "fault": "io", "where": "server", "at": 16}
""",
    # Seed 1196: a copy was shown a household that its district had taken away since; nobody knew
    # that it was there, so nobody ever said that it was to leave.
    "a household that nobody knows is here": """
{"do": "write", "by": "t1", "record": "household/h1", "op": "add", "number": 65, "elements": ["b"]}
{"do": "clone", "of": "t5", "to": "t3"}
{"do": "sync", "by": "t1", "way": "push"}
{"do": "sync", "by": "t3", "way": "", "line": "lost", "round": 1, "bit": 910837478}
{"do": "clone", "of": "t5", "to": "t0"}
{"do": "backup server", "of": "d1"}
{"do": "move", "of": "t1", "record": "household/h1", "to": "t1"}
{"do": "sync", "by": "t0", "way": "pull"}
{"do": "sync", "by": "t3", "way": "pull"}
{"do": "meet", "from": "t3", "to": "t0"}
""",
    # Seed 8: a server was set back behind an erasure that nobody else had heard of; without the
    # list beside its store it showed again what it had said is gone.
    "an erasure that only its own server knew of": """
{"do": "backup server", "of": "d1"}
{"do": "write", "by": "t0", "record": "household/h5", "op": "append", "number": 42}
{"do": "sync", "by": "t0", "way": ""}
{"do": "erase", "at": "d1"}
{"do": "restore server", "of": "d1"}
""",
    # Seed 771: two copies write as one tablet; one answered for an erasure, and the other, which
    # still held what was erased, was never told.
    "a copy that holds what the other answered for": """
{"do": "write", "by": "t2", "record": "household/h5", "op": "set", "number": 91, "fields": ["ask"]}
{"do": "meet", "from": "t2", "to": "t3"}
{"do": "sync", "by": "t3", "way": ""}
{"do": "erase", "at": "d2"}
{"do": "clone", "of": "t2", "to": "t3"}
""",
    # Seed 160: two copies that never wrote again: only how far each was served told them apart.
    "a copy that another answered for, and that brings nothing": """
{"do": "write", "by": "t1", "record": "household/h5", "op": "set", "number": 49,"fields":["latest"]}
{"do": "sync", "by": "t1", "way": "push"}
{"do": "clone", "of": "t1", "to": "t3"}
{"do": "erase", "at": "d1"}
""",
    # Seed 623: an erasure took away one branch of a feed that had parted; the fork was no longer
    # known when all was checked.
    "an erasure of one branch of two": """
{"do": "backup", "of": "t2"}
{"do": "write", "by": "t2", "record": "household/h2", "op": "set", "number": 61, "fields": ["ask"]}
{"do": "sync", "by": "t2", "way": ""}
{"do":"write","by":"t1","record":"household/h5","op":"set","number":145,"fields":["latest"]}
{"do": "meet", "from": "t1", "to": "t4"}
{"do": "sync", "by": "t4", "way": ""}
{"do": "link", "of": "d1", "way": ""}
{"do": "restore", "of": "t2"}
{"do":"write","by":"t2","record":"household/h5","op":"set","number":198,"fields":["note"]}
{"do": "erase", "at": "city"}
{"do": "link", "of": "d2", "way": "push"}
""",
    # A copied tablet wrote once; the other wrote more on the record than its list of dots holds,
    # and came first: the copy's change was taken for one that they had followed, by the server and
    # by every tablet.
    "a branch that more changes follow than a list holds": """
{"do":"write","by":"t0","record":"household/h3","op":"count","amount":1,"number":1}
{"do": "clone", "of": "t0", "to": "t1"}
"""
    + "".join(
        f'{{"do":"write","by":"t0","record":"household/h3","op":"set","number":{number},'
        '"fields":["ask"]}\n'
        for number in range(2, 20)
    )
    + """
{"do": "sync", "by": "t0", "way": ""}
{"do":"write","by":"t1","record":"household/h3","op":"set","number":20,"fields":["ask"]}
{"do": "sync", "by": "t1", "way": ""}
""",
    # Seed 525: what stood behind a change that was known from a state alone was not found by going
    # back from the record, and an erasure left it in its feed.
    "an erasure of what stands behind a change that is missing": """
{"do": "write", "by": "t3", "record": "household/h5", "op": "set", "number": 56, "fields": ["ask"]}
{"do": "meet", "from": "t3", "to": "t4"}
{"do": "write", "by": "t2", "record": "household/h5", "op": "add", "number": 99, "elements": ["b"]}
{"do": "sync", "by": "t2", "way": ""}
{"do": "sync", "by": "t4", "way": ""}
{"do": "write", "by": "t2", "record": "household/h5", "op": "set", "number": 129, "fields": ["ask"]}
{"do": "link", "of": "d2", "way": ""}
{"do": "sync", "by": "t0", "way": ""}
{"do": "sync", "by": "t2", "way": ""}
{"do": "sync", "by": "t1", "way": "pull"}
{"do": "link", "of": "d1", "way": "", "line": "lost", "round": 1}
{"do": "sync", "by": "t3", "way": ""}
{"do": "meet", "from": "t3", "to": "t1"}
{"do": "link", "of": "d1", "way": "", "line": "lost", "round": 1}
{"do": "meet", "from": "t1", "to": "t0"}
{"do": "sync", "by": "t0", "way": "push"}
{"do": "erase", "at": "d1"}
{"do": "link", "of": "d2", "way": ""}
""",
    # Seed 1829: two copies were told apart after an erasure; the new name of the one was on no list
    # of those who are asked, and it kept what was erased.
    "a copy that gets a name of its own after an erasure": """
{"do":"write","by":"t3","record":"household/h5","op":"set","number":32,"fields":["latest","note"]}
{"do": "upgrade", "of": "t1"}
{"do": "sync", "by": "t4", "way": ""}
{"do":"write","by":"t1","record":"household/h5","op":"add","number":50,"elements":["c","d"]}
{"do": "sync", "by": "t3", "way": ""}
{"do": "link", "of": "d2", "way": "push", "line": "doubled", "round": 1}
{"do": "erase", "at": "city"}
{"do": "clone", "of": "t1", "to": "t3"}
{"do": "write", "by": "t1", "record": "household/h1", "op": "set", "number": 88, "fields": ["ask"]}
{"do": "link", "of": "d1", "way": ""}
{"do": "sync", "by": "t1", "way": "", "line": "lost", "round": 1, "bit": 733953944}
{"do": "sync", "by": "t5", "way": ""}
{"do": "meet", "from": "t5", "to": "t4"}
{"do": "meet", "from": "t3", "to": "t4"}
{"do": "sync", "by": "t4", "way": ""}
""",
}


@pytest.fixture(scope="module")
def stage():
    made = Stage()
    yield made
    made.close()


@pytest.mark.parametrize("name", FOUND)
def test_what_was_found_once_does_not_come_back(stage, name):
    steps = [json.loads(line) for line in FOUND[name].splitlines() if line]
    assert play(stage, 0, steps).complaints == []
