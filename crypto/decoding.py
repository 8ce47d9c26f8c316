# SPDX-License-Identifier: Apache-2.0
"""What msgspec raises for bytes that are not what they should be, and numbers a statement may hold.

Lives here: what every statement that is decoded has in common. Must not live here: decoding.

Invariants: as in `sync.decoding`, which this package does not import: text that is no UTF-8 and
nests deeper than the stack are told by errors outside msgspec's own tree, also where a struct
leaves out what stands behind its last field. A number that is decoded fits into every store.
"""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

MALFORMED: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
NUMBER_MAX: Final = 2**53  # exact in JSON and in every store; SQLite's own end is 2**63 - 1

Count = Annotated[int, Meta(ge=0, le=NUMBER_MAX)]
WallClock = Annotated[int, Meta(ge=-NUMBER_MAX, le=NUMBER_MAX)]
"""Milliseconds since 1970; a clock that is decades off may stand before that."""
