# SPDX-License-Identifier: Apache-2.0
"""Sealed values above their district: held, merged, shown as in conflict, never read."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from crypto.errors import SealRefused
from fixtures.pages import count_of, plain_pages
from fixtures.tree import Tier, raised
from fixtures.waiting import until
from server.field_keys import FieldKeys
from server.history import stored_record
from server.store.sqlite import SqliteStore
from sync.sealing import is_sealed

pytestmark = pytest.mark.slow
ONE, TWO, OPEN = "帕金森综合征甲", "脑梗塞后遗症乙", "这一句没有封存丙"
LEVELS = (("city", "4401"), ("district", "440103"))


def words_in(tier: Tier) -> dict[str, int]:
    """How often the planted words stand in a server's pages and in the files beside its store."""
    store = Path(tier.settings.store_path)
    key = bytes.fromhex(tier.keys.store_hex)
    found = count_of([ONE, TWO, OPEN], plain_pages(store, key, 8192, "sha256"))
    for file in filter(Path.is_file, Path(tier.settings.data_dir).rglob("*")):
        for word in found:
            found[word] += file.read_bytes().count(word.encode())
    return found


def opens(tier: Tier, record: str, field: str) -> list[Any]:
    """What a server makes of a field's siblings with every key it can derive."""
    store = SqliteStore(Path(tier.settings.store_path), tier.keys.store_hex)
    keys, out = FieldKeys(tier.keys.boxes), list[Any]()
    try:
        with store.read() as tx:
            stored = stored_record(tx, record)
            assert stored is not None
            for d, value in stored.state.registers[field].items():
                assert is_sealed(value)
                try:
                    out.append(keys.open(tx, record, field, d, value))
                except SealRefused:
                    out.append(None)
    finally:
        store.close()
    return out


def test_a_server_above_holds_and_merges_what_it_cannot_read_with_any_key_it_has(
    tmp_path: Path,
) -> None:
    with ExitStack() as stack:
        tree = raised(tmp_path / "tree", LEVELS, stack)
        city, district = tree["city"], tree["district"]
        district.cli("teams", "add", "t1", "一组", "--by", "office")
        district.cli("workers", "add", "t1-worker", "张霞", "--team", "t1", "--by", "office")
        district.cli("fields", "allow", "illness", "--team", "t1", "--by", "office")
        tablets = [
            stack.enter_context(district.tablet(tmp_path / name, "t1", name))
            for name in ("one", "two")
        ]
        for tablet in tablets:
            tablet.sync()
        first, second = tablets
        home = first.create_record(
            "household", {"area": "440103019003", "address": "裕安围46号", "head_name": "陈秀英"}
        )
        one = first.create_record("person", {"household": home, "name": "陈秀英"})
        for tablet in (first, second):
            tablet.sync()
        first.edit(one, illness=ONE)
        first.append(one, "notes", OPEN)
        second.edit(one, illness=TWO)
        for tablet in (first, second):
            tablet.sync()
        until(
            lambda: city.rows("SELECT state FROM conflicts WHERE field = 'illness'") == [("open",)]
        )
        assert is_sealed(city.shown(one)["illness"])
        assert sorted(opens(district, one, "illness")) == sorted((ONE, TWO))
        assert opens(city, one, "illness") == [None, None]
        for tier in (city, district):
            found = words_in(tier)
            assert found[OPEN] > 0
            assert found[ONE] == found[TWO] == 0
        first.sync()
        first.resolve(one, "illness", TWO, reason="看过病历")
        first.sync()
        until(lambda: city.rows("SELECT 1 FROM conflicts WHERE settled_at_ms IS NULL") == [])
        for tier in (city, district):
            assert tier.verify() == []
