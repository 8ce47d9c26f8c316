# SPDX-License-Identifier: Apache-2.0
"""Who signs a consent, and what it lacks."""

from typing import Any

import pytest

from sync.consenting import is_child, lacks

WHOLE = {"on": "2026-05-01", "signature": "blob", "signed_by": "self"}


@pytest.mark.parametrize(("born", "child"), [(2011, False), (2012, True), (2026, True)])
def test_who_may_be_below_fourteen_on_the_day_is_a_child(born: int, child: bool) -> None:
    assert is_child(born, "2026-12-31") is child


def test_a_day_that_is_none_makes_nobody_older() -> None:
    assert is_child(1950, "soon") is True
    assert is_child(1950, "２０２６-01-01") is True


@pytest.mark.parametrize("born", [None, "2020", True, 2020.0])
def test_a_year_that_nobody_gave_makes_no_child(born: object) -> None:
    assert is_child(born, "2026-12-31") is False
    assert is_child(True, "0001-01-01") is False


@pytest.mark.parametrize(
    ("change", "born", "lacking"),
    [
        ({}, 1950, []),
        ({}, 2020, ["guardian"]),
        ({"signed_by": "guardian", "guardian": "李梅"}, 2020, []),
        ({"signed_by": "guardian"}, 2020, ["guardian_name"]),
        ({"signed_by": "guardian", "guardian": ""}, 1950, ["guardian_name"]),
        ({"signature": None}, 1950, ["signature"]),
        ({"signature": ""}, 2020, ["guardian", "signature"]),
        ({"signed_by": None, "guardian": "李梅"}, 2020, ["guardian"]),
        # Without its day a consent is of the beginning of time, when everybody was a child.
        ({"on": None}, 1950, ["guardian"]),
        ({"on": ""}, None, []),
    ],
)
def test_a_consent_lacks_what_its_signer_has_not_given(
    change: dict[str, Any], born: object, lacking: list[str]
) -> None:
    assert lacks({**WHOLE, **change}, born) == lacking
