# SPDX-License-Identifier: Apache-2.0
"""A consent on the pages: asked in order, signed on the glass, by the guardian for a child."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
from PIL import Image, ImageDraw

from client_sdk.errors import EntryRefused
from client_sdk.tablet_base import now_ms
from fixtures.tablet_app import Held, Serving, Visitor
from sync.effects import day_of


def drawn() -> bytes:
    """A stroke on the glass."""
    picture, out = Image.new("RGBA", (400, 130)), io.BytesIO()
    ImageDraw.Draw(picture).line((20, 20, 300, 90), fill="black", width=5)
    picture.save(out, "PNG")
    return out.getvalue()


GLASS = {"signature": ("signature.png", drawn(), "image/png")}
ANSWER = {"purpose": "photos", "answer": "given", "on": "2026-06-09", "words": "2026-1"}


@pytest.fixture
def people(pages: Serving, visitor: Visitor, held: Held) -> tuple[str, str, str]:
    """A household that the visitor has open, a grown-up and a child of it."""
    visitor.unlock()
    home, year = held.homes[0], int(day_of(now_ms())[:4])
    with pages.app.keeper.tablet() as tablet:
        grown, child = (
            tablet.create_record(
                "person", {"household": home, "name": name, "birth_year": year - age}
            )
            for name, age in (("欧阳锋", 76), ("欧阳克", 9))
        )
    return home, grown, child


def consents(pages: Serving, home: str) -> list[dict[str, Any]]:
    with pages.app.keeper.tablet() as tablet:
        found = tablet.listed(home, "consent")["consent"]
        return [dict(tablet.read(hit.id).values, id=hit.id) for hit in found]


def attachments(pages: Serving, home: str) -> int:
    with pages.app.keeper.tablet() as tablet:
        return len(tablet.listed(home, "attachment")["attachment"])


def action(page: str) -> str:
    """Where the form of a page goes."""
    found = re.search(r'id="entry" method="post" action="/[^/]+(/[^"]+)"', page)
    assert found is not None
    return found[1]


def test_a_consent_is_signed_on_the_glass_and_its_withdrawal_stands_beside_it(
    pages: Serving, visitor: Visitor, people: tuple[str, str, str]
) -> None:
    home, grown, _ = people
    page = visitor.get(f"/home/{home}/new/consent?person={grown}").text
    assert "监护人签字，请填" not in page
    assert 'class="glass"' in page
    given = ANSWER | {"person": grown, "signed_by": "self"}
    # Without a signature nothing is written, and the page says so at the field.
    refused = visitor.post(action(page), given)
    assert (refused.status_code, "请签名" in refused.text) == (400, True)
    assert consents(pages, home) == []
    visitor.post(action(page), given, GLASS)
    (made,) = consents(pages, home)
    assert (made["person"], made["answer"], made["signed_by"]) == (grown, "given", "self")
    with pages.app.keeper.tablet() as tablet:
        signed = tablet.read(str(made["signature"])).values
        assert (signed["about_record"], signed["purpose"]) == (made["id"], "signature")
        assert tablet.attachment_bytes(str(made["signature"])).startswith(b"\x89PNG")
    shown = visitor.get(f"/home/{home}").text
    again = re.search(r'href="/[^/]+(/home/[^"]+answer=withdrawn)"', shown)
    assert again is not None
    page = visitor.get(again[1].replace("&amp;", "&")).text
    assert re.search(r'value="withdrawn" checked', page)
    visitor.post(action(page), given | {"answer": "withdrawn"}, GLASS)
    assert sorted(one["answer"] for one in consents(pages, home)) == ["given", "withdrawn"]
    assert "answer=withdrawn" not in visitor.get(f"/home/{home}").text


def test_the_page_asks_for_the_guardian_of_a_child_and_writes_nothing_without(
    pages: Serving, visitor: Visitor, people: tuple[str, str, str]
) -> None:
    home, _, child = people
    before = attachments(pages, home)
    page = visitor.get(f"/home/{home}/new/consent").text
    assert "欧阳克 · 由监护人签字" in page
    assert "欧阳锋 · 由监护人签字" not in page
    page = visitor.get(f"/home/{home}/new/consent?person={child}").text
    assert "欧阳克 未满十四周岁" in page
    assert re.search(r'name="signed_by" value="guardian" checked', page)
    said = ANSWER | {"person": child, "signed_by": "self"}
    for wrong, words in (
        (said, "须由监护人签字"),
        (said | {"signed_by": "guardian"}, "请填写监护人姓名"),
        # What it is for and what the answer is stand there before anybody signs.
        (said | {"purpose": ""}, "必填"),
        (said | {"answer": "maybe"}, "请从列表中选择"),
    ):
        refused = visitor.post(action(page), wrong, GLASS)
        assert (refused.status_code, words in refused.text) == (400, True), wrong
        assert "欧阳克 未满十四周岁" in refused.text
        assert "请再签一次" in refused.text
    # Not even the signature of what was refused is kept.
    assert (consents(pages, home), attachments(pages, home)) == ([], before)
    by = {"signed_by": "guardian", "guardian": "欧阳锋", "guardian_relation": "祖父"}
    visitor.post(action(page), said | by, GLASS)
    (made,) = consents(pages, home)
    assert (made["guardian"], made["guardian_relation"]) == ("欧阳锋", "祖父")
    with pages.app.keeper.tablet() as tablet, pytest.raises(EntryRefused):
        tablet.create_record("consent", said | {"household": home, "signature": made["signature"]})


def test_what_was_signed_is_not_written_over_and_paper_serves_where_there_is_no_glass(
    pages: Serving, visitor: Visitor, people: tuple[str, str, str]
) -> None:
    home, grown, _ = people
    page = visitor.get(f"/home/{home}/new/consent?person={grown}").text
    picture, out = Image.new("RGB", (600, 400), "white"), io.BytesIO()
    picture.save(out, "JPEG")
    paper = {"photo": ("p.jpg", out.getvalue(), "image/jpeg")}
    visitor.post(action(page), ANSWER | {"person": grown, "signed_by": "self"}, paper)
    (made,) = consents(pages, home)
    with pages.app.keeper.tablet() as tablet:
        assert tablet.read(str(made["signature"]))["media_type"] == "image/jpeg"
    assert 'name="answer"' not in visitor.get(f"/record/{made['id']}/edit").text
    answer = visitor.post(f"/record/{made['id']}/edit", {"asked": "answer", "answer": "refused"})
    assert "不能改写" in answer.text
    assert consents(pages, home) == [made]
    visitor.post(f"/record/{made['id']}/void", {"reason": "签错了人"})
    assert consents(pages, home) == []
