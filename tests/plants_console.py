# SPDX-License-Identifier: Apache-2.0
"""Planted bugs of the console: areas, sessions, codes, markup, the access log, stale decisions.

What must not live here: the run, which is in ``plant.py``. ``-m slow`` lets tests run that start a
server.
"""

from __future__ import annotations

PLANTS_CONSOLE = (
    (
        "an account sees beyond its area",
        "server/web/scoped_base.py",
        "return area.startswith(self.area)",
        "return True",
        "tests/server/store/test_console.py",
    ),
    (
        "a session id that a browser brings is taken up",
        "server/web/sessions.py",
        "name = secrets.token_hex(32) if fresh else brought",
        "name = brought or secrets.token_hex(32)",
        "-m slow tests/server/web/test_sign_in.py",
    ),
    (
        "a code of the second factor is good twice",
        "server/accounts.py",
        "    if step is None or step <= int(found[0][1]):\n",
        "    if step is None:\n",
        "-m slow tests/server/web/test_sign_in.py",
    ),
    (
        "a stranger's wrong tries hold up the officer's own browser",
        "server/web/sign_in.py",
        '    return name if found else ""\n',
        '    return ""\n',
        "-m slow tests/server/web/test_sign_in.py",
    ),
    (
        "what was written is given out as markup",
        "server/web/rendering.py",
        "autoescape=True",
        "autoescape=False",
        "-m slow tests/server/web/test_hostile.py",
    ),
    (
        "characters that turn text around pass",
        "server/web/rendering.py",
        "        return visible(value)\n",
        "        return value\n",
        "-m slow tests/server/web/test_hostile.py",
    ),
    (
        "what was read of a household is not logged",
        "server/web/routing.py",
        "        lines = visit.reads if visit.who else []\n",
        "        lines: list[Any] = []\n",
        "-m slow tests/server/web/test_hostile.py",
    ),
    (
        "what weighs asks for no code",
        "server/web/routing.py",
        'if sure and session.get("sure_until_ms", 0) < visit.now_ms:',
        "if False:",
        "-m slow tests/server/web/test_routes.py",
    ),
    (
        "a role is not looked at",
        "server/web/routing.py",
        "    if right != SIGNED_IN and not visit.account.may(right):\n",
        "    if False:\n",
        "-m slow tests/server/web/test_routes.py",
    ),
    (
        "what a passkey signed is good twice",
        "server/web/sign_in.py",
        '    challenge = str(visit.session.pop("challenge", ""))\n    with visit.store.write()',
        '    challenge = "00" * 32\n    with visit.store.write()',
        "-m slow tests/browser/test_passkeys.py",
    ),
    (
        "a passkey of another account opens this one",
        "server/passkeys.py",
        "WHERE id = ? AND account = ? AND host = ?",
        "WHERE id = ? AND (account = ? OR 1 = 1) AND host = ?",
        "tests/server/test_passkeys.py",
    ),
    (
        "the last second factor is taken away",
        "server/passkeys.py",
        "    if factors.in_all <= 1:\n",
        "    if factors.in_all < 1:\n",
        "-m slow tests/browser/test_passkeys.py",
    ),
    (
        "households are joined upon a page that is old",
        "server/web/doubles.py",
        'if _digest(*pair) != visit.text("seen", 16):',
        "if not pair:",
        "-m slow tests/server/web/test_repair.py",
    ),
    (
        "a link is pointed to anything",
        "server/web/links.py",
        "            _check_target(scoped, declared, now)\n",
        "            pass\n",
        "-m slow tests/server/web/test_repair.py",
    ),
    (
        "a rule settles what changed since its preview",
        "server/web/bulk.py",
        "                seen=seen,\n",
        '                seen="",\n',
        "-m slow tests/server/web/test_inbox.py",
    ),
    (
        "the rule of one team takes the values of all",
        "server/web/bulk.py",
        "[s for s in live if s.team and s.team == wanted.team]",
        "[s for s in live if s.team]",
        "-m slow tests/server/web/test_inbox.py",
    ),
    (
        "a record is voided upon a page that is old",
        "server/voiding.py",
        "reason=reason, seen=seen, choice=choice)\n",
        'reason=reason, seen="", choice=choice)\n',
        "-m slow tests/server/web/test_inbox.py",
    ),
)
"""What is wrong, where, the text replaced, what stands there then, the tests that must fail."""
