# SPDX-License-Identifier: Apache-2.0
"""``doorstep verify``: every change replayed from nothing and compared with the record.

What lives here: asking, a progress bar, the exit code. What must not: checking (``verify.py``).
Invariant: it exits with 0 only where everything holds.
"""

from __future__ import annotations

import time
from typing import Any

import click

from server.cli_words import EXIT_REFUSED, State, option, spoken, state_of


@spoken(
    click.Group(),
    "verify",
    "重放全部修改，与记录逐一核对 ‖ Replay every change and compare with the record.",
)
@option("--changes", "listed", is_flag=True, text="列出每个修改的下落 ‖ list each change's fate")
@click.pass_context
def verify(context: click.Context, /, listed: bool) -> None:
    """Verify."""
    from server.audit_tables import print_verdict
    from server.audit_words import FATE_WORDS
    from server.office import reading
    from server.verify import verify_store
    from server.words import pick

    state = state_of(context)

    def told(record: str, dot: bytes, became: Any) -> None:
        by = f"  ← {became.by.hex()}" if became.by else ""
        word = pick(FATE_WORDS[became.fate], state.lang)
        state.out.print(f"{record}  {dot.hex()}  {word}{by}", markup=False)

    start = time.monotonic()
    with reading(state.settings) as desk, desk.store.read() as tx, _Bar(state) as bar:
        verdict = verify_store(
            tx, desk.schema, desk.keys.sign.public, bar.step, told if listed else None
        )
    print_verdict(state.out, verdict, time.monotonic() - start, state.lang)
    if not verdict.holds:
        context.exit(EXIT_REFUSED)


class _Bar:
    """The progress of a verification on standard error."""

    def __init__(self, state: State) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        self._lang = state.lang
        self._tasks: dict[str, Any] = {}
        self._bar = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), console=state.err
        )

    def __enter__(self) -> _Bar:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def step(self, stage: str, done: int, total: int) -> None:
        """Move the bar of a stage."""
        from server.words import pick

        words = {"feeds": "核对修改链 ‖ feeds", "records": "重放记录 ‖ records"}
        if stage not in self._tasks:
            self._tasks[stage] = self._bar.add_task(pick(words[stage], self._lang), total=total)
        self._bar.update(self._tasks[stage], completed=done, total=total)
