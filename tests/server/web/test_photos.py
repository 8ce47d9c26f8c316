# SPDX-License-Identifier: Apache-2.0
"""Photos of a household: shown as what they are, never as a page, to whoever sees the household."""

import io
import re
from collections.abc import Iterator

import pytest
from PIL import Image

from fixtures.console import World, console_world
from sync.change import Value

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with console_world(tmp_path_factory.mktemp("photos")) as made:
        yield made


def photo() -> bytes:
    made = io.BytesIO()
    Image.new("RGB", (24, 16), "#14508c").save(made, "JPEG")
    return made.getvalue()


def test_a_photo_is_shown_as_a_picture_in_its_area_alone_and_the_log_has_it(world: World) -> None:
    tablet = world.tablets["zhangxia"]
    tablet.sync()
    made = tablet.attach(photo(), household="h1", media_type="image/jpeg")
    tablet.sync()
    with world.browse("officer") as visitor:
        answer = visitor.get(f"/photos/{made}")
        assert (answer.status_code, answer.content) == (200, photo())
        assert answer.headers["content-type"] == "image/jpeg"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert f"/photos/{made}" in visitor.get("/records/h1").text
    with world.browse("far-officer") as visitor:
        assert visitor.get(f"/photos/{made}").status_code == 404
    with world.local.district.store.read() as tx:
        lines = tx.rows("SELECT account, home, purpose FROM access_log WHERE record = ?", [made])
    assert ("officer", "h1", "photo") in lines


def test_what_is_no_picture_or_has_no_blob_is_not_given_out_and_no_fault(world: World) -> None:
    blob = "ab" * 32
    hostile = [(blob, kind) for kind in ("text/html", "image/svg+xml", "application/pdf", "")]
    hostile += [(name, "image/png") for name in ("z" * 64, "", "../" * 21 + "x", blob)]
    for n, (name, kind) in enumerate(hostile):
        said: dict[str, Value] = {"household": "h2", "blob": name, "media_type": kind}
        world.local.district.write_many("office", [("attachment", f"a{n}", said, [])])
    with world.browse("auditor") as visitor:
        for n, made in enumerate(hostile):
            assert visitor.get(f"/photos/a{n}").status_code == 404, made
        assert visitor.get("/photos/h2").status_code == 404


def test_a_photo_stands_beside_the_text_that_it_belongs_to(world: World) -> None:
    world.clash("h3", {"medication": "阿司匹林"}, {"medication": "二甲双胍"})
    taken = {}
    for worker, tablet in world.tablets.items():
        taken[worker] = tablet.attach(
            photo(),
            household="h3",
            media_type="image/jpeg",
            about=("household", "h3", "medication"),
            caption=f"药盒，{worker}",
        )
        tablet.sync()
    with world.browse("auditor") as visitor:
        number = visitor.get("/conflicts?field=household.medication").text
        page = visitor.get(re.findall(r'data-href="(/conflicts/\d+)"', number)[0]).text
        sides = page.split('<section class="side')[1:]
        assert len(sides) == 2
        for name, worker in (("张霞", "zhangxia"), ("陈宇轩", "chenyuxuan")):
            side = next(one for one in sides if f"<b>{name}</b>" in one).partition("</section>")[0]
            assert f"/photos/{taken[worker]}" in side
            assert f"药盒，{worker}" in side
            assert sum(made in side for made in taken.values()) == 1
        row = re.findall(
            r"<tr><th scope=\"row\">用药</th>.*?</tr>", visitor.get("/records/h3").text, re.S
        )
        assert all(f"/photos/{made}" in row[0] for made in taken.values())
