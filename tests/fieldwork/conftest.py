# SPDX-License-Identifier: Apache-2.0
"""A district with two tablets of one team, and a household that both of them hold."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from client_sdk.tablet import Tablet
from fixtures.world import HOUSEHOLD, World

AREA = "440103019003"


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


def more_homes(street: Street, count: int) -> list[str]:
    """The street's household and some more."""
    homes = [street.home]
    for number in range(count):
        given = {**HOUSEHOLD, "address": f"龙津路{number}号", "phone": f"1380013{number:04d}"}
        homes.append(street.one.create_record("household", given))
    street.meet()
    return homes


def open_fields(tablet: Tablet, record: str) -> list[str]:
    """The fields of a record that wait for a person."""
    return [f.name for f in tablet.read(record).fields.values() if f.open]
