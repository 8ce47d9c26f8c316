# SPDX-License-Identifier: Apache-2.0
"""What is refused where the store was given another key, with its stable code.

What must not live here: behaviour.
"""

from __future__ import annotations

from server.errors import ServerError


class StoreReplaced(ServerError):
    """The store went over to another file while this process had the former one open."""

    code = "server/store-replaced"
    status = 503
    zh = "存储刚换了密钥，本进程打开的是旧文件。这一步什么都没有写入。请重新执行。"
    en = "The store was just given another key. Nothing was written. Run this again."


class RenewalRoom(ServerError):
    """The disk has no room for a second copy of the store, which a new key needs."""

    code = "server/renewal-room"
    status = 507
    zh = "磁盘放不下第二份存储，无法换新密钥。密钥和存储都未改变。请腾出空间后再试。"
    en = "A new key needs room for a second copy of the store. Nothing changed. Free space first."
