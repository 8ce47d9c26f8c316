# SPDX-License-Identifier: Apache-2.0
"""A folder for the files of one process, which goes when the process ends."""

from __future__ import annotations

import multiprocessing.util
import shutil
import tempfile
from functools import cache
from pathlib import Path

from fixtures.disk import fast_folder


@cache
def folder() -> Path:
    """The folder; made when it is first asked for."""
    made = Path(tempfile.mkdtemp(prefix="doorstep-fuzz-", dir=fast_folder()))
    # Also at the end of a process of a pool, which does not run what atexit has.
    multiprocessing.util.Finalize(None, shutil.rmtree, (made, True), exitpriority=0)
    return made
