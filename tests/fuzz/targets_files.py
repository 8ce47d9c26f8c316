# SPDX-License-Identifier: Apache-2.0
"""Files that people bring: forms, declarations, pictures.

What lives here: targets. What must not: the loop.
"""

from __future__ import annotations

import io
import random
from zipfile import ZIP_DEFLATED, ZipFile

import msgspec
from PIL import Image

from client_sdk.app.desk import read_form
from client_sdk.app.media import photo, signature
from client_sdk.enrolment import read_declarations
from server.xlsform import exported, imported
from sync.collections import SCHEMA
from sync.consenting import lacks
from sync.schema import Collection
from tests.fuzz.mutation import mutate_bytes, mutate_text
from tests.fuzz.running import Target
from tests.fuzz.targets_other import ALL
from tests.fuzz.targets_sync import Passed, after, bytewise, packed


def _workbook(rng: random.Random, data: bytes) -> bytes:
    """One part of the workbook altered as text, the whole packed again; now and then the zip."""
    if rng.random() < 0.15:
        return mutate_bytes(rng, data, [])
    out = io.BytesIO()
    with ZipFile(io.BytesIO(data)) as book, ZipFile(out, "w", ZIP_DEFLATED) as made:
        names = sorted(book.namelist())
        chosen = rng.choice([n for n in names if "sheet" in n or "strings" in n] or names)
        for name in names:
            part = book.read(name)
            made.writestr(name, mutate_text(rng, part) if name == chosen else part)
    return out.getvalue()


FORM = (
    b'--b\r\nContent-Disposition: form-data; name="phone"\r\n\r\n13800138000\r\n'
    b'--b\r\nContent-Disposition: form-data; name="photo"; filename="a.jpg"\r\n'
    b"Content-Type: image/jpeg\r\n\r\n\xff\xd8\xff\r\n--b--\r\n"
)


def _consent(data: bytes, passed: Passed) -> object:
    try:
        fields, year = msgspec.msgpack.decode(data, type=tuple[dict[str, object], object])
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None
    passed()
    return lacks(fields, year)


def _declarations() -> bytes:
    household = SCHEMA.collections["consent"]
    return msgspec.json.encode({"collections": {"consent": household}, "version": 1})


def _pictures() -> list[Target]:
    file = io.BytesIO()
    Image.effect_noise((24, 16), 90).convert("RGB").save(file, "PNG")
    drawn = io.BytesIO()
    Image.linear_gradient("L").resize((24, 16)).save(drawn, "PNG")
    return [
        Target("photo", (file.getvalue(),), bytewise, after(photo, b"\x89PNG"), ALL),
        Target("drawn signature", (drawn.getvalue(),), bytewise, after(signature, b"\x89PNG"), ALL),
    ]


def _small_form() -> Collection:
    """Three questions, one of each kind that is read in its own way: a workbook costs its size."""
    consent = SCHEMA.collections["consent"]
    names = ("signed_by", "guardian", "on")
    return msgspec.structs.replace(consent, fields={name: consent.fields[name] for name in names})


def targets() -> list[Target]:
    """All of them."""
    consent = msgspec.msgpack.encode(({"signed_by": "guardian", "on": "2026-06-01"}, 2015))
    kind = "multipart/form-data; boundary=b"
    return [
        Target(
            "XLSForm",
            (exported(_small_form()),),
            _workbook,
            after(imported, b"PK"),
            ALL,
        ),
        Target(
            "declarations", (_declarations(),), mutate_text, after(read_declarations, b"{"), ALL
        ),
        Target("form", (FORM,), bytewise, after(lambda d: read_form(kind, d), b"--b"), ALL),
        Target("consent", (consent,), packed, _consent, ALL),
        *_pictures(),
    ]
