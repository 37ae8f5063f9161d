"""What `status` calls a problem of the events that are held here, and of streams of others."""

import itertools
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from zparkd.core import limits
from zparkd.core.central import Central
from zparkd.core.clock import Now
from zparkd.core.events.event import Stream
from zparkd.core.replication.refusals import Refusal, Why
from zparkd.core.site import Peer

Problem = dict[str, str]
_SOME = 3
_STUCK_SHOWN = 5  # reasons, of one peer
_STUCK = {
    Why.FORGED: "if the central whose stream it is had another key before, name that one too:"
    ' known_keys = {{ ID = ["KEY"] }} in [security]; else find out who has been at {peer}',
    Why.BROKEN: "look at the disk of {peer}: zparkctl verify there names the event",
    Why.WITHHELD: "look at the disk of {peer}: zparkctl status and verify there name the event",
}


def problem(code: str, message: str, hint: str) -> Problem:
    """A problem as `status` lists it."""
    return {"code": code, "message": message, "hint": hint}


def problems_of_disk(database: Path) -> Iterator[Problem]:
    """What will fill the disk, while there is still time."""
    with suppress(OSError):
        size = os.stat(f"{database}-wal").st_size
        if size > limits.WAL_WARNED_BYTES:
            yield problem(
                "WAL_GROWS",
                f"{database}-wal has {_mib(size)}: some program has been reading the database for"
                " long, and all that is committed meanwhile is kept beside it",
                f"find it (fuser -v {database}) and end it; the file then shrinks by itself",
            )
    with suppress(OSError):
        disk = os.statvfs(database.parent)
        free = disk.f_bavail * disk.f_frsize
        if free < limits.DISK_LOW_BYTES:
            yield problem(
                "DISK_LOW",
                f"the disk of {database} has {_mib(free)} left; once it is full, edges are refused",
                "free space on it, or move the database to a larger one",
            )


def _mib(size: int) -> str:
    return f"{size / 2**20:,.0f} MiB"


def problems_of_events(central: Central) -> Iterator[Problem]:
    """What is wrong with events that are held here, or with streams of others."""
    forks = sorted(
        fork for fork in central.log.signed.forks().items() if _divides(central, fork[0])
    )
    for origin, found in itertools.groupby(forks, key=lambda fork: fork[0].origin):
        streams = [f"{_named(stream)}/{seq}" for stream, seq in found]
        yield problem(
            "FORKED",
            f"{origin} recorded two different events at {_first(streams)}: its machine was set back"
            " while it ran, or its key is in two places; each central keeps the one it got first",
            f"restart zparkd on {origin}: it begins a new stream, and all else goes on. Where a"
            " central holds the wrong one of the two: stop zparkd there, move its database away and"
            " start it, and its peers give it theirs; keep what was moved, since what only_here"
            " counts is in it alone",
        )
    for stream, seq in sorted(central.serving.corrupt.items()):
        yield problem(
            "EVENT_CORRUPT",
            f"event {_named(stream)}/{seq} is not as it was written on this disk: neither it nor"
            " what follows in its stream can be handed on from here; all else is",
            "see what zparkctl verify says, check the disk, then stop zparkd, move its database"
            " away and start: its peers give back what they have; keep what was moved",
        )
    yield from _problems_of_members(central)
    unprojected = central.log.unprojected()
    if unprojected:
        yield problem(
            "EVENTS_FAILED",
            f"on {unprojected} events this version of zparkd failed; they are kept and relayed, and"
            " change nothing",
            "report it with the log, and install the newest zparkd on all centrals",
        )


def _divides(central: Central, forked: Stream) -> bool:
    """Whether a fork still is at work: its origin goes on in it, or a peer has another branch.

    After that the proof stays, and there is nothing left to do.
    """
    others = central.peers.states.values()
    goes_on = central.log.heads.newest_epoch(forked.origin) == forked.epoch
    return goes_on or any(forked in peer.refusals.forked for peer in others)


def _problems_of_members(central: Central) -> Iterator[Problem]:
    own, verdicts = central.settings.id, central.log.members.verdicts
    if own in verdicts.disowned:
        yield problem(
            "DISOWNED",
            f"{', '.join(sorted(verdicts.voices[own].against))} disowned this central: what it"
            " records means nothing, here too",
            f"zparkctl member restore {own} at other centrals denies it",
        )
    if waiting := central.admission.waiting:
        yield problem(
            "NOT_TAKEN_IN",
            f"{_some(waiting)} recorded events that are not taken in: in no peer file here, and"
            f" {limits.STRANGERS} like that are held, or it says who is disowned",
            "if it belongs here: zparkctl peer add, or zparkctl member admit ID; else find out who"
            " invented it",
        )
    if removed := central.admission.removed:
        yield problem(
            "NOT_TAKEN_IN",
            f"{_some(removed)} was removed here, and others have more of it than was held then",
            "zparkctl member admit ID, if it recorded that before; else remove it elsewhere too",
        )


def problems_of_quotas(central: Central, now: Now) -> Iterator[Problem]:
    """Who records more than is taken in."""
    if over := central.over_quota(now):
        yield problem(
            "QUOTA",
            f"{_some(over)} records more than is taken in in an hour; what is over waits",
            "look at what it records: zparkctl member show ID; zparkctl member disown ID",
        )


def _named(stream: Stream) -> str:
    return f"{stream.origin}/{stream.epoch}"


def _some(ids: Sequence[str]) -> str:
    """The first of some centrals, and how many more there are."""
    more = f" and {len(ids) - _SOME:,} more" if len(ids) > _SOME else ""
    return f"{', '.join(ids[:_SOME])}{more}"


def _first(names: Sequence[str]) -> str:
    """The first of some names, and how many more there are."""
    return names[0] if len(names) == 1 else f"{names[0]} and in {len(names) - 1} more streams"


def problems_of_streams(central: Central, peer: Peer) -> Iterator[Problem]:
    """The streams that a peer could not continue, by what is wrong with them."""
    state = central.peers.states[peer.id]
    stuck = sorted(central.peers.stuck(state, central.log.heads).items())
    by_reason: dict[Refusal, list[str]] = {}
    for stream, refused in stuck:
        if refused.refusal.why not in (Why.FORKED, Why.WAITS):
            place = f"{_named(stream)} from event {refused.held + 1} on"
            by_reason.setdefault(refused.refusal, []).append(place)
    for refusal, places in list(by_reason.items())[:_STUCK_SHOWN]:
        yield problem(
            "STREAM_STUCK",
            f"{_first(places)} can't be taken from {peer.id}: it {refusal.reason}; all else is,"
            " and any other peer that has it is asked",
            _STUCK[refusal.why].format(peer=peer.id),
        )
