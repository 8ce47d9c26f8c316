# SPDX-License-Identifier: Apache-2.0
"""Why is this value shown? One sentence for each field of a record.

What lives here: the sentence, from the record's state and its history. What must not: choosing,
which is the policy's. Invariant: the sentence names who wrote the value, and what it stands beside
or who overwrote what was there before.
"""

from __future__ import annotations

from typing import Any

from server.audit import Names
from server.audit_words import POLICY_WORDS, day, field_words, value_words
from server.errors import NotFound
from server.history import History, Stored
from server.words import fill, pick
from sync.clock import Dot
from sync.policy import choose, in_conflict, kinds, siblings_of
from sync.schema import Schema


def why_shown(
    names: Names, schema: Schema, history: History, stored: Stored, field: str, lang: str
) -> str:
    """The sentence for one field. Raises NotFound where the record has no such field."""
    kind = kinds(stored.state).get(field)
    if kind is None:
        raise NotFound("field")
    label = field_words(schema, stored.collection, field, lang)

    def words(held: Any) -> str:
        return value_words(schema, stored.collection, field, held, lang, names.areas)

    value = words(stored.body.get(field))
    if kind != "register":
        return fill(
            "{label}是“{value}”：{rule} ‖ {label} is “{value}”: {rule}",
            lang,
            label=label,
            value=value,
            rule=pick(POLICY_WORDS[kind], lang),
        )
    siblings = siblings_of(stored.state, field)
    chosen = choose(siblings, schema.field(stored.collection, field))
    wrote = _wrote(names, history, chosen.dot, chosen.worker, lang)
    if not in_conflict(siblings):
        before = _before(names, history, field, chosen.dot, lang)
        if before:
            text = (
                "{label}是“{value}”：{wrote}，写时看过{before} ‖ "
                "{label} is “{value}”: {wrote}, having seen {before}"
            )
            return fill(text, lang, label=label, value=value, wrote=wrote, before=before)
        text = (
            "{label}是“{value}”：{wrote}，此后无人改过 ‖ "
            "{label} is “{value}”: {wrote}, and nobody wrote it since"
        )
        return fill(text, lang, label=label, value=value, wrote=wrote)
    others = ("、" if lang == "zh" else ", ").join(
        f"{names.worker(s.worker)} “{words(s.value)}”" for s in siblings if s.dot != chosen.dot
    )
    policy = schema.policy(stored.collection, field)
    text = (
        "{label}暂显示“{value}”：{wrote}；与之并存的有 {others}，规则：{rule} ‖ "
        "{label} shows “{value}”: {wrote}; beside it stand {others}; the rule: {rule}"
    )
    return fill(
        text,
        lang,
        label=label,
        value=value,
        wrote=wrote,
        others=others,
        rule=pick(POLICY_WORDS[policy], lang),
    )


def _wrote(names: Names, history: History, d: Dot, worker: str, lang: str) -> str:
    found = history.moment(d)
    clock = found.entry.change.stamp_ms + found.entry.change.clock_ms if found else None
    reason = found.entry.change.reason() if found else ""
    text = "{who}于{day}写入 ‖ {who} wrote it on {day}"
    if reason:
        text = "{who}于{day}写入（理由：{reason}） ‖ {who} wrote it on {day} (reason: {reason})"
    return fill(text, lang, who=names.worker(worker), day=day(clock, lang), reason=reason)


def _before(names: Names, history: History, field: str, d: Dot, lang: str) -> str:
    found = history.moment(d)
    if found is None:
        return ""
    parts = []
    for last in history.last_writes(field, [found.entry.change.vector]):
        change = last.entry.change
        parts.append(
            fill(
                "{who}{day}的修改 ‖ {who}'s edit of {day}",
                lang,
                who=names.worker(change.worker),
                day=day(change.stamp_ms + change.clock_ms, lang),
            )
        )
    return ("、" if lang == "zh" else " and ").join(parts)
