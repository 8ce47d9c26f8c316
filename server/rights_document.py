# SPDX-License-Identifier: Apache-2.0
"""Everything held about one person, as a document to be read and printed, and as JSON.

What lives here: the words and the page. What must not: collecting (``rights.py``). Invariants
- Chinese stands first and English beside it; labels are those of the forms.
- Every text of the record is escaped: it is somebody's words, not ours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from html import escape
from typing import Any

import msgspec

from server.area_names import AreaNames
from server.audit_words import field_words, value_words
from server.rights import Everything, Held, Written
from server.words import pick
from sync.schema import Schema
from sync.sealing import is_sealed

When = Callable[[int | None], str]
Setting = tuple[Schema, When, AreaNames]
"""What words are made with: the schema, how moments are written, what areas are called."""
TITLE = "个人信息副本 ‖ Copy of personal information"
SEALED = "（已封存，须经授权人员查阅） ‖ (sealed; opened by who may read it)"
_STYLE = (
    "body{font-family:'Noto Sans CJK SC','Microsoft YaHei',sans-serif;max-width:48em;margin:2em"
    " auto;line-height:1.5}table{border-collapse:collapse;width:100%;margin:.5em 0 1.5em}td,th"
    "{border:1px solid #888;padding:.2em .5em;text-align:left;vertical-align:top}"
    "small{color:#444}@media print{body{margin:0}h2{break-after:avoid}}"
)


def as_json(found: Everything) -> bytes:
    """All of it for programs: names as the forms have them, times in milliseconds."""
    return msgspec.json.format(msgspec.json.encode(found), indent=2)


def as_html(found: Everything, schema: Schema, when: When, areas: AreaNames) -> str:
    """All of it for people: a page without anything from elsewhere."""
    body = [f"<h1>{_both(TITLE)}</h1>"]
    body.append(_table((), [
        (_both("姓名 ‖ Name"), escape(found.name)),
        (_both("编号 ‖ Id"), escape(found.person)),
        (_both("户编号 ‖ Household"), escape(found.home)),
        (_both("区划 ‖ Area"), escape(areas.beside(found.area, "zh"))),
        (_both("截至 ‖ As of"), escape(when(found.at_ms))),
    ]))  # fmt: skip
    body.append(f"<h2>{_both('我们保存的内容 ‖ What we hold')}</h2>")
    for one in found.records:
        body += _record(one, (schema, when, areas))
    body.append(f"<h2>{_both('同意书 ‖ Consents')}</h2>")
    body.append(_list(
        f"{escape(str(one.get('on', '')))} {escape(str(one.get('purpose', '')))}: "
        f"{escape(str(one.get('answer', '')))} {escape(' '.join(one['lacks']))}"
        for one in found.consents
    ))  # fmt: skip
    body.append(f"<h2>{_both('存放在哪里 ‖ Where it is held')}</h2>")
    body.append(_list(
        f"{escape(p.name)} {escape(when(p.since_ms))}"
        + (f" – {escape(when(p.until_ms))}" if p.until_ms else "")
        for p in found.places
    ))  # fmt: skip
    body.append(f"<h2>{_both('谁查阅过 ‖ Who read it')}</h2>")
    heads = ("时间 ‖ When", "谁 ‖ Who", "内容 ‖ What", "用途 ‖ For", "平板 ‖ Tablet")
    body.append(_table(heads, [
        (escape(when(r.at_ms)), escape(r.who_name or r.who), escape(r.fields), escape(r.purpose),
         escape(r.device[:8]))
        for r in found.readings
    ]))  # fmt: skip
    if found.holds:
        body.append(f"<h2>{_both('依法保全 ‖ Legal hold')}</h2>")
        body.append(_list(escape(reason) for reason in found.holds))
    return (
        '<!doctype html><html lang="zh-CN"><head><meta charset="utf-8">'
        f"<title>{escape(pick(TITLE, 'zh'))} {escape(found.name)}</title>"
        f"<style>{_STYLE}</style></head><body>{''.join(body)}</body></html>\n"
    )


def _record(one: Held, setting: Setting) -> list[str]:
    schema = setting[0]
    declared = schema.collections.get(one.collection)
    label = declared.label if declared else None
    zh, en = (label.zh, label.en) if label else (one.collection, one.collection)
    rows = [
        (_label(schema, one.collection, name), _value(setting, one.collection, name, value))
        for name, value in one.values.items()
    ]
    heads = ("时间 ‖ When", "谁 ‖ Who", "修改 ‖ What", "原因 ‖ Why")
    history = [_line(one, change, setting) for change in one.changes]
    return [
        f"<h3>{escape(zh)} <small>{escape(en)} {escape(one.record)}</small></h3>",
        _table((), rows),
        _table(heads, history),
    ]


def _line(one: Held, change: Written, setting: Setting) -> tuple[str, ...]:
    schema, when, _ = setting
    what = "; ".join(
        f"{_label(schema, one.collection, name)}: {_value(setting, one.collection, name, value)}"
        for name, value in change.values.items()
    )
    who = f"{escape(change.worker_name or change.worker)}<br><small>{escape(change.device)}</small>"
    return escape(when(change.at_ms)), who, what, escape(change.reason)


def _label(schema: Schema, collection: str, name: str) -> str:
    zh, en = (field_words(schema, collection, name, lang) for lang in ("zh", "en"))
    return f"{escape(zh)} <small>{escape(en)}</small>"


def _value(setting: Setting, collection: str, name: str, value: Any) -> str:
    schema, _, areas = setting
    if is_sealed(value):
        return _both(SEALED)
    return escape(value_words(schema, collection, name, value, "zh", areas))


def _both(text: str) -> str:
    return f"{escape(pick(text, 'zh'))} <small>{escape(pick(text, 'en'))}</small>"


def _list(items: Iterable[str]) -> str:
    inner = "".join(f"<li>{item}</li>" for item in items)
    return f"<ul>{inner}</ul>" if inner else f"<p>{_both('没有 ‖ None')}</p>"


def _table(heads: Iterable[str], rows: Iterable[tuple[str, ...]]) -> str:
    top = "".join(f"<th>{_both(head)}</th>" for head in heads)
    inner = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table>{f'<tr>{top}</tr>' if top else ''}{inner}</table>"
