# SPDX-License-Identifier: Apache-2.0
"""The shown values of a record in the embedded store, as SQL reads them.

What lives here: text of SQL. What must not: running it. Invariant: a value of another kind than
asked for is null, as it is in PostgreSQL.
"""

from __future__ import annotations

from server.store.base import TENTHS_BELOW, WHOLE_MAX, WORD_CHARS_MAX, Kind


def field_sql(field: str) -> str:
    """A shown value of ``r`` as a plain column."""
    return f"json_extract(r.body, {path_sql(field)})"


def typed_sql(field: str, kind: Kind) -> str:
    """A shown value of ``r``, null where it is of another kind."""
    path = path_sql(field)
    value = f"json_extract(r.body, {path})"
    asked = f"CASE json_type(r.body, {path})"
    if kind == "word":
        return f"{asked} WHEN 'text' THEN substr({value}, 1, {WORD_CHARS_MAX}) END"
    if kind == "tenths":
        fits = f"abs({value}) < {TENTHS_BELOW}"
        found = f"CASE WHEN {fits} THEN CAST(round({value} * 10) AS INTEGER) END"
        return f"{asked} WHEN 'integer' THEN {found} WHEN 'real' THEN {found} END"
    fits = f"{value} BETWEEN {-WHOLE_MAX} AND {WHOLE_MAX}"
    return (
        f"{asked} WHEN 'integer' THEN CASE WHEN {fits} THEN {value} END"
        " WHEN 'true' THEN 1 WHEN 'false' THEN 0 END"
    )


def each_sql(field: str) -> tuple[str, str]:
    """The elements of a list among the shown values of ``r``, and the text of one."""
    path = path_sql(field)
    found = f"CASE json_type(r.body, {path}) WHEN 'array' THEN json_extract(r.body, {path})"
    return f"json_each({found} ELSE '[]' END) e", "CASE e.type WHEN 'text' THEN e.value END"


def path_sql(field: str) -> str:
    """The path of a field in the shown values, as SQL writes it."""
    path = '$."' + field.replace('"', "") + '"'
    return "'" + path.replace("'", "''") + "'"
