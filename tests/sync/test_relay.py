# SPDX-License-Identifier: Apache-2.0
"""What two servers compare of the feeds they hold."""

import hashlib
from itertools import permutations

from sync.messages import Known
from sync.relay import point_part, points_sum
from sync.session import HELD_MASK

POINTS = [Known(bytes([n]) * 16, n, bytes([n]) * 32) for n in (1, 2, 3)]


def test_an_end_adds_the_first_eight_bytes_of_a_digest_for_this_purpose() -> None:
    place = b"r" * 16 + (258).to_bytes(8, "big") + b"h" * 32
    digest = hashlib.sha256(b"doorstep/point/1\0" + place).digest()
    assert point_part(b"r" * 16, 258, b"h" * 32) == int.from_bytes(digest[:8], "big")


def test_who_holds_the_same_ends_has_the_same_sum_whatever_the_order() -> None:
    whole = sum(point_part(p.replica, p.counter, p.mark) for p in POINTS) % 2**63
    assert {points_sum(some) for some in permutations(POINTS)} == {whole}
    assert points_sum([]) == 0
    assert HELD_MASK == 2**63 - 1
    for n, one in enumerate(POINTS):
        assert points_sum([*POINTS[:n], *POINTS[n + 1 :]]) != whole
        other = Known(one.replica, one.counter, b"x" * 32)
        assert points_sum([*POINTS[:n], other, *POINTS[n + 1 :]]) != whole
