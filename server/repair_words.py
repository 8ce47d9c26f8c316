# SPDX-License-Identifier: Apache-2.0
"""What is said of households entered twice and of links that broke: why, and what to do.

What lives here: the words, for command line and console. What must not: finding either.
"""

from __future__ import annotations

REASON_WORDS = {
    "address-same": "地址相同 ‖ the same address",
    "address-part": "地址相同，一方不全 ‖ the same address, one of them shorter",
    "address-slip": "地址只差一个数字 ‖ addresses that differ in one digit",
    "address-other": "地址不同 ‖ different addresses",
    "people-same": "至少两人同名 ‖ at least two people of the same names",
    "head-same": "户主同名 ‖ heads of the same name",
    "head-among-people": "一方户主是另一方成员 ‖ the head of one lives in the other",
    "person-same": "有成员同名 ‖ a person of the same name",
    "head-alike": "户主姓名只差一字 ‖ heads whose names differ in one character",
    "name-other": "姓名都不同 ‖ no name in common",
    "phone-same": "电话相同 ‖ the same telephone",
    "phone-of-contact": "紧急联系电话相同 ‖ the same telephone of a contact",
    "phone-other": "电话不同 ‖ different telephones",
}
WRONG_WORDS = {
    "missing": "所指记录不在 ‖ the record is not here",
    "voided": "所指记录已作废 ‖ the record is void",
    "moved": "此人已转到别户 ‖ the person is in another household now",
    "dissolved": "小组已不存在 ‖ the team is no more",
    "circle": "互相并入，成了圈 ‖ joined in a circle",
}
TO_DO_WORDS = {
    "missing": (
        "多半还在某台没同步的平板上：先等它同步。确知没有的，改指别处或清空。"
        " ‖ Mostly it is on a tablet that has not synced: wait for that. Where it is known not to"
        " exist, point elsewhere or to nothing."
    ),
    "voided": (
        "改指仍有效的记录；作废有误的，在平板上再编辑它一次就恢复。"
        " ‖ Point to a record that is in use; where the void was wrong, editing it on a tablet"
        " brings it back."
    ),
    "moved": (
        "此人随新户走：事情跟人走的，改指新户；跟户走的，改指同户的人或清空。"
        " ‖ The person went to another household: what belongs to the person goes there; what"
        " belongs to the household is pointed to somebody in it, or to nobody."
    ),
    "dissolved": "改指现有的小组。 ‖ Name a team that there is.",
    "circle": "撤销其中一次并户，圈就解开了。 ‖ Take one of the joins back: that opens the circle.",
}
