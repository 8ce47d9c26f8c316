# SPDX-License-Identifier: Apache-2.0
"""Planted bugs in what gives the store another key.

What must not live here: running them (``plant.py``).
"""

from __future__ import annotations

from tests.planted import Plant

_TEST = "tests/server/test_rekeying.py"
_REKEY = "server/store/sqlite_rekey.py"

PLANTS_KEYS: tuple[Plant, ...] = (
    Plant(
        "what another process wrote at the end of the copy is left behind",
        _REKEY,
        "            if self._stand() != seen:\n",
        "            if self._stand() < 0:\n",
        f"{_TEST}::test_what_another_process_writes_while_pages_are_copied_is_in_the_copy",
    ),
    Plant(
        "the writer's lock is given away after the last page",
        "server/store/sqlite_file.py",
        "            if not left:\n                return\n",
        "",
        f"{_TEST}::test_what_this_process_writes_in_the_last_moment_is_in_the_new_file",
    ),
    Plant(
        "a process that has the former file open writes on",
        _REKEY,
        "        if inode_of(self.path) != self._inode:\n",
        "        if not inode_of(self.path):\n",
        f"{_TEST}::test_a_process_that_has_the_former_file_open_writes_nothing_and_is_told",
    ),
    Plant(
        "a reader stays in the former file",
        _REKEY,
        "self._beside._key_hex != self._key_hex:\n",
        "not self._beside._key_hex:\n",
        f"{_TEST}::test_a_reader_beside_goes_over_with_the_store",
    ),
    Plant(
        "the next key is dropped though the store has it already",
        "server/rekeying.py",
        "        elif _opens(path, following.reveal().hex()):\n            ring.promote()\n",
        "        else:\n            ring.drop_next()\n",
        f"{_TEST}::test_after_a_failure_at_any_step_the_store_opens_and_has_all",
    ),
    Plant(
        "a renewal writes over the key that the store has by now",
        "server/rekeying.py",
        "        _finish(path, ring)\n        _need_room(path)\n",
        "        _need_room(path)\n",
        f"{_TEST}::test_a_renewal_after_one_that_ended_badly_does_not_write_over_the_key_in_use",
    ),
    Plant(
        "a copy takes the name of the store's own file",
        "server/rekeying.py",
        '    while (found := path.with_name(f"district-{now_ms}.db")).exists():\n',
        '    while not (found := path.with_name(f"district-{now_ms}.db")):\n',
        f"{_TEST}::test_a_renewal_after_one_that_ended_badly_does_not_write_over_the_key_in_use",
    ),
    Plant(
        "the key before is not kept for its backups",
        "server/store_keyring.py",
        "        self._write([*self._lines(), line][-KEYS_MAX:])\n",
        "        self._write(self._lines()[-KEYS_MAX:])\n",
        f"{_TEST}::test_backups_of_before_are_put_back_until_their_key_is_forgotten",
    ),
    Plant(
        "a forgotten key is still there",
        "server/store_keyring.py",
        "            for one in known[: len(known) - len(gone)]:\n",
        "            for one in known:\n",
        "tests/server/test_store_key.py::test_a_key_is_next_then_present_then_earlier_and_then_forgotten",
    ),
)
