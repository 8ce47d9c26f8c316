# SPDX-License-Identifier: Apache-2.0
"""Forms that a district brought in, beside those that Doorstep declares.

What lives here: the folder they are kept in, and the schema with them. What must not: reading
XLSForm (``xlsform.py``). Invariant: a form never replaces a declared collection.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from server.errors import ImportRefused
from server.settings import Settings
from sync.collections import SCHEMA
from sync.schema import Collection, Schema, check_schema

FOLDER = "forms"
FORMS_MAX = 100
"""Questionnaires of one district: more are no longer told apart by their names."""


def known_schema(settings: Settings) -> Schema:
    """What Doorstep declares, and the forms of this district."""
    paths = sorted((settings.data / FOLDER).glob("*.json"))
    if not paths:
        return SCHEMA
    brought = [msgspec.json.decode(path.read_bytes(), type=Collection) for path in paths]
    return check_schema(
        Schema({**{c.name: c for c in brought}, **SCHEMA.collections}, SCHEMA.version)
    )


def keep_form(settings: Settings, collection: Collection) -> Path:
    """Keep a form; one of the same name that a district brought in before is replaced.

    Raises ImportRefused where the name is that of a declared collection, or there are too many.
    """
    if collection.name in SCHEMA.collections:
        raise ImportRefused(f"{collection.name} is a collection of Doorstep: choose another name")
    folder = settings.data / FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / f"{collection.name}.json"
    if not path.exists() and len(list(folder.glob("*.json"))) >= FORMS_MAX:
        raise ImportRefused(f"at most {FORMS_MAX} forms")
    path.write_bytes(msgspec.json.format(msgspec.json.encode(collection)))
    return path
