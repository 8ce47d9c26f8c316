# SPDX-License-Identifier: Apache-2.0
"""What people read: both languages, the same placeholders; every error with its sentences."""

import string

import pytest

from client_sdk import errors
from client_sdk.texts import Words, language, texts


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("key", sorted(texts()))
def test_a_text_has_both_languages_and_the_same_places(key: str) -> None:
    zh, en = texts()[key]
    assert zh
    assert en
    assert placeholders(zh) == placeholders(en)


def test_chinese_is_spoken_unless_english_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DOORSTEP_LANG", raising=False)
    monkeypatch.setenv("LANG", "C.UTF-8")
    assert language() == "zh"
    monkeypatch.setenv("LANG", "en_GB.UTF-8")
    assert language() == "en"
    assert language("zh") == "zh"
    assert Words("en")("never") == "never"


KINDS = [
    e for e in vars(errors).values() if isinstance(e, type) and issubclass(e, errors.TabletError)
]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_an_error_has_a_code_of_its_own_and_three_sentences(
    kind: type[errors.TabletError],
) -> None:
    codes = [e.code for e in KINDS]
    assert codes.count(kind.code) == 1
    assert kind.code.startswith("tablet/")
    assert kind.zh.count("。") == 3
    assert kind.en.count(".") >= 3
