# SPDX-License-Identifier: Apache-2.0
"""The error tree of this package.

Lives here: every error `crypto` raises on bad input, each with a stable code and three sentences
(what happened, what was kept, what to do) in Chinese and English. Must not live here: any check.
No error carries a secret, a key or a plaintext; `detail` is a short technical word for a log,
written by this package and never copied from input.

    CryptoError
    ├── KeyRefused            a public or private key that must not be used
    ├── SignatureRefused      a signature that does not hold
    ├── SealRefused           something sealed that does not open
    ├── BlobRefused           a photo, sound or signature that is not what it is named
    ├── SecretTooWeak         a PIN or passphrase that is refused when it is chosen
    ├── UnlockError
    │   ├── UnlockRefused     wrong PIN or passphrase
    │   ├── UnlockWait        asked again too early
    │   ├── UnlockErased      the wrapped keys are gone
    │   └── UnlockUnknown     this worker has no key on this tablet
    ├── VaultRefused          the file of wrapped keys cannot be read
    ├── CertificateRefused    a device certificate that does not hold
    ├── RevocationRefused     a revocation that does not hold
    ├── SuccessionRefused     a succession that does not hold
    ├── StatementRefused      a lease, proof of wipe, or word on keys that does not hold
    ├── TicketRefused
    │   ├── TicketUnreadable  mistyped or misread
    │   ├── TicketExpired
    │   └── TicketUsed
    ├── EnrolmentRefused      a proof or commitment that does not hold
    ├── LogRefused            a proof or head of the log that does not hold
    ├── RequestRefused        a request whose signature or digest does not hold
    ├── BundleRefused         a bundle that does not hold
    │   ├── BundleIncomplete  a part of it is missing
    │   ├── BundleForeign     it is for somebody else
    │   └── BundleOldKey      it is sealed to a key that is no longer used
    └── PinMismatch           another server than the one enrolled with
"""

from typing import Any, ClassVar, Final, Literal, NamedTuple

Language = Literal["zh", "en"]

MINUTE_MS: Final = 60_000


class Text(NamedTuple):
    """One sentence in Chinese and in English."""

    zh: str
    en: str

    def in_(self, lang: Language) -> str:
        """Return the sentence in the language asked for."""
        return self.zh if lang == "zh" else self.en


_NOTHING_CHANGED = Text("没有任何数据被改动。", "Nothing was changed.")
_OUTBOX_KEPT = Text(
    "尚未上传的走访记录仍在密封发件箱中，不会丢失。",
    "Visits not yet uploaded stay in the sealed outbox and are not lost.",
)


class CryptoError(Exception):
    """The root of everything this package refuses.

    `code` is stable; `what`, `kept` and `do` are for people; `detail` is for logs, holds no secret.
    """

    code: ClassVar[str] = "crypto/error"
    what: Text = Text("密码操作失败。", "A cryptographic check failed.")
    kept: Text = _NOTHING_CHANGED
    do: Text = Text(
        "请重试；仍失败请联系管理员。", "Try again; if it fails again, tell the administrator."
    )

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail)
        self.detail = detail

    def message(self, lang: Language = "zh") -> str:
        """Return the three sentences in the language asked for, Chinese by default."""
        space = "" if lang == "zh" else " "
        return space.join(text.in_(lang) for text in (self.what, self.kept, self.do))

    def __str__(self) -> str:
        detail = f" ({self.detail})" if self.detail else ""
        return f"{self.code}: {self.what.en}{detail}"


class KeyRefused(CryptoError):
    """A key of the wrong length, of small order, not canonical, or not on the curve."""

    code = "crypto/key-refused"
    what = Text("密钥无效，已拒绝。", "The key is not a valid key and was refused.")
    do = Text("请在平板上重新登记。", "Enrol the tablet again.")


class SignatureRefused(CryptoError):
    """A signature that does not hold for this key, purpose and message."""

    code = "crypto/signature-refused"
    what = Text(
        "签名不符，内容可能被改动。", "The signature does not hold; the content may be altered."
    )
    do = Text(
        "请重新同步；仍失败请通知审核员。", "Sync again; if it fails again, tell the auditor."
    )


class SealRefused(CryptoError):
    """Something sealed that does not open: another key, other info, altered, reordered or
    repeated.
    """

    code = "crypto/seal-refused"
    what = Text(
        "密封内容无法打开：密钥不符或内容被改动。",
        "What was sealed does not open: another key, or it was altered.",
    )
    kept = Text("密封文件原样保留。", "The sealed file is kept as it is.")
    do = Text(
        "请把文件交给区服务器管理员恢复。",
        "Hand the file to the district's administrator to recover.",
    )


class BlobRefused(CryptoError):
    """An encrypted photo, sound or signature that is not what its name says, or is too large."""

    code = "crypto/blob-refused"
    what = Text(
        "附件不符或过大，已拒绝。", "The attachment is not what it is named, or is too large."
    )
    kept = Text("记录本身不受影响。", "The record itself is unaffected.")
    do = Text("请重新下载或重新拍摄。", "Download it again or take it again.")


class SecretTooWeak(CryptoError):
    """A PIN or passphrase refused when it is chosen; `what` says which rule it broke."""

    code = "crypto/secret-too-weak"
    what = Text("PIN 或口令过于简单。", "The PIN or passphrase is too weak.")
    do = Text("请换一个更难猜的。", "Choose one that is harder to guess.")

    def __init__(self, what: Text, detail: str = "") -> None:
        super().__init__(detail)
        self.what = what


class UnlockError(CryptoError):
    """Unlocking failed. `vault`, when not None, is the changed vault that the caller must store."""

    code = "crypto/unlock"
    kept = _OUTBOX_KEPT

    def __init__(self, detail: str = "", vault: Any = None) -> None:
        super().__init__(detail)
        self.vault = vault


class UnlockRefused(UnlockError):
    """Wrong PIN or passphrase. `remaining_tries` before the keys are erased; `wait_ms` until the
    next.
    """

    code = "crypto/unlock-refused"

    def __init__(self, remaining_tries: int, wait_ms: int, vault: Any = None) -> None:
        super().__init__(f"{remaining_tries} tries left, wait {wait_ms} ms", vault)
        self.remaining_tries = remaining_tries
        self.wait_ms = wait_ms
        minutes = _minutes(wait_ms)
        self.what = Text(
            f"PIN 或口令错误，还可再试 {remaining_tries} 次。",
            f"Wrong PIN or passphrase; {remaining_tries} tries are left.",
        )
        self.do = Text(
            f"请等待 {minutes} 分钟后再试；试完后本人的密钥将被清除。",
            f"Wait {_in_minutes(minutes)} and try again; after the last try your keys are erased.",
        )


class UnlockWait(UnlockError):
    """Asked again before the wait was over; no try was spent. `wait_ms` is what is left of it."""

    code = "crypto/unlock-wait"

    def __init__(self, wait_ms: int, vault: Any = None) -> None:
        super().__init__(f"wait {wait_ms} ms", vault)
        self.wait_ms = wait_ms
        minutes = _minutes(wait_ms)
        self.what = Text("尚在等待时间内，本次未计数。", "The wait is not over; no try was spent.")
        self.do = Text(
            f"请等待 {minutes} 分钟后再试。", f"Wait {_in_minutes(minutes)} and try again."
        )


class UnlockErased(UnlockError):
    """Ten wrong tries: this worker's wrapped key is gone from this tablet."""

    code = "crypto/unlock-erased"
    what = Text(
        "连续十次输错，本人的密钥已从平板清除。",
        "Ten wrong tries: your keys were erased from this tablet.",
    )
    do = Text(
        "请同事解锁后重新添加您，或请管理员重新登记平板。",
        "Ask a teammate to unlock and add you again, or the administrator to enrol it again.",
    )


class UnlockUnknown(UnlockError):
    """This worker has no wrapped key on this tablet."""

    code = "crypto/unlock-unknown"
    what = Text("此平板上没有该人员。", "This tablet has no such worker.")
    do = Text(
        "请检查工号，或请同事添加您。", "Check the worker's number, or ask a teammate to add you."
    )


class VaultRefused(CryptoError):
    """The file of wrapped keys cannot be read, is of another version, or would break a limit."""

    code = "crypto/vault-refused"
    what = Text("密钥库文件无法使用。", "The file of wrapped keys cannot be used.")
    kept = _OUTBOX_KEPT
    do = Text(
        "请联系管理员，从密封发件箱恢复。",
        "Ask the administrator to recover from the sealed outbox.",
    )


class CertificateRefused(CryptoError):
    """A device certificate that is malformed, of another issuer, or not signed by it."""

    code = "crypto/certificate-refused"
    what = Text("设备证书无效。", "The device certificate does not hold.")
    do = Text("请重新登记平板。", "Enrol the tablet again.")


class RevocationRefused(CryptoError):
    """A revocation or wipe order that is malformed, of another issuer, or about another device."""

    code = "crypto/revocation-refused"
    what = Text("吊销指令无效，未执行。", "The revocation does not hold and was not carried out.")
    do = Text("请通知审核员。", "Tell the auditor.")


class SuccessionRefused(CryptoError):
    """A succession of one key by another that both have not signed."""

    code = "crypto/succession-refused"
    what = Text("密钥更替声明无效。", "The succession of keys does not hold.")
    do = Text(
        "请通知审核员；必要时重新登记平板。", "Tell the auditor; enrol the tablet again if needed."
    )


class TicketRefused(CryptoError):
    """A ticket that cannot be used."""

    code = "crypto/ticket-refused"
    what = Text("登记票无效。", "The ticket is not valid.")
    do = Text("请让管理员重新生成登记票。", "Ask the administrator for a new ticket.")


class TicketUnreadable(TicketRefused):
    """A QR text or typed code with a character wrong, missing or swapped."""

    code = "crypto/ticket-unreadable"
    what = Text(
        "登记码有误：字符错误、缺失或颠倒。",
        "The code is mistyped: a wrong, missing or swapped character.",
    )
    do = Text("请核对后重新输入，或重新扫描。", "Check it and type it again, or scan it again.")


class TicketExpired(TicketRefused):
    """A ticket older than its fifteen minutes, by the server's own clock."""

    code = "crypto/ticket-expired"
    what = Text("登记票已过期。", "The ticket has expired.")


class TicketUsed(TicketRefused):
    """A ticket that has enrolled a tablet already."""

    code = "crypto/ticket-used"
    what = Text("登记票已被使用过。", "The ticket has been used already.")
    do = Text(
        "若不是您本人使用，请立即吊销那台设备，再生成新票。",
        "If it was not you who used it, revoke that device at once, then make a new ticket.",
    )


class EnrolmentRefused(CryptoError):
    """A commitment or proof of the enrolment that does not hold: stop, and show no digits."""

    code = "crypto/enrolment-refused"
    what = Text("登记过程被干扰，已中止。", "The enrolment was interfered with and was stopped.")
    do = Text(
        "请用新的登记票在可信网络上重试。", "Try again with a new ticket on a network you trust."
    )


class LogRefused(CryptoError):
    """A proof or a signed head of the log that does not hold: something was altered, or taken
    out.
    """

    code = "crypto/log-refused"
    what = Text(
        "日志证明不成立：内容可能被改动、删除或分叉。",
        "The log's proof does not hold: something may be altered, removed or forked.",
    )
    kept = Text("先前记下的日志头仍保留作为证据。", "The head noted before is kept as evidence.")
    do = Text("请通知审核员，并保留本机。", "Tell the auditor, and keep this device as it is.")


class RequestRefused(CryptoError):
    """A request whose signature, digest or shape does not hold."""

    code = "crypto/request-refused"
    what = Text("请求签名无效。", "The signature of the request does not hold.")
    do = Text("请重新同步。", "Sync again.")


class BundleRefused(CryptoError):
    """A bundle that was altered, is none, or was not signed by whom it names."""

    code = "crypto/bundle-refused"
    what = Text(
        "数据包被改动或损坏，已拒绝。", "The bundle was altered or damaged and was refused."
    )
    do = Text("请让对方重新导出一份。", "Ask the sender to export it again.")


class BundleIncomplete(BundleRefused):
    """A bundle of which a part is missing."""

    code = "crypto/bundle-incomplete"
    what = Text("数据包不完整，尚缺一部分。", "A part of the bundle is missing.")
    do = Text("请把其余部分也拷贝过来再导入。", "Copy the remaining pieces too, then import.")


class BundleForeign(BundleRefused):
    """A bundle for somebody else."""

    code = "crypto/bundle-foreign"
    what = Text("这个数据包不是给本机的。", "The bundle is for somebody else.")
    do = Text("请交给收件的平板或服务器。", "Hand it to the tablet or server it is for.")


class BundleOldKey(BundleRefused):
    """A bundle sealed to a key of the receiver that is no longer used."""

    code = "crypto/bundle-old-key"
    what = Text(
        "数据包是按本机的旧密钥封装的，已打不开。",
        "The bundle is sealed to an old key of this receiver.",
    )
    do = Text(
        "请把本机新的回程数据包带给对方，再让对方重新导出。",
        "Take a new bundle of this receiver to the sender, then export again.",
    )


class StatementRefused(CryptoError):
    """A lease, a proof of wipe, or a server's word on its keys that does not hold."""

    code = "crypto/statement-refused"
    what = Text("收到的签名声明无效，已拒绝。", "A signed statement does not hold and was refused.")
    do = Text("请再同步一次；若仍失败，请报告管理员。", "Sync again; if it fails, tell the office.")


class PinMismatch(CryptoError):
    """The server shows another TLS key than the one the tablet enrolled with."""

    code = "crypto/pin-mismatch"
    what = Text(
        "服务器身份与登记时不符，连接已中断。",
        "The server is not the one this tablet enrolled with; the connection was closed.",
    )
    do = Text(
        "请换可信网络；若服务器确已更换，请重新登记。",
        "Use a trusted network; enrol again if the server was replaced.",
    )


def _minutes(wait_ms: int) -> int:
    """Round a wait up to whole minutes, so that nobody is told zero."""
    return max(1, -(-wait_ms // MINUTE_MS))


def _in_minutes(minutes: int) -> str:
    return "1 minute" if minutes == 1 else f"{minutes} minutes"
