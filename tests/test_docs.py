# SPDX-License-Identifier: Apache-2.0
"""What is not documented fails here: commands, settings, error codes, endpoints."""

import re
from collections.abc import Iterator
from pathlib import Path

import click
import msgspec
import pytest

import client_sdk.errors
import crypto.errors
import server.audit_errors
import server.cli
import server.errors
import server.rekey_errors
import server.web.errors
import sync.carry.errors
import sync.errors
from server.api.watching import ENDPOINTS
from server.settings import ABOUT, Settings, about
from server.words import BOTH

ROOT = Path(__file__).resolve().parent.parent
README = {name: (ROOT / name / "README.md") for name in ("server", "client_sdk", "crypto")}
PAGES = [*ROOT.glob("*/README.md"), ROOT / "sync" / "carry" / "README.md"]
ALL = "\n".join(path.read_text("utf-8") for path in PAGES)
SERVER = README["server"].read_text("utf-8")
TREES: tuple[type[Exception], ...] = (
    sync.errors.SyncError,
    crypto.errors.CryptoError,
    server.errors.ServerError,
    client_sdk.errors.TabletError,
)


def tree(kind: type[Exception]) -> Iterator[type[Exception]]:
    yield kind
    for below in kind.__subclasses__():
        yield from tree(below)


KINDS = [
    kind
    for root in TREES
    for kind in tree(root)
    if kind.__module__.split(".")[0] in ("sync", "crypto", "server", "client_sdk")
]
assert server.audit_errors  # imported so that its errors are in the tree
assert server.rekey_errors
assert server.web.errors


def code_of(kind: type[Exception]) -> str:
    return str(getattr(kind, "code", ""))


@pytest.mark.parametrize("code", sorted({code_of(kind) for kind in KINDS}))
def test_every_error_code_is_documented(code: str) -> None:
    assert f"`{code}`" in ALL


def test_no_two_errors_share_their_code() -> None:
    seen: dict[str, type[Exception]] = {}
    twice = [
        code
        for kind in KINDS
        if "code" in vars(kind) and seen.setdefault(code := code_of(kind), kind) is not kind
    ]
    assert twice == []


def test_every_error_of_sync_and_crypto_has_its_own_status() -> None:
    codes = {code_of(k) for k in KINDS if k.__module__.startswith(("sync", "crypto"))}
    local = {code for code in codes if code.startswith(ON_THE_TABLET)}
    assert codes - local <= set(server.errors.STATUS)


ON_THE_TABLET = ("carry/", "crypto/unlock", "crypto/vault", "crypto/secret", "crypto/pin-mismatch")
"""What no request can raise: it is met at a stick, at a screen, or by a tablet alone."""


def test_the_table_of_codes_tells_the_status_that_is_sent() -> None:
    for kind in tree(server.errors.ServerError):
        assert f"| `{code_of(kind)}` | {getattr(kind, 'status', 0)} |" in SERVER
    for code, status in server.errors.STATUS.items():
        assert f"| `{code}` | {status} |" in SERVER


def commands(group: click.Group, path: tuple[str, ...]) -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield " ".join((*path, name)), command


COMMANDS = dict(commands(server.cli.main, ("doorstep",)))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_documented_and_speaks_both_languages(name: str) -> None:
    assert f"| `{name}` |" in SERVER
    command = COMMANDS[name]
    assert BOTH in (command.help or "")
    for option in command.params:
        if isinstance(option, click.Option) and option.name != "help":
            assert BOTH in (option.help or ""), option.name


def test_no_command_is_documented_that_is_not_there() -> None:
    named = set(re.findall(r"^\| `(doorstep [a-z -]+)` \|", SERVER, re.MULTILINE))
    assert named == set(COMMANDS)


def test_the_table_of_settings_is_that_of_the_code() -> None:
    fields = {field.name: field.default for field in msgspec.structs.fields(Settings)}
    assert set(ABOUT) == set(fields)
    for name, default in fields.items():
        shown = f"`{default}`" if default not in ("", ()) else ""
        assert f"| `{name}` | {shown} | {about(name, 'en')} |" in SERVER
        assert about(name, "zh") != about(name, "en")


def test_every_endpoint_is_documented() -> None:
    for endpoint in ENDPOINTS:
        for path in endpoint.paths:
            plain = re.sub(r":str\}", "}", path)
            for method in endpoint.http_methods:
                assert f"`{method} {plain}" in SERVER
