# SPDX-License-Identifier: Apache-2.0
"""The key with which this tablet's pages are served to a phone over its own hot spot.

What lives here: keeping it. What must not: serving (``app/``). Invariant: the key stays the same
for as long as the store does, and its certificate for as long as the address does, so that a
browser that once took it notices another.
"""

from __future__ import annotations

from typing import NamedTuple

from client_sdk.store.base import Store
from crypto.tls import make_tls_identity

_KEY = "page_tls"


class PageKey(NamedTuple):
    """What the pages are served with: PEM of certificate and private key, and the pin."""

    certificate_pem: bytes
    key_pem: bytes
    pin: bytes

    def __repr__(self) -> str:
        return f"PageKey(pin={self.pin.hex()})"


def page_key(store: Store, host: str) -> PageKey:
    """The key and a certificate for this address; made where there is none."""
    known, *kept = store.get(_KEY, ["", b"", b"", b""])
    if known == host:
        return PageKey(*kept)
    made = make_tls_identity([host], kept[1] or None)
    found = PageKey(made.certificate_pem, made.private_key_pem.reveal(), made.tls_pin)
    with store.transaction():
        store.put(_KEY, [host, *found])
    return found
