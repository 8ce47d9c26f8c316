# SPDX-License-Identifier: Apache-2.0
"""Who signed a request: signature, device, nonce.

What lives here: the steps in their order. What must not: cryptography, which is ``crypto.request``.
Invariant: a nonce is spent only after the signature held, so nobody else can use it up.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from crypto.errors import RequestRefused
from crypto.request import Verified, check_request
from server.service import Service

_KEYID = re.compile(r';keyid="([0-9a-f]{32})"')


class Signer(NamedTuple):
    """A device whose request holds."""

    device: str
    replica: bytes


def check_sender(service: Service, headers: dict[str, str]) -> None:
    """Before a body is read: refuse whoever does not even name a key of this server's tree.

    Raises RequestRefused. It spares memory, and proves nothing.
    """
    found = _KEYID.search(headers.get("signature-input", ""))
    if found is None or not service.district.trust.knows(bytes.fromhex(found[1])):
        raise RequestRefused("unknown device")


async def known_sender(service: Service, headers: dict[str, str]) -> None:
    """As ``check_sender``, but a key that another process enrolled is looked for in the store."""
    try:
        check_sender(service, headers)
    except RequestRefused:
        await service.run(service.refresh)
        check_sender(service, headers)


def check_signer(
    service: Service, method: str, target: str, headers: dict[str, str], body: bytes
) -> Signer:
    """Check the signature and spend the nonce.

    Raises RequestRefused, and NonceSpent, which names a fresh one, where only the nonce was wrong.
    """
    return spend(service, check_signature(service, method, target, headers, body))


def check_signature(
    service: Service, method: str, target: str, headers: dict[str, str], body: bytes
) -> Verified:
    """Check the signature alone: who signed, and the nonce that is to be spent.

    Raises RequestRefused.
    """
    keys = service.district.trust.keys
    return check_request(
        lambda replica: keys[replica].public,
        method,
        target,
        headers,
        body,
        server=service.district.key.replica,
    )


def spend(service: Service, verified: Verified) -> Signer:
    """Spend the nonce of a request whose signature holds. Raises NonceSpent."""
    device = service.district.trust.keys[verified.replica].device
    service.nonces.spend(device, verified.nonce)
    return Signer(device, verified.replica)
