# SPDX-License-Identifier: Apache-2.0
"""The certificate of an erasure: what was erased, where, and what was not and why.

What lives here: putting it together, signing, its words. What must not: erasing. Invariants
- It names records by id, and tablets and servers by name: nothing of what was erased.
- It is as of a moment; one that is not complete says which places have not answered.
- Of each place that answered it holds the signed answer; of this server the leaf of its log.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from crypto.erasure import issue_certificate
from crypto.identity import DeviceKey
from server.backup_keys import dead_before_ms
from server.erasing_archives import waits_of
from server.erasing_places import ASKED, DONE, REVOKED, WAITS, WIPED, places_of
from server.errors import NotFound
from server.log_tree import signed_head
from server.store.base import Transaction
from server.words import pick

DAY_MS = 86_400_000
BACKUPS_GONE_MS = 30 * DAY_MS
"""Within this every backup from before an erasure is to be gone, or to open no more."""
_json = msgspec.json.Encoder().encode
_load = msgspec.json.decode

STATE_WORDS = {
    DONE: "已删除并签名确认 ‖ erased, and signed for",
    ASKED: "已通知，尚未联系 ‖ told at its next contact",
    WAITS: "已删除，但其一份归档文件不在，放回后清除其余 ‖ "
    "erased, but for an archive of its own that is away: the rest goes once it is back",
    WIPED: "整台已擦除 ‖ wiped as a whole",
    REVOKED: "已吊销，尚未证明擦除 ‖ revoked, has not proved its wipe",
}
BASIS_WORDS = {
    "request": "本人要求 ‖ the person's request",
    "purpose": "目的已实现 ‖ its purpose was met",
    "consent": "撤回同意 ‖ consent was withdrawn",
    "retention": "保存期限届满 ‖ its time was over",
}
COUNT_WORDS = {
    "records": "记录 ‖ records",
    "changes": "修改内容 ‖ contents of changes",
    "conflicts": "冲突及裁定 ‖ conflicts and decisions",
    "waiting": "等待合并的修改 ‖ changes that waited",
    "quarantine": "隔离的修改 ‖ changes in quarantine",
    "states": "他处签名的状态 ‖ states signed elsewhere",
    "notices": "通知 ‖ notices",
    "search": "检索文本 ‖ search texts",
    "files": "照片与录音 ‖ photos and sounds",
    "late": "事后才到并随即删除的修改 ‖ changes that arrived later and went at once",
}
STAYS_WORDS = {
    "hold": "依法保全 ‖ legal hold",
    "mention": "记述他人或全户，其中提到此人 ‖ it tells of others, and names the person",
    "before": "只在修改前的内容中提到此人 ‖ only what stood there before names the person",
    "replaced": "已另写一条，不再提到此人；原记录已删除 ‖ "
    "written anew without the name; the record before is erased",
    "masked": "所示内容已隐去此人，修改历史仍在 ‖ "
    "the name is out of what is shown; its history stays",
}
"""Why a record of a case stays, or as what."""
KEPT_WORDS = (
    "日志依法保存，不含被删除的内容 ‖ Logs, which the law wants; nothing of the content",
    "加盐摘要，由它不能得知内容 ‖ Salted digests: nothing can be learned from them",
)


AWAY_WORDS = (
    "归档文件不在：其中从前的修改还没有删除，放回后由服务器自动删除 ‖ this archive is away:"
    " what it holds from before is not erased yet; the server does so once the file is put back"
)
BACK_WORDS = "归档文件当时不在，放回后已从中删除 ‖ this archive was away; put back, erased from it"


class Summary(NamedTuple):
    """One case in a list."""

    case: str
    at_ms: int
    who: str
    basis: str
    subject: str
    records: int
    done: int
    places: int
    pages: bool
    away: tuple[str, ...]


def cases(tx: Transaction, limit: int = 200) -> list[Summary]:
    """The newest cases, newest first."""
    out = []
    for n, number, at_ms, who, basis, subject, counts, pages in tx.rows(
        "SELECT n, id, at_ms, who, basis, subject, counts, pages_at_ms FROM erasures"
        " ORDER BY n DESC LIMIT ?",
        [limit],
    ):
        places = places_of(tx, int(n))
        done = sum(p.state in (DONE, WIPED) for p in places)
        records = int(_load(counts).get("records", 0))
        case = bytes(number).hex()
        away = tuple(one["name"] for one in waits_of(tx, int(n)) if one["done_at_ms"] is None)
        out.append(
            Summary(case, at_ms, who, basis, subject, records, done, len(places), bool(pages), away)
        )
    return out


def facts_of(tx: Transaction, key: DeviceKey, prefix: str, now_ms: int) -> dict[str, Any]:
    """All that is known of one case. Raises NotFound where no case, or more than one, begins so."""
    found = [
        row
        for row in tx.rows(
            "SELECT n, id, at_ms, who, basis, reason, subject, area, counts, kept, issuer,"
            " pages_at_ms FROM erasures"
        )
        if bytes(row[1]).hex().startswith(prefix) and prefix
    ]
    if len(found) != 1:
        raise NotFound("case")
    n, number, at_ms, who, basis, reason, subject, area, counts, kept, issuer, pages = found[0]
    case = bytes(number).hex()
    leaf = tx.rows(
        "SELECT leaf FROM journal WHERE what IN ('erasure', 'erasure-followed')"
        " AND (detail = ? OR target = ?) ORDER BY n LIMIT 1",
        [case, case],
    )
    places = [
        {
            "name": p.name,
            "kind": p.kind,
            "state": p.state,
            "asked_at_ms": p.asked_at_ms,
            "last_contact_ms": p.contact_ms,
            "done_at_ms": p.done_at_ms,
            "answers": [proof.hex() for proof in p.proofs],
        }
        for p in places_of(tx, int(n))
    ]
    backups = [
        {"at_ms": int(at), "what": str(what), "file": str(target)}
        for at, what, target in tx.rows(
            "SELECT at_ms, what, target FROM journal WHERE what IN ('backup', 'export', 'query')"
            " AND at_ms <= ? ORDER BY n DESC LIMIT 200",
            [at_ms],
        )
    ]
    parts = tx.rows("SELECT digest FROM erasure_parts WHERE erasure = ? ORDER BY n", [n])
    archives = waits_of(tx, int(n))
    here = bool(pages) and all(one["done_at_ms"] for one in archives)
    open_places = [p for p in places if p["state"] not in (DONE, WIPED)]
    return {
        "case": case,
        "server": key.replica.hex(),
        "issuer": bytes(issuer).hex(),
        "issued_at_ms": now_ms,
        "erased_at_ms": int(at_ms),
        "who": who,
        "basis": basis,
        "reason": reason,
        "subject": subject,
        "area": area,
        "counts": _load(counts),
        "statements": [bytes(row[0]).hex() for row in parts],
        "log_leaf": int(leaf[0][0]) if leaf else None,
        "log_head": signed_head(tx, key, now_ms, keep=True).hex(),
        "pages_overwritten_at_ms": pages,
        "places": places,
        "archives": archives,
        "complete": not open_places and here,
        "not_erased": [{"record": record, "why": why} for record, why in _load(kept)],
        "backups_gone_by_ms": int(at_ms) + BACKUPS_GONE_MS,
        "backups_gone": dead_before_ms(tx) > int(at_ms),
        "copies_made_before": backups,
    }


def certificate(tx: Transaction, key: DeviceKey, prefix: str, now_ms: int) -> bytes:
    """The signed certificate of a case as it stands."""
    return issue_certificate(key, _json(facts_of(tx, key, prefix, now_ms)))


def sentences(facts: dict[str, Any], lang: str, when: Any) -> list[str]:
    """A certificate in words, line by line."""

    def say(text: str) -> str:
        return pick(text, lang)

    out = [
        say("删除证明 ‖ Certificate of erasure") + f" {facts['case']}",
        say("对象 ‖ Of")
        + f": {facts['subject'] or '-'}   "
        + say(BASIS_WORDS.get(facts["basis"], facts["basis"]))
        + f"   {facts['reason']}",
        say("经办 ‖ By") + f": {facts['who']}   {when(facts['erased_at_ms'])}",
    ]
    done = when(facts["pages_overwritten_at_ms"]) if facts["pages_overwritten_at_ms"] else ""
    waits = say("存储页待清 ‖ pages still to be overwritten")
    out.append(say("本服务器 ‖ This server") + ": " + (done or waits))
    out += [
        f"  {say(COUNT_WORDS[name])}: {count}"
        for name, count in facts["counts"].items()
        if count and name in COUNT_WORDS
    ]
    for place in facts["places"]:
        at = place["done_at_ms"] or place["last_contact_ms"]
        state = say(STATE_WORDS[place["state"]])
        out.append(f"{place['name']}: {state} {when(at) if at else ''}".rstrip())
    # Certificates signed by older programs know of no archives.
    archives = facts.get("archives", ())
    out += [
        f"{one['name']}: {say(BACK_WORDS)}: {one['changes']}   {when(one['done_at_ms'])}"
        for one in archives
        if one["done_at_ms"]
    ]
    out.append(say("没有删除的 ‖ What was not erased") + ":")
    out += [f"  {one['name']}: {say(AWAY_WORDS)}" for one in archives if not one["done_at_ms"]]
    for one in facts["not_erased"]:
        kind, _, detail = one["why"].partition(": ")
        word = STAYS_WORDS.get(kind, kind)
        out.append(f"  {one['record']}: {say(word)} ({detail})")
    out += [f"  {say(text)}" for text in KEPT_WORDS]
    # Certificates signed by older programs do not say it.
    gone = facts.get("backups_gone")
    out.append(
        say("此前的备份已无人能打开 ‖ No backup from before opens any more, by its key")
        if gone
        else say("备份须在此日前失效 ‖ Backups are to be gone by")
        + f": {when(facts['backups_gone_by_ms'])}"
    )
    out.append(
        say("此前的备份与导出 ‖ backups and exports made before")
        + f": {len(facts['copies_made_before'])}"
    )
    out.append(
        say("全部确认 ‖ Complete") if facts["complete"] else say("尚未全部确认 ‖ Not complete yet")
    )
    return out
