# SPDX-License-Identifier: Apache-2.0
"""A tablet with its pages, made once for all tests of this folder; each works on a copy."""

import copy
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.tablet_app import Held, Serving, Visitor, served, tablet_of_a_team


class Seconds:
    """The lock's clock, which a test sets."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Held:
    return tablet_of_a_team(tmp_path_factory.mktemp("tablet"), households=12, visits=4)


@pytest.fixture
def held(made: Held, tmp_path: Path) -> Held:
    """A copy of the tablet: the device secret lies under the folder's name, so it moves along.

    The teammate is copied too: one that met another test's tablet knows a chain that this one never
    wrote, and this one would rightly go on as a new replica.
    """
    assert made.mate
    folder, mate = tmp_path / "tablet", tmp_path / "mate"
    shutil.copytree(made.folder, folder)
    shutil.copytree(made.mate[0], mate)
    found = copy.copy(made)
    found.mate = (mate, made.mate[1])
    found.keyring = made.keyring.moved(made.folder, folder)
    found.folder = folder
    return found


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
def pages(held: Held, seconds: Seconds) -> Iterator[Serving]:
    with served(held.keeper(seconds)) as found:
        yield found


@pytest.fixture
def visitor(pages: Serving) -> Iterator[Visitor]:
    found = Visitor(pages)
    yield found
    found.close()
