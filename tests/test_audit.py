# SPDX-License-Identifier: Apache-2.0
"""Known weaknesses of pinned packages are found in a copy of an advisory database."""

import json
from pathlib import Path
from typing import Any

import pytest
from packaging.version import Version

from tests.audit import HINT, audit, hits, main, pinned

PINS = pinned("Some.Package==1.4.2 \\\n    --hash=sha256:00\nother==2.0\n")


def ranged(*events: tuple[str, str], versions: tuple[str, ...] = ()) -> dict[str, Any]:
    return {
        "package": {"ecosystem": "PyPI", "name": "some_package"},
        "ranges": [{"type": "ECOSYSTEM", "events": [{what: at} for what, at in events]}],
        "versions": list(versions),
    }


def laid(folder: Path, name: str, affected: dict[str, Any], **more: str) -> None:
    one = {"id": name, "modified": "2026-01-02T00:00:00Z", "details": "x", "affected": [affected]}
    folder.mkdir(exist_ok=True)
    # What is JSON is YAML too.
    suffix = "json" if name.startswith("GHSA") else "yaml"
    (folder / f"{name}.{suffix}").write_text(json.dumps(one | more))


def test_pins_are_read_under_one_spelling() -> None:
    assert {"some-package": Version("1.4.2"), "other": Version("2.0")} == PINS


@pytest.mark.parametrize(
    ("events", "inside", "fixed"),
    [
        ([("introduced", "0"), ("fixed", "1.4.3")], True, "1.4.3"),
        ([("introduced", "0"), ("fixed", "1.4.2")], False, ""),
        ([("introduced", "1.4.2")], True, ""),
        ([("introduced", "1.4.3")], False, ""),
        ([("introduced", "1"), ("last_affected", "1.4.1")], False, ""),
        ([("introduced", "1"), ("last_affected", "1.4.2")], True, ""),
        ([("introduced", "0"), ("fixed", "1.2"), ("introduced", "1.10")], False, ""),
        ([("introduced", "0"), ("fixed", "1.2"), ("introduced", "1.3")], True, ""),
        ([("introduced", "1.4.2rc1"), ("fixed", "1.10")], True, "1.10"),
    ],
)
def test_a_version_is_affected_where_it_lies_in_a_range(
    events: list[tuple[str, str]], inside: bool, fixed: str
) -> None:
    assert hits(Version("1.4.2"), ranged(*events)) == (inside, fixed)


def test_what_is_listed_is_affected_and_what_is_withdrawn_or_another_package_is_not(
    tmp_path: Path,
) -> None:
    whole = ranged(("introduced", "0"))
    laid(tmp_path, "PYSEC-1", ranged(versions=("1.0", "1.4.2", "not-a-version")))
    laid(tmp_path, "GHSA-2", whole)
    laid(tmp_path, "GHSA-3", whole, withdrawn="2026-01-01T00:00:00Z")
    laid(tmp_path, "GHSA-4", whole | {"package": {"ecosystem": "npm", "name": "some-package"}})
    laid(tmp_path, "GHSA-5", whole | {"package": {"ecosystem": "PyPI", "name": "some-package-2"}})
    found, count, newest = audit(PINS, tmp_path)
    assert [one.advisory for one in found] == ["GHSA-2", "PYSEC-1"]
    assert (count, newest) == (2, "2026-01-02")


def test_no_copy_or_one_that_says_nothing_is_a_failure_and_said_plainly(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([]) == main([str(tmp_path / "not-there")]) == 2
    assert capsys.readouterr().out == f"{HINT}\n{HINT}\n"
    assert main([str(tmp_path)]) == 2
    (tmp_path / "some-package.yaml").write_text("affected: [")
    assert main([str(tmp_path)]) == 2


def test_the_pins_of_the_tree_are_looked_up(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    affected = ranged(("introduced", "0")) | {"package": {"ecosystem": "PyPI", "name": "msgspec"}}
    laid(tmp_path, "PYSEC-9", affected)
    assert main([str(tmp_path)]) == 1
    assert "PYSEC-9" in capsys.readouterr().out
