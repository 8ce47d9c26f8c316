# SPDX-License-Identifier: Apache-2.0
"""What is marked inside long texts: what is new and what is gone, nothing else."""

from hypothesis import given
from hypothesis import strategies as st

from server.web.differences import CHARS_MAX, Piece, marked

BASE = "".join(f"{n}月{n + 3}日走访：药盒里还有{7 * n}片，早饭后服。" for n in range(1, 13))


def whole(pieces: list[Piece], *kinds: str) -> str:
    return "".join(piece.text for piece in pieces if piece.kind in kinds)


def test_only_what_differs_within_a_long_text_is_marked() -> None:
    after = BASE.replace("还有42片，早饭后服。", "还有42片，早饭后服；") + "二甲双胍每日两片。"
    pieces = marked(BASE, after)
    assert whole(pieces, "gone") == "。"
    assert whole(pieces, "new") == "；二甲双胍每日两片。"
    assert len(whole(pieces, "same")) == len(BASE) - 1


@given(st.text("甲乙丙丁，。 ab1", max_size=60), st.text("甲乙丙丁，。 ab1", max_size=60))
def test_both_texts_can_be_read_from_the_pieces(before: str, after: str) -> None:
    pieces = marked(before, after)
    assert whole(pieces, "same", "new") == after
    assert whole(pieces, "same", "gone") == before or whole(pieces, "same", "gone") == ""


def test_texts_with_little_in_common_and_endless_ones_are_shown_as_new_in_one_piece() -> None:
    assert marked("完全不同", "zzzz") == [Piece("new", "zzzz")]
    assert marked("a", "b" * (CHARS_MAX + 1)) == [Piece("new", "b" * (CHARS_MAX + 1))]
    assert marked(None, "新") == marked("新", "新") == [Piece("same", "新")]
