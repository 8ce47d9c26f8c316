# SPDX-License-Identifier: Apache-2.0
"""Planted bugs that the drills must see: for each attacker, what would let them through.

What must not live here: running them (``plant.py``), attacks (``tests/drills``).
"""

from __future__ import annotations

from tests.planted import Plant


def _drill(attacker: str, bug: str, file: str, old: str, new: str, test: str) -> Plant:
    return Plant(f"drill, {attacker}: {bug}", file, old, new, f"-m slow tests/drills/{test}")


_TABLETS, _LINES = "test_tablets.py::test_", "test_lines.py::test_"
_PEOPLE, _SERVERS = "test_people.py::test_", "test_servers.py::test_"

PLANTS_DRILLS: tuple[Plant, ...] = (
    _drill(
        "thief of a tablet that is off",
        "the passphrase alone opens",
        "crypto/unlock.py",
        "        secret=device_secret.reveal(),\n",
        "",
        f"{_TABLETS}a_thief_without_the_device_secret_opens_nothing_by_the_right_passphrase",
    ),
    _drill(
        "thief of a tablet that is off",
        "guessing never ends",
        "crypto/unlock.py",
        "    except InvalidTag:\n        if entry.wrong_tries >= WRONG_TRIES_MAX:\n",
        "    except InvalidTag:\n        if entry.wrong_tries > WRONG_TRIES_MAX:\n",
        f"{_TABLETS}a_thief_of_a_tablet_that_is_off_reads_nothing_and_ten_guesses_erase_its_keys",
    ),
    _drill(
        "thief of a tablet that is on",
        "the wipe order is not obeyed",
        "client_sdk/tablet_ending.py",
        "        if named.wipe:\n",
        "        if not named.wipe:\n",
        f"{_TABLETS}a_thief_of_a_tablet_that_is_on_loses_it_at_the_first_contact",
    ),
    _drill(
        "thief of a tablet that is on",
        "a lease goes by the clock of the day",
        "client_sdk/lease.py",
        "spent_ms = self.spent_ms + max(0, now_ms - self.clock_ms)",
        "spent_ms = now_ms - self.lease.issued_at_ms",
        f"{_TABLETS}a_thief_who_keeps_a_tablet_from_the_network_is_shut_out_whatever_its_clock_says",
    ),
    _drill(
        "cloner",
        "a copy of a feed is not noticed",
        "sync/session.py",
        "        if mine is not None and mine != point.mark:\n",
        "        if mine is None and point.mark is None:\n",
        f"{_TABLETS}a_cloner_gets_a_device_of_its_own_and_both_writings_stay_until_both_are_revoked",
    ),
    _drill(
        "file tamperer",
        "what does not open of an outbox is not told",
        "server/recovery.py",
        "\n    return Recovered(changes, refused, found.unreadable_bytes)\n",
        "\n    return Recovered(changes, refused, 0)\n",
        f"{_TABLETS}whoever_alters_a_tablets_files_gets_a_refusal_and_never_a_changed_record",
    ),
    _drill(
        "stick carrier",
        "the number of a bundle is not looked at",
        "sync/parcel.py",
        '            if known.before:\n                raise BundleRepeated(f"number {sequence}")\n'
        '            raise BundleLate(f"number {sequence}")\n',
        "            continue\n",
        f"{_LINES}a_carrier_reads_nothing_and_what_is_altered_or_repeated_is_refused",
    ),
    _drill(
        "network",
        "any server is spoken to",
        "sync/carry/line.py",
        "                check_tls_pin(certificate, self._pin)\n",
        "                check_tls_pin(certificate, self._pin) if not certificate else None\n",
        f"{_LINES}a_server_that_plays_the_district_hears_nothing_from_a_tablet",
    ),
    _drill(
        "rogue worker",
        "what a revoked tablet brings is merged",
        "server/ingest.py",
        "            entries = [e for e in entries if e.dot[:16] not in sender.revoked]\n",
        "",
        f"{_TABLETS}a_rogue_worker_writes_nothing_after_the_revocation_and_a_lie_in_time_is_a_conflict",
    ),
    _drill(
        "rogue officer",
        "one person takes out the record",
        "server/approvals.py",
        "    if lines > EXPORT_ALONE_MAX:\n",
        "    if lines < 0:\n",
        f"{_PEOPLE}nobody_takes_out_the_record_alone",
    ),
    _drill(
        "rogue officer",
        "an account sees beyond its area",
        "server/web/scoped_base.py",
        "return area.startswith(self.area)",
        "return True",
        f"{_PEOPLE}a_rogue_officer_sees_nothing_beyond_the_area_and_every_reading_stands_in_the_log",
    ),
    _drill(
        "rogue district server",
        "a server that was set back does not own up",
        "server/log_words.py",
        "        epoch = begin_epoch(tx, head, now_ms)\n",
        "        epoch = stand.epoch\n",
        f"{_SERVERS}a_district_that_shows_two_logs_is_told_by_line_and_by_stick",
    ),
    _drill(
        "rogue administrator",
        "journal and log are not compared",
        "server/log_export.py",
        "            holds = found[5] == salted(bytes(salt), said_by(*map(str, parts)))\n",
        "            holds = True\n",
        f"{_SERVERS}an_administrator_who_edits_tables_is_named_leaf_by_leaf",
    ),
    _drill(
        "internet",
        "a few strangers hold all places",
        "server/serving.py",
        "        limit_concurrency=settings.connections_at_once_max,\n",
        "        limit_concurrency=20,\n",
        f"{_LINES}strangers_at_the_port_neither_stop_the_server_nor_keep_a_tablet_waiting",
    ),
    _drill(
        "hostile text",
        "what was written is given out as markup",
        "server/web/rendering.py",
        "autoescape=True",
        "autoescape=False",
        f"{_PEOPLE}hostile_text_of_a_tablet_is_shown_and_never_run",
    ),
    _drill(
        "backup thief",
        "the store and its backups are plain",
        "server/store/sqlite_file.py",
        '    connection.execute(f"PRAGMA key = \\"x\'{key_hex}\'\\"")\n',
        "",
        f"{_SERVERS}a_thief_of_backups_reads_nothing_with_any_key_but_the_servers",
    ),
    _drill(
        "power and disk",
        "a start removes the log of the store",
        "server/rekeying.py",
        "    if path.is_symlink():\n",
        "    if path.exists():\n",
        f"{_SERVERS}the_power_goes_in_the_middle_and_what_was_acknowledged_is_there",
    ),
)
