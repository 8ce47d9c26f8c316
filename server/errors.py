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
    seconds: int = 0  # when to ask again, where waiting helps
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


class StoreTooNew(ServerError):
    """The store was written by a newer program; an older one does not touch it."""

    code = "server/store-too-new"
    zh = "存储由更新的程序写成，本程序不能打开。内容完好，未被改动。请装回新版程序，或恢复旧备份。"
    en = (
        "A newer program wrote the store. It is untouched. Install that program again, or restore"
        " a backup from before."
    )


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


class StoreUnreachable(ServerError):
    """The database does not answer, or the line to it broke: nothing of this exchange was kept."""

    code = "server/store-unreachable"
    status = 503
    seconds = 2
    zh = "服务器连不上数据库，本次上传未被接受。平板上的内容完好，会再次发送。请管理员检查数据库。"
    en = "The database does not answer; nothing was taken. The tablet sends it again. Check it."


class StoreContended(ServerError):
    """The database gave way to other work, or waited too long for it; nothing was kept."""

    code = "server/store-contended"
    status = 503
    seconds = 2
    zh = "数据库正忙于其他写入，本次上传未被接受。平板上的内容完好。请稍后自动或手动重试。"
    en = "The database was busy with other writes. Nothing was taken. Try again shortly."


class StoreUnsure(ServerError):
    """The line broke at the commit, and whether it came through could not be found out."""

    code = "server/store-unsure"
    status = 503
    seconds = 2
    zh = "提交时与数据库断开，不知是否已保存，未给回执。平板保留全部内容。请稍后重试，不会重复。"
    en = "The line broke at the commit, so no receipt was given. The tablet keeps all. Try again."


class StoreUnfit(ServerError):
    """The database's settings do not hold what a receipt promises."""

    code = "server/store-unfit"
    zh = "数据库的设置不能保证已提交的数据不丢失。服务器没有启动，数据未变。请按提示更改设置。"
    en = "The database would not keep what it commits. Nothing was started. Change the setting."


class ConfigurationWrong(ServerError):
    """A setting that does not hold: unknown name, wrong kind or beyond its limit."""

    code = "server/configuration"
    zh = "配置有误。什么都没有启动或改动。请按提示更正配置文件、环境变量或参数。"
    en = "A setting is wrong. Nothing was started or changed. Correct the file, variable or flag."


class NotInitialised(ServerError):
    """There is no server in this folder yet."""

    code = "server/not-initialised"
    zh = "此目录中还没有服务器。什么都没有改动。请先运行 doorstep init。"
    en = "There is no server in this folder. Nothing was changed. Run doorstep init first."


class AlreadyInitialised(ServerError):
    """Keys or a store are there already; they are never overwritten."""

    code = "server/already-initialised"
    zh = "此目录中已有服务器的密钥或存储。它们未被改动。请直接启动，或换一个目录。"
    en = "This folder has keys or a store already. They are untouched. Start it, or use another."


class KeyFileWrong(ServerError):
    """A key file is missing, damaged, or readable by others."""

    code = "server/key-file"
    zh = "密钥文件缺失、损坏或他人可读。没有打开存储。请恢复密钥文件，并将权限设为 0600。"
    en = (
        "A key file is missing, damaged or readable by others. Restore it and set its mode to 0600."
    )


class ServerRunning(ServerError):
    """Something that needs the store for itself was asked for while the server runs."""

    code = "server/running"
    status = 409
    zh = "服务器正在运行，此操作需要独占存储。什么都没有改动。请先停止服务器。"
    en = (
        "The server is running and this needs the store for itself. Nothing changed. Stop it first."
    )


class JoinRefused(ServerError):
    """Two households that cannot be joined so, or are not joined."""

    code = "server/join"
    status = 409
    zh = "这两户不能这样并户或撤销。内容未改动。请用 duplicates show 核对后再试。"
    en = (
        "These households cannot be joined or parted so. Nothing was changed."
        " Look at them with duplicates show and try again."
    )


class NotFound(ServerError):
    """Something named by the caller does not exist."""

    code = "server/not-found"
    status = 404
    zh = "找不到所指的对象。什么都没有改动。请核对编号后重试。"
    en = "What was named does not exist. Nothing was changed. Check its id and try again."


class RecordErased(ServerError):
    """A record was erased; nothing more is written on it, or told of it."""

    code = "server/erased"
    status = 410
    zh = "该记录的内容已依法删除，不能再写入。什么都没有保存。请为此人另建新记录。"
    en = "The content of this record was erased for good. Nothing was saved. Make a new record."


class HoldStands(ServerError):
    """A legal hold keeps what was to be erased."""

    code = "server/hold"
    status = 409
    zh = "该记录处于依法保全，不能删除。什么都没有改动。请先按规定解除保全。"
    en = "A legal hold keeps this record. Nothing was changed. Have the hold released first."


class NameTaken(ServerError):
    """A team or worker of this id exists and differs."""

    code = "server/name-taken"
    status = 409
    zh = "此编号已被使用。原有内容未变。请换一个编号。"
    en = "This id is in use. What was there is unchanged. Choose another."


class AssignedByArea(ServerError):
    """A household that an assigned area contains cannot be taken back alone."""

    code = "server/assigned-by-area"
    status = 409
    zh = "该户属于已分配的片区，不能单独收回。分配未变。请收回片区，或只分配其余各户。"
    en = "An assigned area contains this household. Nothing changed. Take back the area instead."


class ImportRefused(ServerError):
    """A file to import has columns or values that do not fit; none of it was taken."""

    code = "server/import"
    status = 422
    zh = "导入的文件有误，其中内容一概未导入。请按所列行号更正后重试。"
    en = "The file does not fit; none of it was imported. Correct the lines listed and try again."


class ReportRefused(ServerError):
    """A report, figure, area or day that is not there, or not for whoever asks."""

    code = "server/report"
    status = 400
    zh = "没有这样的报表、指标、区划或日期，或超出了您可以查看的范围。没有统计。请按提示更正。"
    en = "No such report, figure, area or day, or not for you. Nothing was counted. Correct it."


class QueryRefused(ServerError):
    """A query that does more than read, or is no SQL."""

    code = "server/query"
    status = 400
    zh = "查询无法执行：只允许一条只读的 SQL 语句。数据未变。请更正后重试。"
    en = "The query cannot run: one reading SQL statement only. Nothing changed. Correct it."


class BackupWrong(ServerError):
    """A backup that is missing, damaged, or of another server's key."""

    code = "server/backup"
    zh = "备份缺失、损坏，或属于另一台服务器的密钥。现有存储未变。请换一份备份。"
    en = "The backup is missing, damaged or of another key. The store is unchanged. Use another."


class NonceSpent(ServerError):
    """A signed request whose nonce was used or never given; a fresh one is in the header."""

    code = "server/nonce"
    status = 401
    zh = "请求的一次性编号已用过。什么都没有改动。平板会用新编号自动重试。"
    en = "The request's nonce was used before. Nothing changed. The tablet tries again with a new."

    def __init__(self, fresh: bytes = b"") -> None:
        super().__init__()
        self.fresh = fresh


class DeviceRevoked(ServerError):
    """The device was revoked: it gets its wipe order and nothing else."""

    code = "server/device-revoked"
    status = 403
    zh = "此设备已被吊销。上传的内容已转入隔离区，由审核员处理。请交还设备。"
    en = "This device was revoked. What it uploaded is kept for the auditor. Hand the device back."


class ServerBusy(ServerError):
    """More is asked at this moment than can be worked on; ``seconds``: when to come back."""

    code = "server/busy"
    status = 503
    zh = "服务器此刻正忙，本次请求未被接受。平板上的内容完好。平板会在所示秒数后自动重试。"
    en = "The server is busy and took nothing. The tablet keeps it and comes back as told."

    def __init__(self, detail: str = "", seconds: int = 5) -> None:
        super().__init__(detail or f"come back in {seconds} s")
        self.seconds = seconds


class BodyTooLarge(ServerError):
    """A request body above its limit; it was not read to its end."""

    code = "server/body-too-large"
    status = 413
    zh = "请求超过大小上限，未被接受。平板上的内容完好。请分成较小的部分再发。"
    en = "The request is over its limit and was not taken. The tablet keeps it. Send smaller parts."


class BodyTooSlow(ServerError):
    """A request body that did not arrive in time."""

    code = "server/body-too-slow"
    status = 408
    zh = "请求未在时限内传完，未被接受。平板上的内容完好。请在信号较好处重试。"
    en = "The request did not arrive in time. The tablet keeps it. Try again with better signal."


class BlobUnknown(ServerError):
    """No blob of this name is held."""

    code = "server/blob-unknown"
    status = 404
    zh = "服务器还没有这个附件。记录不受影响。请等拍摄的平板同步后再试。"
    en = "This attachment is not held yet. The record is unaffected. Try after its tablet synced."


class BlobOffset(ServerError):
    """A piece that does not start where the server's part ends."""

    code = "server/blob-offset"
    status = 409
    zh = "附件的这一段与已收到的不相接。已收到的都保留。平板会从应答所示处接着发送。"
    en = "The piece does not continue what is held, which is kept. Sending resumes where told."


STATUS = {
    "sync/error": 400,
    "sync/malformed": 400,
    "sync/limit": 413,
    "sync/protocol": 400,
    "sync/gap": 409,
    "sync/chain": 422,
    "sync/change": 422,
    "sync/state": 422,
    "sync/bundle-repeated": 409,
    "sync/bundle-late": 409,
    "crypto/error": 400,
    "crypto/key-refused": 400,
    "crypto/signature-refused": 422,
    "crypto/seal-refused": 422,
    "crypto/blob-refused": 422,
    "crypto/certificate-refused": 403,
    "crypto/log-refused": 422,
    "crypto/revocation-refused": 403,
    "crypto/succession-refused": 403,
    "crypto/statement-refused": 403,
    "crypto/ticket-refused": 403,
    "crypto/ticket-unreadable": 400,
    "crypto/ticket-expired": 410,
    "crypto/ticket-used": 409,
    "crypto/enrolment-refused": 403,
    "crypto/request-refused": 401,
    "crypto/bundle-refused": 422,
    "crypto/bundle-incomplete": 422,
    "crypto/bundle-foreign": 422,
    "crypto/bundle-old-key": 409,
}
"""HTTP status of what ``sync`` and ``crypto`` refuse, by code; any other code is 500."""


def status_of(error: Exception) -> int:
    """The HTTP status of an error: the server's own, or by its code; 500 for anything else."""
    if isinstance(error, ServerError):
        return error.status
    return STATUS.get(getattr(error, "code", ""), 500)


class LinkDown(ServerError):
    """The other server cannot be reached."""

    code = "server/link-down"
    status = 503
    zh = "连不上另一台服务器。本地记录都完好，线路恢复后会自动发送。请检查网络和地址。"
    en = "The other server cannot be reached. All is kept here and goes by itself when it can."


class LinkWrong(ServerError):
    """The other server's answer is not what this link is to."""

    code = "server/link-wrong"
    status = 502
    zh = "应答的不是所登记的那台服务器，或应答有误。未采用其任何内容。请核对地址。"
    en = "Another server answered, or wrongly. Nothing of it was taken. Check the address."


class LinkRefused(ServerError):
    """The other server refused this one."""

    code = "server/link-refused"
    status = 502
    zh = "另一台服务器拒绝了本服务器。本地记录都完好。请向其管理员核实登记是否仍有效。"
    en = "The other server refused this one. All is kept here. Ask its officers if it is enrolled."


class DeviceUnknown(ServerError):
    """A replica that no certificate of this tree names."""

    code = "server/device-unknown"
    status = 403
    zh = "服务器不认识这台平板。它写的内容都还在平板上。请管理员重新登记这台平板。"
    en = "The server does not know this tablet. All it wrote is still on it. Enrol it again."
