# SPDX-License-Identifier: Apache-2.0
"""``doorstep districts``: many districts of one PostgreSQL, or of several, asked as one.

What must not live here: tables and partitions (``store/postgres_districts.py``).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from server.cli_words import SpokenGroup, State, option, spoken, state_of

if TYPE_CHECKING:
    import psycopg


def add_to(main: click.Group) -> None:
    """Add these commands."""
    main.add_command(districts)


@click.group(
    "districts",
    cls=SpokenGroup,
    help="把多个区作为一个来查询（PostgreSQL）‖ Ask many districts as one (PostgreSQL).",
)
def districts() -> None:
    """Districts."""


@contextmanager
def _database(state: State) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    from server.errors import ConfigurationWrong
    from server.store.postgres_districts import opened

    if not state.settings.store_dsn:
        raise ConfigurationWrong("store_dsn")
    with opened(state.settings.store_dsn) as db:
        yield db


@spoken(
    districts,
    "add",
    "纳入一个区：本库的模式，或 postgres_fdw 外部服务器上的 ‖ "
    "Take in a district: a schema of this database, or of a server of postgres_fdw.",
)
@click.argument("district")
@option(
    "--server", default="", text="外部服务器名（空：本库）‖ foreign server (empty: this database)"
)
@click.pass_context
def add(context: click.Context, /, district: str, server: str) -> None:
    """Take in."""
    from server.forms import known_schema
    from server.store.postgres_districts import take_in

    state = state_of(context)
    with _database(state) as db:
        take_in(db, district, server, known_schema(state.settings))
    state.say(
        "已纳入 {district}。请查询模式 districts 中的视图 ‖ "
        "{district} is taken in. Ask the views of the schema districts",
        district=district,
    )


@spoken(
    districts,
    "remove",
    "移出一个区；其数据不受影响 ‖ Leave a district out; nothing of it is touched.",
)
@click.argument("district")
@click.pass_context
def remove(context: click.Context, /, district: str) -> None:
    """Leave out."""
    from server.store.postgres_districts import take_out

    state = state_of(context)
    with _database(state) as db:
        take_out(db, district)
    state.say("已移出 {district} ‖ {district} is left out", district=district)


@spoken(districts, "list", "列出已纳入的区 ‖ List the districts that are taken in.")
@click.pass_context
def show(context: click.Context, /) -> None:
    """List."""
    from server.store.postgres_districts import places

    state = state_of(context)
    with _database(state) as db:
        rows = [(place.district, place.server) for place in places(db)]
    state.table(["区 ‖ district", "服务器 ‖ server"], rows)
