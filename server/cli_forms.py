# SPDX-License-Identifier: Apache-2.0
"""``doorstep forms``: the forms there are, and XLSForm in and out.

What lives here: asking and showing. What must not: reading or writing XLSForm (``xlsform.py``).
"""

from __future__ import annotations

from pathlib import Path

import click

from server.cli_words import SpokenGroup, officer, option, spoken, state_of

BY = option("--by", default=officer, show_default="account", text="经办人 ‖ the officer")


def add_to(main: click.Group) -> None:
    """Add these commands."""
    main.add_command(forms)


@click.group("forms", cls=SpokenGroup, help="表单 ‖ Forms.")
def forms() -> None:
    """Forms."""


@spoken(forms, "show", "列出表单，或查看一张 ‖ Show the forms there are, or all of one.")
@click.argument("collection", default="")
@click.pass_context
def forms_show(context: click.Context, /, collection: str) -> None:
    """Show."""
    from server.errors import NotFound
    from server.forms import known_schema
    from sync.labels import form_lines

    state = state_of(context)
    schema, lang = known_schema(state.settings), state.lang
    if not collection:
        rows = [(c.name, c.label.text(lang), len(c.fields)) for c in schema.collections.values()]
        state.table(["名称 ‖ name", "表单 ‖ form", "栏目数 ‖ fields"], rows)
        return
    found = schema.collections.get(collection)
    if found is None:
        raise NotFound("form")
    heads = ["栏目 ‖ field", "名称 ‖ name", "填写 ‖ to fill in", "规则 ‖ policy", "原因 ‖ why"]
    state.table(heads, form_lines(found, lang))


@spoken(forms, "export", "把表单导出为 XLSForm ‖ Export a form as XLSForm.")
@click.argument("collection")
@click.argument("target", type=click.Path(dir_okay=False, path_type=Path))
@click.pass_context
def forms_export(context: click.Context, /, collection: str, target: Path) -> None:
    """Export."""
    from server.errors import NotFound
    from server.forms import known_schema
    from server.xlsform import exported

    state = state_of(context)
    found = known_schema(state.settings).collections.get(collection)
    if found is None:
        raise NotFound("form")
    target.write_bytes(exported(found))
    state.say("已写入 {target} ‖ Written to {target}", target=target)


@spoken(forms, "import", "从 XLSForm 导入表单 ‖ Bring in a form from XLSForm.")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@option("--as", "name", default="", text="表单名称 a-z 0-9 _ ‖ what to call it")
@BY
@click.pass_context
def forms_import(context: click.Context, /, file: Path, name: str, by: str) -> None:
    """Import."""
    from server.forms import keep_form
    from server.journal import note
    from server.office import reading
    from server.xlsform import imported

    state = state_of(context)
    found = imported(file.read_bytes(), name)
    keep_form(state.settings, found.collection)
    with reading(state.settings) as desk, desk.store.write() as tx:
        note(tx, desk.now_ms, by, "form-import", found.collection.name, file.name)
    for line in found.unmapped:
        state.warn("未能带入，第 {line} ‖ Not brought in, row {line}", line=line)
    state.say(
        "已导入表单 {name}，{count} 栏；重启服务器后生效 ‖ "
        "Brought in the form {name} with {count} fields; restart the server to use it",
        name=found.collection.name,
        count=len(found.collection.fields),
    )
