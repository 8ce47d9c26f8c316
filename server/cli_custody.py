# SPDX-License-Identifier: Apache-2.0
"""``doorstep custody``: where each change of a record is.

What must not live here: how it is known (``custody.py``).
"""

from __future__ import annotations

import click

from server.cli_words import spoken, state_of, when
from server.words import pick


@click.group()
def _group() -> None:
    """This command, until the main group takes it."""


def add_to(main: click.Group) -> None:
    """Add this command."""
    for command in _group.commands.values():
        main.add_command(command)


@spoken(
    _group, "custody", "一条记录的每次修改现在在哪里 ‖ Where each change of a record is by now."
)
@click.argument("record")
@click.pass_context
def custody(context: click.Context, /, record: str) -> None:
    """Custody of a record's changes."""
    from server.custody import custody_of
    from server.custody_places import WORDS, last_backup
    from server.errors import NotFound
    from server.office import reading

    state = state_of(context)
    with reading(state.settings) as desk, desk.store.read() as tx:
        found = custody_of(tx, desk.keys.sign.replica, record)
        seq, backed_up_ms = last_backup(tx)
    if not found:
        raise NotFound("record")
    state.table(
        [
            "写的设备 ‖ written by",
            "第几条 ‖ number",
            "到本区 ‖ at the district",
            "由谁带来 ‖ carried by",
            "还在 ‖ also at",
        ],
        [
            [
                one.writer,
                one.counter,
                when(one.received_at_ms),
                one.carrier,
                ", ".join(pick(WORDS[kind], state.lang) for kind in one.places),
            ]
            for one in found
        ],
    )
    if not seq:
        state.warn("尚无经校验的备份 ‖ There is no verified backup yet")
    else:
        state.say(
            "最近一次经校验的备份：{when} ‖ The last verified backup: {when}",
            when=when(backed_up_ms),
        )
