# SPDX-License-Identifier: Apache-2.0
"""``doorstep person withdrawn``: consents that were taken back, and what is to be done.

What lives here: asking and showing. What must not: the list (``withdrawals.py``), erasing.
Invariant: whose withdrawal is shown is a line of the access log.
"""

from __future__ import annotations

import click

from server.cli_rights import person
from server.cli_words import BY, option, spoken, state_of, when


def add_to(main: click.Group) -> None:
    """Add the command to those about one person."""
    person.add_command(withdrawn)


_group = click.Group()


@spoken(_group, "withdrawn", "撤回的同意，待处理 ‖ Consents withdrawn that wait to be seen to.")
@option("--close", "record", default="", text="不删除而结束此条 ‖ close this one without erasing")
@option("--reason", default="", text="不删除的理由 ‖ why nothing is erased")
@BY
@click.pass_context
def withdrawn(context: click.Context, /, record: str, reason: str, by: str) -> None:
    """List, or close one."""
    from server.log_access import Reading, note_readings
    from server.office import reading
    from server.withdrawals import close_withdrawal, withdrawals

    state = state_of(context)
    if record and not reason:
        raise click.UsageError("--reason")
    with reading(state.settings) as desk, desk.store.write() as tx:
        if record:
            close_withdrawal(tx, record, reason, by, desk.now_ms)
        found = withdrawals(tx)
        lines = [Reading(by, o.area, o.home, o.person, "name", "rights withdrawn") for o in found]
        note_readings(tx, desk.now_ms, lines)
    state.table(
        ["同意书 ‖ consent", "姓名 ‖ name", "用途 ‖ purpose", "日期 ‖ on", "得知 ‖ heard of"],
        [(one.record, one.name, one.purpose, one.on, when(one.at_ms)) for one in found],
    )
    for one in found:
        state.say(
            "删除：doorstep erase now {person} --basis consent --reason … ‖ "
            "To erase: doorstep erase now {person} --basis consent --reason …",
            person=one.person,
        )
