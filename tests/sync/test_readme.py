# SPDX-License-Identifier: Apache-2.0
"""The wire as documented: every field, limit and hash of the code is named in the readme."""

import inspect
import re
from pathlib import Path
from types import ModuleType

import msgspec
import pytest

import sync.batch
import sync.change
import sync.clock
import sync.compression
import sync.enrolment
import sync.feed
import sync.messages
import sync.packing
import sync.schema
import sync.session

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "sync/README.md").read_text("utf-8")
WIRE = (sync.messages, sync.change, sync.feed, sync.enrolment)
MODULES = (*WIRE, sync.clock, sync.compression, sync.packing, sync.schema, sync.session, sync.batch)
SOURCES = {m.__name__: inspect.getsource(m) for m in MODULES}


def structs(module: ModuleType) -> list[type[msgspec.Struct]]:
    return [
        kind
        for kind in vars(module).values()
        if isinstance(kind, type)
        and issubclass(kind, msgspec.Struct)
        and kind.__module__ == module.__name__
        # What travels are arrays; a struct with names lives in memory alone.
        and kind.__struct_config__.array_like
    ]


@pytest.mark.parametrize("kind", [k for m in WIRE for k in structs(m)], ids=lambda k: k.__name__)
def test_every_struct_and_field_of_the_wire_is_documented(kind: type[msgspec.Struct]) -> None:
    start = re.search(rf"\*\*{kind.__name__}\*\*|### {kind.__name__}\n", README)
    assert start is not None
    about = README[start.start() : start.start() + 3_500]
    assert [f for f in kind.__struct_fields__ if f"`{f}`" not in about] == []


def test_the_fields_of_each_message_stand_in_their_order() -> None:
    for kind in (sync.messages.Request, sync.messages.Reply, sync.change.Change, sync.feed.Segment):
        at = re.search(rf"\*\*{kind.__name__}\*\*|### {kind.__name__}\n", README)
        assert at is not None
        table = README[at.end() :].split("|---|", 1)[1].split("\n\n", 1)[0]
        cells = [line.split("|")[1] for line in table.splitlines() if line.startswith("| ")]
        assert re.findall(r"`(\w+)`", " ".join(cells)) == list(kind.__struct_fields__)


LIMITS = sorted(
    {
        name
        for source in SOURCES.values()
        for name in re.findall(r"^([A-Z][A-Z_]*(?:_MAX|_CHANGES|_BYTES)|PROTOCOL) =", source, re.M)
    }
    - {"REPLICA_BYTES", "COUNTER_BYTES", "TAG_BYTES", "DOT_BYTES"}
)


@pytest.mark.parametrize("name", LIMITS)
def test_every_limit_is_documented(name: str) -> None:
    assert f"`{name}`" in README


def test_every_purpose_of_a_hash_is_documented() -> None:
    purposes = {
        purpose
        for source in SOURCES.values()
        for purpose in re.findall(r'b"(doorstep/[a-z/0-9-]+)\\0"', source)
    }
    assert len(purposes) >= 8
    assert [p for p in purposes if f'"{p}\\0"' not in README] == []


def test_the_program_in_the_readme_runs() -> None:
    found = re.search(r"```python\n(.*?)```", README, re.S)
    assert found is not None
    exec(compile(found.group(1), "sync/README.md", "exec"), {})


def test_every_decision_is_linked_and_there() -> None:
    linked = set(re.findall(r"decisions/([\w.-]+\.md)", README))
    assert linked == {p.name for p in (ROOT / "sync/decisions").glob("*.md")}
