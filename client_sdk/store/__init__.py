# SPDX-License-Identifier: Apache-2.0
"""The tablet's encrypted store: opening it, and every statement that reads or writes it."""

from client_sdk.store.base import Chain, Store

__all__ = ["Chain", "Store"]
