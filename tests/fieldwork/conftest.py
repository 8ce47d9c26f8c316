# SPDX-License-Identifier: Apache-2.0
"""A district with two tablets of one team, and a household that both of them hold."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from client_sdk.tablet import Tablet
from fixtures.world import HOUSEHOLD, World


class Street(NamedTuple):
    """Two tablets, offline until ``world.sync``, and a household that both hold."""

    world: World
    one: Tablet
    two: Tablet
    home: str

    def meet(self) -> None:
        """Both bring what they have and take what the other brought."""
        self.world.sync(self.one, self.two)


@pytest.fixture
def street(tmp_path: Path) -> Iterator[Street]:
    world = World(tmp_path)
    one, two = world.tablet("a"), world.tablet("b")
    home = one.create_record("household", HOUSEHOLD)
    world.sync(one, two)
    yield Street(world, one, two, home)
    world.close()
