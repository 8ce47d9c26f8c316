# SPDX-License-Identifier: Apache-2.0
"""``python -m client_sdk``: the command line; without a command, the tablet's own pages.

What lives here: what a packaged app starts. What must not: commands (``cli.py``).
"""

from __future__ import annotations

import sys

from client_sdk.cli import main

if __name__ == "__main__":
    if len(sys.argv) == 1:
        sys.argv.append("app")
    main()
