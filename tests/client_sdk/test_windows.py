# SPDX-License-Identifier: Apache-2.0
"""The tablet without what only POSIX has.

Windows itself is not here. ``make static`` checks the types for it, so that no call is made that
its Python lacks; here a tablet's life goes through with those calls taken away, with folders that
cannot be opened and open files that cannot be replaced or removed.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parent.parent.parent


def test_a_tablet_lives_without_the_calls_of_posix(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.client_sdk.windows_rehearsal", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen.pop("home")
    assert seen.pop("asked") > 10
    left = seen.pop("left_files")
    assert "outbox" in left
    assert not {"store.db", "device.secret", "counter"} & set(left)
    assert seen == {
        "busy": True,
        "stick": True,
        "left": 9,
        "copied": True,
        "photo": "ffd80d0a",
        "unsent": 3,
        "page": True,
        "forbidden": [],
    }
