"""The loop: what comes in, one transaction, what goes out.

    poll → drain → begin → central.step → commit → reply → publish → ask → pages

The order is the promise: an edge is answered, and a peer told, only what is on the disk. All
of it runs in one thread; `core` decides, `store` remembers, `bus` carries.
"""

import functools
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple
from zoneinfo import ZoneInfo

from zparkd.config.load import Config, ConfigError, Fault, load, restart_faults, secret_key
from zparkd.config.schema import SecurityMode
from zparkd.core import limits
from zparkd.core.central import Central
from zparkd.core.clock import Now
from zparkd.core.keys import fingerprint
from zparkd.core.replication import limits as sync_limits
from zparkd.core.site import Settings
from zparkd.core.turn import (
    Configure,
    FromEdge,
    Identify,
    Incoming,
    NotSent,
    Output,
    TakePage,
    Token,
    WriteNotes,
)
from zparkd.core.view import View
from zparkd.daemon.control.bundle_commands import bundle_commands
from zparkd.daemon.control.commands import FAILED, Answer, Command, Commands, Request, Reread, Wants
from zparkd.daemon.control.conflict_commands import conflict_commands
from zparkd.daemon.control.day_commands import day_commands
from zparkd.daemon.control.edge_requests import EdgeRequests
from zparkd.daemon.control.import_commands import import_commands
from zparkd.daemon.control.member_commands import member_commands
from zparkd.daemon.control.peer_files import write_peers
from zparkd.daemon.control.peer_probe import peer_test
from zparkd.daemon.control.reference_commands import reference_commands
from zparkd.daemon.control.roster_commands import roster_commands
from zparkd.daemon.control.uplink_report import UplinkReport
from zparkd.daemon.control.vehicle_commands import vehicle_commands
from zparkd.daemon.external_data import ExternalData
from zparkd.daemon.health import Changes, Heals
from zparkd.daemon.log_lines import say_recorded
from zparkd.daemon.outages import Outages
from zparkd.daemon.problems import Faults, SecurityState
from zparkd.daemon.roster import RosterAtWork
from zparkd.daemon.status import status
from zparkd.daemon.sync_queue import SyncQueue
from zparkd.daemon.systemd import Notifier, status_text
from zparkd.daemon.transactions import Committed, StorageFailed, Transactions, Undone, Why
from zparkd.daemon.watch import Watch
from zparkd.logs.messages import Message, say
from zparkd.logs.sink import show_times_in
from zparkd.storage.readers.conflicts import find
from zparkd.storage.store import Store
from zparkd.transport.bus import BindError, Bus, Control
from zparkd.transport.zap import Keys, identity_of, keys_of


def read_clocks() -> Now:
    """Both clocks, now.

    The monotonic one goes on while the machine sleeps: else the wall clock would seem to have been
    set by so much.
    """
    mono_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    return Now(time.time_ns() // 1_000_000, mono_ns // 1_000_000)


def settings_of(config: Config) -> Settings:
    """What the rules need of a configuration."""
    return Settings(
        id=config.central_id,
        site=config.site,
        timezone=config.timezone,
        zone=ZoneInfo(config.timezone),
        peers=config.peers,
        lanes=config.lanes,
        heartbeat_ms=round(config.heartbeat_s * 1000),
        peer_timeout_ms=round(config.peer_timeout_s * 1000),
        edge_requests_per_s=config.edge_requests_per_s,
        known_keys=config.security.known_keys,
        keyed=config.security.mode is SecurityMode.CURVE,
    )


def security_keys(config: Config) -> Keys:
    """The keys that a configuration names. Raises ConfigError."""
    return keys_of(secret_key(config), config.central_id, config.peers, config.lanes)


class Reactor:
    """One daemon at work. `stop` and `ask_reload` may be called from a signal handler."""

    def __init__(
        self,
        config: Config,
        store: Store,
        bus: Bus,
        central: Central,
        watch: Watch | None = None,
        clocks: Callable[[], Now] = read_clocks,
    ) -> None:
        """`watch` says when the files changed; without one they are read again only if asked."""
        self._config = config
        self._keys = bus.keys  # with which it was applied
        self._half_applied = False  # whether another one was, and could not be written down
        self._watch = watch
        self._store = store
        self._bus = bus
        self._central = central
        self._clocks = clocks
        self._started = clocks()
        self._stopping = False
        self._reload_asked = False
        self._faults = Faults()
        self._to_serve = SyncQueue()
        self._left: list[Incoming] = []  # of peers, beyond what a turn does
        self._not_sent: list[Incoming] = []
        self._changes = Changes(central.log.rereading)
        self._heals = Heals()
        self._outages = Outages(store)
        self._transactions = Transactions(config.storage_path, store, central, self._outages)
        self._notify = Notifier()
        self._edges_answered = False
        self._file_due_ms = self._look_due_ms = 0
        self._behind_since_ms: int | None = None  # since when there is something to write behind
        self._write_again_ms = 0  # not before, since it could not be written
        self._uplink = UplinkReport(self._clocks)
        self._roster = RosterAtWork(central, bus, config)
        own: dict[str, Command] = {
            "status": self._status,
            "reload": _reload,
            "peers.write": self._write_peers,
            "peer.test": lambda request: peer_test(request, central, self._clocks()),
        }
        self._commands = Commands(
            own
            | reference_commands(central, self._clocks)
            | member_commands(central, self._clocks)
            | import_commands(central, self._clocks)
            | vehicle_commands(central)
            | bundle_commands(bus)
            | day_commands(central)
            | conflict_commands(lambda id: find(store.connection, central.settings.zone, id))
            | self._uplink.commands()
            | roster_commands(central, bus, lambda: self._config, self._roster.key_change)
        )
        self._external = ExternalData(central, bus)
        self._external.configure(config.external_api)
        self._edge_requests = EdgeRequests()  # the command `edge`, whose answers are the gate's

    def stop(self) -> None:
        """End the loop after the turn under way."""
        self._stopping = True

    def ask_reload(self) -> None:
        """Read the configuration again before the next turn."""
        self._reload_asked = True

    def run(self) -> None:
        """Turn until `stop`. Raises StorageFailed where the disk gives up, Damaged for its file."""
        self._notify.ready()
        while not self._stopping:
            self.once()
        self._notify.stopping()
        now = read_clocks()
        self._transactions.run(lambda: self._central.step(now, [WriteNotes(at_end=True)]))
        self._transactions.run(self._store.write_behind)

    def once(self) -> None:
        """Wait for something to come in, and do all that follows from it."""
        now = self._clocks()
        if not self._edges_answered and self._central.serves_edges(now):
            self._edges_answered = True
            say(Message.READY)
        # Before anything is taken in: what a reload cuts off has its answers by now.
        if self._reload_asked or self._files_changed(now):
            self._reload_asked = False
            self._reload()
        edges = self._edges_answered and not self._roster.id_is_taken
        self._bus.poll(self.wait_ms(now), edges)
        self._bus.await_company(limits.COMPANY_MS)
        left, self._left = self._left, []
        drained = self._bus.drain(peers=not left)
        commands = self._edge_requests.take(drained.controls)
        if commands:  # they see all that was recorded before them
            self._transactions.run(self._store.write_behind)
        not_sent, self._not_sent = self._not_sent, []
        self._turn([*left, *not_sent, *drained.messages, *self._edge_requests.due(edges)])
        for command in commands:
            self._bus.answer_control(command.token, self._command(command))
        for token, body in self._edge_requests.refused():
            self._bus.answer_control(token, body)
        self._fetch(now)
        self._roster.turn(now, drained.joins, self._step, self._reload)
        self._write_behind(self._clocks(), at_rest=not (left or drained.messages))
        self._notify.turned(now.mono_ms, self._state)

    def wait_ms(self, now: Now) -> int:
        """How long the next turn may wait where nothing comes in."""
        wait_ms = 0 if self._to_serve or self._left else self._central.wake_in_ms(now)
        if self._store.behind:
            due_ms = max(limits.WRITTEN_AT_REST_MS, self._write_again_ms - now.mono_ms)
            wait_ms = min(wait_ms, due_ms)
        return wait_ms if self._edges_answered else min(wait_ms, 10)

    def _write_behind(self, now: Now, *, at_rest: bool) -> None:
        """Have the tables follow the log: of many events at once, and soon after the first."""
        behind = self._store.behind
        if not behind:
            self._behind_since_ms = None
            return
        if self._behind_since_ms is None:
            self._behind_since_ms = now.mono_ms
        late = now.mono_ms - self._behind_since_ms >= limits.WRITTEN_WITHIN_MS
        if now.mono_ms < self._write_again_ms:
            return
        if at_rest or late or behind >= limits.EVENTS_WRITTEN_AT_ONCE:
            self._behind_since_ms = None
            if isinstance(self._transactions.run(self._store.write_behind), Undone):
                self._write_again_ms = now.mono_ms + limits.WRITTEN_AGAIN_MS

    # --- one turn -----------------------------------------------------------------------------

    def _turn(self, batch: Sequence[Incoming]) -> None:
        now = self._clocks()
        match self._step(now, batch):
            case Committed(output):
                if output.notes_due:
                    self._step(now, [WriteNotes()])
            case Undone(why):
                for message in batch:
                    if why is Why.BUSY:
                        self._refuse(message)
                    else:
                        self._alone(message)
                    self._beat()  # each of them may take its time
        self._beat()
        self._serve(now)
        if now.mono_ms >= self._look_due_ms:
            self._look_due_ms = now.mono_ms + limits.PEERS_LOOKED_AT_MS
            self._look_at_peers(now)
        self._look_at_file(now)

    def _step(
        self, now: Now, batch: Sequence[Incoming], *, apart: bool = False
    ) -> Committed[Output] | Undone:
        """Take in a batch; what comes of it is on the disk, and then sent."""
        done = self._transactions.run(lambda: self._central.step(now, batch, apart=apart))
        if isinstance(done, Committed):
            self._send(done.result)
        return done

    def _look_at_peers(self, now: Now) -> None:
        """See, a few times a second, which were lost or are back, and say so."""
        view = View(self._central, now)
        self._transactions.run(lambda: self._outages.note(view))
        self._changes.look(view)
        back = self._changes.catching_up
        self._transactions.run(lambda: self._heals.look(view, back, self._store.open_conflicts))

    def _look_at_file(self, now: Now) -> None:
        """Once a second: what is written to a file that was moved away would be lost.

        And what was erased leaves it, once nobody reads it any more as it was.
        """
        if now.mono_ms >= self._file_due_ms:
            self._file_due_ms = now.mono_ms + limits.FILE_LOOKED_AT_MS
            if not self._store.is_in_place():
                raise StorageFailed(f"{self._config.storage_path} was moved away or replaced")
            self._transactions.run(self._store.erasures.drop_forgotten)

    def _beat(self) -> None:
        """Tell peers that we are alive, when it is time: what is on the disk, and needing none."""
        frames = self._central.heartbeat(self._clocks())
        if frames is not None:
            self._bus.publish(frames)

    def _alone(self, message: Incoming) -> None:
        """One message of a batch that was undone: only the one at fault is refused."""
        now = self._clocks()
        done = self._step(now, [message], apart=True)
        if isinstance(done, Committed):
            return
        if done.why is Why.BLEW_UP:
            text = repr(message)[: limits.SET_ASIDE_CHARACTERS]
            self._transactions.run(lambda: self._store.set_aside(text, now.wall_ms))
            self._faults.set_aside += 1
        self._refuse(message)

    def _refuse(self, message: Incoming) -> None:
        """Nothing was recorded. What peers sent comes again; an edge is told."""
        if isinstance(message, FromEdge):
            self._answer_edge(message.token, self._central.refused(message))

    def _answer_edge(self, token: Token, body: bytes) -> None:
        handed = self._edge_requests.answered(token, body)
        if handed is None:
            self._bus.answer_edge(token, body)
        else:
            self._bus.answer_control(*handed)

    def _send(self, output: Output) -> None:
        for token, body in output.replies:
            self._answer_edge(token, body)
        for frames in output.published:
            self._bus.publish(frames)
        for peer_id, frames in output.asks:
            if not self._bus.ask(peer_id, frames):
                self._not_sent.append(NotSent(peer_id))
        for peer_id in output.redials:
            self._bus.redial(peer_id)
        self._to_serve.extend(output.to_serve)
        self._left += output.left
        if output.recorded:
            say_recorded(output.recorded)

    def _serve(self, now: Now) -> None:
        """Answer what peers ask for: after the edges, and a few pages a turn."""
        for _ in range(min(len(self._to_serve), sync_limits.PAGES_PER_TURN)):
            request = self._to_serve.popleft()
            done = self._transactions.run(functools.partial(self._central.serve, now, request))
            if isinstance(done, Committed) and done.result is not None:
                self._bus.answer_peer(request.token, done.result)

    def _fetch(self, now: Now) -> None:
        """Go on with the external API: what it brought is recorded as far as one turn goes."""
        wanted = self._external.turn(now)
        if wanted:
            match self._step(now, wanted):
                case Committed(output):
                    self._external.recorded(output.outcomes)
                case Undone():
                    self._external.undone()

    def _told_faults(self) -> Faults:
        return replace(self._faults, storage=self._transactions.fault)

    def _state(self) -> str | None:
        """How it is, in one line."""
        faults, view = self._told_faults(), View(self._central, self._clocks())
        done = self._transactions.run(lambda: status_text(view, self._store, faults))
        return done.result if isinstance(done, Committed) else None

    # --- control --------------------------------------------------------------------------------

    def _command(self, control: Control) -> bytes:
        """The answer to a command: looked up, or what came of what it wants done first."""
        command = self._commands.read(control.body, control.asker)
        begun = self._transactions.run(lambda: self._commands.begin(command))
        found = begun.result if isinstance(begun, Committed) else FAILED
        if isinstance(found, Wants):
            found = self._changed(found)
        elif isinstance(found, Reread):
            found = self._reread(found)
        return self._commands.end(command, found)

    def _changed(self, wants: Wants) -> Answer:
        """The answer to a command that changes something: by what came of that."""
        change = wants.change
        done = self._step(self._clocks(), [change])
        if isinstance(change, TakePage) and done == Undone(Why.BLEW_UP):
            done = self._step(self._clocks(), [change], apart=True)
        if isinstance(done, Undone):
            return FAILED
        (outcome,) = done.result.outcomes
        told = self._transactions.run(lambda: wants.answer(outcome))
        return told.result if isinstance(told, Committed) else FAILED

    def _reread(self, wants: Reread) -> Answer:
        """The answer to a command that wants the files read, again where they were put back."""
        while isinstance(answer := wants.answer(self._reload()), Reread):
            wants = answer
        return answer

    def _status(self, _: Request) -> Answer:
        now = self._clocks()
        own = self._bus.keys.own
        security = SecurityState(
            self._config.security.mode,
            fingerprint(own.public.decode()) if own is not None else None,
            self._config.security.allow_insecure,
            [str(refused) for refused in self._bus.refused(now.mono_ms)],
            list(self._bus.floods(now.mono_ms)),
        )
        external_api = self._external.state(now)
        answer = status(
            View(self._central, now),
            self._store,
            self._started,
            self._told_faults(),
            security=security,
            external_api=external_api,
            uplink=self._uplink.state(self._config),
            catching_up=self._changes.catching_up,
        )
        answer["problems"] += self._roster.problems()
        return answer

    def _write_peers(self, request: Request) -> Answer | Reread:
        return write_peers(request, self._config, self._roster.member_ids)

    def _files_changed(self, now: Now) -> bool:
        refused = self._faults.config is not None
        return self._watch is not None and self._watch.changed(now.mono_ms, refused)

    def _reload(self) -> list[str]:
        """Read the configuration and apply what differs; what is wrong with it, one a line.

        Where anything is, the last good configuration stays as it is.
        """
        running, said = self._config, self._faults.config
        if self._watch is not None:
            self._watch.loading()
        with self._notify.reloading():
            faults = [str(fault) for fault in self._applied()]
        self._faults.config = "\n".join(faults) or None
        if not faults and (said is not None or self._config is not running):
            lanes, peers = len(self._config.lanes), len(self._config.peers)
            say(Message.CONFIG_APPLIED, peers=peers, edges=lanes)
        elif self._faults.config != said:
            for fault in faults:
                say(Message.CONFIG_REFUSED, fault=fault)
        return faults

    def _applied(self) -> Sequence[Fault]:
        """What is wrong with the configuration as it is written; with nothing, it is applied."""
        match self._transactions.run(self._wanted):
            case Committed(_Wanted() as wanted):
                return self.apply(wanted.config, wanted.keys)
            case Committed(list(faults)):
                return faults
        return [_not_applied(self._config, "the daemon's log says why")]

    def _wanted(self) -> "_Wanted | list[Fault]":
        """The configuration as it is written, or what is wrong with it."""
        try:
            config = self._roster.judged(load(self._config.path))
            faults = [*restart_faults(self._config, config)]
            return faults or _Wanted(config, security_keys(config))
        except ConfigError as refused:
            return [*refused.faults]

    def apply(self, wanted: Config, keys: Keys) -> Sequence[Fault]:
        """Go on with another configuration; why not, where it can't be."""
        if (wanted, keys) == (self._config, self._keys) and not self._half_applied:
            return ()
        match self._transactions.run(lambda: self._prepare(wanted, keys)):
            case Undone():
                return [_not_applied(wanted, self._transactions.fault)]
            case Committed(BindError() as refused):
                return [wanted.fault(refused.key, str(refused))]
        self._half_applied = True
        changes: list[Incoming] = [Configure(settings_of(wanted))]
        if keys.own != self._keys.own:
            changes.append(Identify(identity_of(keys)))
        if isinstance(self._step(self._clocks(), changes), Undone):
            return [_not_applied(wanted, self._transactions.fault)]
        show_times_in(ZoneInfo(wanted.timezone))
        self._external.configure(wanted.external_api)
        self._config, self._keys, self._half_applied = wanted, keys, False
        return ()

    def _prepare(self, wanted: Config, keys: Keys) -> BindError | None:
        """Bring times, ports and links to what is wanted; why not, where a port can't be had."""
        self._store.set_timezone(wanted.timezone)
        try:
            self._bus.reconfigure(wanted.listen, wanted.peers, keys)
        except BindError as refused:
            self._store.set_timezone(self._config.timezone)
            return refused
        return None


class _Wanted(NamedTuple):
    """A configuration in which nothing is wrong, and the keys that it names."""

    config: Config
    keys: Keys


def _reload(_: Request) -> Reread:
    """The command `reload`."""
    return Reread(lambda faults: {"success": not faults, **({"faults": faults} if faults else {})})


def _not_applied(config: Config, why: str | None) -> Fault:
    """What is wrong with a configuration that was sound, and could not be written down."""
    text = f"could not be written to the database: {why}; fix that, then zparkctl reload"
    return config.fault("central.timezone", text)
