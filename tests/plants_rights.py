# SPDX-License-Identifier: Apache-2.0
"""Planted bugs of people's rights: what an erasure, a hold or a reading log might get wrong.

What must not live here: the run, which is ``plant.py``.
"""

from __future__ import annotations

from tests.planted import Plant

_SERVER, _TABLET = "tests/server/test_erasing.py", "tests/client_sdk/test_erasing.py"
_APPROVALS = "tests/server/test_approvals.py"
_TREE = (
    "-m slow tests/server/test_erasure_drill.py"
    "::test_a_name_taken_out_of_records_that_stay_is_on_no_page_of_a_tree_of_servers"
)

PLANTS_RIGHTS = (
    Plant(
        "what arrives late of an erased record stays",
        "server/erasing.py",
        "        if not found:\n            return\n        gone = remove",
        "        if found:\n            return\n        gone = remove",
        _SERVER,
    ),
    Plant(
        "the content of an erased change stays in its feed",
        "server/erasing_rows.py",
        "    taken = take_out(tx, known, away)\n",
        "    taken = take_out(tx, set(), away)\n",
        _SERVER,
    ),
    Plant(
        "a home keeps the digest of what was erased in it",
        "server/erasing_rows.py",
        'HomeRow(home, "", seq, by & DIGEST_MASK)',
        'HomeRow(home, "", seq, 0)',
        _TABLET,
    ),
    Plant(
        "a blank is taken that no erasure names",
        "server/verify_feeds.py",
        "        if blanks and not are_erased(self._tx, row.replica, blanks):\n",
        "        if False:\n",
        "tests/server/test_erasing.py",
    ),
    Plant(
        "a server below has erased whatever it names",
        "server/erasing.py",
        "        return said if within else None\n",
        "        return said\n",
        "tests/server/test_erasing_trust.py",
    ),
    Plant(
        "a tablet keeps what it was told to erase",
        "client_sdk/erasing.py",
        "    purge(store, records)\n    _take_back_seeds",
        "    _take_back_seeds",
        _TABLET,
    ),
    Plant(
        "a tablet takes an erased record from a teammate",
        "client_sdk/meeting.py",
        "        if erased_among(store, [entry.record]):\n",
        "        if False:\n",
        _TABLET,
    ),
    Plant(
        "a hold does not keep a record",
        "server/erasing_plan.py",
        "    if subject in holds or row.home in holds:\n",
        "    if False:\n",
        "tests/server/test_rights.py",
    ),
    Plant(
        "a line of a tablet's reading log is taken twice",
        "server/readings.py",
        "if n > held]",
        "if n > 0]",
        "tests/client_sdk/test_readings.py",
    ),
    Plant(
        "a child's consent needs nobody else",
        "sync/consenting.py",
        '    if is_child(birth_year, str(consent.get("on") or "0000")) and not by_guardian:\n',
        "    if False:\n",
        "tests/client_sdk/test_consents.py",
    ),
    Plant(
        "one person says yes to their own request",
        "server/approvals.py",
        "    if by == asked.asked_by:\n",
        "    if False:\n",
        _APPROVALS,
    ),
    Plant(
        "a second person's yes holds for ever",
        "server/approvals.py",
        "return self.state == APPROVED and now_ms < until_ms",
        "return self.state == APPROVED and until_ms > 0",
        _APPROVALS,
    ),
    Plant(
        "whoever knows a code answers for another",
        "server/approvals.py",
        "if not password_holds(stored_password(tx, by), password) or not use_code(",
        "if not use_code(",
        _APPROVALS,
    ),
    Plant(
        "the signature of a consent that was refused is kept",
        "client_sdk/app/entry.py",
        "                    tablet.check_consent(fields, signed=bool(_signed(form)))\n",
        "                    pass\n",
        "tests/client_sdk/app/test_consent.py",
    ),
    Plant(
        "what somebody signed is written over",
        "client_sdk/app/entry.py",
        '                return desk.go(f"/record/{record}")\n            changes =',
        "            changes =",
        "tests/client_sdk/app/test_consent.py",
    ),
    Plant(
        "a consent that was taken back waits in nobody's list",
        "server/ingest.py",
        "        note_withdrawals(self.tx, batch, rows.born, self.now_ms)\n",
        "",
        "tests/server/test_withdrawals.py",
    ),
    Plant(
        "what stood there before is not looked through",
        "server/erasing_mentions.py",
        "        before = sorted(written - set(shown))\n",
        "        before = list[str]()\n",
        "tests/server/test_redacting.py",
    ),
    Plant(
        "what leads to a record that is written anew leads nowhere",
        "server/erasing_mentions.py",
        "        return ids.get(value, value) if isinstance(value, str) else value\n",
        "        return value\n",
        "tests/server/test_redacting.py",
    ),
    Plant(
        "a redaction that was cut off is written twice",
        "server/erasing_mentions.py",
        "one.how == REPLACED and one.becomes in made):",
        "one.how == REPLACED and not one.becomes):",
        "tests/server/test_redacting.py",
    ),
    Plant(
        "keys of backups from before an erasure are kept for good",
        "server/backup_keys.py",
        "            gone = ring.forget(followed_ms + 1)\n",
        "            gone = ring.forget(0)\n",
        "tests/server/test_backup_keys.py",
    ),
    Plant(
        "the newest backups die with the old ones",
        "server/backup_keys.py",
        "NEW_KEY_AFTER_MS = 10 * DAY_MS\n",
        "NEW_KEY_AFTER_MS = 30 * DAY_MS\n",
        "tests/server/test_backup_keys.py",
    ),
    Plant(
        "a search does not say in which sealed fields it looked",
        "client_sdk/tablet_reading.py",
        "[*LISTED, *self._looked_in()]",
        "LISTED",
        "tests/client_sdk/test_readings.py",
    ),
    Plant(
        "a list on a tablet is the reading of a household",
        "server/readings.py",
        "        if line.home == NOWHERE:\n",
        "        if line.home == OPENED:\n",
        "tests/client_sdk/test_readings.py",
    ),
    Plant(
        "of another server's erasure the tips go and what stands behind them stays",
        "server/erasing_rows.py",
        "            out |= {moment.dot for moment in history.moments} | set(history.missing)\n",
        "            out |= set(history.missing)\n",
        "tests/server/test_erasing_trust.py",
    ),
    Plant(
        "an erasure may name a change that no feed can have",
        "crypto/erasure.py",
        "        and all(1 <= counter <= COUNTER_MAX for _, counter, _ in erasure.dots())\n",
        "        and all(counter >= 1 for _, counter, _ in erasure.dots())\n",
        "tests/fuzz/test_found.py",
    ),
    Plant(
        "a copy that gets a name of its own answers for no erasure before",
        "server/copies.py",
        "    ask_like(tx, copy, device, now_ms)\n",
        "",
        "tests/simulation/test_found.py",
    ),
    Plant(
        "the page lets a child sign",
        "client_sdk/app/entry.py",
        '"signed_by": ["guardian" if child else "self"]}\n',
        '"signed_by": ["self"]}\n',
        "tests/client_sdk/app/test_consent.py",
    ),
    Plant(
        "what was written anew without the name stays with it too, on every server",
        "server/erasing_plan.py",
        "    going |= {one.record for one in redactions if one.how == REPLACED}\n",
        "    going |= {one.record for one in redactions if one.how != REPLACED} & going\n",
        "tests/server/test_redacting.py",
    ),
    Plant(
        "a redacted record keeps the name within a longer text, in a whole tree",
        "server/erasing_mentions.py",
        "            value = value.replace(word, STAR * len(word))\n",
        "            value = STAR * len(word) if value == word else value\n",
        _TREE,
    ),
)
