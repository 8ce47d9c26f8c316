# SPDX-License-Identifier: Apache-2.0
"""Who signs a consent, and what it is worth: the rules, as pure functions.

What lives here: age, and what a consent lacks. What must not: storage, forms.
Invariant: where the year of birth alone does not say whether a child is below fourteen, it is taken
to be.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

CHILD_YEARS = 14
"""PIPL, article 31: below this a guardian consents."""
Lack = Literal["guardian", "guardian_name", "signature"]


def is_child(birth_year: object, on: str) -> bool:
    """May a person born in that year be below fourteen on that day (YYYY-MM-DD)?"""
    if not isinstance(birth_year, int) or isinstance(birth_year, bool):
        return False
    year = on[:4]
    if not (year.isascii() and year.isdigit()):
        # A day that no declaration allows does not make anybody older.
        return True
    return int(year) - birth_year <= CHILD_YEARS


def lacks(consent: Mapping[str, Any], birth_year: object) -> list[Lack]:
    """What a consent lacks: a guardian's word for a child, the guardian's name, a signature."""
    out: list[Lack] = []
    by_guardian = consent.get("signed_by") == "guardian"
    if is_child(birth_year, str(consent.get("on") or "0000")) and not by_guardian:
        out.append("guardian")
    if by_guardian and not consent.get("guardian"):
        out.append("guardian_name")
    if not consent.get("signature"):
        out.append("signature")
    return out
