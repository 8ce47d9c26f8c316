# SPDX-License-Identifier: Apache-2.0
"""Cells that leave for a spreadsheet: nothing that anyone wrote is run as a formula there.

What must not live here: formats. Invariants
- A text that a spreadsheet would take for a formula begins with an apostrophe: what begins with
  ``= + - @`` (full-width ones too, which Chinese spreadsheets read alike), a tab or a line break,
  also behind spaces. Telephone numbers and amounts (``+`` or ``-`` and digits) stay as they are.
- Control characters, which no spreadsheet holds, become U+FFFD.
"""

from __future__ import annotations

import re
from typing import Any

CHARS_MAX = 32_767
"""What one cell of a spreadsheet holds."""
_FORMULA = re.compile(r"\s*(?:[=@＝＠\t\r\n]|[+\-＋－](?![0-9][0-9. -]*$))|[\t\r\n]")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")


def plain(text: str) -> str:
    """Text without what no spreadsheet holds, cut to what a cell holds."""
    return _CONTROL.sub("\ufffd", text)[:CHARS_MAX]


def safe(cell: Any) -> Any:
    """A cell that no spreadsheet runs; what is no text stays as it is."""
    if not isinstance(cell, str):
        return cell
    text = plain(cell)
    return "'" + text if _FORMULA.match(text) else text
