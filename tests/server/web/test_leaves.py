# SPDX-License-Identifier: Apache-2.0
"""Each act that the provable log is kept for is a leaf of it, done as people and tablets do it."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
from click.testing import CliRunner

from crypto.logword import ACCESS, NOTE, RUN, read_leaf
from fixtures.console import AREA, World, console_world
from server.audit_show import show_conflict
from server.cli import main
from server.log_tree import stand_of

pytestmark = pytest.mark.slow
Leaf = tuple[str, str]


def added(world: World, act: Callable[[], object]) -> set[Leaf]:
    """The leaves an act added: their kind, and of a run whose feed it is, else what it says."""
    store = world.local.district.store
    with store.read() as tx:
        before = stand_of(tx).size
    act()
    with store.read() as tx:
        rows = tx.rows("SELECT kind, body FROM log_leaves WHERE n >= ? ORDER BY n", [before])
    leaves = [(str(kind), read_leaf(bytes(body))[3]) for kind, body in rows]
    return {(k, said.hex() if isinstance(said, bytes) else str(said)) for k, said in leaves}


def acts(world: World, stack: ExitStack) -> list[tuple[Leaf, Callable[[], object]]]:
    """What a tablet and people of the office do, and the leaf that is to tell of it."""
    names = ("auditor", "supervisor", "administrator")
    auditor, supervisor, administrator = (stack.enter_context(world.browse(n)) for n in names)
    for name, visitor in zip(names, (auditor, supervisor, administrator), strict=True):
        visitor.step_up(name)
    district, tablet = world.local.district, world.tablets["zhangxia"]
    with district.store.read() as tx:
        n = int(tx.rows("SELECT n FROM conflicts WHERE field = 'phone'")[0][0])
        found = show_conflict(tx, district.schema, n)
        device = str(tx.rows("SELECT id FROM devices WHERE name = '平板二'")[0][0])
    decided = {"choice": found.sides[0].dot.hex(), "seen": found.seen, "reason": "核实"}
    area = {"area": AREA, "what": "unassign"}
    erased = {"basis": "request", "reason": "本人要求", "typed": "h2"}
    role = {"role": "auditor", "area": "440103", "state": "active"}
    listed = "/reports/totals/export/csv?figure=households"
    return [
        (
            (RUN, tablet.replica.hex()),
            lambda: (tablet.edit("h3", phone="12600009003"), tablet.sync()),
        ),
        ((NOTE, "signed-in"), lambda: stack.enter_context(world.browse("officer"))),
        (
            (RUN, district.own.key.replica.hex()),
            lambda: auditor.post(f"/conflicts/{n}/decide", **decided),
        ),
        ((NOTE, "area-unassign"), lambda: supervisor.post("/teams/t2/change", **area)),
        (
            (NOTE, "device-revoked"),
            lambda: supervisor.post(f"/tablets/{device}/revoke", reason="?"),
        ),
        ((NOTE, "export"), lambda: auditor.fetch(listed)),
        ((NOTE, "erasure"), lambda: supervisor.post("/records/h2/erase", **erased)),
        ((NOTE, "account-changed"), lambda: administrator.post("/people/officer/change", **role)),
        ((ACCESS, "read"), lambda: auditor.get("/records/h1")),
    ]


def test_every_kind_of_act_is_a_leaf_and_the_export_of_them_all_holds(tmp_path: Path) -> None:
    with console_world(tmp_path) as world, ExitStack() as stack:
        world.clash("h1", {"phone": "12600009001"}, {"phone": "12600009002"})
        told = [(leaf, added(world, act)) for leaf, act in acts(world, stack)]
        assert [(leaf, found) for leaf, found in told if leaf not in found] == []
        call = ["--lang", "en", "--data-dir", world.local.settings.data_dir, "log"]
        root, log = str(tmp_path / "root"), str(tmp_path / "log")
        for words in (["head", "--key", root], ["export", log], ["verify", log, "--root", root]):
            done = CliRunner().invoke(main, [*call, *words])
            assert done.exit_code == 0, done.output
        assert "holds" in done.output
