# SPDX-License-Identifier: Apache-2.0
"""What msgspec raises for bytes that are not what they should be.

What lives here: the list, for every place that decodes outside bytes. What must not: decoding.
Invariant: whoever decodes what came from outside catches all of it: text that is no UTF-8 and nests
deeper than the stack are told by errors outside msgspec's own tree, also where a struct leaves out
what stands behind its last field.
"""

from __future__ import annotations

from typing import Final

import msgspec

MALFORMED: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
