# SPDX-License-Identifier: Apache-2.0
"""What stands around every page of the console: the menu, and the headers it is sent with.

What must not live here: any page, any rule. Invariant: a page is named in the menu with the right
that its route asks for.
"""

CONSOLE_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';"
        " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}

MENU: tuple[tuple[str, str, str], ...] = (
    ("/board", "看板 ‖ Board", "read"),
    ("/conflicts", "冲突 ‖ Conflicts", "read"),
    ("/search", "查找 ‖ Search", "read"),
    ("/repair", "隔离与修复 ‖ Quarantine", "read"),
    ("/reports", "报表 ‖ Reports", "read"),
    ("/tablets", "平板与小组 ‖ Tablets", "tablets"),
    ("/approvals", "双人审批 ‖ Approvals", "read"),
    ("/withdrawn", "撤回同意 ‖ Withdrawn", "person"),
    ("/people", "账户 ‖ Accounts", "people"),
    ("/access", "查阅记录 ‖ Access log", "access"),
)

UNDER = {"/tablets": ("/teams", "/tickets")}
"""Pages that stand under another one of the menu."""
