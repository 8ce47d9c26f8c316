# SPDX-License-Identifier: Apache-2.0
"""What a check of the doctor found: a stable name, how grave, what it is and what to do.

What must not live here: checks. Invariant: texts stand as ``中文 ‖ English`` or are the same in
both.
"""

from __future__ import annotations

from typing import Literal, Self

import msgspec

Grade = Literal["good", "warning", "wrong"]


class Finding(msgspec.Struct, frozen=True):
    """One check's outcome. ``wrong`` makes the command end with 1, ``warning`` does not."""

    name: str
    grade: Grade
    text: str
    advice: str = ""

    @classmethod
    def good(cls, name: str, text: str) -> Self:
        """Nothing to do."""
        return cls(name, "good", text)

    @classmethod
    def warning(cls, name: str, text: str, advice: str) -> Self:
        """Works, but somebody should look."""
        return cls(name, "warning", text, advice)

    @classmethod
    def wrong(cls, name: str, text: str, advice: str) -> Self:
        """Something does not work, or soon will not."""
        return cls(name, "wrong", text, advice)
