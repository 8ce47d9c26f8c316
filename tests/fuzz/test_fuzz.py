# SPDX-License-Identifier: Apache-2.0
"""Every parser of outside bytes: right samples are taken, wrong ones are refused by name."""

import io
import random

import pytest
from rich.console import Console

from tests.fuzz.mutation import CASE_BYTES_MAX, mutate_bytes
from tests.fuzz.running import Target, case_bytes, run
from tests.fuzz.spreading import SEED, Plan, all_targets, good, run_all
from tests.fuzz.targets_sync import ERRORS, Passed

CASES = 300
"""For each parser; `make fuzz` runs many more."""


@pytest.mark.parametrize("target", all_targets(), ids=lambda target: target.name)
def test_every_sample_is_taken_as_it_is(target):
    reached = []
    for sample in target.samples:
        target.parse(sample, lambda: reached.append(1))
    assert len(reached) == len(target.samples)


@pytest.mark.slow
def test_no_parser_crashes_hangs_or_raises_what_is_in_no_error_tree():
    told = run_all([t.name for t in all_targets()], Plan(SEED, CASES), Console(file=io.StringIO()))
    assert not [(one.target, one.faults) for one in told if one.fault_count]
    assert not [(one.target, one.passed, one.cases) for one in told if not good(one)]
    assert sum(one.cases for one in told) == CASES * len(all_targets())


def test_one_name_gives_one_case():
    target = all_targets()[0]
    assert case_bytes(target, SEED, 7) == case_bytes(target, SEED, 7)
    assert case_bytes(target, SEED, 7) != case_bytes(target, SEED, 8)


@pytest.mark.parametrize(("name", "number"), [("partial", 31_298), ("pages", 31_346)])
def test_a_repetition_of_repetitions_stays_a_case(name, number):
    # Seed 20261122: making these two wrong samples took more memory than a case may.
    target = next(t for t in all_targets() if t.name == name)
    data = case_bytes(target, SEED, number)
    assert len(data) <= 2 * CASE_BYTES_MAX


def crashing(data: bytes, passed: Passed) -> None:
    passed()
    if len(data) % 2:
        raise KeyError("a slip")


def greedy(data: bytes, passed: Passed) -> None:
    passed()
    bytearray(200 * 1024 * 1024)


def endless(data: bytes, passed: Passed) -> None:
    passed()
    while True:
        sum(range(1000))


@pytest.mark.parametrize("parser", [crashing, greedy, endless])
def test_a_parser_that_crashes_takes_memory_or_hangs_is_found(parser, monkeypatch):
    monkeypatch.setattr("tests.fuzz.running.SECONDS_PER_CASE_MAX", 0.2)

    def mutate(rng: random.Random, data: bytes) -> bytes:
        return mutate_bytes(rng, data, [])

    target = Target("planted", (b"sample",), mutate, parser, ERRORS)
    told = run(target, SEED, 4)
    assert told.fault_count
    assert not good(told)
