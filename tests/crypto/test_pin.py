# SPDX-License-Identifier: Apache-2.0
"""Which PINs and passphrases may be chosen, and that each refusal says why."""

import random

import pytest

from crypto.errors import SecretTooWeak
from crypto.pin import COMMON_PINS, check_secret, is_pin


@pytest.mark.parametrize(
    ("pin", "reason"),
    [
        ("12345", "too short"),
        ("1234", "too short"),
        ("", "too short"),
        ("000000", "pattern"),
        ("123123", "pattern"),
        ("121212", "pattern"),
        ("123456", "pattern"),
        ("987654", "pattern"),
        ("890123", "pattern"),
        ("135791", "pattern"),
        ("112233", "pattern"),
        ("998877", "pattern"),
        ("111222", "common"),
        ("123321", "pattern"),
        ("520131", "common"),
        ("147258", "common"),
        ("890604", "date"),
        ("040689", "date"),
        ("060489", "date"),
        ("198906", "date"),
        ("201012", "date"),
        ("121990", "date"),
        ("19890604", "date"),
        ("04061989", "date"),
        ("13800138000", "number"),
        ("440103198906041234", "number"),
        ("８９０６０４", "date"),
    ],
)
def test_a_pin_that_others_guess_first_is_refused_with_its_reason(pin: str, reason: str) -> None:
    with pytest.raises(SecretTooWeak) as weak:
        check_secret(pin, "zhangxia", "keystore")
    assert weak.value.detail == reason
    assert weak.value.message("zh") != weak.value.message("en")


@pytest.mark.parametrize("pin", ["739204", "480697", "58203914", "9031746285"])
def test_a_pin_with_no_pattern_is_taken(pin: str) -> None:
    check_secret(pin, "zhangxia", "keystore")


def test_a_pin_that_is_the_workers_own_number_is_refused() -> None:
    for worker in ("739204", "GZ-739204"):
        with pytest.raises(SecretTooWeak):
            check_secret("739204", worker, "keystore")


@pytest.mark.parametrize("secret", ["739204", "9031746285", "short1", "十个字不到", ""])
def test_without_a_key_store_a_passphrase_is_demanded_and_the_reason_given(secret: str) -> None:
    with pytest.raises(SecretTooWeak) as weak:
        check_secret(secret, "zhangxia", "file")
    assert "小时" in weak.value.message("zh")
    assert "hours" in weak.value.message("en")


@pytest.mark.parametrize(
    "secret", ["黄沙大道的老榕树下有猫", "correct horse battery", "Tr0ub4dor&3x"]
)
def test_a_passphrase_of_ten_characters_is_taken_with_and_without_a_key_store(secret: str) -> None:
    check_secret(secret, "zhangxia", "file")
    check_secret(secret, "zhangxia", "keystore")


@pytest.mark.parametrize(
    "secret",
    ["aaaaaaaaaa", "abcabcabcabc", "ababababab", "qwertyuiop", "PASSWORD123", "woaini5201314",
     "abcdefghijkl", "zhangxia-zhangxia", "x" * 129, "abc1234"],
)  # fmt: skip
def test_a_passphrase_of_no_worth_is_refused(secret: str) -> None:
    with pytest.raises(SecretTooWeak):
        check_secret(secret, "zhangxia-zhangxia", "keystore")


def test_five_of_six_random_pins_are_taken_so_the_rules_cost_little() -> None:
    rng, taken = random.Random(7), 0
    for _ in range(3000):
        try:
            check_secret(f"{rng.randrange(10**6):06d}", "zhangxia", "keystore")
            taken += 1
        except SecretTooWeak:
            continue
    assert taken / 3000 > 0.83


def test_every_common_pin_is_a_pin_and_is_refused() -> None:
    for pin in COMMON_PINS:
        assert is_pin(pin)
        with pytest.raises(SecretTooWeak):
            check_secret(pin, "zhangxia", "keystore")
