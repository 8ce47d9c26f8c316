# SPDX-License-Identifier: Apache-2.0
"""How the command line speaks: two languages, plain errors, tables, progress.

What lives here: the click classes that show help in the chosen language, and what commands share.
What must not: commands. Invariants
- Every text stands as ``中文 ‖ English``; ``--lang`` (or DOORSTEP_LANG, or the file) chooses.
- An error is its three sentences and its code on standard error, and an exit code by its kind.
"""

from __future__ import annotations

import getpass
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, TypeVar

import click
import sqlcipher3
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from crypto.errors import CryptoError
from server.api.replies import known_error
from server.errors import ConfigurationWrong, ServerError
from server.settings import Settings, load_settings
from server.words import fill, pick
from sync.errors import SyncError

F = TypeVar("F", bound=Callable[..., Any])
EXIT_REFUSED, EXIT_USAGE, EXIT_FAULT = 1, 2, 3
"""Refused with a code; called wrongly (click's own); the machine failed (disk, files)."""


def when(ms: int | None) -> str:
    """A time as the office reads it; empty for none."""
    if ms is None:
        return ""
    return datetime.fromtimestamp(ms / 1000).astimezone().strftime("%Y-%m-%d %H:%M")


class State:
    """What a command needs of the whole call: settings, language, screen."""

    def __init__(self, config: str | None, flags: dict[str, Any]) -> None:
        self._config = config
        self._flags = flags
        self._settings: Settings | None = None
        self.out = Console(highlight=False, soft_wrap=True)
        self.err = Console(stderr=True, highlight=False, soft_wrap=True)

    def add_flags(self, flags: dict[str, Any]) -> None:
        """Add the flags of a command to those of the root."""
        self._flags |= {name: value for name, value in flags.items() if value is not None}
        self._settings = None

    @property
    def settings(self) -> Settings:
        """The settings of this call, read once. Raises ConfigurationWrong."""
        if self._settings is None:
            self._settings = load_settings(self._config, None, self._flags)
        return self._settings

    @property
    def lang(self) -> str:
        """``zh`` or ``en``; Chinese where the settings cannot be read."""
        if self._flags.get("lang"):
            return str(self._flags["lang"])
        try:
            return self.settings.lang
        except ConfigurationWrong:
            return "zh"

    def say(self, text: str, **values: object) -> None:
        """Print a sentence in the language of the call."""
        self.out.print(fill(text, self.lang, **values), markup=False)

    def warn(self, text: str, **values: object) -> None:
        """Print a sentence to standard error."""
        self.err.print(fill(text, self.lang, **values), markup=False)

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Print a table; headings in both languages."""
        table = Table(*(pick(column, self.lang) for column in columns), header_style="bold")
        for row in rows:
            table.add_row(*("" if cell is None else str(cell) for cell in row))
        self.out.print(table)

    @contextmanager
    def progress(self, text: str, total: int) -> Iterator[Any]:
        """A progress bar on standard error; the value is called with the steps done."""
        with Progress(
            TextColumn(fill(text, self.lang)),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self.err,
        ) as bar:
            task = bar.add_task("", total=total)
            yield lambda steps: bar.advance(task, steps)


def state_of(context: click.Context) -> State:
    """The state of this call."""
    found = context.find_root().obj
    if not isinstance(found, State):
        found = context.find_root().obj = State(None, {})
    return found


def officer() -> str:
    """Who works at the command line, where no name was given: the account's name."""
    return getpass.getuser()[:32]


def _help_lang(context: click.Context) -> str:
    lang = context.find_root().params.get("lang")
    return str(lang) if lang else state_of(context).lang


class SpokenOption(click.Option):
    """An option whose help stands in both languages."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """The help in the language of the call."""
        found = super().get_help_record(ctx)
        return (found[0], pick_help(found[1], _help_lang(ctx))) if found else None


def pick_help(text: str, lang: str) -> str:
    """A language of a help text to which click has added its own remarks in brackets."""
    body, bracket, remarks = text.partition("  [")
    return pick(body, lang) + bracket + remarks


class SpokenCommand(click.Command):
    """A command whose help stands in both languages."""

    def get_short_help_str(self, limit: int = 45) -> str:
        """One line in the language of the call."""
        context = click.get_current_context(silent=True)
        return pick(self.help or "", _help_lang(context) if context else "zh")

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The help in the language of the call."""
        formatter.write_paragraph()
        with formatter.indentation():
            formatter.write_text(pick(self.help or "", _help_lang(ctx)))


class SpokenGroup(SpokenCommand, click.Group):
    """A group of spoken commands; errors become sentences and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run; what the packages refuse is told in three sentences."""
        if ctx.parent is not None:
            return super().invoke(ctx)
        try:
            return super().invoke(ctx)
        except (SyncError, CryptoError, ServerError) as error:
            tell(state_of(ctx), error)
            ctx.exit(EXIT_REFUSED)
        except (OSError, sqlcipher3.Error) as error:
            known = known_error(error)
            if known is None:
                state = state_of(ctx)
                state.warn(
                    "本机操作失败（{kind}）。已保存的数据未受影响。请检查磁盘与权限后重试。 ‖ "
                    "This machine failed ({kind}). What was stored is untouched. Check disk and"
                    " permissions, then try again.",
                    kind=f"{type(error).__name__}: {error}",
                )
            else:
                tell(state_of(ctx), known)
            ctx.exit(EXIT_FAULT)


def tell(state: State, error: Exception) -> None:
    """An error's sentences, detail and code on standard error."""
    if isinstance(error, (SyncError, CryptoError, ServerError)):
        lang: Any = state.lang
        state.err.print(error.message(lang), markup=False)
        detail = f" ({error.detail})" if error.detail else ""
        state.err.print(f"[{error.code}]{detail}", markup=False)


def spoken(
    group: click.Group, name: str, text: str, **more: Any
) -> Callable[[Callable[..., Any]], click.Command]:
    """Decorator: add a spoken command with help ``中文 ‖ English`` to a group."""
    return group.command(name, cls=SpokenCommand, help=text, **more)


def option(*names: str, text: str, **more: Any) -> Callable[[F], F]:
    """Decorator: a spoken option with help ``中文 ‖ English``."""
    return click.option(*names, cls=SpokenOption, help=text, **more)


BY = option(
    "--by",
    default=officer,
    show_default="account",
    text="经办人，写入日志 ‖ who does it; goes into the journal",
)
