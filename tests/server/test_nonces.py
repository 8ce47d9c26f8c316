# SPDX-License-Identifier: Apache-2.0
"""Nonces: good once, for one device."""

import pytest

from server.api.nonces import OwnNonces
from server.errors import NonceSpent


def test_a_nonce_is_good_once_and_only_for_its_device() -> None:
    nonces = OwnNonces()
    mine, theirs = nonces.issue("a"), nonces.issue("b")
    with pytest.raises(NonceSpent) as refused:
        nonces.spend("a", theirs)
    assert refused.value.fresh == mine
    nonces.spend("a", mine)
    with pytest.raises(NonceSpent):
        nonces.spend("a", mine)
    nonces.spend("b", theirs)


def test_a_nonce_that_was_replaced_is_good_no_more() -> None:
    nonces = OwnNonces()
    first, second = nonces.issue("a"), nonces.issue("a")
    assert nonces.current("a") == second
    with pytest.raises(NonceSpent):
        nonces.spend("a", first)
