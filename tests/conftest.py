# SPDX-License-Identifier: Apache-2.0
"""What all tests share: one seed, printed in the head of every run, and Hypothesis bound to it.

Fixtures that only one package's tests need live beside those tests. The invariant: two runs with
the same seed draw the same examples, and DOORSTEP_SEED=… changes them all.
"""

import os
import random

import pytest
from hypothesis import HealthCheck, settings

SEED_DEFAULT = 20261122
SEED = int(os.environ.get("DOORSTEP_SEED") or SEED_DEFAULT)

# No test touches the key store of whoever runs it; what `keyring` finds first it keeps to the end.
os.environ["PYTHON_KEYRING_BACKEND"] = "keyring.backends.null.Keyring"

# No example database: a failure must come back from the seed alone, on any machine. No deadline:
# the machines that run this are shared, so that a slow example says nothing about the code.
settings.register_profile(
    "doorstep",
    database=None,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("doorstep")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Give Hypothesis the seed before its own plugin reads the option, unless one was passed."""
    if config.getoption("hypothesis_seed") is None:
        config.option.hypothesis_seed = SEED


def pytest_report_header(config: pytest.Config) -> str:
    """Name the seed; `-q` leaves the head out, so the summary names it as well."""
    return f"seed: DOORSTEP_SEED={SEED}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name the seed below the failures, where the one who reads them looks."""
    terminalreporter.write_line(f"seed: DOORSTEP_SEED={SEED}")


@pytest.fixture
def rng() -> random.Random:
    """A generator of its own for each test, so that no test's draws depend on another's."""
    return random.Random(SEED)
