# SPDX-License-Identifier: Apache-2.0
"""The page that describes this package: its program runs, its tests exist, its ids hold."""

import re
from pathlib import Path

from crypto import algorithms
from crypto.seal import SealedItems

README = (Path(algorithms.__file__).parent / "README.md").read_text(encoding="utf-8")


def test_the_program_in_the_readme_runs() -> None:
    found = re.search(r"```python\n(.*?)```", README, re.DOTALL)
    assert found is not None
    names: dict[str, object] = {}
    exec(compile(found[1], "README.md", "exec"), names)
    items, pragma = names["items"], names["pragma"]
    assert isinstance(items, SealedItems)
    assert list(items) == [b"change 1", b"change 2"]
    assert isinstance(pragma, bytes)
    assert re.fullmatch(rb"PRAGMA key = \"x'[0-9a-f]{64}'\"", pragma)


def test_every_test_the_threat_table_names_is_there() -> None:
    tests = Path(__file__).parents[1]
    here = "".join(path.read_text(encoding="utf-8") for path in tests.rglob("*.py"))
    named = re.findall(r"`(test_\w+)`", README)
    assert len(named) > 15
    for name in named:
        assert f"def {name}(" in here


def test_every_algorithm_id_is_used_once_and_described() -> None:
    ids = [
        value
        for name, value in vars(algorithms).items()
        if name.isupper() and isinstance(value, int) and not name.endswith(("_BYTES", "_MAX"))
    ]
    assert len(set(ids)) == len(ids) == 11
    for value in ids:
        assert f"| `{value:02x}` |" in README
