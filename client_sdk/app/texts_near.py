# SPDX-License-Identifier: Apache-2.0
"""What the pages say of teammates nearby, phones, where changes are, and warnings.

What lives here: sentences. What must not: logic. Invariants: as in ``texts.py``.
"""

from __future__ import annotations

from client_sdk.texts import texts
from client_sdk.texts_carry import CARRY_TEXTS

MEETING: dict[str, tuple[str, str]] = {
    "meet": ("与同事碰面", "Meet a teammate"),
    "meet-why": (
        "两台平板连同一个无线网或热点，不用信号，互相补上对方没有的记录。",
        "Two tablets on one Wi-Fi or hot spot bring each other up to date, without signal.",
    ),
    "meet-wait": ("让同事来找我（显示二维码）", "Let a teammate find me (shows a code)"),
    "meet-look": ("找附近的同事", "Look for a teammate nearby"),
    "meet-code": ("拍下同事屏幕上的二维码", "Picture of the code on the teammate's screen"),
    "meet-typed": ("或输入码", "Or type the code"),
    "meet-call": ("与这台平板碰面", "Meet this tablet"),
    "meet-none": ("请先拍下或输入同事的码。", "Picture or type the teammate's code first."),
    "meet-waiting": ("正在等同事……请让对方扫这个码", "Waiting. Let the teammate scan this code"),
    "meet-text": ("码的文字", "The code as text"),
    "meet-looking": ("正在找附近的同事……", "Looking for teammates nearby …"),
    "meet-calling": ("正在与同事交换……", "Exchanging with the teammate …"),
    "meet-far": (
        "已给出 {given} 条，收到 {taken} 条；发出 {up}，收到 {down}。",
        "{given} given, {taken} taken; {up} sent, {down} received.",
    ),
    "meet-stop": ("不等了", "Wait no longer"),
    "meet-found": ("找到 {count} 台等着碰面的平板", "{count} tablets wait nearby"),
    "meet-at": ("{address} 的平板", "The tablet at {address}"),
    "meet-proved": (
        "是不是同事，连上后由证书证明；不是的会被拒绝。",
        "Whether it is a teammate's, its certificate proves; others are refused.",
    ),
    "mate-stick": ("碰不到面：用 U 盘给同事", "Not in one place: a stick for a teammate"),
    "mate-why": (
        "写出的文件只有那台平板能读，捎的人看不到内容。第一次要来回三趟：招呼、回招呼、内容。",
        "Only that tablet can read it. The first time takes three: greeting, answer, the work.",
    ),
    "mate-for": ("给谁", "For whom"),
    "mate-write": ("写出给这位同事的密封文件", "Write a sealed file for this teammate"),
    "mate-nobody": (
        "还不认识任何同事的平板：同步一次，或读入同事的名片。",
        "No teammate's tablet is known here yet: sync once, or read a teammate's card.",
    ),
    "mate-file": ("同事的文件或名片", "A teammate's file, or card"),
    "mate-card": (
        "写出本机名片（给没碰过面的同事）",
        "Write this tablet's card, for who never met it",
    ),
    "card-known": ("已认识 {name} 的平板。", "The tablet {name} is known now."),
    "stick-from": (
        "已读入 {name} 的文件：{changes} 处修改，{records} 条更新。请给对方也写一份。",
        "Read the file of {name}: {changes} changes, {records} records. Write one for them too.",
    ),
    "found-none": CARRY_TEXTS["found-none"],
    "met": CARRY_TEXTS["met"],
    "met-outbox": CARRY_TEXTS["met-outbox"],
    "met-failed": ("这次没有完成：{why}", "This came to nothing: {why}"),
}
PHONE: dict[str, tuple[str, str]] = {
    "phone-page": ("用手机打开", "Open on a phone"),
    "phone-why": (
        "打开本平板的热点，让手机连上。手机看到的、写下的都在本平板里，手机里什么也不留。",
        "Turn on this tablet's hot spot and let the phone join. All is kept here, none there.",
    ),
    "phone-let": ("让手机从 {host} 进来", "Let a phone in at {host}"),
    "phone-scan": (
        "请用手机扫这个码，只能用一次。手机会提示证书是自制的：核对下面的指纹再继续。",
        (
            "Scan this with the phone; good once. It warns of a home-made certificate: compare the"
            " fingerprint below, then go on."
        ),
    ),
    "phone-mark": ("证书指纹 SHA-256", "Certificate fingerprint, SHA-256"),
    "phone-mark-why": (
        "指纹一直不变。手机以后再提示，就不是这台平板。",
        "It stays the same. If the phone warns again later, it is another tablet.",
    ),
    "phone-in": ("手机已进来（{where}）", "A phone is in ({where})"),
    "phone-locked": ("已锁定，需要 PIN", "locked, needs the PIN"),
    "phone-open": ("{who} 正在使用", "{who} is using it"),
    "phone-away": ("请这台手机离开", "Send this phone away"),
    "phone-full": ("最多四台手机。", "Four phones at most."),
    "phone-none": (
        "本平板没有网络地址：请先打开热点。",
        "This tablet has no network address: turn on its hot spot first.",
    ),
}
WHERE: dict[str, tuple[str, str]] = {
    "custody": ("每条修改在哪里", "Where each change is"),
    "custody-why": (
        "只写确实听到的：收条、同事出示的记录、区里的话。最新的在前。",
        "Only what was heard: receipts, what teammates showed, the district's word. Newest first.",
    ),
    "custody-none": ("本平板还没有写过什么。", "Nothing was written on this tablet yet."),
    "custody-purged": ("已移出的住户", "A household that left"),
    **{
        f"place-{kind}": texts()[f"place-{kind}"]
        for kind in ("tablet", "carried", "district", "above", "city", "province", "backup")
    },
}
WARNINGS: dict[str, tuple[str, str]] = {
    "lease-left": (
        "再过{left}没有联系上区里，本平板就打不开了。请尽快同步一次。",
        "Without contact with the district this tablet closes in {left}. Sync soon.",
    ),
    "days": ("{count} 天", "{count} days"),
    "hours": ("{count} 小时", "{count} hours"),
    "log-new": ("服务器的日志有异常，请看", "Something is wrong with the server's log: read"),
    "log-title": ("服务器的日志", "The server's log"),
    **{
        f"log-{finding}": CARRY_TEXTS[f"log-{finding}"]
        for finding in ("set-back", "rolled-back", "forked", "unproven")
    },
    "solved-by": (
        "{name}的“{what}”：{status}，{who}，{when}",
        "{name}, “{what}”: {status}, by {who}, {when}",
    ),
}
NEAR: dict[str, tuple[str, str]] = {**MEETING, **PHONE, **WHERE, **WARNINGS}
