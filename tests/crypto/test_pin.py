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
        ("011990", "date"),
        ("199001", "date"),
        ("199012", "date"),
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
    "secret",
    ["黄沙大道的老榕树下有猫", "correct horse battery", "Tr0ub4dor&3x", "黄沙大道的黄道沙大的"],
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


def refused_for(secret: str) -> str:
    """The rule that a secret breaks; empty where it breaks none."""
    try:
        check_secret(secret, "zhangxia", "keystore")
    except SecretTooWeak as weak:
        return weak.detail
    return ""


@pytest.mark.parametrize(
    ("date", "good"),
    [
        # YYMMDD, DDMMYY, MMDDYY at the ends of months and days, and one beyond each.
        ("930101", "930001"),
        ("931231", "931332"),
        ("310593", "320093"),
        ("053193", "003293"),
        ("010793", "000793"),
        # YYYYMM and MMYYYY at the ends of years and months.
        ("190001", "189913"),
        ("209912", "210013"),
        ("190012", "190013"),
        ("011900", "351895"),
        ("122099", "382107"),
        # YYYYMMDD, DDMMYYYY, MMDDYYYY.
        ("19370101", "19370039"),
        ("20991231", "21004831"),
        ("19641231", "19641332"),
        ("31081975", "32481975"),
        ("08311975", "41321975"),
        ("17052099", "17052199"),
        ("05171900", "05171877"),
    ],
)
def test_a_date_in_any_order_is_refused_and_what_no_calendar_has_is_not(
    date: str, good: str
) -> None:
    with pytest.raises(SecretTooWeak) as weak:
        check_secret(date, "zhangxia", "keystore")
    assert weak.value.detail == "date"
    assert refused_for(good) != "date"


@pytest.mark.parametrize(
    ("secret", "store", "detail"),
    [
        ("k7#mQ2!xZ", "keystore", "too short"),
        ("k7#mQ2!xZ", "file", "passphrase needed"),
        ("٣٤٥٦٧٨٩٠١٢", "keystore", "too short"),
        ("73920", "keystore", "too short"),
        ("abcd" * 4 + "a", "keystore", "pattern"),
        ("abcab" * 2 + "c", "keystore", "pattern"),
        ("qwertyuiop", "keystore", "common"),
        ("zyxwvutsrqponm", "file", "common"),
        ("WOAINI1314", "file", "common"),
        ("Zhang-Xia-01", "file", "common"),
        ("7" + "k7#mQ2!xZ" * 15, "file", "too long"),
        ("13912345670", "keystore", "number"),
        ("12345678012345679", "keystore", "number"),
        ("440103198906041235", "keystore", "number"),
    ],
)
def test_each_refusal_says_which_rule_it_broke(secret: str, store: str, detail: str) -> None:
    with pytest.raises(SecretTooWeak) as weak:
        check_secret(secret, "zhang-xia-01", "file" if store == "file" else "keystore")
    assert weak.value.detail == detail
    assert all(weak.value.message(lang) for lang in ("zh", "en"))


@pytest.mark.parametrize(
    "secret",
    [
        "k7#mQ2!xZp",
        "abcdeabcdf",
        "k7#mQ2!xZp" + "k" * 118,
        "22913345670",
        "1991345670",
        "12345678012345",
        "4401031989060412357",
    ],
)
def test_what_just_keeps_a_rule_is_taken(secret: str) -> None:
    check_secret(secret, "zhang-xia-01", "keystore")


@pytest.mark.parametrize(
    ("pin", "pattern"),
    [
        ("246802", True),
        ("975319", True),
        ("224466", True),
        ("111555999", True),
        ("224477", False),
        ("739937", True),
        ("739738", False),
        ("222333445", False),
    ],
)
def test_steps_pairs_triples_and_mirrors_are_patterns(pin: str, pattern: bool) -> None:
    assert (refused_for(pin) == "pattern") is pattern


def test_a_worker_of_a_short_name_does_not_forbid_pins_that_hold_it() -> None:
    check_secret("739204", "7392", "keystore")
    check_secret("739204", "73920", "keystore")
