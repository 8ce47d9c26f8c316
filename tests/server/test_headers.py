# SPDX-License-Identifier: Apache-2.0
"""Headers are read within their limit."""

import pytest

from server.api.body import HEADERS_BYTES_MAX, headers_of
from server.errors import BodyTooLarge


def test_headers_are_taken_at_their_limit_and_refused_above_it() -> None:
    at_limit = [(b"x", b"y" * (HEADERS_BYTES_MAX - 1))]
    assert headers_of({"headers": at_limit})["x"] == "y" * (HEADERS_BYTES_MAX - 1)
    with pytest.raises(BodyTooLarge):
        headers_of({"headers": [*at_limit, (b"z", b"")]})
