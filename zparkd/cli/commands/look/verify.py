"""`zparkctl verify`: is what this central holds what it says it holds, and what its peers hold.

Each comparison gives differences, named by stream and range; here they are put together. First
the log, our own and that of all peers at once; only where it is sound, the stays, which are
judged by it.
"""

import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from zparkd.cli.context import Exit, fail, load_config
from zparkd.cli.database import reading
from zparkd.cli.output import plural, print_json, printable
from zparkd.config.load import Config
from zparkd.core.events.event import Position
from zparkd.core.events.heads import Heads
from zparkd.core.site import Peer
from zparkd.storage.readers.connection import Connection, one_moment, read_only
from zparkd.storage.readers.log import StoredLog
from zparkd.verify.compare import Digests, Said, compare_log, compare_stays, peers_log
from zparkd.verify.log import changed, ends
from zparkd.verify.peer_query import NoUse, line_to
from zparkd.verify.ranges import Difference, merged
from zparkd.verify.reference import check_reference
from zparkd.verify.stays import stray_stays
from zparkd.verify.workers import Shares, own_digests, own_log, own_stays, shares

_PROGRESS_EVENTS = 200_000  # a check of more takes long enough to say that it runs
_NOT_ASKED = Said("not compared", [])
_AFTER_LOG = Said("not compared: the log differs", [])


@dataclass
class _Peer:
    """What is found out about one peer. `error` says why it could not be asked."""

    id: str
    log: Future[Said] = field(default_factory=Future)
    stays: Said = _NOT_ASKED
    error: str | None = None

    @property
    def log_said(self) -> Said:
        return self.log.result()

    def said(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "peer_id": self.id,
            "answered": self.error is None,
            "error": self.error,
            "log": self.log_said.word,
            "history": self.stays.word,
        }

    def line(self) -> str:
        """For people."""
        if self.error is not None:
            return f"{self.id}: not compared: {printable(self.error)}"
        return f"{self.id}: log {self.log_said.word}, history {self.stays.word}"


@dataclass
class _Found:
    """All that was looked at, and what is wrong with it. `stays` is None where none were."""

    streams: int
    events: int = 0
    stays: int | None = None
    differences: list[Difference] = field(default_factory=list)
    peers: list[_Peer] = field(default_factory=list)

    def log_differs(self) -> bool:
        """Whether the log is not what it must be, here or at a peer; waits for all peers."""
        return bool([peer for peer in self.peers if peer.log_said.differences] or self.differences)


@click.command(epilog="Example: zparkctl verify --json")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def verify(file: Path, as_json: bool) -> None:
    """Check this central's database with itself and with its peers; all may run meanwhile.

    The hash chain of every stream is computed again, and all stays, tariffs, passes and staff
    from all events. Each peer is asked for digests: of the log up to where both have it, and of
    the stays once both hold the same events. Where the log differs, the stays are not looked
    at.

    Exit status 1 where anything differs, or no configured peer answered. Each difference is
    named by its stream and range.
    """
    config = load_config(file, as_json=as_json)
    with reading(config.storage_path, as_json=as_json) as connection:
        found = _look(config, connection)
    _report(config.storage_path, found, as_json=as_json)


def _look(config: Config, connection: Connection) -> _Found:
    """Compare all that can be compared."""
    database = config.storage_path
    with one_moment(connection):  # the heads, and what is at them
        log = StoredLog(connection)
        at_ends = list(ends(log))
    found = _Found(
        len(log.heads), differences=at_ends, peers=[_Peer(peer.id) for peer in config.peers]
    )
    with shares(database, sum(log.heads.values())) as work:
        checked = own_log(work, log)  # begins at once: processes come before threads
        with _asking(config, found.peers, log.heads) as (log_known, stays_known):
            digests: Digests = {}
            broken: list[Position] = []
            for part in checked:
                digests |= part.digests
                found.events += part.events
                found.differences += part.differences
                broken += part.broken
            found.differences += changed(broken)
            log_known.set_result(digests)
            if found.log_differs():
                stays_known.set_result(None)
            else:
                _look_at_stays(work, connection, found, stays_known)
    for peer in found.peers:
        found.differences += peer.log_said.differences + peer.stays.differences
    found.differences = merged(found.differences)
    return found


def _look_at_stays(
    work: Shares,
    connection: Connection,
    found: _Found,
    stays_known: "Future[Digests | None]",
) -> None:
    if found.events > _PROGRESS_EVENTS and sys.stderr.isatty():
        click.echo("the log is sound; the stays take longer", err=True)
    log = StoredLog(connection)
    digests = own_digests(work, log) if found.peers else iter(())
    stays = own_stays(work, log)
    reference = work.run(check_reference, [()])
    stays_known.set_result({one: digest for part in digests for one, digest in part.items()})
    found.stays = 0
    for part in stays:
        found.stays += part.stays
        found.differences += part.differences
    found.differences += stray_stays(connection)
    found.differences += [one for part in reference for one in part]


# --- peers ------------------------------------------------------------------------------------


@contextmanager
def _asking(
    config: Config, peers: list[_Peer], heads: Heads
) -> "Iterator[tuple[Future[Digests], Future[Digests | None]]]":
    """Ask all peers meanwhile, each in a thread.

    They wait for our own digests of the log, then for those of the stays, None where those are
    not to be compared.
    """
    log_known: Future[Digests] = Future()
    stays_known: Future[Digests | None] = Future()
    with ThreadPoolExecutor(max(1, len(peers))) as threads:
        asked = [
            threads.submit(_ask, config, peer, found, heads, log_known, stays_known)
            for peer, found in zip(config.peers, peers, strict=True)
        ]
        try:
            yield log_known, stays_known
        finally:
            log_known.cancel()  # where they are known by now, this changes nothing
            stays_known.cancel()
    for one in asked:
        one.result()


def _ask(
    config: Config,
    peer: Peer,
    found: _Peer,
    heads: Heads,
    log_known: "Future[Digests]",
    stays_known: "Future[Digests | None]",
) -> None:
    try:
        with line_to(config, peer) as line, closing(read_only(config.storage_path)) as connection:
            theirs = peers_log(line, heads)
            log = StoredLog(connection)
            found.log.set_result(compare_log(peer.id, line, log, log_known.result(), theirs))
            own = stays_known.result()
            if own is None:
                found.stays = _AFTER_LOG
            else:
                found.stays = compare_stays(peer.id, line, connection, own)
    except NoUse as fault:
        found.error = str(fault)
    finally:
        if not found.log.done():
            found.log.set_result(_NOT_ASKED)


# --- the report -------------------------------------------------------------------------------


def _report(database: Path, found: _Found, *, as_json: bool) -> None:
    answered = [peer for peer in found.peers if peer.error is None]
    counts = {"streams": found.streams, "events": found.events, "stays": found.stays}
    looked_at = ", ".join(
        plural(number, noun[:-1]) for noun, number in counts.items() if number is not None
    )
    if found.stays is None:
        looked_at += "; stays were not looked at, as the log differs"
    said = [peer.said() for peer in found.peers]
    lines = [peer.line() for peer in found.peers]
    if found.differences:
        count = plural(len(found.differences), "difference")
        fail(
            Exit.NO,
            "differs",
            "\n".join([f"{database}: {looked_at}: {count}", *lines, *map(str, found.differences)]),
            as_json=as_json,
            **counts,
            peers=said,
            differences=[difference._asdict() for difference in found.differences],
        )
    sound = [f"{database}: {looked_at}: no difference", *lines]
    if found.peers and not answered:
        text = "\n".join([*sound, "no configured peer answered"])
        fail(Exit.NO, "no_peer", text, as_json=as_json, **counts, peers=said, differences=[])
    if as_json:
        print_json({"success": True, **counts, "peers": said, "differences": []})
    else:
        click.echo("\n".join(sound))
