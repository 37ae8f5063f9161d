"""One machine of a simulated site: a disk, two clocks, and a central that runs while it has power.

What runs is the production reactor over the production store and rules. Only the sockets are
made up (`Sockets`), the clocks, and the disk, which is a database in memory: the power can fail at
any step between receiving, committing and sending, and takes along what was not committed.
"""

import functools
import sqlite3
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import orjson
from zmq.utils import z85

import zparkd.daemon.main
import zparkd.daemon.reactor
import zparkd.storage.database_file
from tests.sim.database_pages import kept
from tests.sim.files import Files, Found
from tests.sim.judge import Judge
from tests.sim.oracle.gate import Time
from tests.sim.versions import Older
from tests.sim.vfs import OK
from zparkd.core import limits
from zparkd.core.clock import Now
from zparkd.core.events.event import Event, Kind, Position, Stream
from zparkd.core.events.signing import Identity
from zparkd.core.site import Lane, Peer
from zparkd.core.turn import FromBus, FromEdge, Identify, Incoming, SyncAnswer, SyncRequest
from zparkd.core.view import View
from zparkd.daemon.reactor import Reactor
from zparkd.daemon.status import status
from zparkd.daemon.transactions import StorageFailed
from zparkd.storage.damage import Damaged
from zparkd.storage.store import Store
from zparkd.transport.bus import Drained
from zparkd.transport.zap import Keys

ROGUE_ID = "rogue"

if TYPE_CHECKING:
    from tests.sim.world import World

START_WALL_MS = 1_800_000_000_000
IN_MEMORY = Path(":memory:")
MONOTONIC_AT_BOOT_MS = 5_000
STORED_COPIES = 6


def _secret(id: str) -> bytes:
    return Random(f"key of {id}").randbytes(32)


def identity_of(id: str, chance: Callable[[int], bytes]) -> Identity:
    """Who signs under this id."""
    return Identity(_secret(id), chance)


def _of_generation(id: str, generation: int) -> bytes:
    """The secret key that a central has after it changed it so often."""
    return _secret(f"{id} {generation}" if generation else id)


@functools.cache
def _public(secret: bytes) -> str:
    return z85.encode(Identity(secret, bytes).public).decode()


def _public_key(id: str, generation: int) -> str:
    return _public(_of_generation(id, generation))


_ORDER = {"page": 0, "bus": 1, "ask": 2, "edge": 3}  # as the daemon drains its sockets


def _shown(position: Position) -> str:
    return f"{position.origin}/{position.epoch}/{position.seq}"


class PowerCut(BaseException):
    """The power fails here and now: nothing of the machine runs on, not even its `except`."""


@dataclass
class WallClock:
    """What a machine's wall clock shows: true time plus `ahead_ms`, and `gain` ms more each ms.

    `stands_at_ms` is where it stands still, None where it runs.
    """

    ahead_ms: int = 0
    gain: float = 0.0
    since_ms: int = 0
    stands_at_ms: int | None = None

    def shows(self, now_ms: int) -> int:
        """The reading at a time of the world."""
        if self.stands_at_ms is not None:
            return self.stands_at_ms
        return START_WALL_MS + now_ms + self.ahead_ms + int(self.gain * (now_ms - self.since_ms))


class Disk(Store):
    """The production store, in memory, on a machine whose power may fail at each step of it."""

    machine: "Machine"

    @classmethod
    def on_file(cls, machine: "Machine", path: Path) -> "Disk":
        """A store over a file. Raises Damaged."""
        return cls(path, machine.id, machine.world.site, machine.world.timezone)._of(machine)

    @classmethod
    def opened(cls, machine: "Machine", image: bytes) -> "Disk":
        """A store in memory, over a copy of this image."""

        def load(connection: sqlite3.Connection, _: object) -> None:
            connection.deserialize(image)

        with patch.object(zparkd.storage.database_file, "migrate", load):
            disk = cls(IN_MEMORY, machine.id, machine.world.site, machine.world.timezone)
        return disk._of(machine)

    def _of(self, machine: "Machine") -> "Disk":
        self.machine = machine
        self.appended = []
        self.fails = None
        self.refusals = []
        return self

    appended: list[Event]
    fails: str | None
    refusals: list[int]  # with which codes of SQLite the next commits are refused

    def append(self, event: Event, *, new_act: bool = False) -> None:
        self.machine.step("append")
        self.machine.appends(event)
        super().append(event, new_act=new_act)
        self.appended.append(event)
        if self.machine.judge is not None:
            self.machine.judge.appended(event.skeleton, event.personal_part)

    def commit(self) -> bool:
        self.machine.step("commit")
        if self.fails == "before" and self._connection.in_transaction:
            raise _io_error()
        if self.refusals and self._connection.in_transaction:
            raise _fault("refused", self.refusals.pop())
        wrote = super().commit()
        appended, self.appended = self.appended, []
        if wrote:
            self.machine.world.ledger.committed(self.machine.name, appended, self.heads)
            if self.machine.judge is not None:
                self.machine.judge.committed()
            self.machine.marked()
            if self.fails == "after":
                raise _io_error()
            self.machine.step("committed")
        return wrote

    def write_behind(self) -> None:
        """The power may fail before and after it; in between all of it is undone, as of a commit.

        A disk in memory is asked for its rows once the machine is off, too.
        """
        runs = self.behind > 0 and hasattr(self, "machine") and self.machine.disk is self
        if runs:
            self.machine.step("write behind")
        super().write_behind()
        if runs:
            self.machine.step("written behind")

    def rollback(self) -> set[Stream]:
        self.appended = []
        undone = super().rollback()
        if self.machine.judge is not None:
            self.machine.judge.rolled_back()
        return undone

    def arrived(self) -> list[tuple[bytes, bytes]]:
        """The bytes of all events, in the order in which they came to be held here."""
        rows = self._connection.execute(
            "SELECT e.skeleton, e.sealed FROM arrivals a JOIN events e ON e.at = a.at ORDER BY a.no"
        )
        return rows.fetchall()

    def image(self) -> bytes:
        """What is on the disk, as bytes."""
        assert not self._connection.in_transaction
        return self._connection.serialize()

    def fill(self, full: bool) -> None:
        """Let the disk take no more, or again."""
        if self.machine.files is not None:
            self.machine.files.folder.fault = sqlite3.SQLITE_FULL if full else OK
            return
        pages = self._connection.execute("PRAGMA page_count").fetchone()[0]
        self._connection.execute(f"PRAGMA max_page_count = {pages if full else 2**30}")


def _io_error() -> sqlite3.OperationalError:
    return _fault("disk I/O error", sqlite3.SQLITE_IOERR)


def _fault(text: str, code: int) -> sqlite3.OperationalError:
    fault = sqlite3.OperationalError(text)
    fault.sqlite_errorcode = code
    return fault


class Sockets:
    """What `daemon.bus` is to a reactor: queues with bounds, filled by the network."""

    keys = Keys()

    def __init__(self, machine: "Machine", queue: int) -> None:
        self._machine = machine
        self._queue = queue
        self._edges_polled = False
        self.waiting: dict[tuple[str, str], deque[Incoming]] = {}
        self.dropped = 0

    def put(self, socket: str, peer_id: str, message: Incoming) -> None:
        """Something arrives; a full queue drops it."""
        queue = self.waiting.setdefault((socket, peer_id), deque())
        if len(queue) >= self._queue:
            self.dropped += 1
            self._machine.world.note(self._machine.name, f"drops, its {socket} queue is full")
            return
        queue.append(message)
        self._machine.wake()

    def any_waiting(self) -> bool:
        """Whether the next turn has something to take."""
        return any(
            queue and (socket != "edge" or self._edges_polled)
            for (socket, _), queue in self.waiting.items()
        )

    # --- what the reactor calls --------------------------------------------------------------

    def poll(self, timeout_ms: int, edges: bool) -> None:
        self._edges_polled = edges

    def await_company(self, timeout_ms: int) -> None:
        pass

    def drain(self, *, peers: bool = True) -> Drained:
        drained = Drained()
        ready = [
            socket
            for socket, queue in self.waiting.items()
            if queue and (peers or socket[0] not in ("page", "bus"))
        ]
        for socket in sorted(ready, key=lambda socket: (_ORDER[socket[0]], socket[1])):
            if socket[0] != "edge" or self._edges_polled:
                queue = self.waiting[socket]
                for _ in range(min(len(queue), limits.MESSAGES_PER_SOCKET)):
                    drained.messages.append(queue.popleft())
        self._machine.drained(drained.messages)
        self._machine.step("drained")
        return drained

    def publish(self, frames: list[bytes]) -> None:
        machine = self._machine
        machine.step("publish")
        machine.world.ledger.published(machine.name, frames)
        for other in machine.world.listeners(machine):
            machine.world.network.carry(machine, other, "bus", FromBus(machine.id, frames))

    def ask(self, peer_id: str, frames: list[bytes]) -> bool:
        machine = self._machine
        machine.step("ask")
        other = machine.world.reached(machine, peer_id)
        if peer_id not in machine.peers or other is None or not other.answers:
            return False
        if machine.world.network.known_cut(machine, other):
            return False
        machine.world.network.asks += 1
        assert machine.judge is not None
        machine.judge.asks(peer_id, frames[0])
        machine.world.note(machine.name, f"asks {other.name} for what is missing")
        way_back = (machine.name.encode(), str(machine.runs).encode())
        machine.world.network.carry(machine, other, "ask", SyncRequest(way_back, frames))
        return True

    def answer_peer(self, token: tuple[bytes, ...], frames: list[bytes]) -> None:
        machine = self._machine
        machine.step("serve")
        world = machine.world
        events = world.ledger.served(machine.name, frames)
        world.network.served += events
        world.note(machine.name, f"sends {token[0].decode()} a page of {events} events")
        other = world.at_way_back(token[0].decode())
        if str(other.runs).encode() == token[1]:
            world.network.carry(machine, other, "page", SyncAnswer(machine.id, frames))

    def answer_edge(self, token: tuple[bytes, ...], body: bytes) -> None:
        self._machine.step("answer")
        assert self._machine.judge is not None
        self._machine.judge.sends(body)
        self._machine.world.cameras.answered(self._machine, int(token[0]), orjson.loads(body))

    def answer_control(self, token: tuple[bytes, ...], body: bytes) -> None:
        raise AssertionError("nobody asked")

    def redial(self, peer_id: str) -> None:
        self._machine.world.note(self._machine.name, f"dials {peer_id} anew")

    def reconfigure(self, listen: Any, peers: tuple[Peer, ...], keys: Keys) -> None:
        wanted = {peer.id for peer in peers}
        for socket, peer_id in list(self.waiting):
            if socket in ("page", "bus") and peer_id not in wanted:
                del self.waiting[socket, peer_id]


class Machine:
    """One machine. `name` is its own; `id` that of its central, which a twin has too.

    `peers` are the ids in its configuration, `routes` which machine it reaches under an id where
    that is not the one of this name.
    """

    def __init__(self, world: "World", name: str, id: str, image: bytes) -> None:
        self.world = world
        self.name = name
        self.id = id
        self.peers: set[str] = set()
        self.routes: dict[str, str] = {}
        self.clock = WallClock()
        self.first_disk = self.on_disk = image
        self.files = Files(world.folder / name) if world.plan.files else None
        self.copies: list[tuple[bytes, dict[Any, int]]] = []
        self.disk: Disk | None = None
        self.judge: Judge | None = None
        self.reactor: Reactor | None = None
        self.sockets = Sockets(self, world.plan.queue)
        self.runs = 0
        self.turns = 0
        self.generation = 0  # how often its key changed
        self.believes: dict[str, set[int]] = {}  # which keys of a peer are in its file
        self.knows_former_keys = False  # whether its configuration names those of its own
        self.older: Older | None = None  # the version of its code; None for the newest
        self.pace_ms = (1, 3)
        self.paused_until_ms = 0
        self.rotten = False
        self.sync_ms = 0  # what a sync takes
        self.steps_left: int | None = None
        self._mark_before = (0, 0)
        self._said_only_here: int | None = None
        self._wakes_ms: int | None = None
        self._booted_ms = 0

    # --- power -------------------------------------------------------------------------------

    @property
    def answers(self) -> bool:
        """Whether it can be connected to."""
        return self.reactor is not None

    def start(self) -> None:
        """Switch it on."""
        assert self.reactor is None
        with self._code():
            self._start()

    def _start(self) -> None:
        world = self.world
        self.runs += 1
        self._booted_ms = world.now_ms - world.chance.randrange(MONOTONIC_AT_BOOT_MS)
        self.steps_left = None
        self.disk = self._opened_disk()
        if self.rotten:  # where the end of the log rots, what it held is gone
            world.ledger.disk_replaced(self.name, dict(self.disk.heads), None)
        world.ledger.starts(self.name, self.disk.heads)  # before its start writes anything
        self.sockets = Sockets(self, world.plan.queue)
        central = zparkd.daemon.main.central_of(
            self._config(), self.disk, self.clocks(), world.chance.getrandbits, self._identity()
        )
        world.ledger.opens(self.name, central.peers.own)
        world.ledger.committed(self.name, [], self.disk.heads)
        self.reactor = Reactor(self._config(), self.disk, self.sockets, central, clocks=self.clocks)
        self._watch(central)
        world.note(self.name, f"starts, epoch {central.peers.own.epoch}")
        self.wake()

    def _opened_disk(self) -> Disk:
        """Its disk, looked at as the daemon does; what is found damaged is moved away."""
        if self.files is None:
            return Disk.opened(self, self.on_disk)
        if not self.files.path.exists():
            self.files.put(self.on_disk)
        here = self.files.look(self.id)
        try:
            disk = Disk.on_file(self, self.files.path)
            self.files.opened()
            self._looked_well(disk, here)
            return disk
        except Damaged as found:
            self.world.note(self.name, f"finds its disk damaged: {found}"[:200])
            if not self.rotten:
                raise AssertionError(f"{self.name} calls a sound disk damaged: {found}") from None
            self.files.clear()
            self.replace_disk(self.first_disk, {})
            return self._opened_disk()

    def _looked_well(self, disk: Disk, here: Found) -> None:
        """It opened a database: it noticed what is wrong with it, and what it lacks."""
        breaks = self.world.ledger.breaks
        if here.damage is not None:
            breaks(f"{self.name} opens a damaged database: {here.damage}"[:200])
        missing = disk.missing()
        told = (missing.epoch, missing.seq, missing.held) if missing is not None else None
        lacks = here.marked is not None and here.held < here.marked[1]
        cut = here.was is not None and here.is_here < here.was[1]
        if cut and self.rotten and self._had(*here.was):
            breaks(f"{self.name} opens a damaged database: it lacks the end of its log")
        if here.marked is not None and not self.rotten:
            right = (*here.marked, here.held) if lacks else None
            if told != right:
                breaks(f"{self.name} says that it lacks {told}, by its mark it is {right}")
        self._mark_before = (here.marked or (0, 0)) if here.damage is None else (0, 0)

    def _had(self, epoch: int, seq: int) -> bool:
        """Whether its disk held this event of its own when it went off."""
        return self.world.ledger.on_disk(self.name, Position(self.id, epoch, seq))

    def marked(self) -> None:
        """It committed: the mark beside its database says so, and no more than that."""
        if self.files is None or self.reactor is None or self.disk is None or self.rotten:
            return
        heads = self.disk.heads.items()
        own = [(stream.epoch, head) for stream, head in heads if stream.origin == self.id]
        right = max([self._mark_before, *own])
        said = self.files.marked()
        if right[1] and (said is None or said[1] != right):
            self.world.ledger.breaks(f"{self.name}: its mark says {said}, not {right}")

    def bytes_held(self) -> bytes:
        """All that is kept on the disk of a machine that runs: of files with the log of commits.

        Without what SQLite left where it split a page: see `database_pages.kept`.
        """
        assert self.disk is not None
        if self.files is None:
            return kept(self.disk.image())
        beside = sorted(self.files.path.parent.glob(f"{self.files.path.name}*"))
        return b"".join(kept(path.read_bytes()) for path in beside)

    def rot(self, chance: Random) -> None:
        """While it is off, bytes of its database become others."""
        assert self.files is not None
        self.rotten = True
        self.files.flip(chance)

    def stop(self) -> None:
        """The power goes, or the process: what was not committed is gone, the disk stays."""
        if self.disk is not None:
            if self.reactor is not None and self.world.rogue is None:  # who lies is believed
                peers = self.reactor._central.peers
                self._said_only_here = peers.only_here(self.world.ledger.held[self.name])
            if self.files is not None:
                self.files.power_cut(self.disk, self.world.chance)
            else:
                connection = self.disk._connection  # the other one would write what is behind
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                self.on_disk = self.disk.image()
                self.disk.close()
        self.disk = self.reactor = self.judge = None
        self._wakes_ms = None
        self.sockets.waiting.clear()
        self.world.note(self.name, "is off")

    def step(self, what: str) -> None:
        """A place at which the power may fail."""
        if self.steps_left is not None:
            self.steps_left -= 1
            if self.steps_left < 0:
                self.steps_left = None
                self.world.note(self.name, f"loses power at: {what}")
                raise PowerCut

    def copy_disk(self) -> None:
        """Put a copy of the disk aside, as a backup does."""
        if self.disk is None and self.files is not None:
            return
        image = self.disk.image() if self.disk is not None else self.on_disk
        self.copies.append((image, dict(self.world.ledger.held.get(self.name, {}))))
        del self.copies[:-STORED_COPIES]

    def set_back(self) -> None:
        """A snapshot is taken of it while it runs, and put back soon, memory and all."""
        if self.disk is None or self.reactor is None:
            return
        central = self.reactor._central
        own, signer = central.peers.own, central.signatures.signer
        image, heads = self.disk.image(), dict(self.disk.heads)
        assert signer is not None

        def back() -> None:
            running = self.reactor is not None and self.reactor._central.peers.own == own
            if not running or self.world.healed_ms is not None:
                return
            self.world.note(self.name, "is set back while it runs")
            self.world.ledger.forks[own] = heads.get(own, 0)
            self.stop()
            self.replace_disk(image, heads)
            with (
                patch.object(zparkd.daemon.main, "new_stream", lambda *_: own),
                patch.object(Identity, "new_stream_key", lambda _: signer._key),
            ):
                self.start()
            self.world.after(2_000, lambda: self.start_anew(own))

        self.world.after(1_500, back)

    def start_anew(self, own: Stream) -> None:
        """As it asks for, once it was set back."""
        if self.reactor is not None and self.reactor._central.peers.own == own:
            self.stop()
            self.start()

    def replace_disk(self, image: bytes, heads: dict[Any, int]) -> None:
        """While it is off: the disk becomes this one."""
        assert self.disk is None
        self.on_disk = image
        self.rotten = False
        if self.files is not None:
            self.files.put(image)
        self.world.ledger.disk_replaced(self.name, heads, self._said_only_here)

    # --- configuration -----------------------------------------------------------------------

    def _config(self) -> Any:
        peers = tuple(
            Peer(id, "127.0.0.1", 9000, 9001, *self._keys_of(id)) for id in sorted(self.peers)
        )
        config, former = self.world.config, {}
        if self.knows_former_keys and self.generation:
            former = {self.id: tuple(_public_key(self.id, it) for it in range(self.generation))}
        security = replace(config.security, known_keys=former)
        lanes = tuple(Lane(edge_id, reports_close=True) for edge_id in sorted(self.reporting))
        return replace(config, central_id=self.id, peers=peers, lanes=lanes, security=security)

    @property
    def reporting(self) -> frozenset[str]:
        """Its lanes that always report a close: one of two, where there is a policy."""
        return frozenset({f"{self.name}.lane-2"} if self.world.plan.changes else ())

    def _keys_of(self, peer: str) -> tuple[str | None, str | None]:
        """The keys in the file of a peer: the one, and the next where it is about to change."""
        if not self.world.plan.keys:
            return None, None
        first, *more = sorted(self.believes.get(peer, {0}))
        return _public_key(peer, first), _public_key(peer, more[0]) if more else None

    def renew_key(self) -> None:
        """It gets a new key, at work or by a start."""
        self.generation += 1
        self.world.note(self.name, f"has its key number {self.generation + 1}")
        reactor = self.reactor
        if reactor is not None:
            self.guarded(lambda: reactor._step(self.clocks(), [Identify(self._identity())]))

    def _identity(self) -> Identity | None:
        """Who it signs as; a twin has the key of the other, as a copied machine has."""
        chance = Random(f"{self.world.plan.seed} {self.name} {self.runs}")
        secret = _of_generation(self.id, self.generation)
        return Identity(secret, chance.randbytes) if self.world.plan.keys else None

    def reconfigure(self) -> None:
        """Apply what `peers` is now, as a changed file would."""
        if self.reactor is not None:
            reactor = self.reactor
            assert self.judge is not None
            self.judge.configured(self.peers)
            self.guarded(lambda: reactor.apply(self._config(), Keys()))

    def clocks(self) -> Now:
        """What its clocks show now."""
        now_ms = self.world.now_ms
        return Now(self.clock.shows(now_ms), now_ms - self._booted_ms)

    # --- the loop ----------------------------------------------------------------------------

    def wake(self, in_ms: int | None = None) -> None:
        """Turn soon, or in this many ms, if not before."""
        if self.reactor is None:
            return
        if in_ms is None:
            in_ms = self.world.chance.randint(*self.pace_ms)
        at_ms = max(self.world.now_ms + in_ms, self.paused_until_ms)
        if self._wakes_ms is None or at_ms < self._wakes_ms:
            self._wakes_ms = at_ms
            self.world.at(at_ms, lambda: self._turn(at_ms))

    def _turn(self, at_ms: int) -> None:
        if self._wakes_ms != at_ms or self.reactor is None:
            return
        self._wakes_ms = None
        if at_ms < self.paused_until_ms:
            self.wake(0)
            return
        self.turns += 1
        reactor = self.reactor
        before = self.files.folder.syncs if self.files is not None else 0
        self.guarded(reactor.once)
        if self.files is not None and self.sync_ms:
            waits_ms = self.sync_ms * (self.files.folder.syncs - before)
            self.paused_until_ms = max(self.paused_until_ms, self.world.now_ms + waits_ms)
        if self.reactor is reactor:
            if self.sockets.any_waiting():
                self.wake()
            else:
                self.wake(max(1, reactor.wait_ms(self.clocks())))

    def _code(self) -> AbstractContextManager[None]:
        """The version of the code that it has is the one that runs."""
        return self.older.at_work() if self.older is not None else nullcontext()

    def upgrade(self) -> None:
        """It gets the newest version, and is started anew."""
        if self.older is None:
            return
        if self.answers:
            self.stop()
        self.older = None
        self.world.note(self.name, "is upgraded")
        self.start()

    def guarded(self, work: Callable[[], Any]) -> None:
        """Do something that may end in a power cut."""
        self.world.turning = self.name
        if self.judge is not None:
            self.judge.turns(self.clocks().mono_ms)
        try:
            with self._code():
                work()
        except PowerCut:
            self._fell()
        except (StorageFailed, Damaged) as failed:
            self.world.note(self.name, f"gives up: {failed}"[:200])
            self._fell()
        finally:
            self.world.turning = None

    def _fell(self) -> None:
        self.stop()
        self.world.restart_later(self)

    # --- what it does, for the judge ---------------------------------------------------------

    def _watch(self, central: Any) -> None:
        """Have a judge look on from here."""
        assert self.disk is not None
        own, mono_ms = central.peers.own, self.clocks().mono_ms
        held = self.disk.arrived()
        self.judge = judge = Judge(self.world, self.name, tuple(own), mono_ms, held)
        judge.configured(self.peers)
        answer = central.answer

        def judged(now: Now, asked: FromEdge) -> bytes:
            stamp = central.clock.read(now)
            time = Time(stamp.ms, stamp.marked, now.mono_ms, now.wall_ms)
            return judge.answers(lambda: answer(now, asked), asked.body, asked.speaker, time)

        central.answer = judged

    def drained(self, messages: list[Incoming]) -> None:
        """It takes these in now."""
        assert self.judge is not None
        told = []
        for message in messages:
            if isinstance(message, FromBus):
                told += [(message.peer_id, frame, False) for frame in message.frames[1:2]]
            elif isinstance(message, SyncAnswer):
                told += [(message.peer_id, frame, True) for frame in message.frames[:1]]
        self.judge.drained(told, self.clocks().mono_ms)

    # --- what it does, for the ledger --------------------------------------------------------

    def appends(self, event: Event) -> None:
        """It is about to append an event: rules about its own are checked on the spot."""
        assert self.disk is not None
        assert self.reactor is not None
        world = self.world
        if event.position.stream != self.reactor._central.peers.own:
            return
        what = f"{event.kind} {event.event_id or ''}"
        world.note(self.name, f"records {what} at {_shown(event.position)}")
        facts, vehicle = event.facts, event.vehicle
        if facts is None:
            assert event.reference is not None
            if not getattr(
                event.reference, "of", None
            ):  # a further erase bears the first one's stamp
                world.stamped(self, event)
            return
        if facts.by_hand or event.kind == Kind.CLOSED:
            return  # stands at the time of which it tells
        before = self.disk.last_order(vehicle) if vehicle is not None else 0
        if before >= event.order and before < limits.ORDER_RAISED_MAX:
            world.ledger.breaks(f"order falls: {event.position} is before what it follows")
        if facts.request_id is not None and event.kind != Kind.SEEN:
            before = self.disk.acts(facts.edge_id, facts.request_id)
            if any(it.kind != Kind.SEEN for it in before):
                world.ledger.breaks(
                    f"recorded twice: {self.name} had {before[0].position} of {facts.request_id}"
                )
        world.stamped(self, event)

    def knows_all_is_here(self) -> bool:
        """Whether it says that nothing is missing, here or at a peer; of a bad peer it can't.

        What peers lack of a stream that is divided they never get.
        """
        if self.reactor is None:
            return False
        central, now = self.reactor._central, self.clocks()
        peers, heads = central.peers, central.log.heads
        return all(
            peers.connected(peer, now.mono_ms)
            and peers.behind(peer, heads) == 0
            and (self.world.ledger.forks or peers.lag(peer, heads) == 0)
            for peer in peers.states.values()
            if peer.id != ROGUE_ID
        )

    def problems(self) -> set[str]:
        """The codes of what `zparkctl status` calls a problem of it."""
        reactor = self.reactor
        assert reactor is not None
        assert self.disk is not None
        now = self.clocks()
        told = status(View(reactor._central, now), self.disk, reactor._started, reactor._faults)
        return {problem["code"] for problem in told["problems"]}

    def says_yes(self, act: int, answer: dict[str, Any], edge_id: str, request_id: str) -> None:
        """It answers an edge with an event."""
        assert self.judge is not None
        acts = self.judge.held.recorded.get((edge_id, request_id), ())
        positions = [Position(*it.at) for it in acts if it.kind != Kind.SEEN]
        self.world.ledger.told(act, self.name, answer, positions)

    def take(self, socket: str, message: Incoming) -> None:
        """Something arrives over the network."""
        if self.reactor is None:
            return
        peer_id = ""
        if isinstance(message, FromBus | SyncAnswer):
            peer_id = message.peer_id
            if peer_id not in self.peers:
                return
        self.sockets.put(socket, peer_id, message)

    def ask(self, request: FromEdge) -> None:
        """An edge asks."""
        if self.reactor is not None:
            self.sockets.put("edge", "", request)
