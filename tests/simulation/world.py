# SPDX-License-Identifier: Apache-2.0
"""A run: steps carried out on real parts, judged by a model that knows none of them.

What lives here: what each step does, and what is checked after it and in the end. What must not:
drawing steps (``plan``), judging values (``model``). Invariants
- A step that no fault was put into may not fail.
- When a tablet says that a write is saved, or the server that it holds it, the model holds both to
  that.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import sqlcipher3

from client_sdk.errors import PeerUnknown, TabletError
from crypto.logword import FRAUD
from fixtures.conformance_parts import Template
from fixtures.judge import SET, VOID, Model, Shown
from server.log_words import evidence_in
from server.verify import verify_store
from sync.errors import SyncError
from tests.simulation.looking import Looking
from tests.simulation.parts import Crash, SimServer, SimTablet
from tests.simulation.plan import HOMES, SERVERS, START_MS, Step, records, tablets
from tests.simulation.values import SCHEMA, plain, plain_all, put, written
from tests.simulation.years import FIRST, knows, schema_of

SCOPED = ("t4", "t5")
"""Tablets that hold what they are assigned; the others hold all there is."""
HEALING_ROUNDS_MAX = 12
OFFICE = "office"
EXPECTED = (TabletError, sqlcipher3.OperationalError, OSError)
"""What a step with a fault in it may raise."""


class World(Looking):
    """The parts of one run, and what is known of it."""

    def __init__(self, template: Template, folder: Path) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="run-", dir=folder))
        self.fired: Counter[str] = Counter()
        self.set_back: set[str] = set()
        self.did: Counter[str] = Counter()
        self.model = Model()
        self.complaints: list[str] = []
        self.servers = {
            name: SimServer(template, self.folder / name, name, schema_of(name), self.fired)
            for name in SERVERS
        }
        self.scope = {"t4": {"household/h0", "household/h1"}, "t5": {"household/h1"}}
        self.tablets: dict[str, SimTablet] = {}
        for name in tablets():
            home = self.servers[HOMES[name]]
            place = self.folder / name
            node = SimTablet(template, place, name, home, schema_of(name), self.fired)
            node.clock.now_ms = home.clock.now_ms = START_MS
            self.tablets[name] = node
            for server in self.servers.values():
                if name in SCOPED:
                    server.assign(name, sorted(self.scope[name]))
                else:
                    server.assign_everything(name)

    def close(self) -> None:
        """Close all stores and remove them."""
        for node in self.tablets.values():
            node.failing.disarm()
            node.close()
        for server in self.servers.values():
            server.failing.disarm()
            server.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    # ---- steps -------------------------------------------------------------------------------

    def step(self, step: Step) -> None:
        """Carry out one step; what was wrong goes to ``complaints``."""
        do = step["do"]
        self.did[do] += 1
        for node in self.tablets.values():
            node.clock.now_ms += 1_000
        for server in self.servers.values():
            server.clock.now_ms += 1_000
        table: dict[str, Callable[[Step], None]] = {
            "write": self._write,
            "office": self._office,
            "sync": self._sync,
            "meet": self._meet,
            "link": self._link,
            "backup": self._backup,
            "restore": self._restore,
            "clone": self._clone,
            "backup server": self._backup_server,
            "restore server": self._restore_server,
            "move": self._move,
            "clock": self._clock,
            "restart": lambda s: self.tablets[s["of"]].restart(),
            "upgrade": self.upgrade,
            "first": self.first_client,
            "erase": self.erase,
        }
        table[do](step)

    def _guarded(self, step: Step, node: SimTablet, action: Callable[[], object]) -> bool:
        """Do it with the step's fault armed; did it come to its end?"""
        at_server = step.get("where") == "server"
        failing = node.server.failing if at_server else node.failing
        before = self.fired.total()
        if "fault" in step:
            failing.arm(step["fault"], step["at"])
        if "line" in step:
            node.line.arm(step["line"], step["round"], step["bit"])
        try:
            action()
        except Crash:
            if at_server:
                node.server.restart()
            node.restart()
            return False
        except EXPECTED as error:
            if self.fired.total() == before:
                self.complaints.append(f"{step}: {type(error).__name__}: {error}")
            return False
        finally:
            failing.disarm()
            node.line.kind = ""
            if node.line.passed_altered:
                self.complaints.append(f"{step}: an altered request passed its check")
        return True

    def _write(self, step: Step) -> None:
        node, record = self.tablets[step["by"]], step["record"]
        must_hold = node.device in SCOPED or self.is_gone(record)
        if must_hold and record not in node.tablet.records():
            return
        known = knows(node, step)
        if known is None:
            return
        step = known
        op, life = step["op"], node.lives(record)
        shown = self.look(node, record)
        if op == VOID and (shown is None or shown.voided):
            return
        fields, value = written(step)
        write = self.model.write(step["by"], life, record, op, fields, value, shown)
        done = self._guarded(step, node, lambda: put(node, write, step))
        if done:
            self.model.happened(write, life)

    def _office(self, step: Step) -> None:
        server, record = self.servers[step["at"]], step["record"]
        shown = self.server_shows(server).get(record)
        if shown is None:
            return
        fields, value = written({"op": SET, **step})
        by, life = f"{OFFICE} {server.name}", (server.life, 0)
        write = self.model.write(by, life, record, SET, fields, value, shown)
        server.district.write(OFFICE, "household", record, dict.fromkeys(fields, value))
        self.model.happened(write, life)

    def _link(self, step: Step) -> None:
        below, above = self.servers[step["of"]], self.servers[SERVERS[-1]]
        failing = (above if step.get("where") == "above" else below).failing
        before = self.fired.total()
        if "fault" in step:
            failing.arm(step["fault"], step["at"])
        below.line_kind, below.line_round = step.get("line", ""), step.get("round", 0)
        try:
            below.meet(above, push=True, pull=step["way"] != "push")
        except Crash:
            below.restart()
            above.restart()
        except EXPECTED as error:
            if self.fired.total() == before:
                self.complaints.append(f"{step}: {type(error).__name__}: {error}")
        finally:
            failing.disarm()
            below.line_kind = ""
        self.keep_erasures(below, above)

    def _sync(self, step: Step) -> None:
        node = self.tablets[step["by"]]
        push, pull = step["way"] == "push", step["way"] == "pull"
        done = self._guarded(step, node, lambda: node.tablet.sync(push_only=push, pull_only=pull))
        if done and not pull:
            node.server.acknowledged |= self.model.acknowledge(step["by"], node.life)
        self.keep_erasures(node.server)
        self.note_purges(node)
        self.look_at_all(node)

    def _meet(self, step: Step) -> None:
        giver, taker = self.tablets[step["from"]], self.tablets[step["to"]]

        def give() -> None:
            # Whose certificate is not known yet is not met: it will be at the next sync.
            with contextlib.suppress(PeerUnknown):
                giver.tablet.give_to(taker.tablet)

        self._guarded(step, taker, give)
        self.look_at_all(taker)

    def _backup(self, step: Step) -> None:
        node = self.tablets[step["of"]]
        node.backup()
        node.backup_device = node.device

    def _restore(self, step: Step) -> None:
        node = self.tablets[step["of"]]
        if not node.backup_device:
            return
        node.server = self.servers[HOMES[node.backup_device]]
        node.restore()
        self._set_back(node, node.backup_device, "restore")

    def _clone(self, step: Step) -> None:
        source, target = self.tablets[step["of"]], self.tablets[step["to"]]
        # A copy is a tablet of the district it was copied in.
        target.server = source.server
        target.become(source)
        self._set_back(target, source.device, "clone")

    def _set_back(self, node: SimTablet, device: str, what: str) -> None:
        self.fired[what] += 1
        node.device = device
        node.life += 1
        node.line.late.clear()
        self.model.set_back(node.name, node.life)

    def _backup_server(self, step: Step) -> None:
        server = self.servers[step["of"]]
        server.backup()
        server.acknowledged_at_backup = set(server.acknowledged)

    def _restore_server(self, step: Step) -> None:
        server = self.servers[step["of"]]
        if server.acknowledged_at_backup is None:
            return
        server.restore()
        self.set_back.add(step["of"])
        self.fired["restore server"] += 1
        lives = {name: node.life for name, node in self.tablets.items()}
        lives[FIRST] = self.first_forgotten(server.name)
        self.model.server_set_back(server.acknowledged - server.acknowledged_at_backup, lives)
        server.acknowledged = set(server.acknowledged_at_backup)
        server.life += 1
        self.model.set_back(f"{OFFICE} {server.name}", server.life)
        self._assign_again()

    def _move(self, step: Step) -> None:
        record, to = step["record"], step["to"] if step["to"] in SCOPED else "t4"
        other = "t5" if to == "t4" else "t4"
        self.fired["move"] += 1
        self.scope[to].add(record)
        self.scope[other].discard(record)
        for server in self.servers.values():
            server.assign(to, [record])
            server.unassign(other, [record])

    def _clock(self, step: Step) -> None:
        self.tablets[step["of"]].clock.now_ms += step["ms"]
        self.fired["clock"] += 1

    # ---- the end -----------------------------------------------------------------------------

    def heal(self) -> None:
        """All faults are over; everyone syncs until nothing is left to say."""
        for node in self.tablets.values():
            node.failing.disarm()
            node.line.deliver_late()
        for server in self.servers.values():
            server.failing.disarm()
        self._sync_until_quiet()
        self.upgrade_all()
        # A server that was set back gives a household it hears of to whoever brings it; the office
        # then says again whose it is.
        self._assign_again()
        self._sync_until_quiet()

    def _assign_again(self) -> None:
        for server in self.servers.values():
            for name, homes in self.scope.items():
                server.unassign(name, sorted(set(records()) - homes))
                server.assign(name, sorted(homes))

    def _sync_until_quiet(self) -> None:
        for _ in range(HEALING_ROUNDS_MAX):
            quiet = True
            for node in self.tablets.values():
                try:
                    report = node.tablet.sync()
                except (*EXPECTED, SyncError) as error:
                    self.complaints.append(f"healing {node.name}: {error!r}")
                    return
                self.note_purges(node)
                quiet &= not (report.sent or report.records or report.succeeded or report.left)
                quiet &= report.agrees
            quiet &= self._link_all()
            if quiet:
                return
        self.complaints.append("the stores never came to agree")

    def _link_all(self) -> bool:
        """Both districts and the city exchange; is there nothing new to either?"""
        before = [plain_all(self.server_shows(server)) for server in self.servers.values()]
        for name in SERVERS[:-1]:
            self.servers[name].meet(self.servers[SERVERS[-1]], push=True, pull=True)
        after = [plain_all(self.server_shows(server)) for server in self.servers.values()]
        return before == after and all(one == after[0] for one in after)

    def judge(self) -> list[str]:
        """Complaints, after ``heal``."""
        # In the end everything is read anew: what was remembered on the way hides nothing.
        self.forget_looks()
        shows = {name: self.server_shows(server) for name, server in self.servers.items()}
        held = {name: self.look_at_all(node) for name, node in self.tablets.items()}
        everything = [s for many in (*shows.values(), *held.values()) for s in many.values()]
        try:
            happened = self.model.settled(everything)
        except KeyError as error:
            return [*self.complaints, f"{error} is shown, which nobody wrote"]
        for name, server in shows.items():
            for record, shown in server.items():
                if self.is_gone(record):
                    self.complaints.append(f"{name} shows {record}, which was erased")
                    continue
                self.complaints += self.model.complaints(record, shown, happened, name)
            for number in sorted(happened):
                record = self.model.writes[number].record
                if record not in server and not self.is_gone(record):
                    self.complaints.append(f"write {number} is not at {name}")
            self._judge_server(self.servers[name], server)
        self._judge_tablets(held, shows[SERVERS[0]])
        return self.complaints

    def _judge_tablets(self, held: dict[str, dict[str, Shown]], server: dict[str, Shown]) -> None:
        for name, many in held.items():
            device = self.tablets[name].device
            must = set(server) & self.scope[device] if device in SCOPED else set(server)
            if set(many) != must:
                self.complaints.append(f"{name} holds {sorted(many)}, not {sorted(must)}")
            for record, found in many.items():
                if record in server and plain(found) != plain(server[record]):
                    self.complaints.append(f"{name} shows {record} otherwise than the server")

    def _judge_server(self, node: SimServer, shows: dict[str, Shown]) -> None:
        district = node.district
        with district.store.read() as tx:
            verdict = verify_store(tx, SCHEMA, district.key.public)
            audited = set(tx.rows("SELECT DISTINCT record, field FROM conflicts"))
            found = {one.server for one in evidence_in(tx) if one.finding in FRAUD}
        # All servers here are honest. One whose disk was set back unawares may have signed a second
        # log before it was shown the first and owned up: to two tablets that meet, that is a fork.
        accused = found - {self.servers[name].district.key.replica for name in self.set_back}
        if accused:
            names = sorted(one.hex()[:8] for one in accused)
            self.complaints.append(f"{node.name} holds a fraud against {names}, honest logs")
        if not verdict.holds:
            self.complaints.append(f"verify at {node.name}: {verdict}")
        for record, shown in shows.items():
            for name, values in shown.registers.items():
                if len(values) > 1 and (record, name) not in audited:
                    self.complaints.append(f"{node.name}'s audit does not name {record}.{name}")
