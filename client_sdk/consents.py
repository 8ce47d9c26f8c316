# SPDX-License-Identifier: Apache-2.0
"""Consents as they are recorded at the door: who must sign, and what is refused.

What lives here: the check before one is written. What must not: the rules (``sync.consenting``),
forms. Invariant: a consent for a child below fourteen without a guardian is written nowhere.
"""

from __future__ import annotations

from collections.abc import Mapping

from client_sdk.errors import EntryRefused
from client_sdk.store.base import Store
from client_sdk.store.records import row_of
from sync.change import Value
from sync.consenting import is_child, lacks
from sync.validation import Problem

_WORDS = {
    "guardian": (
        "signed_by",
        "未满十四周岁，须由监护人签字。",
        "Below fourteen years a guardian signs.",
    ),
    "guardian_name": (
        "guardian",
        "请填写监护人姓名。",
        "Please fill in the guardian's name.",
    ),
    "signature": ("signature", "请签名。", "Please sign."),
}


def below_fourteen(store: Store, person: str, on: str) -> bool:
    """May a person that is held be below fourteen on that day, by the year of birth?"""
    row = row_of(store, person)
    return row is not None and is_child(row.body.get("birth_year"), on)


def check_consent(store: Store, fields: Mapping[str, Value], *, signed: bool) -> None:
    """Raises EntryRefused naming what a consent lacks; ``signed``: its signature is at hand."""
    person = row_of(store, str(fields.get("person") or ""))
    birth_year = person.body.get("birth_year") if person else None
    asked = {**fields, "signature": fields.get("signature") or signed}
    found = [
        Problem(_WORDS[lack][0], f"consent/{lack.replace('_', '-')}", *_WORDS[lack][1:])
        for lack in lacks(asked, birth_year)
    ]
    if found:
        raise EntryRefused(found)
