# SPDX-License-Identifier: Apache-2.0
"""``doorstep-tablet custody, change-secret``: where one's changes are, and a new PIN.

What must not live here: how it is known (``custody.py``), how keys are wrapped (``keys.py``).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click
from rich.table import Table

from client_sdk.cli_show import when
from client_sdk.tablet import Tablet

if TYPE_CHECKING:
    from client_sdk.cli import Context


NEW_SECRET_VARIABLE = "DOORSTEP_TABLET_NEW_SECRET"
"""For scripts and demos only, as the variable of the secret in use."""


def add_to(group: click.Group) -> None:
    """Add these commands."""
    group.add_command(custody)
    group.add_command(change_secret)


@click.command()
@click.argument("record", required=False, default=None)
@click.pass_obj
def custody(obj: Context, record: str | None) -> None:
    """我写的每一条现在在哪里。 / Where each of one's changes is now."""
    words = obj.words
    with obj.open() as tablet:
        found = tablet.custody(record)
    table = Table(
        words("head-time"), words("head-record"), words("head-field"), words("head-where")
    )
    for one in found:
        places = "; ".join(
            words(f"place-{place.kind}", who=place.who)
            + (f" ({when(place.at_ms)})" if place.at_ms else "")
            for place in one.places
        )
        table.add_row(when(one.at_ms), one.record, ", ".join(one.fields), places)
    if found:
        obj.console.print(table)
    else:
        obj.say("nothing")


@click.command(name="change-secret")
@click.pass_obj
def change_secret(obj: Context) -> None:
    """更改 PIN 或口令，需要旧的。 / Change one's PIN or passphrase; needs the old one."""
    worker = obj.worker
    old = obj.secret("ask-secret", worker)
    with Tablet.open(obj.directory, worker, old) as tablet:
        new = os.environ.get(NEW_SECRET_VARIABLE) or str(
            click.prompt(
                obj.words("ask-new-secret", worker=worker),
                hide_input=True,
                confirmation_prompt=True,
            )
        )
        tablet.change_secret(old, new)
    obj.say("secret-changed")
