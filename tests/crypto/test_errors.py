# SPDX-License-Identifier: Apache-2.0
"""Every error has a code of its own and three sentences in two languages; secrets stay hidden."""

import copy
import json
import pickle
import re
import traceback
from pathlib import Path

import msgspec
import pytest

from crypto import errors
from crypto.errors import (
    CryptoError,
    RequestRefused,
    SecretTooWeak,
    Text,
    UnlockRefused,
    UnlockWait,
)
from crypto.secret import SecretBytes

README = Path(errors.__file__).parent / "README.md"


def tree(kind: type[CryptoError] = CryptoError) -> list[type[CryptoError]]:
    return [kind, *(each for child in kind.__subclasses__() for each in tree(child))]


def instance(kind: type[CryptoError]) -> CryptoError:
    if kind is SecretTooWeak:
        return SecretTooWeak(Text("太弱。", "Too weak."))
    if kind is UnlockRefused:
        return UnlockRefused(3, 60_000)
    return UnlockWait(61_000) if kind is UnlockWait else kind()


def test_no_two_errors_share_a_code_and_every_code_is_in_the_readme() -> None:
    codes = [kind.code for kind in tree()]
    assert len(set(codes)) == len(codes) > 15
    readme = README.read_text()
    for code in codes:
        assert re.fullmatch(r"crypto/[a-z]+(-[a-z]+)*", code)
        assert f"`{code}`" in readme


@pytest.mark.parametrize("kind", tree(), ids=lambda kind: kind.code)
def test_every_error_says_what_was_kept_and_what_to_do_in_both_languages(
    kind: type[CryptoError],
) -> None:
    error = instance(kind)
    for text in (error.what, error.kept, error.do):
        assert re.search(r"[\u4e00-\u9fff]", text.zh)
        assert not re.search(r"[\u4e00-\u9fff]", text.en)
        assert re.fullmatch(r"(?!XX)[A-Z].*\.", text.en)
        assert re.fullmatch(r"(?!XX).*。", text.zh)
    assert error.message() == error.message("zh") != error.message("en")
    assert error.message("en") == f"{error.what.en} {error.kept.en} {error.do.en}"
    assert error.message("zh") == error.what.zh + error.kept.zh + error.do.zh
    assert str(error).startswith(kind.code)


def test_a_wait_is_told_in_whole_minutes_rounded_up() -> None:
    assert "2" in UnlockWait(61_000).message("en")
    assert "1 minute and" in UnlockWait(1).message("en")


def test_a_secret_is_never_shown_pickled_copied_hashed_or_encoded() -> None:
    secret = SecretBytes(b"open sesame")
    shown = f"{secret} {secret!r} {secret:>20} {[secret]} {vars(type(secret)).get('__doc__')}"
    assert "sesame" not in shown
    for escape in (pickle.dumps, copy.copy, copy.deepcopy, hash, json.dumps, msgspec.json.encode):
        with pytest.raises(TypeError):
            escape(secret)


def test_a_secret_is_not_in_a_traceback() -> None:
    secret = SecretBytes(b"open sesame")
    with pytest.raises(RuntimeError) as raised:
        raise RuntimeError(secret)
    assert "sesame" not in "".join(traceback.format_exception(raised.value))


def test_a_wiped_secret_is_gone() -> None:
    with SecretBytes(b"open sesame") as secret:
        assert secret.reveal() == b"open sesame"
        assert len(secret) == 11
    with pytest.raises(ValueError, match="wiped"):
        secret.reveal()
    assert bytes(secret._buffer) == bytes(11)


def test_secrets_are_equal_by_their_bytes_and_to_nothing_else() -> None:
    assert SecretBytes(b"a") == SecretBytes(b"a")
    assert SecretBytes(b"a") != SecretBytes(b"b")
    assert SecretBytes(b"a") != b"a"


def test_what_is_left_of_a_wait_and_of_the_tries_is_told_to_people_and_to_logs() -> None:
    refused, wait = UnlockRefused(3, 120_000), UnlockWait(120_000)
    assert "3 tries are left" in refused.message("en")
    assert "还可再试 3 次" in refused.message()
    for error in (refused, wait):
        assert "Wait 2 minutes and" in error.message("en")
        assert "请等待 2 分钟" in error.message()
        assert error.detail.endswith("wait 120000 ms")
        assert (error.wait_ms, error.vault) == (120_000, None)


def test_an_error_without_details_says_no_more_than_its_sentences() -> None:
    assert "()" not in str(RequestRefused(""))
    assert str(RequestRefused("nonce")).startswith(str(RequestRefused("")))
    assert str(RequestRefused("nonce")).endswith(" (nonce)")
