# SPDX-License-Identifier: Apache-2.0
"""The errors of the server, one tree, and the only place where HTTP status is named.

What lives here: what the server refuses, with stable codes, in Chinese and English, and the status
of every error of ``sync`` and ``crypto`` by its code. Invariants: codes never change meaning; an
error tells what happened, what was kept and what to do, and never personal data.
"""

from __future__ import annotations

from typing import ClassVar


class ServerError(Exception):
    """Something was refused by the server; nothing of it was applied."""

    code: ClassVar[str] = "server/error"
    status: ClassVar[int] = 500
    zh: ClassVar[str] = "服务器未能完成。已收到的都已保存。请稍后重试；若仍失败，请报告此代码。"
    en: ClassVar[str] = (
        "The server could not do this. What it had received is kept. Try later; report the code."
    )

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail)
        self.detail = detail

    def message(self, lang: str = "zh") -> str:
        """The three sentences for a person, in ``zh`` or ``en``."""
        return self.zh if lang == "zh" else self.en

    def __str__(self) -> str:
        return f"{self.code}: {self.detail}" if self.detail else self.code


class StoreTooOld(ServerError):
    """The SQLite library has a known corruption bug."""

    code = "server/store-too-old"
    zh = "此 SQLite 版本的预写日志会损坏数据。未打开任何文件。请安装 3.51.3 或更新的版本。"
    en = "This SQLite corrupts its log. No file was opened. Install 3.51.3 or newer."


class StoreDamaged(ServerError):
    """The file does not open with this key, or is damaged."""

    code = "server/store-damaged"
    zh = "存储无法用此密钥打开，或已损坏。文件未被改动。请检查密钥文件，或从备份恢复。"
    en = "The store does not open with this key. Nothing was changed. Check the key, or restore."


class StoreFull(ServerError):
    """The disk is full: nothing of this exchange was taken."""

    code = "server/disk-full"
    status = 507
    zh = "服务器磁盘已满，本次上传未被接受。平板上的内容完好，会再次发送。请管理员腾出空间。"
    en = "The disk is full; this upload was not taken. The tablet keeps it and sends it again."
