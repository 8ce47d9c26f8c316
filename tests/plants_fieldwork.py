# SPDX-License-Identifier: Apache-2.0
"""Planted bugs of the field work: what a writing brings along, joined households, limits, forms.

What must not live here: the run, which is in ``plant.py``.
"""

from __future__ import annotations

PLANTS_FIELDWORK = (
    (
        "two who grade poor open two needs",
        "sync/effects.py",
        '    target = keyed_id(opening.collection, [value(part) or "" for part in opening.key])\n',
        "    target = keyed_id(opening.collection, [record])\n",
        "tests/fieldwork/test_households.py",
    ),
    (
        "a need that comes back stays solved",
        "sync/effects.py",
        "        sets = {name: value(given) for name, given in opening.again.items()}\n",
        "        sets = {}\n",
        "tests/fieldwork/test_households.py",
    ),
    (
        "a step is taken without what it needs",
        "client_sdk/effecting.py",
        "        if missing:\n",
        "        if missing and not writing.record:\n",
        "tests/fieldwork",
    ),
    (
        "a parcel stays on the shelf",
        "sync/fieldwork.py",
        "levels[point, goods] -= int(parcel.get(name))",
        "levels[point, goods] -= 0",
        "tests/fieldwork/test_supplies.py",
    ),
    (
        "a value beyond its limits is merged",
        "server/ingest.py",
        "entries, beyond = self._sift(entries)",
        "_, beyond = self._sift(entries)",
        "tests/server/test_limits.py",
    ),
    (
        "a late edit of the joined household is lost",
        "sync/joining.py",
        "update(late if own else {**by_dot, **late})",
        "update({} if own else by_dot)",
        "tests/server/test_duplicates.py",
    ),
    (
        "joins in a circle hide both households",
        "sync/joining.py",
        "            if start in path[path.index(at) :]:\n                continue\n",
        "",
        "tests/server/test_duplicates.py",
    ),
    (
        "two families in one flat are one",
        "server/duplicates.py",
        '    return Reason("name-other", -3.0)',
        '    return Reason("name-other", 0.0)',
        "tests/server/test_duplicates.py",
    ),
    (
        "what an officer grades as poor opens nothing",
        "server/effecting.py",
        "            whole[:] = self._with_effects(tx, worker, writes)\n",
        "            whole[:] = list(writes)\n",
        "tests/server/store/test_effecting.py",
    ),
    (
        "a file confirms a need in nobody's name",
        "server/imports.py",
        "    if not collection.steps:\n        return\n",
        "    return\n",
        "tests/server/store/test_effecting.py",
    ),
    (
        "what two of one batch bring is written twice",
        "sync/together.py",
        "            _merged(first.others, writing.others),\n",
        "            [*first.others, *writing.others],\n",
        "tests/server/store/test_effecting.py",
    ),
    (
        "a parcel is still on the shelf of the report",
        "server/reports/stock.py",
        '_BALANCE = "f.came - f.went - f.packed"',
        '_BALANCE = "f.came - f.went"',
        "tests/server/store/test_reports_besides.py",
    ),
    (
        "a step of folding goes on to the end",
        "server/reports/folding.py",
        "                if time.perf_counter() - began > STEP_SECONDS:\n",
        "                if time.perf_counter() - began > 1000 + STEP_SECONDS:\n",
        "tests/server/store/test_reports.py",
    ),
)
