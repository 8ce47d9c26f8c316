# SPDX-License-Identifier: Apache-2.0
"""The rule of two on its page: one asks, another answers after showing a factor again."""

from pathlib import Path

import pytest

from fixtures.console import console_world

pytestmark = pytest.mark.slow


def test_one_asks_and_only_another_with_the_right_answers(tmp_path: Path) -> None:
    with console_world(tmp_path) as world:
        with world.browse("officer") as officer:
            assert officer.get("/approvals?kind=export&target=daily").status_code == 200
            asked = officer.post("/approvals/ask", kind="export", target="daily", reason="年报")
            assert asked.status_code == 303
            assert officer.post("/approvals/1/answer", yes="yes").status_code == 403
            assert "等另一人批复" in officer.get("/approvals").text
        with world.browse("auditor") as auditor:
            assert (
                auditor.post("/approvals/1/answer", yes="yes")
                .headers["location"]
                .startswith("/confirm")
            )
            auditor.step_up("auditor")
            assert auditor.post("/approvals/1/answer", yes="yes").headers["location"] == (
                "/approvals"
            )
            assert "已批准" in auditor.get("/approvals").text
            auditor.post("/approvals/ask", kind="root", target="", reason="到期")
            assert auditor.post("/approvals/2/answer", yes="yes").status_code == 403
