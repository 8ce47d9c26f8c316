# SPDX-License-Identifier: Apache-2.0
"""What workers and tablets write is hostile: scripts, markup, turned text and formulas go through
every view and every file."""

import csv
import io
import re
from collections.abc import Iterator

import pytest

from fixtures.console import World, console_world
from fixtures.pictures_console import PAGES, fill
from server.people import add_team
from server.web.rendering import visible

pytestmark = pytest.mark.slow

CORPUS = (
    "<script>alert('x')</script>",
    '"><img src=x onerror=alert(1)>',
    "'-alert(1)-'",
    "</textarea><svg onload=alert(1)>",
    "{{ 7 * 7 }}{% raw %}",
    "javascript:alert(1)",
    "\u202egnp.exe\u202c 陈",
    "\u2067عبد\u2069 \u200bzero",
    '=HYPERLINK("http:evil","x")',
    "+1+cmd|' /C calc'!A0",
    "@SUM(1)",
)
TEXTS = ("notes", "medication", "access", "helper", "emergency_contact", "building", "room")
RAW = re.compile(r"<script>alert|<img src=x|<svg onload|\sonerror=alert\(1\)>", re.IGNORECASE)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with console_world(tmp_path_factory.mktemp("hostile")) as made:
        made.filled = fill(made)
        one, two = made.tablets.values()
        for number, words in enumerate(CORPUS):
            home = f"h{number % 5 + 1}"
            one.sync()
            two.sync()
            one.set_fields(home, {"medication": words, "head_name": words})
            two.set_fields(home, {"medication": words + "!", "helper": words})
            one.append(home, "notes", words)
            one.sync()
            two.sync()
        made.revoke_and_send("h1", {"helper": CORPUS[0]}, name=CORPUS[1], worker="evil")
        with made.local.district.store.write() as tx:
            add_team(tx, "t3", CORPUS[1], CORPUS[2], 0)
        yield made


def test_no_view_gives_out_what_was_written_as_markup(world: World) -> None:
    with world.local.district.store.read() as tx:
        numbers = [row[0] for row in tx.rows("SELECT n FROM conflicts")]
    seen = ""
    for person, pages in PAGES.items():
        world.forget_codes(person)
        with world.browse(person) as visitor:
            visitor.step_up(person)
            paths = [path.format(**world.filled) for _, path in pages]
            if person == "supervisor":
                paths += [f"/conflicts/{n}" for n in numbers] + [
                    f"/records/h{n}" for n in range(1, 6)
                ]
                paths += ["/conflicts?state=all", f"/search?q={CORPUS[0]}", "/search?q=%22%3E%3C"]
                paths += ["/conflicts/bulk?which=all&state=open&rule=latest", "/teams/t3"]
            for path in paths:
                text = visitor.get(path).text
                assert not RAW.search(text), (person, path, RAW.search(text))
                assert not [c for c in "\u202e\u2067\u200b" if c in text], (person, path)
                seen += text
    assert "&lt;script&gt;alert" in seen
    assert "⟨U+202E⟩" in seen
    assert "{{ 7 * 7 }}" in seen


def test_no_file_runs_what_was_written(world: World) -> None:
    world.forget_codes("supervisor")
    with world.browse("supervisor") as visitor:
        visitor.step_up("supervisor")
        answer = visitor.fetch("/reports/totals/export/csv?figure=households")
        assert answer.status_code == 200
        assert answer.headers["content-disposition"].startswith("attachment")
        rows = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))))
        cells = [cell for row in rows for cell in row]
        assert any("SUM(1)" in cell or "HYPERLINK" in cell for cell in cells)
        assert [cell for cell in cells if cell[:1] in ("=", "+", "@", "\t")] == []


def test_an_export_stands_in_the_access_log(world: World) -> None:
    world.forget_codes("supervisor")
    with world.browse("supervisor") as visitor:
        visitor.step_up("supervisor")
        assert visitor.fetch("/reports/totals/export/xlsx").content[:2] == b"PK"
    world.forget_codes("security")
    with world.browse("security") as visitor:
        assert "导出" in visitor.get("/access?account=supervisor").text


def test_what_was_read_of_a_household_is_in_the_log_with_who_and_for_what(world: World) -> None:
    world.forget_codes("officer")
    with world.browse("officer") as visitor:
        visitor.get("/records/h4")
    with world.local.district.store.read() as tx:
        found = tx.rows(
            "SELECT account, home, record, fields, purpose FROM access_log"
            " WHERE account = 'officer'"
        )
    assert ("officer", "h4", "h4", "*", "history") in found


def test_hidden_characters_are_shown_by_their_code_and_plain_text_stays() -> None:
    assert visible("陈秀英 a\nb") == "陈秀英 a\nb"
    assert visible("\u202ea\x00") == "⟨U+202E⟩a⟨U+0000⟩"
