# SPDX-License-Identifier: Apache-2.0
"""Names on the local network that no other test announces or hears: loopback is one for all."""

import os

import pytest


def named_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Announce and look under a name of this test's own."""
    monkeypatch.setattr("client_sdk.lan_finding.SERVICE", f"_d{os.urandom(4).hex()}._tcp.local.")
