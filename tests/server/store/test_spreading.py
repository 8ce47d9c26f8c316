# SPDX-License-Identifier: Apache-2.0
"""What an engine that spreads tables over servers asks of the statements: Citus knows no insert
whose values ask the record."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

SERVER = Path(__file__).parents[3] / "server"
ASKING = re.compile(r"INSERT INTO\b.*?\bVALUES\b.*?\(\s*SELECT\b", re.DOTALL)


def texts(source: str) -> Iterator[str]:
    """The texts of a module, those that are put together of several as one."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.JoinedStr):
            parts = (p.value for p in node.values if isinstance(p, ast.Constant))
            yield "".join(str(part) for part in parts)


def test_no_insert_asks_the_record_among_its_values() -> None:
    found = [
        f"{path.relative_to(SERVER)}: {text[:60]}"
        for path in SERVER.rglob("*.py")
        for text in texts(path.read_text("utf-8"))
        if ASKING.search(text)
    ]
    assert found == []
    assert any(ASKING.search(text) for text in texts("x = 'INSERT INTO t VALUES (?, (SELECT 1))'"))
