# SPDX-License-Identifier: Apache-2.0
"""Every function of the four packages that decodes bytes, found in their source.

What lives here: finding them, and those that see only what this program itself wrote. What must
not: targets. Invariant: whoever decodes is found by what it calls, whatever it is called; a decoder
that stands in neither a target's way nor ``OWN`` has nobody who tries it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("sync", "crypto", "client_sdk", "server")
CALLS = frozenset(
    {
        "msgspec.msgpack.decode",
        "msgspec.json.decode",
        "json.loads",
        "csv.reader",
        "csv.DictReader",
        "Image.open",
        "x509.load_der_x509_certificate",
        "x509.load_pem_x509_certificate",
        "get_xlsform",
        "multipart.PushMultipartParser",
        "ZipFile",
    }
)
OWN: dict[str, tuple[str, ...]] = {
    "what an own file holds that opens, whole, only under the store's key": (
        "client_sdk.mending:_know_district",
        "client_sdk.mending:_settle",
        "client_sdk.safekeeping:Safe.read",
    ),
    "what lies in the own encrypted store, and was checked when it came in": (
        "client_sdk.authority:_said",
        "client_sdk.bundles:_line",
        "client_sdk.bundles:_standing",
        "client_sdk.devices:_succession_row",
        "client_sdk.devices:box_public_of",
        "client_sdk.devices:own_successions",
        "client_sdk.devices:successions_to",
        "client_sdk.field_keys:ring_of",
        "client_sdk.lease:Spent.lease",
        "client_sdk.scope:purge",
        "client_sdk.store.base:Store.get",
        "client_sdk.store.records:_row",
        "client_sdk.store.records:bodies_of",
        "client_sdk.tablet_base:TabletBase.open_with",
        "client_sdk.tablet_reading:TabletReading.notices",
        "server.aside_words:_read",
        "server.audit:_line",
        "server.audit_show:_Showing._decisions",
        "server.audit_show:row_of",
        "server.conflicts:_keep_sides",
        "server.conflicts:_tell",
        "server.copies:_box_of",
        "server.devices:old_replica_of",
        "server.devices:renewed",
        "server.devices:revocation_of",
        "server.doctor:_certificate",
        "server.duplicates:read_entries",
        "server.effecting:held_in",
        "server.enrolment:_row",
        "server.erasing:Erasing._follow",
        "server.erasing:Erasing._say_more",
        "server.erasing_certificate:cases",
        "server.erasing_certificate:facts_of",
        "server.erasing_plan:_rows",
        "server.feeds:archive_of",
        "server.feeds:open_stored",
        "server.feeds:segment_of",
        "server.feeds:stored_heads",
        "server.feeds:whole",
        "server.field_handing:_said",
        "server.field_rings:_box_of",
        "server.following:told_below",
        "server.forgotten:_decoded",
        "server.history:stored_record",
        "server.imports:_changes",
        "server.ingest:Ingest.take",
        "server.joining:joins_in",
        "server.links:_joined",
        "server.links:broken_in",
        "server.linking:Linking._handed",
        "server.lost:_readable",
        "server.pull:_encoded",
        "server.relaying:_home_states",
        "server.relaying:_left_states",
        "server.reports.exports:_json",
        "server.reports.running:records_at",
        "server.retention:_records",
        "server.revocations:_said",
        "server.set_aside:thaw",
        "server.store.postgres_values:json_escaped",
        "server.store.postgres_values:json_restored",
        "server.trust:_statement",
        "server.uplinks:_link",
        "server.verify_records:Comparer._compare_conflict",
        "server.verify_records:Comparer._compare_row",
        "server.web.lookup:_rows",
        "server.withdrawals:_names",
        "server.withdrawals:note_withdrawals",
        "server.withdrawals:withdrawals",
        "server.web.scoped_base:ScopedBase.titles",
        "server.web.sessions:load",
    ),
    "a file that this program wrote beside its store, for nobody else to write": (
        "client_sdk.beside:read_beside",
        "client_sdk.cli_app:address_again",
        "client_sdk.lease:outside",
        "server.bundles:Lines.line",
        "server.forms:known_schema",
        "server.tier_bundles:_standing",
    ),
    "what this program made a moment ago": (
        "client_sdk.field_keys:_wanted_of",
        "server.cli_rights:certificate",
        "sync.carry.frames:animation_of",
    ),
    "JSON below the signature of the root that the reader names": ("server.cli_rights:check",),
    "the socket in the data folder, which its owner alone opens": (
        "server.control:Caller.ask",
        "server.control:Control._answer",
        "server.control:Control._serve",
    ),
    "a frame from a teammate, refused as a whole: tests/client_sdk/test_lan.py": (
        "client_sdk.lan_link:Line.hear",
    ),
    "items of a sealed outbox, each a segment, which a target tries: tests/faults/test_disk.py": (
        "server.recovery:recover",
    ),
}


def _dotted(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        before = _dotted(node.value)
        return f"{before}.{node.attr}" if before else node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _made_here(tree: ast.Module) -> set[str]:
    """The module's own names of decoders."""
    found: set[str] = set()
    for one in tree.body:
        if isinstance(one, ast.Assign | ast.AnnAssign) and one.value is not None:
            text = ast.unparse(one.value)
            if "Decoder(" in text or text in CALLS:
                targets = one.targets if isinstance(one, ast.Assign) else [one.target]
                found |= {ast.unparse(target) for target in targets}
    return found


def _decoding(node: ast.AST, where: str, names: set[str]) -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield from _decoding(child, f"{where}.{child.name}".lstrip("."), names)
            continue
        if where and isinstance(child, ast.Name | ast.Attribute):
            said = _dotted(child)
            if said in CALLS or said.removesuffix(".decode") in names:
                yield where
        yield from _decoding(child, where, names)


@cache
def decoders() -> frozenset[str]:
    """All of them, as ``module:function``."""
    found: set[str] = set()
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            if "Decoder(" not in text and not any(call in text for call in CALLS):
                continue
            tree = ast.parse(text)
            module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            found |= {f"{module}:{name}" for name in _decoding(tree, "", _made_here(tree))}
    return frozenset(found)


def own() -> set[str]:
    """Those that see nothing from outside."""
    return {name for names in OWN.values() for name in names}
