"""A central at one moment, for those that only look: `status`, the log, the outages.

Nothing here changes anything, and what is looked up is looked up when it is asked for.
"""

from collections.abc import Mapping
from functools import cached_property

from zparkd.core import limits
from zparkd.core.central import Central
from zparkd.core.clock import Now
from zparkd.core.events.event import Position, Stream
from zparkd.core.events.heads import HeadVector
from zparkd.core.gate.lane_report import LaneReport
from zparkd.core.gate.watched import Seen
from zparkd.core.members.roster import RosterState
from zparkd.core.members.votes import Verdicts
from zparkd.core.reference.fetch_turn import Fetcher
from zparkd.core.replication.peer_state import PeerState
from zparkd.core.replication.refusals import Refused
from zparkd.core.site import Settings
from zparkd.core.turn import Counters


class PeerView:
    """One peer of it."""

    def __init__(self, view: "View", state: PeerState) -> None:
        self._view = view
        self._peers = view.central.peers
        self._state = state

    @property
    def id(self) -> str:
        """Its central id."""
        return self._state.id

    # --- whether it is there -----------------------------------------------------------------

    @property
    def connected(self) -> bool:
        """Whether it was heard lately, and hears us."""
        return self.fresh and self.hears_us

    @property
    def fresh(self) -> bool:
        """Whether it was heard lately."""
        return self._peers.fresh(self._state, self._view.now.mono_ms)

    @property
    def hears_us(self) -> bool:
        """What it said of us when it was heard last."""
        return self._state.link.hears_us

    @property
    def heard_ms(self) -> int | None:
        """When it was last heard in this run, by the time as it is known now."""
        heard, view = self._state.link.heard, self._view
        return None if heard is None else view.time_ms - (view.now.mono_ms - heard.mono_ms)

    def answered(self, since_ms: int) -> bool:
        """Whether it answered all that it was asked, and something of it since then (monotonic)."""
        replied_ms = self._state.link.replied_ms
        waited_for = self._state.requests.under_way is not None
        return not waited_for and replied_ms is not None and replied_ms >= since_ms

    @property
    def round_trip_ms(self) -> int | None:
        """How long its last answer took."""
        return self._state.link.round_trip_ms

    @property
    def error(self) -> str | None:
        """Why there is no connection to it, or what was wrong with what it sent last."""
        return self._state.error

    @property
    def unlinked(self) -> bool:
        """Whether there is no connection to it."""
        return self._state.link.fault is not None

    @property
    def misconfigured(self) -> bool:
        """Whether what was wrong last is a matter of configuration, here or there."""
        return self._state.link.misconfigured

    # --- what it says of itself --------------------------------------------------------------

    @property
    def version(self) -> str | None:
        """Which zparkd it runs."""
        return self._state.version

    @property
    def timezone(self) -> str | None:
        """In which zone it shows times."""
        return self._state.clock.timezone

    @property
    def offset_ms(self) -> int | None:
        """How far its wall clock is ahead of ours; None where that is not known now."""
        return self._peers.offset_ms(self._state, self._view.now)

    @property
    def fetched_ms(self) -> int:
        """When it last fetched all of the external API; 0 for never."""
        return self._state.fetched_ms or 0

    # --- what it holds -----------------------------------------------------------------------

    @property
    def behind(self) -> int | None:
        """How many events it has that are not here, as far as it is known what it has."""
        return self._peers.behind(self._state, self._view.heads)

    @property
    def lag(self) -> int | None:
        """How many events are here that it lacks."""
        return self._peers.lag(self._state, self._view.heads)

    @property
    def says_more(self) -> bool:
        """Whether it said that it holds other streams than are known of it."""
        return self._state.sync.wants_vector

    @property
    def is_known(self) -> bool:
        """Whether anything is known of what it holds."""
        return self._state.sync.heads is not None

    @property
    def stuck(self) -> dict[Stream, Refused]:
        """The streams that it has more of, and could not continue."""
        return self._view.central.asking.stuck(self._state, self._view.heads)

    @property
    def other_branches(self) -> set[Stream]:
        """The streams that their origin forked, and of which it has the other branch."""
        return self._state.requests.refusals.forked

    def forged(self, within_ms: int) -> str | None:
        """What it lately sent in another's name."""
        keys = self._state.keys
        return keys.forged if self._view.now.mono_ms - keys.forged_ms <= within_ms else None


class View:
    """A central, at one reading of its clocks."""

    def __init__(self, central: Central, now: Now) -> None:
        self.central = central
        self.now = now

    @property
    def settings(self) -> Settings:
        """What it is configured to be."""
        return self.central.settings

    @cached_property
    def peers(self) -> Mapping[str, PeerView]:
        """Its configured peers, by id."""
        states = self.central.peers.states
        return {id: PeerView(self, state) for id, state in states.items()}

    @property
    def counters(self) -> Counters:
        """What happened since the start."""
        return self.central.counters

    @property
    def is_settling_in(self) -> bool:
        """Whether it started so lately that it is too early to say who hears whom."""
        return self.central.up_ms(self.now) < self.settings.peer_timeout_ms

    # --- time --------------------------------------------------------------------------------

    @property
    def time_ms(self) -> int:
        """The time that an event would be stamped with."""
        return self.central.clock.read(self.now).ms

    @property
    def clock_corrected(self) -> bool:
        """Whether the wall clock is overruled by those of the others."""
        return self.central.clock.corrected

    @property
    def clock_marked(self) -> bool:
        """Whether the wall clock can't be right, and nothing else tells the time."""
        return self.central.clock.read(self.now).marked

    # --- what is held ------------------------------------------------------------------------

    @property
    def heads(self) -> HeadVector:
        """How far each stream is held."""
        return self.central.log.heads

    @property
    def rereading(self) -> int:
        """How many events that an older version could not read are still to be read."""
        return self.central.log.rereading

    @property
    def unprojected(self) -> int:
        """How many events the rules failed on."""
        return self.central.log.unprojected()

    @property
    def only_here(self) -> int:
        """How many events are on no other central, as far as is known."""
        return self.central.peers.only_here(self.heads, self.central.log.signed.forks())

    @property
    def incomplete(self) -> list[str]:
        """The peers that are unheard, or known to have events that are not here."""
        return self.central.peers.incomplete(self.heads, self.now.mono_ms)

    @property
    def dividing_forks(self) -> list[tuple[Stream, int]]:
        """The streams that their origin forked, and where, while that is at work.

        It is while the origin goes on in one, or a peer has another branch of it. After that the
        proof stays, and there is nothing left to do.
        """
        branches = [peer.other_branches for peer in self.peers.values()]
        return sorted(
            (stream, seq)
            for stream, seq in self.central.log.signed.forks().items()
            if self.heads.newest_epoch(stream.origin) == stream.epoch
            or any(stream in branch for branch in branches)
        )

    @property
    def corrupt(self) -> list[tuple[Stream, int]]:
        """The first event of each stream that the disk does not give back as it was written."""
        return sorted(self.central.serving.corrupt.items())

    @property
    def unsigned_origins(self) -> list[str]:
        """Who recorded without keys what is held here, and did not sign it since."""
        return sorted({stream.origin for stream in self.central.signatures.unsigned})

    @property
    def edges_seen(self) -> dict[str, int]:
        """When each edge was last heard, in ms, in this run or an earlier one."""
        return dict(self.central.edges.seen())

    @property
    def watched(self) -> list[Seen]:
        """The plates to look out for that were seen here lately, the newest first."""
        return self.central.ingress.watched.lately(self.now.mono_ms)

    @property
    def silent_edges(self) -> dict[str, int]:
        """For how many ms each edge has said nothing that was acted on, here or at another central.

        Only of those silent for longer than the site allows. What a central did not hear while
        it was off is nobody's silence.
        """
        policy = self.central.log.reference.policy()
        bound_ms = policy.policy.silent_edge_min * 60_000 if policy is not None else 0
        if not bound_ms or self.central.up_ms(self.now) < bound_ms:
            return {}
        configured = {lane.id for lane in self.settings.lanes}
        silent = {edge_id: self.time_ms - ms for edge_id, ms in self.edges_seen.items()}
        return {
            edge_id: ms
            for edge_id, ms in silent.items()
            if ms >= bound_ms
            and (edge_id in configured or ms < limits.EDGE_SHOWN_MS)
            and not self._opened_within(edge_id, bound_ms)
        }

    def _opened_within(self, edge_id: str, bound_ms: int) -> bool:
        """Whether an edge opened lately, at any central."""
        opens = self.central.log.opens_of(edge_id, 1)
        return any(self.time_ms - event.timestamp < bound_ms for event in opens)

    @property
    def lane_reports(self) -> dict[str, tuple[LaneReport, int]]:
        """What was last said of the lane of each edge, and when in ms, in this run."""
        return self.central.edges.reports()

    @property
    def outranked(self) -> dict[str, Position]:
        """By origin: an event of it that nothing recorded here can come after."""
        counts = self.verdicts.counts
        found = self.central.ingress.recorder.outranked
        return {origin: at for origin, at in found.items() if counts(at)}

    # --- who belongs to the site, and who is who ----------------------------------------------

    @property
    def verdicts(self) -> Verdicts:
        """Who is disowned."""
        return self.central.log.members.verdicts

    @property
    def roster(self) -> RosterState:
        """Who belongs to the site, by what was recorded."""
        return self.central.roster.state

    @property
    def waiting(self) -> list[str]:
        """The origins that others have events of which are not taken in."""
        return self.central.admission.waiting

    @property
    def removed(self) -> list[str]:
        """Those of them whose peer files were removed."""
        return self.central.admission.removed

    @property
    def over_quota(self) -> list[str]:
        """The origins that record more than is accepted in an hour; the rest waits."""
        return self.central.over_quota(self.now)

    @property
    def has_twin(self) -> bool:
        """Whether another process was seen that records under the same id."""
        return self.central.duplicate_id.is_there(self.now)

    @property
    def overtaken_by(self) -> list[str]:
        """The peers that hold more of the stream that only this central writes."""
        return self.central.peers.overtaken_by(self.heads)

    # --- the external API --------------------------------------------------------------------

    @property
    def fetchers(self) -> list[Fetcher]:
        """The connected peers that have it configured."""
        return self.central.peers.fetchers(self.now.mono_ms)

    @property
    def fetched_ms(self) -> int:
        """When it, or a peer that is connected, last got all of the external API; 0 for never.

        What a peer says of it may be anything; later than now it can't have been.
        """
        told = (min(it.fetched_ms, self.time_ms) for it in self.peers.values() if it.connected)
        return max(self.central.fetched_ms or 0, *told, 0)
