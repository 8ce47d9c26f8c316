# SPDX-License-Identifier: Apache-2.0
"""What all tests of pages share: one browser process."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from fixtures.browser import open_browser


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with open_browser() as found:
        yield found
