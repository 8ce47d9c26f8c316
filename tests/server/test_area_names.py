# SPDX-License-Identifier: Apache-2.0
"""What areas are called: in what they lie in, as far as names were imported, read once."""

from pathlib import Path

import pytest

from server.area_names import KEPT_S, UNNAMED, AreaNames, RememberedAreas, read_area_names
from server.audit_words import value_words
from server.people import Area, store_areas
from sync.collections import SCHEMA
from tests.server.pens import Office

NAMES = {
    "4401": "广州市",
    "440103": "荔湾区",
    "440103019": "东漖街道",
    "440103019003": "东漖社区",
    "440103019003001": "一号网格",
}


@pytest.mark.parametrize(
    ("code", "zh"),
    [
        ("440103019003001", "东漖街道 东漖社区 一号网格"),
        ("440103019003002", "东漖街道 东漖社区 网格002"),
        ("440103019003", "东漖街道 东漖社区"),
        ("440103019", "荔湾区 东漖街道"),
        ("440103", "荔湾区"),
        ("4401", "广州市"),
        # What is not known stands as it is, behind what is.
        ("440103019004001", "东漖街道 440103019004001"),
        ("440103020", "荔湾区 440103020"),
        ("440104019003001", "440104019003001"),
        ("44", "44"),
        ("龙津", "龙津"),
        ("", ""),
    ],
)
def test_an_area_goes_by_its_name_in_what_it_lies_in(code: str, zh: str) -> None:
    assert AreaNames(NAMES).words(code, "zh") == zh
    assert AreaNames(NAMES).words(code, "en") == zh.replace("网格002", "grid 002")
    assert UNNAMED.words(code, "zh") == code


def test_the_code_stands_beside_a_name_and_never_twice() -> None:
    areas = AreaNames(NAMES)
    assert areas.beside("440103019003", "zh") == "东漖街道 东漖社区（440103019003）"
    assert areas.beside("440103019003", "en") == "东漖街道 东漖社区 (440103019003)"
    assert areas.beside("440104", "en") == "440104"


def test_a_value_that_is_an_area_goes_by_its_name_and_no_other_does() -> None:
    def words(field: str) -> str:
        return value_words(SCHEMA, "household", field, "440103", "en", AreaNames(NAMES))

    assert words("area") == "荔湾区 (440103)"
    assert words("address") == "440103"


def test_names_are_read_once_and_again_when_they_are_old(tmp_path: Path) -> None:
    office = Office(tmp_path)
    now = 0.0
    held = RememberedAreas(lambda: now)

    def name() -> str:
        with office.store.read() as tx:
            return held.of(tx).words("440103", "zh")

    assert name() == "440103"
    with office.store.write() as tx:
        store_areas(tx, [Area("440103", "district", "荔湾区")], "office", 1)
        assert read_area_names(tx).words("440103", "zh") == "荔湾区"
    now = KEPT_S
    assert name() == "440103"
    now += 0.1
    assert name() == "荔湾区"
    office.store.close()
