# SPDX-License-Identifier: Apache-2.0
"""What ``doctor`` and ``repair`` of the tablet say, in two languages.

What must not live here: logic. Invariant: as in ``texts.py``; of each check there is what it found
and, where something is wrong, what was kept and what to do.
"""

from __future__ import annotations

MENDING_TEXTS: dict[str, tuple[str, str]] = {
    "ok-disk": ("磁盘剩余 {number} 字节。", "{number} bytes free on the disk."),
    "bad-disk": (
        "磁盘剩余 {number} 字节，或没有此文件夹。已保存的内容完好。请清理磁盘。",
        "{number} bytes free on the disk, or no such folder. What is saved is whole. Free space.",
    ),
    "ok-vault": ("{number} 位工作人员可以解锁。", "{number} workers can unlock."),
    "bad-vault-damaged": (
        (
            "密钥文件损坏或不在：谁也不能解锁。密封发件箱完好。"
            "请先 outbox upload 或 outbox export 交出，再在新文件夹登记。"
        ),
        (
            "The wrapped keys are damaged or gone: nobody can unlock. The sealed outbox is whole. "
            "Hand it over by outbox upload or outbox export, then enrol in a new folder."
        ),
    ),
    "ok-district": ("区服务器地址 {number} 个。", "{number} addresses of the district."),
    "bad-district-unknown": (
        "不知道区服务器在哪里。内容完好。修复时请用 --address 指明。",
        "It is not known where the district answers. All is kept. Repair takes --address.",
    ),
    "ok-outbox": ("密封发件箱有 {number} 个文件。", "{number} files in the sealed outbox."),
    "ok-store": (
        "数据文件 {number} 字节，每页完好。",
        "The store: {number} bytes, every page sound.",
    ),
    "ok-store-unread": (
        "数据文件 {number} 字节，未逐页核验（需要口令）。",
        "The store: {number} bytes; its pages were not read, for want of the passphrase.",
    ),
    "bad-store-missing": (
        "数据文件不见了，不会另建空的。密封发件箱完好。有网络时请运行 doorstep-tablet repair。",
        (
            "The store is gone; no empty one is made. The sealed outbox is whole. "
            "With a connection run doorstep-tablet repair."
        ),
    ),
    "bad-store-empty": (
        "数据文件是空的，不会当作新的使用。密封发件箱完好。有网络时请运行 doorstep-tablet repair。",
        (
            "The store is an empty file and is not taken for a new one. The sealed outbox is "
            "whole. With a connection run doorstep-tablet repair."
        ),
    ),
    "bad-store-damaged": (
        (
            "数据文件有 {number} 处损坏，未改动。密封发件箱完好。"
            "有网络时请运行 doorstep-tablet repair。"
        ),
        (
            "The store is damaged in {number} places, and was left as it is. The sealed outbox is "
            "whole. With a connection run doorstep-tablet repair."
        ),
    ),
    "ok-identity": (
        "身份另存一份，密钥 {number} 个。",
        "The identity is kept twice, {number} keys.",
    ),
    "bad-identity-missing": (
        "身份没有另存。打开一次平板即会补上；若数据已损坏，请交出发件箱后重新登记。",
        (
            "The identity is not kept twice. Opening the tablet once mends that; where the store "
            "is damaged too, hand the outbox over and enrol anew."
        ),
    ),
    "bad-set-aside": (
        "有 {number} 份损坏的数据已移到一边。内容都在。有网络时请再运行 doorstep-tablet repair。",
        (
            "{number} damaged stores were set aside. All is kept. With a connection run "
            "doorstep-tablet repair once more."
        ),
    ),
    "repaired": (
        (
            "已修复：发件箱 {changes} 处修改已交区里，重新取回 {records} 条记录；"
            "半途的表格和查看记录救回 {saved} 行。平板以新密钥继续。"
        ),
        (
            "Repaired: the district took {changes} changes of the outbox, {records} records came "
            "back; {saved} rows of drafts and of the reading log were saved. It goes on under a "
            "new key."
        ),
    ),
    "repaired-kept": (
        "有 {refused} 处修改区里暂未接受。损坏的数据保留在 {folder}，请报告管理员。",
        "{refused} changes were not taken yet. The damaged store stays in {folder}; report it.",
    ),
}
