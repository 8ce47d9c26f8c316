# SPDX-License-Identifier: Apache-2.0
"""A district and its tablets for the tests of the tablet."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.world import HOUSEHOLD, World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    found = World(tmp_path)
    yield found
    found.close()


@pytest.fixture
def fields() -> dict[str, str]:
    return dict(HOUSEHOLD)
