"""A simulated site: production centrals on made-up machines, a network and clocks, from one seed.

Everything that happens is an entry in one heap of (time, number, action), so a seed replays to
the letter. Time is ms since the world began. The messages are the real frames, the code that
takes, judges, stores and answers them is that of the daemon.

Chance has several sources, all made of the seed, so that a draw more in one part of the world
leaves the others as they were.
"""

import functools
import heapq
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any
from unittest.mock import patch

import zparkd.daemon.reactor
from tests.sim.cameras import Cameras
from tests.sim.council import admit_who_waits
from tests.sim.judge import Reader
from tests.sim.keyring import all_keys_are_told
from tests.sim.ledger import Heads, Ledger
from tests.sim.machine import IN_MEMORY, ROGUE_ID, START_WALL_MS, Machine
from tests.sim.network import Network
from tests.sim.plans import Plan, Topology
from tests.sim.rogue import Rogue
from tests.sim.vfs import disks
from tests.support.bounds import place_of
from zparkd.config.load import Config, load
from zparkd.core.events.event import Event
from zparkd.storage.store import Store

SITE = "lot-a"
TIMEZONE = "Asia/Ho_Chi_Minh"
TWIN = "twin"  # the name of a machine that runs under the id of another
PATIENCE_MS = 30_000  # a healed site that needs longer to be equal is not healed
QUIET_MS = 1_500  # how long it is watched after that
LOOK_EVERY_MS = 50
_IN_MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None


@functools.cache
def _config() -> Config:
    """A configuration as files make it; each central gets it with its own id and peers."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "zparkd.toml"
        path.write_text(
            f'[central]\nid = "central-1"\nsite = "{SITE}"\ntimezone = "{TIMEZONE}"\n'
            '[listen]\naddress = "127.0.0.1"\ncontrol = "control.sock"\n'
            '[storage]\npath = "zparkd.db"\n[limits]\nedge_requests_per_s = 0\n'
            '[security]\nmode = "plain"\n'
        )
        return load(path)


@functools.cache
def _empty_disk(id: str) -> bytes:
    """The bytes of a new database."""
    store = Store(IN_MEMORY, id, SITE, TIMEZONE)
    image: bytes = store.connection.serialize()
    store.close()
    return image


class World:
    """One run. Use it as a context: what is bounded otherwise in it is put right at the end."""

    site = SITE
    timezone = TIMEZONE

    def __init__(self, plan: Plan, trace: Callable[[str], None] | None = None) -> None:
        """`trace` is given each line of what happens."""
        self.plan = plan
        self.now_ms = 0
        self._trace = trace
        self._heap: list[tuple[int, int, Callable[[], None]]] = []
        self._number = 0
        names = ("luck", "chance", "life", "malice", "fate")
        self.luck, self.chance, self.life, self.malice, self.fate = (
            Random(f"{plan.seed} {name}") for name in names
        )
        self.config = plan.configured(_config())
        self.ledger = Ledger()
        self.read = Reader()
        self.settled = False  # whether nothing is missing anywhere, and nothing is under way
        self.network = Network(self)
        self.cameras = Cameras(self)
        self.rogue = Rogue(self) if plan.rogue else None
        self._temporary = tempfile.TemporaryDirectory(dir=_IN_MEMORY) if plan.files else None
        self.folder = Path(self._temporary.name if self._temporary is not None else "")
        self.machines: dict[str, Machine] = {}
        self.turning: str | None = None  # the machine whose code runs now
        self.stamps: list[tuple[str, int, int]] = []
        self.wrong_clocks: set[str] = set()
        self.healed_ms: int | None = None
        self.equal_ms: int | None = None
        self.missing = 0  # events that some lack, as all faults end
        self.unvouched = 0  # of them those whose origins have new keys
        for number in range(plan.count):
            name = f"central-{number + 1}"
            self.machines[name] = Machine(self, name, name, _empty_disk(name))
        if plan.twin:
            self.machines[TWIN] = Machine(self, TWIN, "central-2", _empty_disk("central-2"))
        self.centrals = list(self.machines.values())
        if plan.all_know_all_keys:
            self.ledger.known = frozenset(machine.id for machine in self.centrals)
        self.connect_all()

    @contextmanager
    def running(self) -> Iterator["World"]:
        """The bounds of the plan hold, and what daemons log is part of the trace."""
        with ExitStack() as undo:
            for name, value in self.plan.bounds.items():
                undo.enter_context(patch.object(place_of(name), name, value))
            for module in _that_say():
                undo.enter_context(patch.object(module, "say", self._said))
            undo.enter_context(patch.object(zparkd.daemon.reactor, "say_recorded", _unsaid))
            undo.callback(self._end)
            yield self

    def _end(self) -> None:
        """Close what is open of files."""
        if self._temporary is None:
            return
        for machine in self.centrals:
            if machine.files is not None:
                machine.files.unlock()
            if machine.disk is not None:
                machine.disk.close()
            assert machine.files is not None
            disks().forget(machine.files.folder)
        self._temporary.cleanup()

    def _said(self, message: Any, fault: BaseException | None = None, /, **fields: Any) -> None:
        rotten = self.turning is not None and self.machines[self.turning].rotten
        if fault is not None and not rotten:
            self.ledger.breaks(f"a turn failed: {fault!r}")
        said = ", ".join(f"{name} {value}" for name, value in fields.items())
        self.note(self.turning or "log", f"logs {message.name}{': ' * bool(said)}{said}")

    # --- time ----------------------------------------------------------------------------------

    def at(self, at_ms: int, action: Callable[[], None]) -> None:
        """Do something at a time."""
        self._number += 1
        heapq.heappush(self._heap, (at_ms, self._number, action))

    def after(self, delay_ms: int, action: Callable[[], None]) -> None:
        """Do something later."""
        self.at(self.now_ms + delay_ms, action)

    def run(self, for_ms: int) -> None:
        """Let the world go on for a while."""
        until_ms = self.now_ms + for_ms
        while self._heap and self._heap[0][0] <= until_ms:
            self.now_ms, _, action = heapq.heappop(self._heap)
            action()
        self.now_ms = until_ms

    def true_ms(self) -> int:
        """What a right wall clock shows."""
        return START_WALL_MS + self.now_ms

    def note(self, who: str, what: str) -> None:
        """A line of the trace."""
        if self._trace is not None:
            self._trace(f"{self.now_ms / 1000:8.3f}  {who:20} {what}")

    # --- who reaches whom ------------------------------------------------------------------------

    def connect_all(self) -> None:
        """Configure all peers as the plan's topology says, and have running centrals apply it."""
        for machine in self.centrals:
            machine.peers = self.neighbours(machine)
            machine.routes = {}
        if self.plan.twin:
            # Some were given the address of the one machine, some that of the other.
            for machine in self.centrals[2::2]:
                machine.routes["central-2"] = TWIN
        for machine in self.centrals:
            machine.reconfigure()

    def neighbours(self, machine: Machine) -> set[str]:
        """The ids that a machine has as its peers when all is configured."""
        ids = [f"central-{number + 1}" for number in range(self.plan.count)]
        place = ids.index(machine.id)
        match self.plan.topology:
            case Topology.MESH:
                near = set(ids)
            case Topology.CHAIN:
                near = set(ids[max(0, place - 1) : place + 2])
            case Topology.STAR:
                near = set(ids) if place == 0 else {ids[0]}
        if self.rogue is not None:
            near.add(ROGUE_ID)
        return near - {machine.id}

    def listeners(self, speaker: Machine) -> list[Machine]:
        """The machines that hear what this one publishes."""
        return [
            machine
            for machine in self.centrals
            if machine.reactor is not None
            and speaker.id in machine.peers
            and machine.routes.get(speaker.id, speaker.id) == speaker.name
        ]

    def reached(self, machine: Machine, peer_id: str) -> Any:
        """The machine that this one reaches as its peer; None where there is none."""
        name = machine.routes.get(peer_id, peer_id)
        return self.rogue if name == ROGUE_ID else self.machines.get(name)

    def at_way_back(self, name: str) -> Any:
        """The machine with this name, which asked."""
        return self.rogue if name == ROGUE_ID else self.machines[name]

    def any_heads(self) -> Heads:
        """How far each stream is held by whoever holds most of it."""
        most: Heads = {}
        for held in self.ledger.held.values():
            for stream, head in held.items():
                most[stream] = max(head, most.get(stream, 0))
        return most

    # --- what machines tell ----------------------------------------------------------------------

    def restart_later(self, machine: Machine) -> None:
        """A machine fell: somebody, or systemd, starts it again."""
        away_ms = self.fate.choice([100, 1_000, 5_000])
        self.after(self.fate.randint(50, away_ms), lambda: machine.answers or machine.start())

    def stamped(self, machine: Machine, event: Event) -> None:
        """A machine made an event: how far its time stamp is from the truth is noted."""
        self.stamps.append((machine.name, self.now_ms, event.timestamp - self.true_ms()))

    # --- the end of all faults -------------------------------------------------------------------

    def heal(self) -> None:
        """End all faults and switch all on; what is missing where is counted."""
        self.note("world", "all faults end")
        self.healed_ms = self.now_ms
        self.network.calm()
        self.cameras.deaf = 0.0
        if self.rogue is not None:
            self.rogue.tells_news = False
            self.rogue.silent = not self.plan.rogue_stays
        for machine in self.centrals:
            machine.paused_until_ms = 0
            machine.pace_ms = (1, 3)
            machine.steps_left = None
            if machine.files is not None:
                machine.files.unlock()
                machine.files.folder.sync_fault = 0
            if machine.disk is not None:
                machine.disk.fails = None
                machine.disk.refusals.clear()
                machine.sync_ms = 0
                machine.disk.fill(full=False)
            else:
                machine.start()
            machine.wake()
            machine.upgrade()
            for stream in self.ledger.forks:
                machine.start_anew(stream)
        for machine in self.centrals:
            if machine.rotten:  # a person looked, and put an empty disk in
                machine.stop()
                machine.replace_disk(machine.first_disk, {})
                machine.start()
        self.connect_all()
        if self.plan.renewals:
            all_keys_are_told(self)
        most = self.any_heads()
        lacking = {
            (machine.name, stream): head - self.ledger.held[machine.name].get(stream, 0)
            for machine in self.centrals
            for stream, head in most.items()
        }
        renewed = {machine.id for machine in self.centrals if machine.generation}
        self.missing = sum(lacking.values())
        self.unvouched = sum(it for (_, stream), it in lacking.items() if stream.origin in renewed)
        self.network.count_anew()

    def settle(self) -> None:
        """Run until all centrals hold the same, and edges were answered; and watch it a while."""
        assert self.healed_ms is not None
        self._wait_until_equal()
        self.run(QUIET_MS)
        self._wait_until_equal()  # a bad peer may have told one of them more

    def _wait_until_equal(self) -> None:
        until_ms = self.now_ms + PATIENCE_MS
        admitted: set[tuple[str, str]] = set()
        while self.now_ms < until_ms:
            if self.equal() and self.equal_ms is None:
                self.equal_ms = self.now_ms
            if self.equal() and self.all_know() and self.cameras.open == 0:
                break
            for machine in self.centrals:
                news = {(machine.name, origin) for origin in admit_who_waits(machine)} - admitted
                if news:  # what a person does only now has as long to reach all of them
                    admitted |= news
                    until_ms = self.now_ms + PATIENCE_MS
            self.run(LOOK_EVERY_MS)
        self.note("world", "all hold the same" if self.equal() else "they do NOT hold the same")

    def equal(self) -> bool:
        """Whether all centrals run and hold the same events."""
        if any(machine.disk is None for machine in self.centrals):
            return False
        first, *others = (self.undivided(machine) for machine in self.centrals)
        return all(heads == first for heads in others)

    def undivided(self, machine: Machine) -> Heads:
        """The heads of a machine that runs, but for streams that a fork divides."""
        assert machine.disk is not None
        heads, forks = machine.disk.heads, self.ledger.forks
        return {it: head for it, head in heads.items() if it not in forks} if forks else heads

    def all_know(self) -> bool:
        """Whether each central knows that it holds all that its peers hold, and they all of its."""
        return all(machine.knows_all_is_here() for machine in self.centrals)


def _that_say() -> list[ModuleType]:
    """The modules of the daemon that write lines of the log."""
    names = sorted(name for name in sys.modules if name.startswith("zparkd.daemon."))
    own = "zparkd.logs.messages"
    return [sys.modules[it] for it in names if it != own and hasattr(sys.modules[it], "say")]


def _unsaid(_: Any) -> None:
    """Lines about recorded events: the trace has its own."""
