# SPDX-License-Identifier: Apache-2.0
"""Reading every page of a store's file, whoever has it open.

What must not live here: mending. Invariant: nothing is written and no file is made.
"""

from __future__ import annotations

from pathlib import Path

import sqlcipher3

from server.errors import StoreDamaged
from server.store.sqlite_file import PAGE_BYTES


def check_pages(path: Path, key_hex: str) -> list[str]:
    """Read every page: what is wrong, by SQLCipher's sums and SQLite's own check; empty for sound.

    Writes nothing and makes no file. Raises StoreDamaged where it does not open at all.
    """
    connection = sqlcipher3.connect(f"file:{path}?mode=rw", uri=True, isolation_level=None)
    try:
        connection.execute(f"PRAGMA key = \"x'{key_hex}'\"")
        connection.execute(f"PRAGMA cipher_page_size = {PAGE_BYTES}")
        connection.execute("PRAGMA cipher_hmac_algorithm = HMAC_SHA256")
        connection.execute("PRAGMA busy_timeout = 10000")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        found = [str(row[0]) for row in connection.execute("PRAGMA cipher_integrity_check")]
        if not found:
            told = [str(row[0]) for row in connection.execute("PRAGMA quick_check")]
            found = [] if told == ["ok"] else told
        return found
    except sqlcipher3.DatabaseError as error:
        raise StoreDamaged(str(error)) from None
    finally:
        connection.close()
