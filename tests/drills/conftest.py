# SPDX-License-Identifier: Apache-2.0
"""The ground that all drills share: one server process; each drill brings tablets of its own."""

from collections.abc import Iterator

import pytest

from fixtures.drill_ground import Ground


@pytest.fixture(scope="package")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    made = Ground(tmp_path_factory.mktemp("drills"))
    yield made
    made.end()
