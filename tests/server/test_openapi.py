# SPDX-License-Identifier: Apache-2.0
"""Whatever is sent to what the OpenAPI lists: no 5xx, and no status that the tables do not name."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fixtures.district import local_district
from fixtures.wire import loose_client
from server.errors import STATUS, ServerError

EXAMPLES = 25
METHODS = {"get", "put", "post", "head"}


def kinds(kind: type[ServerError]) -> set[int]:
    return {kind.status}.union(*(kinds(below) for below in kind.__subclasses__()))


DOCUMENTED = {200, 202, 404, 405} | set(STATUS.values()) | kinds(ServerError)
"""What the README's tables name; test_docs.py holds these to the code."""


@pytest.mark.slow
def test_what_the_openapi_lists_answers_anything_with_a_status_that_is_named(
    tmp_path: Path,
) -> None:
    seen: Counter[int] = Counter()
    with local_district(tmp_path / "d") as local, loose_client(local.url) as client:
        described = client.get("/v1/openapi").json()
        schema = schemathesis.openapi.from_dict(described)
        asked = [
            (path, method)
            for path, operations in described["paths"].items()
            for method in operations
            if method in METHODS
        ]
        assert len(asked) >= 12

        def ask(path: str, method: str) -> None:
            strategy: Any = schema[path][method.upper()].as_strategy()

            @settings(
                max_examples=EXAMPLES,
                deadline=None,
                database=None,
                suppress_health_check=list(HealthCheck),
            )
            @given(strategy, st.binary(max_size=300))
            def one(case: Any, body: bytes) -> None:
                target = case.formatted_path
                content = body if method in ("post", "put") else b""
                answer = client.request(
                    method.upper(),
                    target,
                    params=case.query or None,
                    headers={"content-type": "application/msgpack"},
                    content=content,
                )
                seen[answer.status_code] += 1
                assert answer.status_code < 500, (method, target, body)
                assert answer.status_code in DOCUMENTED, (method, target, answer.status_code)

            one()

        for path, method in asked:
            ask(path, method)
    assert sum(seen.values()) >= len(asked)
    assert len(seen) >= 4
