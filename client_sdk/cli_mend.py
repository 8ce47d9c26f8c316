# SPDX-License-Identifier: Apache-2.0
"""``doorstep-tablet doctor`` and ``repair``: a tablet whose store is damaged.

What lives here: commands, thin over ``tablet_mending``. What must not: work, texts
(``texts_mending.py``). Invariant: ``doctor`` changes nothing.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from client_sdk import tablet_mending
from client_sdk.errors import StoreMissing
from client_sdk.keys import system_keyring
from client_sdk.tablet import Tablet, now_ms
from crypto.errors import CryptoError

if TYPE_CHECKING:
    from client_sdk.cli import Context

EXIT_WRONG = 1
_MARKS = {"good": "✓", "warning": "!", "wrong": "✗"}


def add_to(cli: click.Group) -> None:
    """Add these commands."""
    cli.add_command(doctor)
    cli.add_command(repair)


@click.command()
@click.option("--quick", is_flag=True, help="不问口令，不逐页核验 / ask no secret, read no pages")
@click.pass_obj
def doctor(obj: Context, quick: bool) -> None:
    """检查平板：哪里不对，怎么办。 / What is wrong with this tablet, and what to do."""
    worker = secret = ""
    if not quick and _can_unlock(obj):
        worker = obj.worker
        secret = obj.secret("ask-secret", worker)
    found = tablet_mending.examine(obj.directory, system_keyring(), worker, secret, now_ms())
    for one in found:
        told = "ok" if one.grade == "good" else "bad"
        text = obj.words(f"{told}-{one.name}", number=one.number)
        click.echo(f"{_MARKS[one.grade]} {one.name}: {text}")
    if any(one.grade == "wrong" for one in found):
        raise click.exceptions.Exit(EXIT_WRONG)


def _can_unlock(obj: Context) -> bool:
    try:
        return bool(Tablet.workers_of(obj.directory))
    except (StoreMissing, CryptoError):
        return False


@click.command()
@click.option("--address", default="", help="区服务器 host:port / where the district answers")
@click.pass_obj
def repair(obj: Context, address: str) -> None:
    """数据损坏时由区服务器恢复；未上传的修改先交出。 / Bring a damaged tablet back."""
    worker = obj.worker
    done = tablet_mending.repair(
        Tablet,
        obj.directory,
        worker,
        obj.secret("ask-secret", worker),
        keyring=system_keyring(),
        clock=now_ms,
        address=address,
    )
    obj.say(
        "repaired",
        changes=done.set.handed.changes,
        records=done.report.records,
        saved=done.set.saved,
    )
    if done.kept is not None:
        folder = os.fspath(done.kept)
        obj.say("repaired-kept", refused=done.set.handed.refused, folder=folder)
