# SPDX-License-Identifier: Apache-2.0
"""What a writing brings along, as data: words in which a collection declares its behaviour.

What lives here: the shapes of fills, openings, followings and steps. What must not: carrying them
out (``effects.py``) and any collection's own (``collections/``). Being data they travel with the
declarations, so that every app has them.

Wherever a value is given, a text may stand for what is known only at the writing: ``@now``
(milliseconds), ``@today`` and ``@today+7`` (a date), ``@worker``, ``@record`` (the id of the record
written), ``@each`` (the element that was added), and ``=name`` (a field of that record as it is
shown after the writing). Any other value stands for itself.
"""

from __future__ import annotations

from typing import Any

import msgspec

CREATED = ""
"""As the ``field`` of a fill: when the record is made, before anything is checked."""


class Fill(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """More fields of the same record, in the same change, where the writer did not give them.

    It happens when ``field`` is written with one of ``values`` (any value where none is named).
    ``sets`` are set, ``firsts`` only where the record shows nothing yet; ``adds`` go into sets,
    ``counts`` are added up.
    """

    why: str
    field: str = CREATED
    values: tuple[str, ...] = ()
    sets: dict[str, Any] = {}
    firsts: dict[str, Any] = {}
    adds: dict[str, Any] = {}
    counts: dict[str, int] = {}


class Opens(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A record of another collection that a writing opens, in the same transaction.

    Its id follows from ``collection`` and ``key``: two tablets that open it without knowing of each
    other open one record. Where it is there already, only ``adds`` are written and what is graver
    by a declared order, and ``again`` if its life cycle had ended.
    """

    why: str
    field: str
    values: tuple[str, ...] = ()
    collection: str
    key: tuple[str, ...]
    sets: dict[str, Any]
    adds: dict[str, Any] = {}
    again: dict[str, Any] = {}


class Follows(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Fields of the records that the field ``link`` names, set in the same transaction.

    Only of records that are held: nothing is written on what was not seen.
    """

    why: str
    field: str
    values: tuple[str, ...]
    link: str
    sets: dict[str, Any]


class Step(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What must be there before ``field`` may be set to one of ``values``.

    ``needs``: one of these fields is filled in. ``after``: the values it may come from; not asked
    where nothing is shown yet, since an office brings in what began on paper.
    """

    why: str
    field: str = "status"
    values: tuple[str, ...]
    needs: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
