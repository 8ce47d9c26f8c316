# SPDX-License-Identifier: Apache-2.0
"""What a planted bug is. The bugs stand in ``planted_*.py`` and ``plants_*.py``."""

from __future__ import annotations

from typing import NamedTuple


class Plant(NamedTuple):
    """One bug: what is wrong, where, the text replaced, and the tests that must fail."""

    bug: str
    file: str
    old: str
    new: str
    tests: str
