# SPDX-License-Identifier: Apache-2.0
"""The rules of this repository that no linter knows, checked on every file that git tracks.

What ruff, mypy and import-linter can say belongs into pyproject.toml instead. The patterns looked
for are put together from pieces, because this file is checked like every other.
"""

import ast
import re
import subprocess
import sys
import tomllib
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("sync", "crypto", "client_sdk", "server")
SPDX = "SPDX-License-Identifier: Apache-2.0"
SOURCE_SUFFIXES = {".py", ".sh", ".toml", ".js", ".css", ".sql"}
SOURCE_NAMES = {"Makefile", "run", "setup", "system", "lock"}
LINES_MAX = 400  # a file that one person can hold in mind
NAME_WORDS_MIN = 4  # below that a test's name is a label, not a sentence

SLASH = "/"
FORBIDDEN = {
    "a package registry's host": re.compile(
        r"(?i)\b(?:[\w-]+\.)*(?:pypi|pythonhosted|npmjs|crates)" + r"\.(?:org|com|io)\b"
    ),
    "a path of one machine": re.compile(
        rf"(?<![\w.~*-]){SLASH}(?:work|root|Users|home{SLASH}[a-z][\w-]*){SLASH}"
    ),
}
ADDRESS = re.compile(r"(?i)[a-z][a-z+]*:" + SLASH * 2 + r"|--(?:extra-)?index|--find-links")


@cache
def tracked() -> tuple[Path, ...]:
    """Every file git tracks that is still there, relative to the root of the repository."""
    out = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    paths = tuple(Path(name) for name in out.split("\0") if name and (ROOT / name).is_file())
    assert Path("pyproject.toml") in paths
    return paths


def text_of(path: Path) -> str:
    return (ROOT / path).read_bytes().decode("utf-8", errors="replace")


def sources() -> list[Path]:
    return [p for p in tracked() if p.suffix in SOURCE_SUFFIXES or p.name in SOURCE_NAMES]


def head_of(text: str) -> list[str]:
    """The first line, and the second where the first names an interpreter."""
    lines = text.splitlines()
    return lines[1:2] if text.startswith("#!") else lines[:1]


def test_every_source_file_begins_with_its_licence() -> None:
    assert [str(p) for p in sources() if not any(SPDX in x for x in head_of(text_of(p)))] == []


def test_every_python_file_says_at_its_head_what_lives_there() -> None:
    silent = [
        str(p)
        for p in tracked()
        if p.suffix == ".py" and not (ast.get_docstring(ast.parse(text_of(p))) or "").strip()
    ]
    assert silent == []


def test_no_file_of_a_package_is_longer_than_a_person_can_hold_in_mind() -> None:
    long = {
        str(p): lines
        for p in tracked()
        if p.parts[0] in PACKAGES
        and p.suffix in SOURCE_SUFFIXES
        and (lines := len(text_of(p).splitlines())) > LINES_MAX
    }
    assert long == {}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_tracked_file_names_a_place_outside_the_repository(what: str) -> None:
    found = [
        f"{p}: {match.group(0)}"
        for p in tracked()
        for match in FORBIDDEN[what].finditer(text_of(p))
    ]
    assert found == []


def test_the_patterns_find_what_they_are_meant_to_find() -> None:
    host = "files." + "pythonhosted" + ".org"
    path = SLASH + "root" + SLASH + "x"
    assert FORBIDDEN["a package registry's host"].search(f"see {host}")
    assert FORBIDDEN["a path of one machine"].search(f"in {path}")
    assert not FORBIDDEN["a path of one machine"].search("field" + SLASH + "work" + SLASH + "x")
    assert ADDRESS.search("https:" + SLASH * 2 + host)


def pins() -> list[tuple[str, list[str]]]:
    """Each requirement of requirements.txt with the lines that belong to it."""
    found: list[tuple[str, list[str]]] = []
    for line in text_of(Path("requirements.txt")).splitlines():
        if line[:1].isalnum():
            found.append((line, []))
        elif line.strip().startswith("--hash=") and found:
            found[-1][1].append(line.strip())
    return found


def test_every_pinned_package_names_its_version_and_its_digests() -> None:
    assert pins()
    assert [line for line, _ in pins() if not re.match(r"[\w.-]+==[\w.+!-]+ ", line)] == []
    digest = re.compile(r"--hash=sha256:[0-9a-f]{64}( \\)?")
    bad = [line for line, hashes in pins() if not hashes or not all(map(digest.fullmatch, hashes))]
    assert bad == []


def test_every_dependency_of_the_project_is_pinned() -> None:
    project = tomllib.loads(text_of(Path("pyproject.toml")))["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    pinned = {line.split("==")[0].lower() for line, _ in pins()}
    names = [re.split(r"[\[><=;! ]", line, maxsplit=1)[0].lower() for line in wanted]
    assert [name for name in names if name not in pinned] == []


def test_every_package_that_is_imported_is_named_by_the_project() -> None:
    # One that is there only because another needs it is gone on the day that one is.
    project = tomllib.loads(text_of(Path("pyproject.toml")))["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    named = {plain(re.split(r"[\[><=;! ]", line, maxsplit=1)[0]) for line in wanted}
    made_by = packages_distributions()
    imported = re.compile(r"(?m)^ *(?:import|from) +([a-z_0-9]+)")
    found = {
        (top, p) for p in tracked() if p.suffix == ".py" for top in imported.findall(text_of(p))
    }
    assert {"msgspec", "yaml"} < {top for top, _ in found}
    bad = {
        (top, str(p))
        for top, p in found
        if top in made_by
        and top not in sys.stdlib_module_names
        and not (ROOT / top).is_dir()
        and not named & {plain(name) for name in made_by[top]}
    }
    assert bad == set()


def plain(name: str) -> str:
    return name.lower().replace("_", "-")


def test_the_pinned_packages_carry_no_address() -> None:
    assert ADDRESS.findall(text_of(Path("requirements.txt"))) == []


def test_every_test_is_named_as_a_sentence() -> None:
    short = [
        f"{p}: {node.name}"
        for p in tracked()
        if p.parts[0] == "tests" and p.suffix == ".py"
        for node in ast.walk(ast.parse(text_of(p)))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
        and len(node.name.removeprefix("test_").split("_")) < NAME_WORDS_MIN
    ]
    assert short == []
