# SPDX-License-Identifier: Apache-2.0
"""Teams that read sealed fields, what is planted in these, and where it is looked for.

What lives here: what the tests of sealed fields share. What must not: checks.
"""

from __future__ import annotations

from typing import Any

from client_sdk.store.opening import PAGE_BYTES
from client_sdk.tablet import Tablet
from fixtures.pages import count_of, plain_pages
from fixtures.world import World
from server import field_readers, people
from sync.sealing import SEALED, is_sealed

CLASSES = ("identity", "illness", "child")
NUMBER, ILLNESS, CHILD = "44010319520706123X", "帕金森综合征合并脑梗塞", "手臂有淤青，孩子不敢回家"
PLANTED = {"identity_number": NUMBER, "illness": ILLNESS, "protection": CHILD}


def allow(world: World, team: str, *classes: str) -> None:
    with world.store.write() as tx:
        for readers in classes or CLASSES:
            field_readers.allow_team(
                tx, world.district.schema, team, readers, "office", world.clock()
            )


def reading(world: World, name: str, team: str = "team") -> Tablet:
    """A tablet of a team that reads all classes, with its keys."""
    tablet = world.tablet(name, team)
    allow(world, team)
    tablet.sync()
    return tablet


def person(tablet: Tablet, home: str, **more: Any) -> str:
    return tablet.create_record("person", {"household": home, "name": "陈秀英", **more})


def assign(world: World, team: str, *homes: str) -> None:
    with world.store.write() as tx:
        people.assign_homes(tx, team, list(homes), "office", world.clock())


def unassign(world: World, team: str, *homes: str) -> None:
    with world.store.write() as tx:
        people.unassign_homes(tx, team, list(homes), "office", world.clock())


def shown(tablet: Tablet, record: str) -> dict[str, Any]:
    """What a tablet shows of the planted fields; those it cannot read are left out."""
    values = tablet.read(record).values
    return {n: values[n] for n in PLANTED if n in values and not is_sealed(values[n])}


def on_tablet(world: World, name: str, words: list[str]) -> dict[str, int]:
    """How often these words stand in the pages of a tablet's store, as a finder of its key has
    them, and in the files beside it."""
    folder = world.folder / name
    raw = bytes.fromhex(world.keys[name].reveal()[2:-1].decode())
    found = count_of(words, plain_pages(folder / "store.db", raw, PAGE_BYTES))
    for file in folder.rglob("*"):
        for word in words:
            found[word] += file.read_bytes().count(word.encode()) if file.is_file() else 0
    return found


def at_server(world: World, words: list[str]) -> dict[str, int]:
    """The same in the pages of the district's store, with its key."""
    path, key = world.folder / "district.db", bytes.fromhex(world.store_key)
    return count_of(words, plain_pages(path, key, 8192, "sha256"))


def raw_of(tablet: Tablet, record: str, field: str) -> str:
    """The value of a field as it is stored."""
    found = tablet._store.one(
        "SELECT json_extract(body, '$.' || ?) FROM records WHERE id = ?", (field, record)
    )
    assert found is not None
    assert str(found[0]).startswith(SEALED)
    return str(found[0])
