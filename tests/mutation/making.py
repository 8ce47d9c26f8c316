# SPDX-License-Identifier: Apache-2.0
"""A copy of the tree in which every function of sync and crypto holds its mutants.

What lives here: the copy under ``build/mutation/tree``, the mutants that mutmut writes into it,
and what each of them changes. What must not: tests or verdicts. Invariants
- The tree itself is never touched.
- A module whose text did not change keeps its mutants and so their names.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import os
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import NamedTuple

from mutmut.configuration import reset_config
from mutmut.mutation.data import LineSpan
from mutmut.mutation.file_mutation import mutate_file_contents

from tests.plant import ROOT, WORKERS, copy_tree

BUILD = ROOT / "build" / "mutation"
TREE = BUILD / "tree"
MADE = BUILD / "made"
TRAMPOLINE, SWITCH = (
    f"from {module} import {name} as _mutmut_mutated"
    for module, name in (
        ("mutmut.mutation.trampoline", "wrap_in_trampoline"),
        ("tests.mutation.switch", "switched"),
    )
)
FORMAT = "4"
"""Of what is kept of each module."""


class Mutant(NamedTuple):
    """One wrong line: the function it is in, as mutmut names it, the lines before and after, and
    a digest of these and of the whole function: while it stays an older verdict holds."""

    name: str
    module: str
    function: str
    was: str
    now: str
    digest: str


def settings() -> dict[str, list[str]]:
    """``[tool.mutmut]`` of pyproject.toml."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    found: dict[str, list[str]] = tomllib.loads(text)["tool"]["mutmut"]
    return found


def sources() -> Iterator[str]:
    """The files whose functions are mutated, as paths in the tree."""
    for folder in settings()["source_paths"]:
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield str(path.relative_to(ROOT))


def _lines(text: Sequence[str], span: LineSpan) -> tuple[str, list[str]]:
    """The head of a function without its name, and its lines."""
    lines = [line.strip() for line in text[span.start - 1 : span.end]]
    start = next(n for n, line in enumerate(lines) if "def " in line and "__mutmut_" in line)
    return lines[start].partition("__mutmut_")[2].partition("(")[2], lines[start + 1 :]


def changed(text: Sequence[str], spans: Mapping[str, LineSpan], name: str) -> tuple[str, str]:
    """The lines that a mutant replaces and what it puts there."""
    head, before = _lines(text, spans[name.partition("__mutmut_")[0] + "__mutmut_orig"])
    new_head, after = _lines(text, spans[name])
    if head != new_head:
        return head, new_head
    told = [x for x in difflib.ndiff(before, after) if x[0] in "-+"]
    was = " ".join(x[2:] for x in told if x[0] == "-")
    return was, " ".join(x[2:] for x in told if x[0] == "+")


def _digest(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:12]


def make(path: str) -> list[Mutant]:
    """Write one module with its mutants into the copy; they stay where its text did not change."""
    source = (ROOT / path).read_text(encoding="utf-8")
    state = hashlib.sha256((FORMAT + source + repr(settings())).encode()).hexdigest()
    kept = MADE / f"{path}.json"
    if kept.exists():
        found = json.loads(kept.read_text(encoding="utf-8"))
        if found["digest"] == state:
            (TREE / path).write_text(found["code"], encoding="utf-8")
            return [Mutant(*one) for one in found["mutants"]]
    os.chdir(ROOT)
    reset_config()
    made = mutate_file_contents(path, source)
    module = path.removesuffix(".py").replace("/", ".").removesuffix(".__init__")
    text, mutants = made.code.splitlines(), []
    for name in made.mutant_names:
        function = name.partition("__mutmut_")[0]
        was, now = changed(text, made.line_span_by_function_name, name)
        shown = function.removeprefix("x_").removeprefix("xǁ").replace("ǁ", ".")
        full = f"{module}.{name}"
        digest = _digest(made.hash_by_function_name[function], was, now)
        mutants.append(Mutant(full, path, shown, was, now, digest))
    kept.parent.mkdir(parents=True, exist_ok=True)
    code = made.code.replace(TRAMPOLINE, SWITCH)
    kept.write_text(json.dumps({"digest": state, "code": code, "mutants": mutants}))
    (TREE / path).write_text(code, encoding="utf-8")
    return mutants


def make_all() -> list[Mutant]:
    """Bring the copy up to date and put all mutants into it."""
    TREE.mkdir(parents=True, exist_ok=True)
    copy_tree(TREE)
    with ProcessPoolExecutor(WORKERS) as pool:
        return [one for mutants in pool.map(make, list(sources())) for one in mutants]
