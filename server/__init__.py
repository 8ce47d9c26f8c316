# SPDX-License-Identifier: Apache-2.0
"""The district server: the one write path, the record, the audit and its command line.

Merging rules live in `sync`, keys and seals in `crypto`; nothing of `client_sdk` is imported here.
"""

__version__ = "0.1.0"
