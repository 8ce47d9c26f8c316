# SPDX-License-Identifier: Apache-2.0
"""What a tablet tells of itself."""

import msgspec
import pytest

from sync.errors import MessageMalformed
from sync.machine import (
    FREE_STEP_BYTES,
    STORE_STEP_BYTES,
    VERSION_CHARS_MAX,
    Machine,
    decode_machine,
    encode_machine,
    machine_of,
)

MOST = 2**53


def test_what_is_used_is_rounded_up_and_what_is_free_down() -> None:
    step, free = STORE_STEP_BYTES, FREE_STEP_BYTES
    assert machine_of("1.2", 0, 0) == Machine("1.2", 0, 0)
    assert machine_of("1.2", 1, free - 1) == Machine("1.2", step, 0)
    assert machine_of("1.2", step, free) == Machine("1.2", step, free)
    assert machine_of("1.2", step + 1, 3 * free - 1) == Machine("1.2", 2 * step, 2 * free)
    assert machine_of("1.2", 2 * MOST, 2 * MOST) == Machine("1.2", MOST, MOST)


def test_what_is_told_is_read_again_and_a_long_version_is_cut() -> None:
    told = machine_of("v" * 99, 5, 5)
    assert told.version == "v" * VERSION_CHARS_MAX
    assert decode_machine(encode_machine(told)) == told


@pytest.mark.parametrize("wrong", [b"", b"\xc1", b"\x93\xa1\xff\x00\x00"])
def test_what_is_no_such_statement_is_refused_by_its_name(wrong: bytes) -> None:
    with pytest.raises(MessageMalformed, match="tablet: "):
        decode_machine(wrong)
    for bad in (["v" * 33, 0, 0], ["v", -1, 0], ["v", 0, MOST + 1]):
        with pytest.raises(MessageMalformed):
            decode_machine(msgspec.msgpack.encode(bad))
