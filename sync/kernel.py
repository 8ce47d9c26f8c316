# SPDX-License-Identifier: Apache-2.0
"""The innermost loops over the changes of a batch: compiled where the machine that installed
Doorstep had a C compiler, else in Python.

What lives here: the choice, made once at import; it is no setting. Invariant: both give the same,
byte for byte: a test holds them together where there is a compiler. Why there are two: see
``decisions/0016-a-compiled-kernel.md``.
"""

from __future__ import annotations

try:
    from sync._kernel import births, chain, edit, place, sums

    COMPILED = True
except ImportError:
    from sync.loops import births, chain, edit, place, sums

    COMPILED = False

__all__ = ["COMPILED", "births", "chain", "edit", "place", "sums"]
