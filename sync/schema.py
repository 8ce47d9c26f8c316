# SPDX-License-Identifier: Apache-2.0
"""Collections, fields and their policies, as data.

What lives here: the declaration of what a record may hold, read from plain data so that histories
and years of declarations can bring their own. What must not: merging, which depends on the
operation and never on the declaration; the declaration only says how siblings become one shown
value, what a field may hold when it is written, and what people call it.

Invariants: a field or collection that is not declared merges all the same (``ask`` for a set
value).
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from sync.behaviour import Fill, Follows, Opens, Step

Policy = Literal["latest", "ask", "highest", "lowest", "union", "sum", "append"]
Kind = Literal[
    "text", "integer", "number", "boolean", "date", "time", "choice", "list", "object", "any"
]
REGISTERS = frozenset({"latest", "ask", "highest", "lowest"})

NAME_CHARS_MAX = 48
"""Length of a field or collection name: long enough to be plain, short enough for a column name."""
SENSITIVE = "sensitive"
"""The class of readers of a sealed field that names none."""
READERS_CHARS_MAX = 24
SEALED_CHARS_MAX = 2_000
"""Characters of a sealed value: of four bytes each they are 8 KiB, and one text when sealed."""
FIELDS_MAX = 120
"""Fields a collection may declare: a form longer than this is never filled at a door."""


class Label(msgspec.Struct, frozen=True, omit_defaults=True):
    """What people see, in Chinese and English."""

    zh: str
    en: str = ""

    def text(self, lang: str) -> str:
        """The label in ``zh`` or ``en`` (Chinese where no English is declared)."""
        return self.en if lang == "en" and self.en else self.zh


class Choice(msgspec.Struct, frozen=True):
    """One allowed value with its label."""

    value: str
    label: Label


class Field(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One field: how it merges, what it may hold, what it is called.

    ``order`` lists the values from lowest to highest for ``highest`` and ``lowest``; without it
    they compare as numbers. ``chars_max`` is in characters, ``minimum``/``maximum`` in the field's
    unit. ``refers_to`` names the collection that a reference points to; ``names``
    is ``team`` where one of the office's teams is meant. ``asked_when``: a field and the
    values of it with which this one is asked for; always where it is empty. ``sealed`` fields are
    encrypted to those who may read them: only ``ask`` and ``latest`` are allowed there, since the
    value is not readable where it is merged. ``readers`` names the class of those who may read.
    """

    policy: Policy = "ask"
    why: str = ""
    kind: Kind = "text"
    label: Label | None = None
    unit: str = ""
    order: tuple[str, ...] = ()
    choices: tuple[Choice, ...] = ()
    required: bool = False
    chars_max: int = 400
    items_max: int = 40
    minimum: float | None = None
    maximum: float | None = None
    pattern: str = ""
    refers_to: str = ""
    names: str = ""
    asked_when: tuple[str, ...] = ()
    sealed: bool = False
    searched: bool = False
    readers: str = ""

    @property
    def reader_class(self) -> str:
        """The class of readers of a sealed field; empty for one that is not sealed."""
        return (self.readers or SENSITIVE) if self.sealed else ""


class Collection(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One kind of record: its fields in the order of the form, and what writing them brings along.

    ``one_per`` names the fields that tell its records apart: two tablets that make one for the same
    values make the same record. ``fills``, ``opens``, ``follows`` and ``steps`` are carried out
    where a record is written (``sync.effects``), in the order they stand. ``keep_days`` is how long
    a record is kept after its life cycle ended, counted from its last change and from the date or
    time in ``kept_from``; 0 keeps it until somebody asks for its erasure.
    """

    name: str
    label: Label
    fields: dict[str, Field]
    one_per: tuple[str, ...] = ()
    fills: tuple[Fill, ...] = ()
    opens: tuple[Opens, ...] = ()
    follows: tuple[Follows, ...] = ()
    steps: tuple[Step, ...] = ()
    keep_days: int = 0
    kept_from: str = ""

    def field(self, name: str) -> Field:
        """The declaration of a field; an undeclared one is an ``ask`` register."""
        return self.fields.get(name, UNDECLARED)

    def searched(self) -> list[str]:
        """The fields by whose text a household is found."""
        return [name for name, field in self.fields.items() if field.searched]


UNDECLARED = Field(policy="ask")


class Schema(msgspec.Struct, frozen=True):
    """All collections a store knows, by name."""

    collections: dict[str, Collection]
    version: int = 1

    def policy(self, collection: str, field: str) -> Policy:
        """The policy of a field; ``ask`` where nothing is declared."""
        declared = self.collections.get(collection)
        return declared.field(field).policy if declared else "ask"

    def field(self, collection: str, field: str) -> Field:
        """The declaration of a field, or that of an undeclared one."""
        declared = self.collections.get(collection)
        return declared.field(field) if declared else UNDECLARED


class SchemaInvalid(ValueError):
    """A declaration that contradicts itself; it names the field."""


def check_schema(schema: Schema) -> Schema:
    """Return ``schema`` if every declaration is sound; raise SchemaInvalid naming what is not."""
    for name, collection in schema.collections.items():
        if name != collection.name:
            raise SchemaInvalid(f"collection {name}: its name")
        check_collection(collection)
    return schema


def check_collection(collection: Collection) -> Collection:
    """Return ``collection`` if it is sound; raise SchemaInvalid naming what is not."""
    name = collection.name
    if not 1 <= len(name) <= NAME_CHARS_MAX:
        raise SchemaInvalid(f"collection {name}: its name")
    if len(collection.fields) > FIELDS_MAX:
        raise SchemaInvalid(f"collection {name}: more than {FIELDS_MAX} fields")
    if collection.keep_days < 0 or collection.kept_from not in ("", *collection.fields):
        raise SchemaInvalid(f"collection {name}: how long it is kept")
    for key, field in collection.fields.items():
        where = f"{name}.{key}"
        if not 1 <= len(key) <= NAME_CHARS_MAX:
            raise SchemaInvalid(f"{where}: its name")
        if field.sealed or field.readers:
            _check_sealed(key, field, collection)
        if field.order and field.policy not in ("highest", "lowest"):
            raise SchemaInvalid(f"{where}: an order is for highest and lowest")
        if field.kind == "choice" and not (field.choices or field.order):
            raise SchemaInvalid(f"{where}: a choice needs its values")
    return collection


def _check_sealed(name: str, field: Field, collection: Collection) -> None:
    """Refuse of a sealed field whatever needs its value where nobody may read it."""
    where = f"{collection.name}.{name}"
    if field.readers and not field.sealed:
        raise SchemaInvalid(f"{where}: readers are named of a sealed field")
    if len(field.readers) > READERS_CHARS_MAX or not field.reader_class.isidentifier():
        raise SchemaInvalid(
            f"{where}: its class of readers is a word of {READERS_CHARS_MAX} letters"
        )
    if field.policy not in ("ask", "latest"):
        raise SchemaInvalid(
            f"{where}: a sealed field merges without its value: ask or latest, not {field.policy}"
        )
    if field.refers_to or field.names or name in ("household", "area"):
        raise SchemaInvalid(
            f"{where}: a reference is followed where nobody may read it: not sealed"
        )
    if field.chars_max > SEALED_CHARS_MAX:
        raise SchemaInvalid(f"{where}: a sealed field has at most {SEALED_CHARS_MAX} characters")
    if name in collection.one_per:
        raise SchemaInvalid(f"{where}: a sealed field tells no records apart")
    for other in collection.fields.values():
        if other.asked_when[:1] == (name,):
            raise SchemaInvalid(f"{where}: no field is asked for by the value of a sealed one")
    behind: tuple[Fill | Opens | Follows | Step, ...] = (
        *collection.fills,
        *collection.opens,
        *collection.follows,
        *collection.steps,
    )
    for one in behind:
        used = [one.field, *getattr(one, "key", ()), getattr(one, "link", "")]
        for part in ("sets", "firsts", "adds", "counts", "again"):
            used += list(getattr(one, part, {}).values())
        if name in used or f"={name}" in used:
            raise SchemaInvalid(f"{where}: nothing follows from the value of a sealed field")


def plain_schema(policies: dict[str, dict[str, Any]]) -> Schema:
    """Build a schema from ``{collection: {field: policy | {"policy": …, "order": […]}}}``.

    The form in which histories bring their collections. Raises SchemaInvalid.
    """
    collections = {}
    for name, declared in policies.items():
        fields = {}
        for key, given in declared.items():
            as_dict = {"policy": given} if isinstance(given, str) else dict(given)
            # Only the policy is declared: what the field may hold is not limited.
            as_dict.setdefault("kind", "any")
            try:
                fields[key] = msgspec.convert(as_dict, Field)
            except msgspec.ValidationError as error:
                raise SchemaInvalid(f"{name}.{key}: {error}") from error
        collections[name] = Collection(name=name, label=Label(zh=name, en=name), fields=fields)
    return check_schema(Schema(collections))
