"""What a seed stands for: how many centrals, what bounds, what goes wrong and how often.

Each seed leaves out most kinds of fault, and takes of the others more than one would meet in a
year: what always goes wrong together hides what goes wrong alone.
"""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import Enum
from random import Random
from typing import TYPE_CHECKING

from tests.sim.clerk import Clerk
from tests.sim.council import Council
from tests.sim.eraser import Eraser
from tests.sim.gate_life import GateLife
from tests.sim.keyring import Keyring
from tests.sim.network import Weather
from tests.sim.office import Office
from tests.sim.registrar import Registrar
from tests.sim.supervisor import Supervisor
from tests.sim.versions import LATER_KINDS, Older
from tests.sim.vfs import IOERR_FSYNC
from zparkd.config.load import Config
from zparkd.core.events.event import Kind as EventKind

if TYPE_CHECKING:
    from tests.sim.machine import Machine, WallClock
    from tests.sim.world import World

HOUR_MS = 3_600_000


class Topology(Enum):
    """Who has whom as a peer."""

    MESH = "each has all"
    CHAIN = "each has the one before it and the one after it"
    STAR = "all have the first"


class Kind(Enum):
    """What can go wrong."""

    CUT = "the site falls apart in two"
    ISOLATED = "one central hears and reaches nobody"
    ONE_WAY = "some links work in one direction"
    FLAPPING = "a link comes and goes"
    WEATHER = "the network gets worse, or better"
    SLOW_LINK = "all links of a machine are slow"
    POWER = "a machine loses power at some step of a turn, and comes back"
    PAUSED = "a process stands still, longer than its peers wait"
    SLOW = "a machine is slow"
    DISK_LOST = "a machine comes back with an empty disk"
    DISK_OLD = "a machine comes back with an older copy of its disk"
    DISK_FULL = "a disk takes no more for a while"
    DISK_FAILS = "a commit ends in an I/O error, before or after it took place"
    DISK_REFUSES = "some commits in a row are refused: no space, or another process has the lock"
    DISK_SYNC_FAILS = "the power fails in a commit, before it is synced"
    DISK_SLOW = "a machine waits for each sync"
    DISK_BUSY = "another process has the database for a while"
    DISK_ROTS = "bytes of a database become others"
    CLOCK_STEPS = "a wall clock is set, by hours"
    CLOCK_1970 = "a wall clock stands at 1970"
    CLOCK_DRIFTS = "a wall clock runs ahead, or falls behind"
    PEERS = "a central forgets a peer, and is given it again"
    DEAF = "answers to edges get lost"


@dataclass
class Plan:
    """One run, before it runs. Times in ms."""

    seed: int
    count: int = 3
    topology: Topology = Topology.MESH
    kinds: tuple[Kind, ...] = ()
    faults: int = 0
    scenes: int = 30
    plates: int = 8
    live_ms: int = 8_000
    heartbeat_ms: int = 1_000
    queue: int = 1_000
    weather: Weather = field(default_factory=Weather)
    bounds: dict[str, float] = field(default_factory=dict)
    rogue: bool = False
    rogue_stays: bool = False
    twin: bool = False
    late: bool = False
    wrong_from_start: bool = False
    keys: bool = False
    files: bool = False
    changes: int = 0
    votes: int = 0
    fork: bool = False  # a machine is set back while it runs
    renewals: int = 0  # changes of keys
    corrections: int = 0  # of what was recorded
    erases: int = 0  # of what is personal of a vehicle
    papers: int = 0  # acknowledgements of conflicts, and bundles
    roster: int = 0  # changes of who belongs to the site
    older: int = 0  # centrals that begin with an older version, upgraded one by one
    unknown: frozenset[str] = frozenset()  # the kinds of events that it does not know

    @property
    def all_know_all_keys(self) -> bool:
        """Whether each has the keys of all others, always: nobody is met by the first key."""
        return self.keys and self.topology is Topology.MESH and Kind.PEERS not in self.kinds

    def configured(self, config: Config) -> Config:
        """A configuration with this plan's rhythm."""
        beat_s = self.heartbeat_ms / 1000
        return replace(config, heartbeat_s=beat_s, peer_timeout_s=3 * beat_s)

    def __str__(self) -> str:
        parts = [f"seed {self.seed}: {self.count} centrals, {self.topology.name.lower()}"]
        parts += [f"{self.scenes} scenes, {self.faults} faults in {self.live_ms / 1000:g} s"]
        parts += [
            name
            for name in ("rogue", "twin", "late", "wrong_from_start", "keys", "files", "fork")
            if getattr(self, name)
        ]
        parts += [f"{self.changes} changes"] if self.changes else []
        parts += [f"{self.votes} votes"] if self.votes else []
        parts += [f"{self.renewals} new keys"] if self.renewals else []
        parts += [f"{self.corrections} corrections"] if self.corrections else []
        parts += [f"{self.erases} erases"] if self.erases else []
        parts += [f"{self.papers} papers"] if self.papers else []
        parts += [f"{self.roster} of the roster"] if self.roster else []
        parts += [f"{self.older} know no {sorted(self.unknown)}"] if self.older else []
        parts += [kind.name for kind in self.kinds]
        parts += [f"{name}={value}" for name, value in self.bounds.items()]
        return ", ".join(parts)


OFFICE_EVERY = 3  # seeds: in so many there is one with changes of tariff, passes and staff
CHANGES = 16
BOUNDS = {
    "PAGE_EVENTS": (2, 7, 50),
    "PAGE_BYTES": (600, 5_000),
    "STREAMS_PER_REQUEST": (1, 3),
    "STREAMS_PER_VECTOR": (1, 2, 7),
    "EPOCHS_IN_HEARTBEAT": (1,),
    "PAGES_PER_TURN": (1,),
    "SYNC_REQUESTS_WAITING": (1, 2),
    "COMPRESS_FROM_BYTES": (100,),
    "PLATES_REMEMBERED": (1, 3),
    "EDGES_REMEMBERED": (1, 2),
    "DETECTIONS_PER_EDGE": (1,),
    "MESSAGES_PER_SOCKET": (1, 3),
    "UNNAMED_RETRY_MS": (1_000,),
}


# Three events a second of each origin, and what a second and a bit come to at once.
QUOTAS = {
    "QUOTA_EVENTS_PER_H": 10_800,
    "QUOTA_STREAMS_PER_H": 10_800,
    "QUOTA_BURST_H": 4 / 10_800,
    "QUOTA_CREDIT_H_MAX": 4 / 10_800,
    "PAGE_EVENTS": 2,
}
OLDER_SHARE = 0.12  # of the seeds begin with some older version
OF_LINKS = (Kind.CUT, Kind.ISOLATED, Kind.ONE_WAY, Kind.FLAPPING, Kind.WEATHER, Kind.SLOW_LINK)
FORK_SHARE = 0.3  # of the seeds with keys and little else
RENEWALS_SHARE = 0.5  # of the seeds with keys have some that change
STRANGERS_SHARE = 0.15  # of the seeds take in few whom they do not know
QUOTAS_SHARE = 0.06  # of the seeds take in little of each origin
ROSTER_SHARE = 0.3  # of the seeds with keys change who belongs to the site
VOTES_SHARE = 0.15  # of the seeds have centrals that disown each other
VOTES_ON_LISTS_SHARE = 0.6  # of those, some of what the disowned recorded are tariffs and lists
CORRECTIONS_SHARE = 0.5  # of the seeds have people who correct what was recorded
ERASES_SHARE = 0.4  # of the seeds in which nobody is disowned have people who have plates erased
PAPERS_SHARE = 0.3  # of the seeds have conflicts acknowledged, and bundles
ON_FILES_SHARE = 0.17  # of the seeds have disks that are files
ON_FILES = (Kind.DISK_SYNC_FAILS, Kind.DISK_SLOW, Kind.DISK_BUSY, Kind.DISK_ROTS)
ANYWHERE = tuple(kind for kind in Kind if kind not in ON_FILES)


def plan_of(seed: int) -> Plan:
    """The plan of a seed."""
    draw = Random(f"{seed} plan")
    count = draw.choice([2, 2, 3, 3, 3, 4, 4, 5])
    if draw.random() < 0.02:
        count = 10
    topology = draw.choice([Topology.MESH] * 5 + [Topology.CHAIN, Topology.STAR])
    plan = Plan(
        seed,
        count,
        topology,
        kinds=tuple(draw.sample(ANYWHERE, draw.randint(0, 6))),
        faults=draw.randint(2, 14),
        scenes=draw.randint(10, 45) if count < 10 else 20,
        plates=draw.choice([2, 6, 20]),
        live_ms=draw.randint(3_000, 14_000),
        heartbeat_ms=draw.choice([1_000, 1_000, 3_000]),
        queue=draw.choice([3, 20, 1_000, 1_000]),
        weather=weather(draw),
        bounds={
            name: draw.choice(values) for name, values in BOUNDS.items() if draw.random() < 0.25
        },
        rogue=draw.random() < 0.2,
        rogue_stays=draw.random() < 0.5,
        late=draw.random() < 0.15,
        changes=CHANGES if seed % OFFICE_EVERY == OFFICE_EVERY - 1 else 0,
    )
    if count >= 4 and topology is Topology.MESH:
        plan.twin = draw.random() < 0.2
    if count >= 3 and topology is Topology.MESH and draw.random() < 0.05:
        return Plan(seed, count, wrong_from_start=True, live_ms=14_000)
    plan.files = draw.random() < ON_FILES_SHARE
    if plan.files:
        plan.kinds += tuple(draw.sample(ON_FILES, 2))
    if seed % 2 == 0:
        plan.keys = True
        plan.bounds["SIGNED_EVENTS"] = (
            1 if {"PAGE_EVENTS", "PAGE_BYTES"} & plan.bounds.keys() else 5
        )
    _members(plan)
    _roster(plan)
    draw = Random(f"{seed} corrections")
    if draw.random() < CORRECTIONS_SHARE:
        plan.corrections = draw.randint(4, 25)
    _erases(plan)
    return plan


def _erases(plan: Plan) -> None:
    """Who has what forgotten, and what is acknowledged; from a chance of its own.

    Where an erase comes not to count, since who recorded it is disowned, a disowned central alone
    may have forgotten what it said; so may who has the one branch of a fork. No two of them can be
    compared.
    """
    draw = Random(f"{plan.seed} erases, papers")
    if draw.random() < ERASES_SHARE and not (plan.votes or plan.roster or plan.fork):
        plan.erases = draw.randint(1, 6)
        if plan.older and draw.random() < 0.5:
            plan.unknown |= {EventKind.ERASED}
    if draw.random() < PAPERS_SHARE and "QUOTA_EVENTS_PER_H" not in plan.bounds:
        plan.papers = draw.randint(2, 10)
        if plan.older and draw.random() < 0.5:
            plan.unknown |= {EventKind.ACKNOWLEDGED}


def _members(plan: Plan) -> None:
    """What becomes of the members; from a chance of its own."""
    draw = Random(f"{plan.seed} members")
    if draw.random() < VOTES_SHARE:
        plan.votes = draw.randint(2, 12)
        if draw.random() < VOTES_ON_LISTS_SHARE:
            plan.changes = CHANGES
    if draw.random() < OLDER_SHARE:
        plan.older = draw.randint(1, plan.count)
        plan.unknown = frozenset(draw.sample(LATER_KINDS, draw.randint(0, len(LATER_KINDS))))
    mesh = plan.topology is Topology.MESH and not (plan.twin or plan.rogue)
    if plan.keys and mesh and draw.random() < RENEWALS_SHARE:
        plan.renewals = draw.randint(1, 2)
    alone = not (plan.files or plan.late or plan.renewals or plan.older)
    if plan.keys and mesh and alone and draw.random() < FORK_SHARE:
        plan.fork = True
        plan.kinds = tuple(kind for kind in plan.kinds if kind in OF_LINKS)
    if draw.random() < STRANGERS_SHARE and not plan.rogue:
        plan.bounds["STRANGERS"] = draw.choice([0, 1])
    if draw.random() < QUOTAS_SHARE and not plan.rogue:
        plan.bounds |= QUOTAS
        plan.kinds = (Kind.DISK_LOST, *plan.kinds[:2])
        plan.scenes = 45
        if plan.keys:
            plan.bounds["SIGNED_EVENTS"] = 1


def _roster(plan: Plan) -> None:
    """How often it changes who belongs to the site; from a chance of its own."""
    draw = Random(f"{plan.seed} roster")
    if plan.keys and not plan.rogue and draw.random() < ROSTER_SHARE:
        plan.roster = draw.randint(4, 20)


def weather(draw: Random) -> Weather:
    """Some weather, mostly fair."""
    return Weather(
        loss=draw.choice([0, 0, 0.02, 0.2]),
        twice=draw.choice([0, 0, 0.1, 0.5]),
        delay_ms=draw.choice([(1, 5), (1, 5), (20, 60), (1, 800)]),
        in_order=draw.random() < 0.6,
        stalls=draw.random() < 0.4,
        notices_cuts=draw.random() < 0.5,
    )


# --- from a plan to what happens ---------------------------------------------------------------


def live(world: "World") -> None:
    """Start the site, and let gate life and faults go on for as long as the plan says."""
    plan, fate = world.plan, world.fate
    world.note("world", str(plan))
    world.network.weather = plan.weather
    if plan.wrong_from_start:
        Faults(world).strike(Kind.CLOCK_STEPS)
    draw = Random(f"{plan.seed} upgrades")
    for machine in draw.sample(world.centrals, min(plan.older, len(world.centrals))):
        machine.older = Older(plan.unknown)
        world.at(draw.randrange(plan.live_ms), machine.upgrade)
    late = world.centrals[-1] if plan.late else None
    for machine in world.centrals:
        if machine is not late:
            machine.start()
    if late is not None:
        world.at(fate.randrange(plan.live_ms), lambda: late.answers or late.start())
    if world.rogue is not None:
        world.rogue.live()
    gates = GateLife(world, plan.plates)
    for _ in range(plan.scenes):
        world.at(fate.randrange(plan.live_ms), gates.scene)
    Office(world, plan.plates).live(plan.changes)
    Supervisor(world, plan.plates).live(plan.corrections)
    Eraser(world, plan.plates).live(plan.erases)
    Clerk(world).live(plan.papers)
    Council(world).live(plan.votes)
    Keyring(world).live(plan.renewals)
    Registrar(world).live(plan.roster)
    if plan.fork:
        world.at(draw.randrange(plan.live_ms * 2 // 3), draw.choice(world.centrals).set_back)
    faults = Faults(world)
    for _ in range(plan.faults if plan.kinds else 0):
        kind = fate.choice(plan.kinds)
        world.at(fate.randrange(plan.live_ms), lambda kind=kind: faults.strike(kind))
    world.run(plan.live_ms)


class Faults:
    """What can go wrong, done to a world."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._fate = world.fate
        self._table: dict[Kind, Callable[[], None]] = {
            Kind.CUT: self._cut,
            Kind.ISOLATED: self._isolated,
            Kind.ONE_WAY: self._one_way,
            Kind.FLAPPING: self._flapping,
            Kind.WEATHER: self._weather,
            Kind.SLOW_LINK: self._slow_link,
            Kind.POWER: self._power,
            Kind.PAUSED: self._paused,
            Kind.SLOW: self._slow,
            Kind.DISK_LOST: self._disk_lost,
            Kind.DISK_OLD: self._disk_old,
            Kind.DISK_FULL: self._disk_full,
            Kind.DISK_FAILS: self._disk_fails,
            Kind.DISK_REFUSES: self._disk_refuses,
            Kind.DISK_SYNC_FAILS: self._disk_sync_fails,
            Kind.DISK_SLOW: self._disk_slow,
            Kind.DISK_BUSY: self._disk_busy,
            Kind.DISK_ROTS: self._disk_rots,
            Kind.CLOCK_STEPS: self._clock_steps,
            Kind.CLOCK_1970: self._clock_1970,
            Kind.CLOCK_DRIFTS: self._clock_drifts,
            Kind.PEERS: self._peers,
            Kind.DEAF: self._deaf,
        }

    def strike(self, kind: Kind) -> None:
        """Something goes wrong, unless all is healed."""
        if self._world.healed_ms is None:
            self._world.note("fault", kind.name)
            self._table[kind]()

    def _later(self, at_most_ms: int, action: Callable[[], object]) -> None:
        """Do something in a while, unless all is healed by then."""

        def unless_healed() -> None:
            if self._world.healed_ms is None:
                action()

        self._world.after(self._fate.randint(1, at_most_ms), unless_healed)

    def _machine(self) -> "Machine":
        return self._fate.choice(self._world.centrals)

    # --- links -------------------------------------------------------------------------------

    def _cut_between(self, some: set[str]) -> None:
        names = set(self._world.machines)
        one_way = {(a, b) for a in some for b in names - some}
        self._world.network.cut_links(one_way | {(b, a) for a, b in one_way})
        self._later(6_000, lambda: self._world.network.cut_links(set()))

    def _cut(self) -> None:
        names = sorted(self._world.machines)
        self._cut_between(set(self._fate.sample(names, self._fate.randint(1, len(names) - 1))))

    def _isolated(self) -> None:
        self._cut_between({self._machine().name})

    def _one_way(self) -> None:
        names = sorted(self._world.machines)
        links = [(a, b) for a in names for b in names if a != b]
        self._world.network.cut_links(set(self._fate.sample(links, self._fate.randint(1, 2))))
        self._later(6_000, lambda: self._world.network.cut_links(set()))

    def _flapping(self) -> None:
        a, b = self._fate.sample(sorted(self._world.machines), 2)
        network = self._world.network
        for _ in range(6):
            self._later(4_000, lambda: network.cut_links(network.cut ^ {(a, b), (b, a)}))

    def _weather(self) -> None:
        now = self._world.network.weather = weather(self._fate)
        self._world.note("network", f"has now {now}")

    def _slow_link(self) -> None:
        self._world.network.slow_ms = {self._machine().name: self._fate.choice([300, 1500, 4000])}

    # --- machines ----------------------------------------------------------------------------

    def _power(self) -> None:
        self._machine().steps_left = self._fate.choice([0, 1, 2, 3, 5, 8, 13, 30])

    def _paused(self) -> None:
        machine = self._machine()
        machine.paused_until_ms = self._world.now_ms + self._fate.randint(100, 5_000)
        self._world.note(machine.name, f"stands still until {machine.paused_until_ms / 1000}")

    def _slow(self) -> None:
        self._machine().pace_ms = self._fate.choice([(1, 40), (100, 400), (500, 1_500)])

    # --- disks -------------------------------------------------------------------------------

    def _away(self, machine: "Machine") -> None:
        if machine.answers:
            machine.stop()
        self._world.restart_later(machine)

    def _disk_lost(self) -> None:
        machine = self._machine()
        self._away(machine)
        self._world.note(machine.name, "has an empty disk")
        machine.replace_disk(machine.first_disk, {})

    def _disk_old(self) -> None:
        machine = self._machine()
        if not machine.copies:
            machine.copy_disk()
            self._later(3_000, lambda: self._back(machine))
            return
        self._back(machine)

    def _back(self, machine: "Machine") -> None:
        if not machine.copies:
            return
        self._away(machine)
        self._world.note(machine.name, "has an older copy of its disk")
        machine.replace_disk(*self._fate.choice(machine.copies))

    def _disk_full(self) -> None:
        machine = self._machine()
        if machine.disk is not None:
            machine.disk.fill(full=True)
            self._later(3_000, lambda: machine.disk is None or machine.disk.fill(full=False))

    def _disk_fails(self) -> None:
        machine = self._machine()
        if machine.disk is not None:
            machine.disk.fails = self._fate.choice(["before", "after"])

    def _disk_refuses(self) -> None:
        machine = self._machine()
        if machine.disk is not None:
            code = self._fate.choice([sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY])
            machine.disk.refusals = [code] * self._fate.randint(1, 5)

    def _disk_sync_fails(self) -> None:
        machine = self._machine()
        if machine.files is not None and machine.disk is not None:
            machine.files.folder.sync_fault = IOERR_FSYNC

    def _disk_slow(self) -> None:
        machine = self._machine()
        machine.sync_ms = self._fate.choice([0, 20, 300])

    def _disk_busy(self) -> None:
        machine = self._machine()
        if machine.files is not None and machine.disk is not None:
            machine.files.lock()
            self._later(3_000, machine.files.unlock)

    def _disk_rots(self) -> None:
        machine = self._machine()
        if machine.files is not None:
            self._away(machine)
            self._world.note(machine.name, "has a disk that rots")
            machine.rot(self._fate)

    # --- clocks ------------------------------------------------------------------------------

    def _wrong_clock(self) -> "WallClock":
        machine = self._machine()
        self._world.note(machine.name, "has a wrong clock")
        self._world.wrong_clocks.add(machine.name)
        return machine.clock

    def _clock_steps(self) -> None:
        hours = self._fate.choice([-20_000, -30, -1, -1, 1, 1, 24, 24 * 365 * 30])
        clock = self._wrong_clock()
        clock.ahead_ms = hours * HOUR_MS + self._fate.randint(-20_000, 20_000)
        clock.stands_at_ms = None

    def _clock_1970(self) -> None:
        clock = self._wrong_clock()
        clock.stands_at_ms = self._fate.choice([0, 5_000, None])

    def _clock_drifts(self) -> None:
        clock = self._wrong_clock()
        clock.since_ms = self._world.now_ms
        clock.gain = self._fate.choice([-0.5, 0.1, 3.0, 1000.0])

    # --- configuration and edges ---------------------------------------------------------------

    def _peers(self) -> None:
        machine = self._machine()
        if not machine.peers:
            return
        gone = self._fate.choice(sorted(machine.peers))
        self._world.note(machine.name, f"forgets its peer {gone} for a while")
        machine.peers = machine.peers - {gone}
        machine.reconfigure()

        def again() -> None:
            machine.peers = machine.peers | {gone}
            machine.reconfigure()

        self._later(4_000, again)

    def _deaf(self) -> None:
        self._world.cameras.deaf = self._fate.choice([0.0, 0.2, 0.6])
