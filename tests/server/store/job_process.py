# SPDX-License-Identifier: Apache-2.0
"""``python -m tests.server.store.job_process DSN DISTRICT FILE``: a process that wants one job.

It looks often, and where it has the job it writes its number into FILE and goes on until it is
killed. Each look in vain adds a byte to the file beside it that is named by its number.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from server.store.postgres import PostgresStore

LOOK_SECONDS = 0.05


def main() -> None:
    """Look until the job is free, then hold it."""
    dsn, district, file = sys.argv[1:]
    store = PostgresStore(dsn, district)
    while True:
        with store.lease("test") as mine:
            if mine:
                with Path(file).open("a") as out:
                    out.write(f"{os.getpid()}\n")
                while True:
                    time.sleep(60)
        with Path(file).with_name(str(os.getpid())).open("a") as out:
            out.write(".")
        time.sleep(LOOK_SECONDS)


if __name__ == "__main__":
    main()
