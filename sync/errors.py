# SPDX-License-Identifier: Apache-2.0
"""The errors of the engine, one tree.

What lives here: every way in which bytes or calls handed to ``sync`` can be refused, each with a
stable code and three sentences (what happened, what was kept, what to do) in Chinese and English.
What must not: HTTP status, which is the server's business. Invariant: codes never change meaning.
"""

from __future__ import annotations

from typing import ClassVar


class SyncError(Exception):
    """Something handed to the engine was refused; nothing of it was applied.

    ``code`` is stable; ``detail`` says which value, never what personal data it held.
    """

    code: ClassVar[str] = "sync/error"
    zh: ClassVar[str] = "数据未被接受。已有记录未受影响。请重试；若仍失败，请报告此代码。"
    en: ClassVar[str] = (
        "The data was refused. What was stored is untouched. Try again, else report the code."
    )

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail)
        self.detail = detail

    def message(self, lang: str = "zh") -> str:
        """The three sentences for a person, in ``zh`` or ``en``."""
        return self.zh if lang == "zh" else self.en

    def __str__(self) -> str:
        return f"{self.code}: {self.detail}" if self.detail else self.code


class MessageMalformed(SyncError):
    """Bytes that are not a message of this protocol."""

    code = "sync/malformed"
    zh = "收到的数据格式不正确。其中内容一概未用，原有记录完好。请更新程序后重试。"
    en = "What arrived is not a valid message. None of it was used. Update the program, try again."


class LimitExceeded(SyncError):
    """A count, size or depth above its named limit."""

    code = "sync/limit"
    zh = "收到的数据超过上限。其中内容一概未用，原有记录完好。请分成较小的部分再发。"
    en = "What arrived is over a limit. None of it was used. Send it in smaller parts."


class ProtocolUnknown(SyncError):
    """A protocol version this program does not speak."""

    code = "sync/protocol"
    zh = "对方使用了本程序不认识的协议版本。双方数据未变。请更新较旧的一方。"
    en = (
        "The other side speaks an unknown protocol version. Nothing changed. Update the older side."
    )


class FeedGap(SyncError):
    """A segment that does not continue what is held of its feed."""

    code = "sync/gap"
    zh = "上传缺少前面的一段。已收到的都已保存。平板会从收据处接着发送。"
    en = (
        "The upload lacks an earlier part. All received before is kept. Sending resumes from there."
    )


class ChainBroken(SyncError):
    """The hash chain or the signature of a segment does not hold."""

    code = "sync/chain"
    zh = "上传内容与其签名不符。其中内容一概未用，平板上的原件仍在。请重新同步并通知管理员。"
    en = "The upload does not match its signature. None was used; the tablet keeps it. Sync again."


class ChangeInvalid(SyncError):
    """A change that may not be written: wrong operation, name, value or reference."""

    code = "sync/change"
    zh = "这项填写不符合要求。原来的内容保留。请按提示更正后再保存。"
    en = "This entry is not allowed. What was there is kept. Correct it as told and save again."


class StateInvalid(SyncError):
    """A stored or received record state that contradicts itself."""

    code = "sync/state"
    zh = "一条记录的同步数据损坏。原始修改仍在。请运行校验，由另一端修复。"
    en = "A record's causal data is damaged. Its changes are kept. Run verify, repair from a peer."


class BundleRepeated(SyncError):
    """A bundle that was taken already."""

    code = "sync/bundle-repeated"
    zh = "这个数据包以前已经导入过。没有重复导入，已有记录未变。无需再做什么，可以从 U 盘删除。"
    en = "This bundle was imported before. Nothing was taken twice. It may go from the stick."


class BundleLate(SyncError):
    """A bundle that a later one of the same sender has overtaken."""

    code = "sync/bundle-late"
    zh = "同一发件方更新的数据包已经导入，其中包含这一份的全部内容。没有任何改动。可以删除这一份。"
    en = (
        "A later bundle of this sender was imported and holds all of this one. Nothing changed. "
        "This one may be deleted."
    )
