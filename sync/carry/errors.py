# SPDX-License-Identifier: Apache-2.0
"""The errors of carrying, a branch of the tree of ``sync``.

What lives here: why a folder, a piece or a picture could not be used, each with a stable code and
three sentences in Chinese and English. What must not: what is wrong with a bundle itself, which
``crypto`` and ``sync`` say.
"""

from __future__ import annotations

from sync.errors import SyncError


class CarryError(SyncError):
    """Something about the stick, the pieces or the pictures; nothing was taken."""

    code = "carry/error"
    zh = "携带的文件无法使用。没有导入任何内容，原有记录完好。请重新导出后再试。"
    en = "What was carried cannot be used. Nothing was taken; all is kept. Export it again."


class PieceRefused(CarryError):
    """A piece that is damaged, or does not fit the others of its bundle."""

    code = "carry/piece"
    zh = "数据包的一段已损坏。其余各段都保留。请只把这一段重新拷贝一次。"
    en = "A piece of the bundle is damaged. The others are kept. Copy this one again."


class TooLarge(CarryError):
    """More than this carrier takes: a bundle as pictures, a stick without room."""

    code = "carry/too-large"
    zh = "内容太多，这种方式带不走。没有写出任何内容。请改用更大的 U 盘，或分几次导出。"
    en = "This is too much for this carrier. Nothing was written. Use a larger stick, or pieces."


class NothingFound(CarryError):
    """No bundle for this receiver where one was looked for."""

    code = "carry/nothing"
    zh = "没有找到给本机的数据包。没有任何改动。请检查 U 盘，或让对方为本机导出。"
    en = "No bundle for this receiver was found. Nothing changed. Check the stick, or export one."
