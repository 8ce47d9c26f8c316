# SPDX-License-Identifier: Apache-2.0
"""Types of the compiled loops; what each gives is said in ``loops.py``."""

from collections.abc import Callable
from typing import Any, TypeVar

Made = TypeVar("Made")

def place(
    make: Callable[..., Made],
    of_change: bytes,
    of_record: bytes,
    replica: bytes,
    first: int,
    salts: list[bytes],
    raws: list[bytes],
    changes: list[Any],
) -> list[Made]: ...
def chain(of_head: bytes, before: bytes, entries: list[Any]) -> bytes: ...
def sums(of_state: bytes, records: list[str], vectors: list[bytes]) -> list[int]: ...
def edit(
    causal: bytes,
    dot: bytes,
    vector: bytes,
    ms: int,
    n: int,
    worker: str,
    names: tuple[str, ...],
    older_bytes_max: int,
) -> bytes | None: ...
def births(home_field: str, entries: list[Any]) -> list[tuple[str, bytes, str | None]]: ...
