# SPDX-License-Identifier: Apache-2.0
"""Whoever decodes bytes from outside stands in the way of a fuzz target."""

from __future__ import annotations

import re
import sys
from types import CodeType, FrameType
from typing import Any

import pytest

from crypto.errors import CryptoError
from sync.errors import SyncError
from tests.fuzz.decoders import PACKAGES, ROOT, decoders, own
from tests.fuzz.running import case_bytes
from tests.fuzz.spreading import SEED, all_targets

CASES = 12
"""Wrong ones of each target: some are decoded further than the samples are."""


def reached() -> set[str]:
    """The functions that the targets call, with their samples and a few cases."""
    codes: set[CodeType] = set()

    def note(frame: FrameType, event: str, _: Any) -> None:
        if event == "call":
            codes.add(frame.f_code)

    targets = all_targets()
    sys.setprofile(note)
    try:
        for target in targets:
            data = [*target.samples, *(case_bytes(target, SEED, n) for n in range(CASES))]
            for one in data:
                try:
                    target.parse(one, lambda: None)
                except (*target.errors, SyncError, CryptoError):
                    continue
    finally:
        sys.setprofile(None)
    found = set()
    for code in codes:
        if code.co_filename.startswith(str(ROOT)) and "/.venv/" not in code.co_filename:
            module = code.co_filename.removeprefix(f"{ROOT}/").removesuffix(".py")
            if module.split("/")[0] in PACKAGES:
                found.add(f"{module.replace('/', '.')}:{code.co_qualname}")
    return found


@pytest.mark.slow
def test_every_decoder_of_outside_bytes_is_tried_by_a_target():
    found = decoders()
    tried = reached()
    assert sorted(found - tried - own()) == []
    # What is said to see nothing from outside is there, and no target reaches it for nothing.
    assert sorted(own() - found) == []


@pytest.mark.slow
def test_a_new_decoder_is_found_whatever_it_is_called():
    found = decoders()
    assert {"sync.parcel:decode_parcel", "crypto.signed:claimed_word"} <= found
    assert {"server.trust:Trust._read", "server.imports:_csv_rows"} <= found


def test_what_a_decoder_raises_is_named_in_one_place():
    named = re.compile(r"(except|suppress\().*msgspec\.DecodeError")
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            if path.name != "decoding.py":
                assert not named.search(path.read_text(encoding="utf-8")), path
