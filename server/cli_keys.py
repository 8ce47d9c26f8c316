# SPDX-License-Identifier: Apache-2.0
"""``doorstep keys renew box``: a new key that is sealed to.

What must not live here: keys (``boxes.py``), when it is time (``renewing.py``).
"""

from __future__ import annotations

import click

from server.cli_words import BY, SpokenGroup, spoken, state_of


def add_to(main: click.Group) -> None:
    """Add these commands."""
    main.add_command(keys)


@click.group("keys", cls=SpokenGroup, help="服务器的密钥 ‖ The server's keys.")
def keys() -> None:
    """Keys."""


@click.group("renew", cls=SpokenGroup, help="换新密钥 ‖ Make new ones.")
def renew() -> None:
    """Renewal."""


keys.add_command(renew)


@spoken(
    renew,
    "box",
    "换新的封装密钥；旧的仍能打开已封装的内容（serve 每 90 天自动换一次）‖ "
    "Make a new box key; the old ones still open what was sealed (serve does it every 90 days).",
)
@BY
@click.pass_context
def box(context: click.Context, /, by: str) -> None:
    """Renew the box key."""
    from server.boxes import GRACE_MS
    from server.office import reading
    from server.renewing import renew_box

    state = state_of(context)
    with reading(state.settings) as desk, desk.store.write() as tx:
        renew_box(tx, desk.keys.boxes, by, desk.now_ms)
    state.say(
        "已换新的封装密钥；平板在下次联系时得知。{days} 天内仍收用旧密钥封装的数据包；"
        "请把密钥目录再离线另存一份 ‖ "
        "A new box key is in use; tablets hear of it at their next contact. Bundles sealed to the"
        " old one are taken for {days} days. Keep a new offline copy of the key folder",
        days=GRACE_MS // 86_400_000,
    )
