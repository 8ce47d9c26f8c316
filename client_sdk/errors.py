# SPDX-License-Identifier: Apache-2.0
"""The errors of the tablet, one tree.

What lives here: every way in which the tablet refuses a call, each with a stable code and three
sentences (what happened, what was kept, what to do) in Chinese and English. What must not: errors
of ``sync`` and ``crypto``, which keep their own codes and pass through. Invariant: codes never
change meaning; a detail names a field or a limit, never personal data.
"""

from __future__ import annotations

from typing import ClassVar

from sync.validation import Problem


class TabletError(Exception):
    """Something the tablet refused; nothing of it was applied.

    ``code`` is stable, ``detail`` is for logs and holds no personal data.
    """

    code: ClassVar[str] = "tablet/error"
    zh: ClassVar[str] = "操作没有完成。已有记录未受影响。请重试；若仍失败，请报告此代码。"
    en: ClassVar[str] = (
        "The operation failed. What was stored is untouched. Try again; if it fails, "
        "report this code."
    )

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail)
        self.detail = detail

    def message(self, lang: str = "zh") -> str:
        """The three sentences for a person, in ``zh`` or ``en``."""
        return self.zh if lang == "zh" else self.en

    def __str__(self) -> str:
        return f"{self.code}: {self.detail}" if self.detail else self.code


class StoreMissing(TabletError):
    """There is no store where one was to be opened."""

    code = "tablet/store-missing"
    zh = "此处没有已登记的平板数据。没有任何改动。请先登记本平板。"
    en = "There is no enrolled tablet here. Nothing was changed. Enrol this tablet first."


class StoreExists(TabletError):
    """A store would be made where one is already."""

    code = "tablet/store-exists"
    zh = "此处已有平板数据。原有数据完好。请换一个文件夹，或先清除。"
    en = "There is a store here already. It is untouched. Choose another folder or wipe it first."


class StoreBusy(TabletError):
    """Another program has the store open; two writers would count the same counter twice."""

    code = "tablet/store-busy"
    zh = "另一个程序正在使用这台平板的数据。数据完好。请先关闭它再打开。"
    en = "Another program has this store open. It is untouched. Close that one, then open again."


class StoreKeyWrong(TabletError):
    """The key does not open the store, or the file is damaged."""

    code = "tablet/store-key"
    zh = (
        "数据无法解密，或文件已损坏。没有改动任何内容，密封发件箱未受影响。"
        "请运行 doorstep-tablet doctor；如已损坏，repair 由区服务器恢复。"
    )
    en = (
        "The store does not open: wrong key or damage. Nothing was changed; the sealed outbox is"
        " untouched. Run doorstep-tablet doctor; repair brings it back from the district."
    )


class StoreDamaged(StoreKeyWrong):
    """A part of the store cannot be read, or the file is empty; no new one is made in its place."""

    code = "tablet/store-damaged"
    zh = (
        "平板的数据文件有损坏。没有改动任何内容，密封发件箱完好。"
        "请在有网络时运行 doorstep-tablet repair，由区服务器恢复。"
    )
    en = (
        "A part of the store cannot be read. Nothing was changed; the sealed outbox is whole. "
        "With a connection run doorstep-tablet repair: the district brings it back."
    )


class StoreSound(TabletError):
    """A store was to be repaired in which nothing is damaged."""

    code = "tablet/store-sound"
    zh = "平板的数据完好，无需修复。没有改动任何内容。请照常使用。"
    en = "The store is sound: there is nothing to repair. Nothing was changed. Go on working."


class StoreTooNew(TabletError):
    """The store was written by a newer program."""

    code = "tablet/store-too-new"
    zh = "数据由更新的程序写成。数据完好。请更新本程序后再打开。"
    en = "The store was written by a newer program. It is untouched. Update this program."


class StoreFull(TabletError):
    """The disk took no more."""

    code = "tablet/store-full"
    zh = "存储空间已满，这次没有保存。之前保存的都完好。请清理空间后再保存。"
    en = "The disk is full; this was not saved. All saved before is kept. Free space, save again."


class StoreFailed(TabletError):
    """The disk failed while something was read or written."""

    code = "tablet/store-failed"
    zh = "存储器读写出错，这次没有完成。之前保存的都完好。请重试；若仍失败，请把平板交给管理员。"
    en = (
        "The disk failed; this was not done. All saved before is kept. "
        "Try again; if it fails, hand the tablet to the administrator."
    )


class Locked(TabletError):
    """The tablet is locked or closed."""

    code = "tablet/locked"
    zh = "平板已锁定。数据完好。请用 PIN 或口令解锁。"
    en = "The tablet is locked. Nothing is lost. Unlock it with PIN or passphrase."


class NotFound(TabletError):
    """No such record or blob is held here."""

    code = "tablet/not-found"
    zh = "本机没有这条记录。没有任何改动。请检查编号，或同步后再看。"
    en = "This tablet does not hold it. Nothing was changed. Check the id, or sync and look again."


class EntryRefused(TabletError):
    """Values that a form may not hold; ``problems`` names each field and why."""

    code = "tablet/entry"
    zh = "填写内容不符合要求。原来的内容保留。请按提示更正后再保存。"
    en = "The entry is not allowed. What was there is kept. Correct it as told and save again."

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__(", ".join(f"{p.field}: {p.code}" for p in problems))
        self.problems = problems

    def message(self, lang: str = "zh") -> str:
        """What to correct, field by field."""
        return " ".join(p.message(lang) for p in self.problems) or super().message(lang)


class OperationMisplaced(TabletError):
    """An operation on a field whose policy takes another one."""

    code = "tablet/operation"
    zh = "这一栏不能这样填写。原来的内容保留。请用该栏的操作（填写、添加、计数或追加）。"
    en = "The field takes another operation. What was there is kept. Use set, add, count or append."


class NotEnrolled(TabletError):
    """What was asked needs keys or a certificate of a district."""

    code = "tablet/not-enrolled"
    zh = "本平板尚未登记到区级服务器。已有记录完好。请先登记。"
    en = "This tablet is not enrolled with a district. What it holds is kept. Enrol it first."


class Unreachable(TabletError):
    """The server could not be reached, or the connection broke.

    ``cut``: it broke after something was sent, which may have to be sent again.
    """

    cut = False
    code = "tablet/unreachable"
    zh = "连接不上服务器。全部记录都在平板上。有信号时请再同步。"
    en = "The server cannot be reached. All is kept on the tablet. Sync again with signal."


class ServerRefused(TabletError):
    """The server answered with an error; ``status`` and its code say which."""

    code = "tablet/server-refused"
    zh = "服务器没有接受这次请求。全部记录都在平板上。请稍后再试；若仍失败，请报告此代码。"
    en = "The server refused. All is kept on the tablet. Try later; if it fails, report this code."

    def __init__(self, status: int, server_code: str = "") -> None:
        super().__init__(f"{status} {server_code}".strip())
        self.status = status
        self.server_code = server_code


class Revoked(ServerRefused):
    """The district took this tablet's certificate back.

    ``revocation`` is its signed statement; ``reply`` the answer to what was handed over, if any.
    """

    code = "tablet/revoked"
    zh = "本平板已被停用。未上传的记录在密封发件箱中。请把平板交回，由管理员取回记录。"
    en = (
        "This tablet was revoked. Unsent visits are in the sealed outbox. "
        "Hand the tablet back; the administrator takes them in."
    )

    def __init__(
        self, status: int, server_code: str = "", revocation: bytes = b"", reply: bytes = b""
    ) -> None:
        super().__init__(status, server_code)
        self.revocation = revocation
        self.reply = reply


class LeaseClosed(TabletError):
    """The district was not reached for longer than it allows; the store opens with contact only."""

    code = "tablet/lease-closed"
    zh = "本平板太久没有联系区级服务器，暂时打不开。记录都在。请连上网络后再解锁。"
    en = "This tablet was out of contact too long. All is kept. Unlock it again with a network."


class LeaseErased(TabletError):
    """The lease ran out, and the further time after it: the keys of this store were erased."""

    code = "tablet/lease-erased"
    zh = "本平板太久没有联系，密钥已抹去。未上传的记录在密封发件箱中。请把平板交给管理员。"
    en = (
        "Out of contact too long: the keys were erased. Unsent visits are in the sealed outbox. "
        "Hand the tablet to the administrator."
    )


class PeerUnknown(TabletError):
    """A teammate, or the writer of what it carries, has no certificate of this district."""

    code = "tablet/peer-unknown"
    zh = "对方平板没有本区的证书。没有接收任何内容。请让对方先登记。"
    en = "The other tablet has no certificate of this district. Nothing was taken. Enrol it first."


class PeerRevoked(TabletError):
    """A teammate whose certificate the district took back."""

    code = "tablet/peer-revoked"
    zh = "对方平板已被停用。没有交换任何内容，本机记录完好。请让对方把平板交回管理员。"
    en = "The other tablet was revoked. Nothing was exchanged. It is to be handed to the office."


class MeetingRefused(TabletError):
    """What a teammate sent does not continue what is held, or contradicts itself."""

    code = "tablet/meeting"
    zh = "对方发来的内容不能接上。没有接收任何内容，原有记录完好。请双方都同步后再试。"
    en = "What the teammate sent does not fit. None was taken; all is kept. Both sync, then retry."


class OutboxRefused(TabletError):
    """A sealed outbox that is none, or more than is carried for others."""

    code = "tablet/outbox"
    zh = "这份密封发件箱无法携带：太大或不是发件箱。原件未受影响。请改用 U 盘交给管理员。"
    en = "This sealed outbox cannot be carried: too large, or none. It is untouched. Use a stick."


class AttachmentRefused(TabletError):
    """A photo or sound that is too large, damaged, or cannot be read."""

    code = "tablet/attachment"
    zh = "这个附件无法使用。已有记录完好。请检查文件，太大时请拍小一些。"
    en = "This attachment cannot be used. What was saved is kept. Check the file, make it smaller."


class EnrolmentFailed(TabletError):
    """Enrolment did not come to its end."""

    code = "tablet/enrolment"
    zh = "登记没有完成。没有保存任何内容。请让管理员重新出一张登记码。"
    en = "Enrolment did not finish. Nothing was kept. Ask the administrator for a new ticket."


class KeyStoreFailed(TabletError):
    """The device secret or the vault cannot be read or written."""

    code = "tablet/key-store"
    zh = "读不到本机密钥。密封发件箱未受影响。请报告管理员。"
    en = "The keys of this tablet cannot be read. The sealed outbox is untouched. Tell the office."
