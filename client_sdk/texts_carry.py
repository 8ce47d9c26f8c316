# SPDX-License-Identifier: Apache-2.0
"""What the tablet's command line says of bundles, meetings and sealed outboxes, in two languages.

What must not live here: logic. Invariant: as in ``texts.py``.
"""

from __future__ import annotations

CARRY_TEXTS: dict[str, tuple[str, str]] = {
    "the-district": ("区里", "the district"),
    "bundle-written": (
        "已写出给 {receiver} 的数据包（第 {sequence} 号，{size} 字节）。",
        "Bundle {sequence} for {receiver} written, {size} bytes.",
    ),
    "bundle-part": (
        "U 盘只放得下一部分：已写 {done} / {total} 字节。请换一个 U 盘再导出一次，会接着写。",
        "The stick holds a part: {done} of {total} bytes. Export again to the next stick.",
    ),
    "bundle-taken": (
        (
            "已导入 {sender} 的数据包（第 {sequence} 号）：更新 {records} 条，"
            "新增住户 {entered} 户，移出 {left} 户，"
            "同事的修改 {changes} 条，替人携带 {carried} 条。"
        ),
        (
            "Bundle {sequence} of {sender}: {records} records, {entered} households entered, "
            "{left} left, {changes} changes of teammates, {carried} carried."
        ),
    ),
    "bundle-missing": (
        "第 {first} 至 {last} 号数据包没有收到。不会丢失内容：这一份已包含尚未回执的全部修改。",
        "Bundles {first} to {last} did not arrive. Nothing is lost: this one holds their work.",
    ),
    "bundle-branch": (
        "注意：这个数据包来自一份副本或被还原过的设备。双方修改都已保留，审核员会看到。",
        (
            "This bundle comes from a copy, or a device that was set back. Both keep their work; "
            "the auditor sees it."
        ),
    ),
    "bundle-stale": (
        "这份回程数据包已过时，其中的住户没有采用。请再导出一份带去。",
        "This answer is out of date and its households were left out. Export a new bundle.",
    ),
    "bundle-more": (
        "还有内容要说：请再导出一份数据包。",
        "There is more to be said: export another bundle.",
    ),
    "bundle-refused": ("{file}：{why}", "{file}: {why}"),
    "bundle-incomplete": (
        "数据包尚缺 {missing} 字节。已收到的各段已保存，请接着插入下一个 U 盘导入。",
        "{missing} bytes of a bundle are missing. The pieces are kept; import the next stick.",
    ),
    "bundle-damaged": (
        "已损坏的文件：{file}。请重新拷贝这一个。",
        "Damaged file: {file}. Copy this one again.",
    ),
    "bundle-nothing": ("没有找到给本机的数据包。", "No bundle for this tablet was found."),
    "bundle-codes": (
        "请让对方用摄像头对准屏幕（共 {count} 帧，循环播放，Ctrl-C 停止）。",
        "Let the other camera see the screen ({count} frames, repeated; Ctrl-C stops).",
    ),
    "card-written": ("本机名片已写出：{file}", "This tablet's card was written: {file}"),
    "card-learnt": ("已认识同事的平板：{name}", "Teammate's tablet known now: {name}"),
    "revoked-wipe": (
        "本平板已被停用，按指令清除。密封发件箱保留。",
        "This tablet was revoked and is wiped as ordered. The sealed outbox stays.",
    ),
    "meet-listening": (
        "等待同事（{seconds} 秒）。让对方扫描下面的码，或运行 meet find：",
        "Waiting for teammates ({seconds} s). Let them scan this code, or run meet find:",
    ),
    "met": (
        "碰面完成：给出 {given} 条，收到 {taken} 条，替人携带 {carried} 条，更新 {records} 条。",
        "Met: {given} given, {taken} taken, {carried} carried, {records} records.",
    ),
    "met-outbox": ("收下密封发件箱 {count} 份。", "{count} sealed outbox files taken."),
    "met-failed": ("一次碰面没有完成：{why}", "One meeting came to nothing: {why}"),
    "found-none": ("附近没有等待碰面的平板。", "No tablet nearby waits for a meeting."),
    "meeting-progress": ("碰面中", "Meeting"),
    "outbox-copied": (
        "已拷贝密封发件箱 {count} 份，无需解锁。请交给管理员（doorstep bundle import）。",
        (
            "{count} sealed outbox files copied without unlocking; hand them to the office "
            "(doorstep bundle import)."
        ),
    ),
    "outbox-sent": (
        "已上传密封发件箱 {files} 份：区里收下 {changes} 条修改，不能接受 {refused} 条。原件保留。",
        "{files} sealed outbox files sent: {changes} changes taken, {refused} refused. All stay.",
    ),
    "outbox-handed": (
        "同事收下密封发件箱 {count} 份，原件保留。",
        "The teammate took {count} sealed outbox files. All stay here too.",
    ),
    "log-set-back": (
        "服务器曾退回旧备份，并已如实说明；您的修改会自动补上，请继续工作。",
        "The server was set back to a backup, and says so; your work is sent again. Work on.",
    ),
    "log-rolled-back": (
        "服务器的日志变短了，却没有说明。您的修改没有丢失，证据已保存在本机。请告诉审核员。",
        (
            "The server's log became shorter without a word. Your work is safe, and evidence is"
            " kept here. Tell the auditor."
        ),
    ),
    "log-forked": (
        "服务器的日志前后矛盾。您的修改没有丢失，证据已保存在本机。请告诉审核员。",
        (
            "The server's log contradicts itself. Your work is safe, and evidence is kept here."
            " Tell the auditor."
        ),
    ),
    "log-unproven": (
        "服务器收下了修改，却没有证明已写进日志。您的修改没有丢失，证据已保存在本机。请告诉审核员。",
        (
            "The server took work in and did not show that it is in its log. Your work is safe, and"
            " evidence is kept here. Tell the auditor."
        ),
    ),
}
