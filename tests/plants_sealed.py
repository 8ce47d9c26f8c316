# SPDX-License-Identifier: Apache-2.0
"""Planted bugs of sealed fields: what a tablet or a server might read, keep or give away.

What must not live here: the run, which is ``plant.py``.
"""

from __future__ import annotations

from tests.planted import Plant

_TABLETS = "tests/client_sdk/test_sealed.py tests/client_sdk/test_sealed_keys.py"
_HANDED = "-m slow tests/server/test_fields_handed.py"
PLANTS_SEALED = (
    Plant(
        "a sealed value opens in another change",
        "crypto/field.py",
        '    return prefix(b"field-value") + msgspec.msgpack.encode(place) + head\n',
        '    return prefix(b"field-value") + msgspec.msgpack.encode(place[:2]) + head\n',
        "tests/crypto/test_field.py",
    ),
    Plant(
        "the mark of equality is no secret",
        "crypto/field.py",
        '        self._equal = _derived(self._secret, b"field-equal")\n',
        '        self._equal = _derived(bytes(32), b"field-equal")\n',
        "tests/crypto/test_field.py",
    ),
    Plant(
        "the mark says that two people have the same",
        "crypto/field.py",
        "        where = msgspec.msgpack.encode((place.record, place.field))\n",
        "        where = msgspec.msgpack.encode((place.field,))\n",
        "tests/crypto/test_field.py",
    ),
    Plant(
        "a false mark is believed",
        "crypto/field.py",
        "        if not hmac.compare_digest(self._mark(place, padded),",
        '        if not self._mark(place, padded) and not hmac.compare_digest(b"",',
        "tests/crypto/test_field.py",
    ),
    Plant(
        "two equal sealed values are a conflict",
        "sync/policy.py",
        "    return _canonical.encode(likeness(value))\n",
        "    return _canonical.encode(value)\n",
        _TABLETS,
    ),
    Plant(
        "of two equal sealed siblings one ciphertext is kept",
        "sync/packing.py",
        'if by_kind[field] != "register" or exact_key(value) != shown:',
        'if by_kind[field] != "register" or exact_key(value)[:40] != shown[:40]:',
        _TABLETS,
    ),
    Plant(
        "a policy that needs the value is allowed on a sealed field",
        "sync/schema.py",
        '    if field.policy not in ("ask", "latest"):\n',
        '    if field.policy == "never":\n',
        "tests/sync/test_schema.py",
    ),
    Plant(
        "what comes in the clear is merged",
        "sync/limits.py",
        "    one = _SEALED if field.sealed else _one(field)\n",
        "    one = Any if field.sealed else _one(field)\n",
        _TABLETS,
    ),
    Plant(
        "a lost tablet has the key of what is written later",
        "server/devices.py",
        "    renew_for(tx, str(team), now_ms)\n",
        "",
        _TABLETS,
    ),
    Plant(
        "a household given to others leaves its keys as they were",
        "server/field_readers.py",
        '    renew_for(tx, team, now_ms)\n    tx.run("DELETE FROM field_grants WHERE team = ?"',
        '    tx.run("DELETE FROM field_grants WHERE team = ?"',
        _TABLETS,
    ),
    Plant(
        "any key is given to who asks",
        "server/field_rings.py",
        "        if not held or key not in keys_in(tx, record):\n            continue\n",
        "        held = held or {record}\n",
        _TABLETS,
    ),
    Plant(
        "a tablet keeps keys that its ring no longer names",
        "client_sdk/field_keys.py",
        "        store.put(_KEYS, [s for s in secrets_of(store) if key_id(s) in named])\n",
        "        assert named is not None\n",
        _TABLETS,
    ),
    Plant(
        "search texts outlive the key",
        "client_sdk/field_keys.py",
        "    store.put(SCRUB, True)\n",
        "",
        _TABLETS,
    ),
    Plant(
        "keys go to whoever is met",
        "client_sdk/field_keys.py",
        "    if theirs is None or theirs.team != own.team:\n",
        "    if theirs is None:\n",
        _TABLETS,
    ),
    Plant(
        "a form empties what it could not show",
        "client_sdk/app/forms.py",
        "        if is_sealed(before):\n",
        "        if False:\n",
        "tests/client_sdk/app/test_sealed.py",
    ),
    Plant(
        "every officer opens every class",
        "server/field_reading.py",
        "        return not readers or readers in self._classes\n",
        "        return True\n",
        "-m slow tests/server/web/test_sealed.py",
    ),
    Plant(
        "an opened value is not logged",
        "server/web/scoped_base.py",
        '            self.saw(area, home, record, [f"{OPENED}{field}"])\n',
        "            pass\n",
        "-m slow tests/server/web/test_sealed.py",
    ),
    Plant(
        "a decision is kept in the clear",
        "server/resolving.py",
        '"resolve", conflict, entries[0].dot, officer, reason, _written(entries[0]))',
        '"resolve", conflict, entries[0].dot, officer, reason, chosen)',
        "-m slow tests/server/web/test_sealed.py",
    ),
    Plant(
        "keys of a household elsewhere are given to another district",
        "server/field_handing.py",
        "        if _lies_in(tx, str(record), known.area) and ",
        "        if ",
        _HANDED,
    ),
    Plant(
        "keys are given to a server that no officer named",
        "server/field_handing.py",
        ' WHERE allowed_at_ms IS NOT NULL"',
        '"',
        _HANDED,
    ),
    Plant(
        "what was given seals on",
        "server/field_handing.py",
        "            if group.epoch == epoch_of(tx, group.team, group.readers, now_ms):\n",
        "            if group.epoch < 0:\n",
        _HANDED,
    ),
    Plant(
        "a notice says sealed to whom it is not",
        "client_sdk/reading.py",
        "        for d in [*state.preds, *dots]:\n",
        "        for d in list(state.live_dots()):\n",
        _TABLETS,
    ),
)
