"""What `status` calls a problem: its code, what is wrong, and the way out.

A code is for programs, and for the words that the page has for it in each language.
"""

import itertools
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from zparkd import __version__
from zparkd.core import limits
from zparkd.core.clock import site_time
from zparkd.core.events.event import Stream
from zparkd.core.keys import fingerprint
from zparkd.core.members import limits as member_limits
from zparkd.core.replication.refusals import Refusal, Why
from zparkd.core.site import Peer
from zparkd.core.view import PeerView, View
from zparkd.daemon.control.uplink_report import SILENT_INTERVALS
from zparkd.storage.store import Store
from zparkd.transport.floods import Flood
from zparkd.transport.socket_options import Domain

Problem = dict[str, str]
_SOME = 3
_REFUSED_SHOWN = 5
_STUCK_SHOWN = 5  # reasons, of one peer
_STUCK = {
    Why.FORGED: "if the central whose stream it is had another key before, name that one too:"
    ' known_keys = {{ ID = ["KEY"] }} in [security]; else find out who has been at {peer}',
    Why.BROKEN: "look at the disk of {peer}: zparkctl verify there names the event",
    Why.WITHHELD: "look at the disk of {peer}: zparkctl status and verify there name the event",
}


class ProblemCode(StrEnum):
    """Every kind of problem there is."""

    BAD_CONFIG = "BAD_CONFIG"
    CLOCK_SKEW = "CLOCK_SKEW"
    DATABASE_OLDER = "DATABASE_OLDER"
    DISK_LOW = "DISK_LOW"
    DISOWNED = "DISOWNED"
    DUPLICATE_ID = "DUPLICATE_ID"
    EDGE_FLOODS = "EDGE_FLOODS"
    EVENTS_FAILED = "EVENTS_FAILED"
    EVENT_CORRUPT = "EVENT_CORRUPT"
    EXTERNAL_API = "EXTERNAL_API"
    FORGED = "FORGED"
    FORKED = "FORKED"
    INSECURE = "INSECURE"
    KEY_REFUSED = "KEY_REFUSED"
    NOT_TAKEN_IN = "NOT_TAKEN_IN"
    PEER_DEAF = "PEER_DEAF"
    PEER_DOWN = "PEER_DOWN"
    PEER_ERROR = "PEER_ERROR"
    PEER_FLOODS = "PEER_FLOODS"
    OUTRANKED = "OUTRANKED"
    QUOTA = "QUOTA"
    REREADING = "REREADING"
    SET_ASIDE = "SET_ASIDE"
    SILENT_EDGE = "SILENT_EDGE"
    STORAGE_UNAVAILABLE = "STORAGE_UNAVAILABLE"
    STREAM_OVERTAKEN = "STREAM_OVERTAKEN"
    STREAM_STUCK = "STREAM_STUCK"
    TIMEZONE_DIFFERS = "TIMEZONE_DIFFERS"
    UNREADABLE_EVENTS = "UNREADABLE_EVENTS"
    UNSIGNED_PAST = "UNSIGNED_PAST"
    UPLINK = "UPLINK"
    VERSION_DIFFERS = "VERSION_DIFFERS"
    WAL_GROWS = "WAL_GROWS"
    WATCHED_PLATE = "WATCHED_PLATE"
    REMOVED = "REMOVED"
    ID_TAKEN = "ID_TAKEN"
    ROSTER_DIFFERS = "ROSTER_DIFFERS"
    ROSTER_UNWRITTEN = "ROSTER_UNWRITTEN"
    KEY_AWAITED = "KEY_AWAITED"


@dataclass(slots=True)
class Faults:
    """What is wrong with this daemon's surroundings now; None where nothing is."""

    config: str | None = None
    storage: str | None = None
    set_aside: int = 0  # messages that could not be handled, since the start


@dataclass(frozen=True, slots=True)
class SecurityState:
    """How this central is protected, who was turned away in the last minute, who is kept out."""

    mode: str = "plain"
    fingerprint: str | None = None
    allow_insecure: bool = False
    refused: Sequence[str] = ()
    floods: Sequence[Flood] = ()


def problem(code: ProblemCode, message: str, hint: str) -> Problem:
    """A problem as `status` lists it."""
    return {"code": code.value, "message": message, "hint": hint}


def problems(
    view: View,
    store: Store,
    faults: Faults,
    *,
    security: SecurityState,
    external_api: dict[str, Any] | None,
    uplink: dict[str, Any] | None,
) -> Iterator[Problem]:
    """All that is wrong now; `external_api` and `uplink` are what status says of them."""
    yield from _problems_of_security(security)
    yield from _problems_of_store(store)
    yield from problems_of_disk(store.path)
    yield from _problems_of_api(external_api)
    yield from _problems_of_uplink(uplink)
    yield from _problems_of_this_central(view, faults)


def problems_of_disk(database: Path) -> Iterator[Problem]:
    """What will fill the disk, while there is still time."""
    with suppress(OSError):
        size = os.stat(f"{database}-wal").st_size
        if size > limits.WAL_WARNED_BYTES:
            yield problem(
                ProblemCode.WAL_GROWS,
                f"{database}-wal has {_mib(size)}: some program has been reading the database for"
                " long, and all that is committed meanwhile is kept beside it",
                f"find it (fuser -v {database}) and end it; the file then shrinks by itself",
            )
    with suppress(OSError):
        disk = os.statvfs(database.parent)
        free = disk.f_bavail * disk.f_frsize
        if free < limits.DISK_LOW_BYTES:
            yield problem(
                ProblemCode.DISK_LOW,
                f"the disk of {database} has {_mib(free)} left; once it is full, edges are refused",
                "free space on it, or move the database to a larger one",
            )


def _mib(size: int) -> str:
    return f"{size / 2**20:,.0f} MiB"


def problems_of_events(view: View) -> Iterator[Problem]:
    """What is wrong with events that are held here, or with streams of others."""
    for origin, found in itertools.groupby(view.dividing_forks, key=lambda fork: fork[0].origin):
        streams = [f"{_named(stream)}/{seq}" for stream, seq in found]
        yield problem(
            ProblemCode.FORKED,
            f"{origin} recorded two different events at {_first(streams)}: its machine was set back"
            " while it ran, or its key is in two places; each central keeps the one it got first",
            f"restart zparkd on {origin}: it begins a new stream, and all else goes on. Where a"
            " central holds the wrong one of the two: stop zparkd there, move its database away and"
            " start it, and its peers give it theirs; keep what was moved, since what only_here"
            " counts is in it alone",
        )
    for stream, seq in view.corrupt:
        yield problem(
            ProblemCode.EVENT_CORRUPT,
            f"event {_named(stream)}/{seq} is not as it was written on this disk: neither it nor"
            " what follows in its stream can be handed on from here; all else is",
            "see what zparkctl verify says, check the disk, then stop zparkd, move its database"
            " away and start: its peers give back what they have; keep what was moved",
        )
    yield from _problems_of_members(view)
    unprojected = view.unprojected
    if unprojected:
        yield problem(
            ProblemCode.EVENTS_FAILED,
            f"this version of zparkd failed on {unprojected} events; they are kept and relayed, and"
            " change nothing",
            "report it with the log, and install the newest zparkd on all centrals",
        )


def _problems_of_members(view: View) -> Iterator[Problem]:
    own, verdicts = view.settings.id, view.verdicts
    if own in verdicts.disowned:
        yield problem(
            ProblemCode.DISOWNED,
            f"{', '.join(sorted(verdicts.voices[own].against))} disowned this central: what it"
            " records means nothing, here too",
            f"zparkctl member restore {own} at other centrals denies it",
        )
    if outranked := view.outranked:
        shown = [f"{_named(at.stream)}/{at.seq}" for _, at in sorted(outranked.items())]
        yield problem(
            ProblemCode.OUTRANKED,
            f"{_first(shown)} says that it comes after all that will ever be recorded: what is"
            " recorded here of that vehicle does not come after it, so it may be called inside or"
            " not inside when it is not",
            f"zparkctl member disown {min(outranked)} --since TIME: what it recorded from then on"
            " means nothing; until then staff let the vehicle through with force",
        )
    if waiting := view.waiting:
        yield problem(
            ProblemCode.NOT_TAKEN_IN,
            f"{_some(waiting)} recorded events that are not taken in: in no peer file here, and"
            f" {member_limits.STRANGERS} like that are held, or it says who is disowned",
            "if it belongs here: zparkctl peer add, or zparkctl member admit ID; else find out who"
            " invented it",
        )
    if removed := view.removed:
        yield problem(
            ProblemCode.NOT_TAKEN_IN,
            f"{_some(removed)} was removed here, and others have more of it than was held then",
            "zparkctl member admit ID, if it recorded that before; else remove it elsewhere too",
        )


def problems_of_quotas(view: View) -> Iterator[Problem]:
    """Who records more than is taken in."""
    if over := view.over_quota:
        yield problem(
            ProblemCode.QUOTA,
            f"{_some(over)} records more than is accepted in an hour; the rest waits",
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


def _problems_of_streams(peer: PeerView) -> Iterator[Problem]:
    """The streams that a peer could not continue, by what is wrong with them."""
    by_reason: dict[Refusal, list[str]] = {}
    for stream, refused in sorted(peer.stuck.items()):
        if refused.refusal.why not in (Why.FORKED, Why.WAITS):
            place = f"{_named(stream)} from event {refused.held + 1} on"
            by_reason.setdefault(refused.refusal, []).append(place)
    for refusal, places in list(by_reason.items())[:_STUCK_SHOWN]:
        yield problem(
            ProblemCode.STREAM_STUCK,
            f"{_first(places)} can't be taken from {peer.id}: it {refusal.reason}; all else is,"
            " and any other peer that has it is asked",
            _STUCK[refusal.why].format(peer=peer.id),
        )


def _problems_of_api(state: dict[str, Any] | None) -> Iterator[Problem]:
    if state is not None and state["last_fault"] is not None:
        age_s = state["age_s"]
        age = "was never whole" if age_s is None else f"was last whole {age_s} s ago"
        yield problem(
            ProblemCode.EXTERNAL_API,
            f"{state['last_fault']}; what it gives {age}, and what is held goes on counting",
            "correct the server or its documents, or external_api in zparkd.toml",
        )


def _problems_of_uplink(state: dict[str, Any] | None) -> Iterator[Problem]:
    """What is wrong with zparkd-uplink, by what `status` says of it."""
    if state is None:
        return
    lag = "" if state["lag"] is None else f"; the fleet lacks {state['lag']} events of this site"
    if not state["running"] and state["silent_s"] > SILENT_INTERVALS * limits.UPLINK_EVERY_S:
        yield problem(
            ProblemCode.UPLINK,
            f"zparkd-uplink says nothing for {state['silent_s']} s{lag}; nothing is lost",
            "start it: systemctl start zparkd-uplink; what it logs says why it ended",
        )
    elif state["problem"] is not None:
        yield problem(
            ProblemCode.UPLINK,
            f"{state['problem']}{lag}; nothing is lost, and it is tried again",
            "look at the servers in [uplink] of zparkd.toml, and at zparkd-fleet status there",
        )


def _problems_of_store(store: Store) -> Iterator[Problem]:
    missing = store.missing()
    if missing is not None:
        yield problem(
            ProblemCode.DATABASE_OLDER,
            f"the database is older than it was: it holds {missing.held} of the {missing.seq}"
            f" events that this central recorded in its run {missing.epoch}",
            "peers give back what they have; the rest was on no other central",
        )


def _problems_of_security(security: SecurityState) -> Iterator[Problem]:
    if security.mode == "plain" and security.allow_insecure:
        yield problem(
            ProblemCode.INSECURE,
            "mode is plain: any host that reaches these ports can read all plates and open"
            " barriers",
            'make keys (zparkctl keygen) and write mode = "curve" in [security]',
        )
    for flood in security.floods:
        edge = flood.domain is Domain.EDGE
        yield problem(
            ProblemCode.EDGE_FLOODS if edge else ProblemCode.PEER_FLOODS,
            f"{flood}; it was cut off, and is kept out for"
            f" {limits.FLOOD_DENIED_MS // 60_000} minutes",
            f"take its file out of {'edges' if edge else 'peers'}.d, find out what runs there, and"
            " give it a new key",
        )
    for refused in security.refused[:_REFUSED_SHOWN]:
        yield problem(
            ProblemCode.KEY_REFUSED,
            f"{refused}; it was turned away",
            "if it belongs here, compare fingerprints (zparkctl peer list) and correct its file in"
            " peers.d or edges.d; else find out who it is",
        )


def _problems_of_this_central(view: View, faults: Faults) -> Iterator[Problem]:
    if view.rereading:
        yield problem(
            ProblemCode.REREADING,
            f"{view.rereading:,} events that an older version could not read are being read",
            "edges are answered once that is done; it goes on after a restart",
        )
    if faults.storage is not None:
        yield problem(
            ProblemCode.STORAGE_UNAVAILABLE,
            f"the database can't be written: {faults.storage}; edges are refused",
            "free space on its disk, or replace it",
        )
    if faults.config is not None:
        yield problem(
            ProblemCode.BAD_CONFIG,
            faults.config,
            "correct the file: it is read again by itself; the last good one runs",
        )
    if view.clock_corrected:
        yield problem(
            ProblemCode.CLOCK_SKEW,
            "this central's wall clock is off from the others; events are stamped with theirs",
            "set the clock (timedatectl)",
        )
    elif view.clock_marked:
        yield problem(
            ProblemCode.CLOCK_SKEW,
            "this central's wall clock can't be right; events are marked",
            "set the clock (timedatectl)",
        )
    yield from _problems_of_identity(view)
    if view.counters.unreadable:
        yield problem(
            ProblemCode.UNREADABLE_EVENTS,
            f"{view.counters.unreadable} events since the start mean nothing here; they are"
            " kept and relayed",
            "install the newest zparkd on all centrals",
        )
    yield from problems_of_events(view)
    yield from problems_of_quotas(view)
    if faults.set_aside:
        yield problem(
            ProblemCode.SET_ASIDE,
            f"{faults.set_aside} messages since the start could not be handled",
            "they are in the table set_aside; report them with the log",
        )
    if unsigned := view.unsigned_origins:
        yield problem(
            ProblemCode.UNSIGNED_PAST,
            f"what {', '.join(unsigned)} recorded without keys is here, and can't be handed on",
            "start them once with keys: each signs its own past, and hands it on itself",
        )
    for peer in view.settings.peers:
        yield from _problems_of_peer(view, peer)


def _problems_of_identity(view: View) -> Iterator[Problem]:
    if view.has_twin:
        yield problem(
            ProblemCode.DUPLICATE_ID,
            f"another process has recorded events as {view.settings.id} since this one started",
            "stop one of the two, or give it an id and a database of its own",
        )
    if overtaken := view.overtaken_by:
        yield problem(
            ProblemCode.STREAM_OVERTAKEN,
            f"{', '.join(overtaken)} has events of this run that are not here: this machine was set"
            " back to an older state while it ran, or runs twice",
            "restart zparkd at once: it begins a new stream; what it records before that may never"
            " reach the others",
        )


def _problems_of_peer(view: View, peer: Peer) -> Iterator[Problem]:
    seen = view.peers[peer.id]
    yield from _problems_of_streams(seen)
    where = f"{peer.id} at {peer.address}"
    if forged := seen.forged(limits.FORGED_SHOWN_MS):
        yield problem(
            ProblemCode.FORGED,
            f"{where} {forged}; that was refused, all else is taken, and peers that have"
            " it are asked for it",
            f"who has been at {peer.id}? If a central changed its key, does every peers.d have it?",
        )
    if seen.error is not None:
        yield problem(ProblemCode.PEER_ERROR, f"{where}: {seen.error}", _hint(seen, peer))
    elif view.is_settling_in:
        pass  # too early to say who hears whom
    elif not seen.fresh:
        since = "this central started"
        if seen.heard_ms is not None:
            since = site_time(seen.heard_ms, view.settings.zone)
        yield problem(
            ProblemCode.PEER_DOWN,
            f"{where} is not heard since {since}; what it has recorded since then is not known",
            f"is zparkd running there, and port {peer.bus_port} reachable?",
        )
    elif not seen.hears_us:
        yield problem(
            ProblemCode.PEER_DEAF,
            f"{where} does not hear this central",
            f"does its peers.d name {view.settings.id} with the right address?",
        )
    offset_ms = seen.offset_ms
    if offset_ms is not None and abs(offset_ms) > limits.CLOCK_BOUND_MS:
        yield problem(
            ProblemCode.CLOCK_SKEW,
            f"the clocks of {peer.id} and this central differ by {abs(offset_ms) // 1000:,} s",
            "set the one that is wrong (timedatectl)",
        )
    if seen.version not in (None, __version__):
        yield problem(
            ProblemCode.VERSION_DIFFERS,
            f"{peer.id} runs zparkd {seen.version}, this central {__version__}",
            "install the newer one on all centrals, one after the other; until then events that"
            " only it knows are kept, and read after the upgrade",
        )
    if seen.timezone not in (None, view.settings.timezone):
        yield problem(
            ProblemCode.TIMEZONE_DIFFERS,
            f"{peer.id} shows times in {seen.timezone}",
            f"write central.timezone = {view.settings.timezone!r} there, or change it here",
        )


def _hint(seen: PeerView, peer: Peer) -> str:
    if seen.unlinked and peer.public_key is not None:
        return (
            f"compare fingerprints: is the key of {peer.id}"
            f" {', '.join(map(fingerprint, peer.public_keys))} there, and is this central's key the"
            " one in its peers.d"
        )
    if seen.misconfigured:
        return f"compare peers.d here and on {peer.id}"
    return f"see which zparkd runs on {peer.id}, and its log; what can be read is taken"
