# SPDX-License-Identifier: Apache-2.0
"""A ticket as a picture: QR code for the terminal and as PNG.

What lives here: drawing. What must not: what the text means.
"""

from __future__ import annotations

import io
from pathlib import Path

import segno

PIXELS_PER_MODULE = 6
"""A phone's camera reads it from the screen at half a metre."""


def terminal_code(text: str) -> str:
    """The QR code in half blocks, for a terminal."""
    out = io.StringIO()
    segno.make_qr(text, error="m").terminal(out, compact=True)
    return out.getvalue()


def write_png(text: str, path: Path) -> None:
    """The QR code as a PNG file, with its quiet border."""
    segno.make_qr(text, error="m").save(str(path), kind="png", scale=PIXELS_PER_MODULE)
