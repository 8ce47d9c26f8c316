# SPDX-License-Identifier: Apache-2.0
"""Looking after a tablet: what is wrong with it, and bringing a damaged one back.

What lives here: both, for whoever unlocks it. What must not: the steps (``mending.py``), the checks
(``examining.py``).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from client_sdk.examining import Finding
from client_sdk.examining import examine as look
from client_sdk.keys import Keys, key_of_store
from client_sdk.mending import Set, forget_aside, set_right
from client_sdk.views import SyncReport

if TYPE_CHECKING:
    from client_sdk.tablet import Tablet


class Repaired(NamedTuple):
    """What came of a repair. ``kept``: where the damaged store lies, None where nothing of it is
    needed any more."""

    set: Set
    report: SyncReport
    kept: Path | None


def examine(
    directory: Path, keyring: Any, worker: str = "", secret: str = "", now_ms: int = 0
) -> list[Finding]:
    """What is wrong with the tablet in a directory; with a worker's secret every page is read.

    Raises what unlocking raises; nothing is changed but the count of tries.
    """
    keys = Keys(directory, keyring)
    if not secret:
        return look(directory, keys)
    with keys.unlock(worker, secret, now_ms) as master, key_of_store(master) as key:
        return look(directory, keys, key)


def repair(
    tablet: type[Tablet],
    directory: Path,
    worker: str,
    secret: str,
    *,
    keyring: Any,
    clock: Callable[[], int],
    address: str = "",
) -> Repaired:
    """Bring a tablet whose store is damaged back from the district; it goes on under a new key.

    Raises StoreSound, StoreDamaged where its identity is gone too, StoreBusy, Unreachable,
    PinMismatch (then nothing was changed), and what unlocking and ``sync`` raise.
    """
    keys = Keys(directory, keyring)
    tablet._look_before(directory, keys, clock())
    with keys.unlock(worker, secret, clock()) as master, key_of_store(master) as key:
        done = set_right(directory, key, address=address)
    with tablet.open(directory, worker, secret, keyring=keyring, clock=clock) as again:
        report = again.sync()
        again._store.run(
            "UPDATE blobs SET record = coalesce((SELECT id FROM records WHERE"
            " collection = 'attachment' AND instr(body, blobs.name) > 0), '') WHERE record = ''"
        )
    if done.handed.refused == 0 and report.agrees:
        forget_aside(directory)
        return Repaired(done, report, None)
    return Repaired(done, report, done.aside)
