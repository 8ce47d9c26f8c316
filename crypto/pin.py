# SPDX-License-Identifier: Apache-2.0
"""Which PIN or passphrase may be chosen.

Lives here: the rules and the reason each refusal gives. Must not live here: keys, tries, waits.

Invariants: a rule refuses only at choosing, never at unlocking, so that a stricter rule locks
nobody out. What was typed is folded by NFKC first: a Chinese keyboard may give full-width digits.
"""

import re
import unicodedata
from itertools import pairwise
from typing import Final, Literal

from crypto.errors import SecretTooWeak, Text

SecretStore = Literal["keystore", "file"]

PIN_DIGITS_MIN: Final = 6
PASSPHRASE_CHARACTERS_MIN: Final = 10
PASSPHRASE_DISTINCT_MIN: Final = 5
SECRET_CHARACTERS_MAX: Final = 128  # more is a pasted file, not a passphrase

_MONTHS: Final = 12
_DAYS: Final = 31
_YEARS: Final = range(1900, 2100)
_SHORT_DATE_DIGITS: Final = 6
_LONG_DATE_DIGITS: Final = 8
_ID_CARD_DIGITS: Final = (17, 18)

# The ones people choose that no pattern below catches: love numbers, lucky numbers, keypad shapes,
# constants, emergency numbers. From published counts of leaked PINs and Chinese passwords.
COMMON_PINS: Final = frozenset(
    """
    520131 5201314 1314520 131452 201314 521131 131421 1314521 584520 584521 770880 775885 100861
    147258 147369 258369 369258 159357 159753 357159 753951 789456 456123 789123 147852 258147
    852456 963852 741852 852963 987456 963741 321654 123654 654123 456321 456654 789987 123789
    142536 142857 112358 314159 271828 141421 173205 100200 010203 102030 102938 192837 564738
    666888 888666 168888 886688 668866 688888 866666 518888 918918 110120 119120 110119 120119
    111222 222333 333444 444555 555666 666777 777888 888999 999000 111000 000111 123000 000123
    1234560 0123456 1234321 7654321 123456789 1234567890 0987654321 101112 121314 131415 151617
    232323 007007 001001 100000 200000 500000 600000 800000 900000 000001 000002 000007 135246
    246135 147896 321987 159951 951753 123457 123458 123459 123450 234561 112211 121211 520999
    """.split()
)

_COMMON_PASSPHRASES: Final = frozenset(
    """
    password123 password1234 passw0rd123 password12 mypassword iloveyou123 iloveyou1314 woaini1314
    woaini5201314 woaini520 5201314woaini qwertyuiop 1qaz2wsx3edc 1q2w3e4r5t 1q2w3e4r5t6y
    qwerty12345 qwerty1234 qwerty123456 asdfghjkl1 zxcvbnm123 1234567890a a1234567890 abc123456789
    abcd123456 abcd1234567 aa123456789 qq123456789 123456789a 123456789q a123456789 q123456789
    administrator admin12345 admin123456 welcome123 letmein123 changeme123 zhongguo123 woaizhongguo
    guangzhou123 huanying123 nihao123456 wo123456789
    """.split()
)
_ROWS: Final = ("qwertyuiop", "asdfghjkl", "zxcvbnm", "abcdefghijklmnopqrstuvwxyz", "01234567890")


def folded(secret: str) -> str:
    """Return the form that is checked and stretched: NFKC, full-width digits as plain ones."""
    return unicodedata.normalize("NFKC", secret)


def is_pin(secret: str) -> bool:
    """Tell whether a folded secret is a PIN: ASCII digits only."""
    return re.fullmatch(r"[0-9]+", secret) is not None


def check_secret(secret: str, worker: str, secret_store: SecretStore) -> None:
    """Refuse a PIN or passphrase that is too weak to be chosen.

    With the device secret in the system's key store a PIN of six digits or more will do; with it
    in a plain file a thief of the tablet has it too, six digits fall in 45 core-hours, and a
    passphrase of ten characters or more is demanded. Raises SecretTooWeak with the reason in both
    languages.
    """
    secret = folded(secret)
    if len(secret) > SECRET_CHARACTERS_MAX:
        raise _weak("最多 128 个字符。", "At most 128 characters.", "too long")
    if secret_store == "file":
        if len(secret) < PASSPHRASE_CHARACTERS_MIN or is_pin(secret):
            raise _weak(
                "此平板没有系统密钥库，偷走平板的人几十小时即可试遍六位 PIN，"
                "因此需要至少十个字符、不全是数字的口令。",
                "This tablet has no key store of its own: a thief tries every six-digit PIN in "
                "some hours. So it needs a passphrase of ten characters or more, not all digits.",
                "passphrase needed",
            )
        _check_passphrase(secret, worker)
    elif is_pin(secret):
        _check_pin(secret, worker)
    elif secret.isdecimal() or len(secret) < PASSPHRASE_CHARACTERS_MIN:
        raise _weak(
            "请用至少六位数字的 PIN，或至少十个字符的口令。",
            "Use a PIN of at least six digits or a passphrase of at least ten characters.",
            "too short",
        )
    else:
        _check_passphrase(secret, worker)


def _weak(zh: str, en: str, detail: str) -> SecretTooWeak:
    return SecretTooWeak(Text(zh, en), detail)


def _check_pin(pin: str, worker: str) -> None:
    if len(pin) < PIN_DIGITS_MIN:
        raise _weak("PIN 至少六位数字。", "A PIN has at least six digits.", "too short")
    if pin in COMMON_PINS or (len(worker) >= PIN_DIGITS_MIN and pin in worker) or pin == worker:
        raise _weak("这个 PIN 太常见。", "This PIN is a common one.", "common")
    if _is_pattern(pin):
        raise _weak(
            "PIN 不能是重复或连续的数字。",
            "A PIN must not be repeated or consecutive digits.",
            "pattern",
        )
    if _is_date(pin):
        raise _weak("PIN 不能是日期。", "A PIN must not be a date.", "date")
    if re.fullmatch(r"1[3-9][0-9]{9}", pin) or len(pin) in _ID_CARD_DIGITS:
        raise _weak(
            "PIN 不能是手机号或身份证号。",
            "A PIN must not be a phone or identity number.",
            "number",
        )


def _is_pattern(digits: str) -> bool:
    """All the same, one part repeated, a constant step (123456), pairs or triples."""
    if _is_repeated(digits) or _has_constant_step(digits) or digits == digits[::-1]:
        return True
    for width in (2, 3):
        groups = [digits[i : i + width] for i in range(0, len(digits), width)]
        if all(group == group[0] * width for group in groups) and _has_constant_step(
            digits[::width]
        ):
            return True
    return False


def _is_repeated(text: str) -> bool:
    """One part said two times or more, and nothing else."""
    return text in (text + text)[1:-1]


def _has_constant_step(digits: str) -> bool:
    steps = {(int(b) - int(a)) % 10 for a, b in pairwise(digits)}
    return len(steps) == 1


def _is_date(digits: str) -> bool:
    """YYMMDD, DDMMYY, MMDDYY, YYYYMM, MMYYYY; with eight digits YYYYMMDD, DDMMYYYY, MMDDYYYY."""
    a, b, c = digits[:2], digits[2:4], digits[4:6]
    if len(digits) == _SHORT_DATE_DIGITS:
        return (
            _is_day(b, c)
            or _is_day(b, a)
            or _is_day(a, b)
            or (int(digits[:4]) in _YEARS and 1 <= int(c) <= _MONTHS)
            or (int(digits[2:]) in _YEARS and 1 <= int(a) <= _MONTHS)
        )
    return len(digits) == _LONG_DATE_DIGITS and (
        (int(digits[:4]) in _YEARS and _is_day(c, digits[6:]))
        or (int(digits[4:]) in _YEARS and (_is_day(b, a) or _is_day(a, b)))
    )


def _is_day(month: str, day: str) -> bool:
    return 1 <= int(month) <= _MONTHS and 1 <= int(day) <= _DAYS


def _check_passphrase(secret: str, worker: str) -> None:
    plain = secret.casefold()
    if len(set(plain)) < PASSPHRASE_DISTINCT_MIN or _is_repeated(plain):
        raise _weak("口令的字符太单一。", "The passphrase repeats too few characters.", "pattern")
    runs = any(plain in row or plain in row[::-1] for row in _ROWS)
    if plain in _COMMON_PASSPHRASES or runs or plain == worker.casefold():
        raise _weak("这个口令太常见。", "This passphrase is a common one.", "common")
