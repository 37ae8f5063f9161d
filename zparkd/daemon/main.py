"""`zparkd`: from a configuration file to a running central, and back to an exit code.

The parts are put together here, and nowhere else.
"""

import gc
import resource
import secrets
import signal
import sqlite3
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn
from zoneinfo import ZoneInfo

import click

from zparkd import __version__
from zparkd.config.load import Config, ConfigError, SecurityMode, default_path, load
from zparkd.core import limits
from zparkd.core.central import Central
from zparkd.core.clock import Now
from zparkd.core.events.event import Stream
from zparkd.core.events.signing import Identity
from zparkd.daemon.reactor import Reactor, read_clocks, security_keys, settings_of
from zparkd.daemon.systemd import Notifier
from zparkd.daemon.transactions import StorageFailed
from zparkd.daemon.watch import Watch
from zparkd.logs.messages import Message, say
from zparkd.logs.sink import complain, in_journal, show_times_in, start_log
from zparkd.storage import edges_seen
from zparkd.storage.damage import Damaged
from zparkd.storage.database_file import DatabaseBusy, NotOurs
from zparkd.storage.schema.migrations import SchemaError
from zparkd.storage.store import Store
from zparkd.transport.bus import BindError, Bus, SelfTestFailed
from zparkd.transport.zap import identity_of

_EPOCH_ROOM = 2**40
_TOLD_EVERY_S = 10.0
# Objects made and not freed before they are searched for circles, of which the loop makes few.
_COLLECTED_AFTER = (10_000, 20, 50)
EXIT_FAILED = 1
EXIT_BAD_CONFIG = 78  # EX_CONFIG of sysexits.h: starting again would not help


@click.command()
@click.option(
    "-c",
    "--config",
    "file",
    type=click.Path(path_type=Path),
    help="The configuration file [default: $ZPARKD_CONFIG, else /etc/zparkd/zparkd.toml].",
)
@click.version_option(__version__, prog_name="zparkd")
def main(file: Path | None) -> None:
    """Run a central in the foreground until SIGTERM or SIGINT; SIGHUP reads the files again.

    Example: zparkd -c /etc/zparkd/zparkd.toml
    """
    # Until the loop takes over: a stop ends the start cleanly, and there is nothing to reload yet.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    signal.signal(signal.SIGINT, lambda *_: sys.exit(0))
    path = file or default_path()
    watch = Watch(path)  # before they are read, so that no change is missed
    try:
        config = load(path)
        keys = security_keys(config)
    except ConfigError as refused:
        _fail(EXIT_BAD_CONFIG, *map(str, refused.faults))
    start_log()
    show_times_in(ZoneInfo(config.timezone))
    _allow_files()
    try:
        store = Store(
            config.storage_path, config.central_id, config.site, config.timezone, _Migrating()
        )
    except NotOurs as refused:
        _fail(EXIT_BAD_CONFIG, str(config.fault(refused.key, str(refused))))
    except DatabaseBusy as refused:
        _fail(EXIT_FAILED, f"zparkd: {refused}")
    except Damaged as refused:
        _fail(EXIT_FAILED, f"zparkd: {refused}")
    except (SchemaError, sqlite3.Error, OSError) as refused:
        _fail(EXIT_FAILED, f"zparkd: {config.storage_path}: {refused}")
    try:
        bus = Bus(config.listen, config.peers, keys)
    except BindError as refused:
        store.close()
        _fail(EXIT_FAILED, f"zparkd: {refused}")
    try:
        bus.self_test()
        _run(config, store, bus, watch)
    except SelfTestFailed as failed:
        _fail(EXIT_FAILED, f"zparkd: {failed}")
    except StorageFailed as failed:
        say(Message.DISK_FAILED, reason=failed)
        sys.exit(EXIT_FAILED)
    except Damaged as found:
        say(Message.DATABASE_DAMAGED, reason=found)
        sys.exit(EXIT_FAILED)
    finally:
        watch.stop()
        bus.close()
        store.close()


class _Migrating:
    """Says how far the migration of a database is, where that takes long."""

    def __init__(self) -> None:
        self._notify = Notifier()
        self._due_s = time.monotonic() + _TOLD_EVERY_S / 5

    def __call__(self, moved: int, events: int) -> None:
        if time.monotonic() >= self._due_s:
            self._due_s = time.monotonic() + _TOLD_EVERY_S
            self._notify.starting(f"the database is migrated: {moved} of {events} events")
            say(Message.MIGRATING, moved=moved, events=events)


def _allow_files() -> None:
    """Have room for connections: what a shell gives by default is used up by a few hundred."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = limits.OPEN_FILES if hard == resource.RLIM_INFINITY else min(limits.OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _run(config: Config, store: Store, bus: Bus, watch: Watch) -> None:
    central = central_of(config, store, read_clocks(), secrets.randbits, identity_of(bus.keys))
    reactor = Reactor(config, store, bus, central, watch)
    # A flag alone does not wake a poll: the signal's byte on this descriptor does.
    signal.set_wakeup_fd(bus.wake_fd.fileno(), warn_on_full_buffer=False)
    signal.signal(signal.SIGTERM, lambda *_: reactor.stop())
    signal.signal(signal.SIGINT, lambda *_: reactor.stop())
    signal.signal(signal.SIGHUP, lambda *_: reactor.ask_reload())
    say(
        Message.STARTED,
        central=config.central_id,
        site=config.site,
        version=__version__,
        events=sum(store.heads.values()),
        peers=len(config.peers),
    )
    _say_what_is_missing(store)
    if store.rereading:
        say(Message.REREADING, count=store.rereading)
    if config.security.mode is SecurityMode.PLAIN and config.security.allow_insecure:
        say(Message.INSECURE)
    watch.start()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECTED_AFTER)
    reactor.run()
    store.stopped()
    say(Message.STOPPED)


def _say_what_is_missing(store: Store) -> None:
    """Where the database is not the one, or not as far, as when zparkd last ran here."""
    missing = store.missing()
    if missing is not None:
        say(Message.DATABASE_OLDER, epoch=missing.epoch, held=missing.held, head=missing.seq)
    elif store.replaced:
        say(Message.DATABASE_REPLACED)


def central_of(
    config: Config,
    store: Store,
    now: Now,
    random_bits: Callable[[int], int],
    identity: Identity | None = None,
) -> Central:
    """A new run of the central whose log is in `store`; `random_bits(n)` makes n of them.

    With an `identity` it signs what it records, and what it recorded before.
    """
    central = Central(
        settings_of(config),
        store,
        new_stream(config.central_id, store, now.wall_ms // 1000, random_bits),
        random_bits(256).to_bytes(32),
        store.last_stamp(config.central_id),
        now,
        identity=identity,
    )
    store.commit()
    lanes = (lane.id for lane in config.lanes)
    central.restore(store.peer_notes(), edges_seen.read(store.connection, lanes))
    return central


def new_stream(
    central_id: str, store: Store, wall_s: int, random_bits: Callable[[int], int]
) -> Stream:
    """The stream of this run: newer than every one of ours held here, and like no other.

    Seconds and random bits together: a clock that stands still, or a database that was
    restored, must not make the same one again. An epoch at the end of the numbers is none of ours,
    and must not drive us past it; nor may a clock that shows a year far off.
    """
    ours = (stream.epoch for stream in store.heads if stream.origin == central_id)
    newest = max((epoch for epoch in ours if epoch < limits.EPOCH_MAX - _EPOCH_ROOM), default=0)
    drawn = (wall_s << 20) | random_bits(20)
    if drawn >= limits.EPOCH_MAX - _EPOCH_ROOM:
        drawn = 0
    return Stream(central_id, max(drawn, newest + 1 + random_bits(20)))


def _fail(code: int, *lines: str) -> NoReturn:
    for line in lines:
        complain(line)
    if in_journal():
        start_log()
        say(Message.NOT_STARTED, code=code)
    sys.exit(code)


if __name__ == "__main__":
    main()
