# SPDX-License-Identifier: Apache-2.0
"""What stands around every mutated function in the copy, in place of mutmut's own trampoline.

What lives here: taking a mutant in, and noting what a test reaches. What must not: tests, verdicts.
Invariant: a function without a mutant is the function as it was written, with nothing around it:
the core calls some of them a million times in a run of the tests.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any

MutantDict = dict[str, Any]
Function = Callable[..., Any]
ORIGINAL = "_mutmut_orig"
NOTE = "DOORSTEP_MUTATION_NOTE"
"""Set while it is noted which functions a test reaches."""
MUTANT = "DOORSTEP_MUTANT"
"""A mutant that stands from the moment its module is imported."""

reached: set[str] = set()
_known: list[tuple[Any, MutantDict]] = []


def function_of(mutant: str) -> str:
    """The function a mutant is of, as it is named among those reached."""
    return mutant.partition("__mutmut")[0]


def _noting(function: Any, mutants: MutantDict) -> Any:
    """Note the function at its first call after ``reached`` was emptied."""

    @functools.wraps(function)
    def noted(*args: Any, **kwargs: Any) -> Any:
        original = mutants.get(ORIGINAL)
        named = original.__name__ if original is not None else function.__name__
        reached.add(function_of(f"{function.__module__}.{named}"))
        return function(*args, **kwargs)

    return noted


def _at_import(function: Any, mutants: MutantDict, name: str) -> Any:
    """The mutant where it is one of this function: it stands in the dict right behind it."""

    @functools.wraps(function)
    def chosen(*args: Any, **kwargs: Any) -> Any:
        wrong = mutants.get(name, function)
        return getattr(wrong, "__func__", wrong)(*args, **kwargs)

    return chosen


def switched(mutants: MutantDict, is_classmethod: bool = False) -> Callable[[Any], Any]:
    """The decorator that mutmut writes above a function; its mutants come into the dict later."""

    def decorate(function: Any) -> Any:
        _known.append((function, mutants))
        module, _, name = os.environ.get(MUTANT, "").rpartition(".")
        if module == function.__module__:
            return _at_import(function, mutants, name)
        return _noting(function, mutants) if os.environ.get(NOTE) else function

    return decorate


def switch_on(mutant: str) -> None:
    """From now on the function does what this mutant of it does, whoever holds it."""
    module, _, name = mutant.rpartition(".")
    for function, mutants in _known:
        if function.__module__ == module and name in mutants:
            wrong = mutants[name]
            wrong = getattr(wrong, "__func__", wrong)
            function.__code__ = wrong.__code__
            function.__defaults__ = wrong.__defaults__
            function.__kwdefaults__ = wrong.__kwdefaults__
            return
    raise KeyError(mutant)
