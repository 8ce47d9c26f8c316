# SPDX-License-Identifier: Apache-2.0
"""Photos, sounds and signatures on the pages: small, telling nothing unasked, never alone."""

import io
from pathlib import Path

import pytest
from PIL import Image

from client_sdk.app import media
from client_sdk.app.desk import read_form
from client_sdk.errors import AttachmentRefused
from fixtures.tablet_app import Held, Serving, Visitor
from tests.client_sdk.app.test_pages import draft_of, tablet_of


@pytest.fixture
def worker(visitor: Visitor) -> Visitor:
    visitor.unlock()
    return visitor


def camera_photo() -> bytes:
    picture = Image.effect_noise((2400, 1800), 60).convert("RGB")
    exif = Image.Exif()
    exif[0x010F] = "SECRET-CAMERA"
    exif[0x0112] = 6
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=92, exif=exif)
    return out.getvalue()


def test_a_photo_is_small_upright_and_tells_nothing_of_its_camera() -> None:
    made = media.photo(camera_photo())
    assert len(made) <= media.PHOTO_BYTES_MAX
    with Image.open(io.BytesIO(made)) as found:
        assert not found.getexif()
        assert found.height > found.width
    assert b"SECRET-CAMERA" not in made
    assert b"Exif" not in made


@pytest.mark.parametrize("data", [b"", b"no picture", camera_photo()[:2000]])
def test_what_is_no_photo_is_refused(data: bytes) -> None:
    with pytest.raises(AttachmentRefused):
        media.photo(data)


def test_a_sound_is_known_by_its_bytes_not_by_its_name() -> None:
    assert media.sound(b"OggS" + bytes(20)) == "audio/ogg"
    assert media.sound(b"\x1aE\xdf\xa3" + bytes(20)) == "audio/webm"
    assert media.sound(bytes(4) + b"ftypM4A " + bytes(20)) == "audio/mp4"
    with pytest.raises(AttachmentRefused):
        media.sound(b"MZ" + bytes(20))
    with pytest.raises(AttachmentRefused):
        media.sound(b"OggS" + bytes(media.SOUND_BYTES_MAX))


def test_an_empty_glass_is_no_signature() -> None:
    out = io.BytesIO()
    Image.new("RGBA", (800, 260), (0, 0, 0, 0)).save(out, "PNG")
    with pytest.raises(AttachmentRefused):
        media.signature(out.getvalue())


def test_a_photo_taken_during_a_visit_belongs_to_it_before_it_is_written(
    worker: Visitor, pages: Serving, held: Held
) -> None:
    home = held.homes[2]
    draft = draft_of(worker.get(f"/home/{home}/visit").text)
    file = {"photo": ("IMG.jpg", camera_photo(), "image/jpeg")}
    worker.post(f"/home/{home}/visit/{draft}/keep", {"outcome": "met"}, files=file)
    (photo,) = tablet_of(pages).listed(home, "attachment")["attachment"]
    assert photo.values["about_record"] == draft
    assert photo.values["blob_bytes"] <= media.PHOTO_BYTES_MAX
    # It is shown on a page, which locks, and never by itself.
    shown = worker.get(f"/photo/{photo.id}")
    assert 'data-open="1"' in shown.text
    assert f'/photo/{photo.id}/data"' in shown.text
    assert worker.get(f"/photo/{photo.id}/data").headers["content-type"] == "image/jpeg"


def test_an_attachment_that_calls_itself_a_page_is_not_shown_as_one(
    worker: Visitor, pages: Serving, held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pages.app.keeper.tablet() as tablet:
        # The declaration refuses it here; another's tablet may have had none.
        monkeypatch.setattr(tablet._entering, "_checked", False)
        bad = b"<html><form action='//evil'>PIN</form>"
        made = tablet.attach(bad, household=held.homes[2], media_type="text/html")
    assert "不在平板上显示" in worker.get(f"/photo/{made}").text
    data = worker.get(f"/photo/{made}/data")
    assert data.headers["content-type"] == "application/octet-stream"
    assert data.headers["x-content-type-options"] == "nosniff"


def test_a_photo_never_lies_in_a_temporary_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tempfile

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a temporary file")

    for name in ("SpooledTemporaryFile", "TemporaryFile", "NamedTemporaryFile", "mkstemp"):
        monkeypatch.setattr(tempfile, name, refuse)
    data = bytes(3_000_000)
    body = b'--x\r\nContent-Disposition: form-data; name="photo"; filename="a.jpg"\r\n\r\n'
    form = read_form("multipart/form-data; boundary=x", body + data + b"\r\n--x--\r\n")
    assert form.files["photo"].data == data
