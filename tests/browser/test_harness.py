# SPDX-License-Identifier: Apache-2.0
"""The browser of the tests: that its check of accessibility finds what is wrong."""

import pytest
from playwright.sync_api import Browser

from fixtures.browser import open_tab, violations

pytestmark = pytest.mark.slow


def test_a_picture_without_words_is_found_and_one_with_words_is_not(browser: Browser) -> None:
    page = '<html lang="zh"><title>页</title><main><h1>页</h1><img src="data:," {}></main></html>'
    with open_tab(browser) as tab:
        tab.set_content(page.format(""))
        assert [found.split()[0] for found in violations(tab)] == ["image-alt"]
        tab.set_content(page.format('alt="门"'))
        assert violations(tab) == []
