"""The questions that the rules ask of a log, and the one thing they tell it.

The daemon's store answers them from SQLite, also in the simulator. All answers include what
was appended since the last commit.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple, Protocol

from zparkd.core.events.event import Event, Position, SortKey, Stream, VehicleKey
from zparkd.core.events.heads import HeadVector
from zparkd.core.events.payloads import Pass, SitePolicy, SiteTariff, Staff
from zparkd.core.events.signing import Certificate, SignedHead
from zparkd.core.members.roster import RosterState
from zparkd.core.members.votes import Verdicts
from zparkd.core.replication.peer_state import PeerNote
from zparkd.core.stays.fold import Stay

# A stay as it is the same on all centrals that hold the same events: see docs/protocol.md.
SharedRow = tuple[str | int | float | None, ...]


class HeldStay(NamedTuple):
    """A stay, and the `history` id that it has at this central."""

    id: int
    stay: Stay


class ReferenceLog(Protocol):
    """The reference data that the events held here come to."""

    @property
    def changes(self) -> int:
        """A number that is another one whenever any of it changed, or may have."""

    def tariff(self) -> SiteTariff | None:
        """The tariff that counts; None where none was ever set."""

    def policy(self) -> SitePolicy | None:
        """The policy that counts; None where none was ever set."""

    def pass_of(self, plate_id: str, camera_type: str, day: str) -> Pass | None:
        """The pass of a vehicle that is valid on a day (`YYYY-MM-DD`) of the site."""

    def passes(self) -> list[Pass]:
        """All passes."""

    def staff(self) -> list[Staff]:
        """All staff."""

    def is_staff(self, staff_id: str | None) -> bool:
        """Whether somebody of this id may override: one who is on the list, or there is no list."""

    def last_change(self, entry: Pass | Staff) -> SortKey | None:
        """The key of the last change of an entry; None for one that never was."""


class MemberLog(Protocol):
    """What centrals say of each other in the events held here."""

    @property
    def verdicts(self) -> Verdicts:
        """Who is disowned; the same object while no word comes."""

    @property
    def roster(self) -> RosterState:
        """Who belongs to the site; the same object while nothing of it changed."""

    def admits(self, voice: str, member: str) -> bool:
        """Whether a central said that it takes in what another one records."""


class ServedLog(Protocol):
    """What is asked of a log whose events are sent."""

    @property
    def heads(self) -> HeadVector:
        """How far each stream is held."""

    def head_hash(self, stream: Stream) -> str:
        """The hash of the newest event held of a stream; `""` where none is."""

    def page(
        self, stream: Stream, after: int, count: int, size: int
    ) -> Iterable[tuple[bytes, bytes]]:
        """Skeletons and personal parts after `after`, until `count` or `size` bytes are passed."""

    @property
    def signed(self) -> "Signed":
        """Who vouches for what is held."""


class CorrectionLog(Protocol):
    """What is asked of the log by people who correct it."""

    def called(self, origin: str, timestamp: int, plate_id: str) -> Event | None:
        """The event of a vehicle whose readable id is made of these, whatever its kind."""

    def about(self, position: Position) -> list[Event]:
        """The corrections that name an event, or another of its act; in their order."""

    def is_void(self, position: Position) -> bool:
        """Whether an event, or the one that counts for its act, never happened."""

    def stay_ended_by(self, position: Position) -> HeldStay | None:
        """The stay that an event ended, or the one that counts for its act."""

    def of_plate(self, plate_id: str, camera_type: str | None) -> list[Event]:
        """The events that say a plate: at gates, of passes, and where it was misread."""

    def ended_between(self, from_ms: int, to_ms: int) -> tuple[list[list[Position]], int]:
        """The events before `to_ms` of vehicles of which a stay ended in a time, by vehicle.

        Of some vehicles that have a name and are not inside since before; and up to when those are
        all.
        """

    def unnamed(self, limit: int) -> list[tuple[Position, Event]]:
        """Events that were forgotten and no erase names, each with the erase that means it."""


class Log(ServedLog, Protocol):
    """All events held here, and the stays that they come to."""

    @property
    def reference(self) -> ReferenceLog:
        """Tariff, policy, passes and staff."""

    @property
    def corrections(self) -> CorrectionLog:
        """What people said of events."""

    def append(self, event: Event, *, new_act: bool = False) -> None:
        """Store the event that continues its stream, and bring its vehicle's stays up to date.

        The caller has checked that position and `prev` continue what is held. With `new_act` it
        has also seen that no event of the same act is held, so it is not looked for again.
        """

    def append_apart(self, event: Event) -> bool:
        """The same, but where its vehicle's stays can't be brought up to date it is kept without.

        Whether they could be. For an event of a peer after `append` or `settle` blew up: such an
        event is stored, relayed and counted, and changes nothing.
        """

    def unprojected(self) -> int:
        """How many events that are held were kept so."""

    def head_before(self, stream: Stream, ms: int) -> int:
        """The event of a stream after which the first comes that is stamped `ms` or later."""

    @property
    def rereading(self) -> int:
        """How many events that an older version could not read are still to be read."""

    @property
    def unsettled(self) -> bool:
        """Whether `settle` left something to do."""

    def settle(self, effort: int | None = None) -> None:
        """Fold again the vehicles whose appended events were not their newest.

        With an `effort` about so many events are looked at, and the rest is left to the next.
        """

    @property
    def members(self) -> "MemberLog":
        """What centrals say of each other."""

    def event(self, position: Position) -> Event | None:
        """The event at a position."""

    def between(self, stream: Stream, first: int, last: int) -> Iterable[tuple[bytes, bytes]]:
        """Skeletons and personal parts from `first` to `last`, in the order of their seq."""

    def stays_between(self, stream: Stream, first: int, last: int) -> Iterable[SharedRow]:
        """The stays whose entries stand from `first` to `last`, in the order of their seq."""

    def acts(self, edge_id: str, request_id: str) -> list[Event]:
        """All events that this edge caused with this request, oldest first."""

    def opens_of(self, edge_id: str, limit: int) -> list[Event]:
        """What this edge opened for last: entries, exits and manual opens.

        The one that came last to be held here is first.
        """

    def find(self, origin: str, timestamp: int, plate_id: str) -> Event | None:
        """The event whose readable id is made of these: an entry, or an unmatched exit."""

    def free_stamp(self, plate_id: str, from_ms: int) -> int:
        """The first time stamp, `from_ms` or later, that no event of this plate carries.

        Of whatever type of vehicle.
        """

    def after_erases(self, plate_id: str, order: int) -> int:
        """An order, raised above the erases of a plate: none of them means what comes after."""

    def last_order(self, vehicle: VehicleKey) -> int:
        """The highest `order` among the events of a vehicle; 0 for none."""

    def beyond(self, vehicle: VehicleKey, order: int) -> Event | None:
        """An event of a vehicle whose own `order` is later, if one of the first there is."""

    def inside(self, plate_id: str) -> list[HeldStay]:
        """The open stays of all vehicles with this plate."""

    def alike(self, plate_id: str) -> list[HeldStay]:
        """The open stays of vehicles of whose plates this one could be a misreading."""

    def vehicles_inside(self, camera_type: str | None = None) -> int:
        """How many stays are open: of a type of vehicle, or of all."""

    def not_taken(self, plate_id: str) -> list[HeldStay]:
        """The last stays of the vehicles with this plate on whose entry nobody drove in."""

    def unconfirmed(self, origin: str, edge_ids: Collection[str]) -> list[Position]:
        """The entries that an origin recorded at these edges: of open stays that none confirmed."""

    def stay_of(self, entry: Position) -> HeldStay | None:
        """The stay that this entry belongs to, also where an older entry counts for it."""

    def note_peers(self, ids: Collection[str], notes: Iterable[PeerNote], wall_ms: int) -> None:
        """Write down what changed of peers; what is written of others than `ids` goes."""

    def note_edges(self, seen: Iterable[tuple[str, int]]) -> None:
        """Write down when edges were last heard, in ms."""


class Signed(Protocol):
    """Signatures of what a log holds; all that is written is part of the log's transaction."""

    def sign(self, head: SignedHead) -> None:
        """Keep the signature of an event that is held."""

    def signed_head(self, stream: Stream, after: int, up_to: int) -> SignedHead | None:
        """The last signature after one position of a stream and not beyond another."""

    def next_signed(self, position: Position) -> SignedHead | None:
        """The first signature at a position or after it in its stream."""

    def forked(self, stream: Stream, seq: int, proof: bytes) -> None:
        """Keep that an origin recorded two events at one position; `proof` is empty without keys.

        The first of a stream is kept, and those of the newest streams of each origin.
        """

    def forks(self) -> Mapping[Stream, int]:
        """The streams of which that is known, and the position."""

    def certify(self, certificate: Certificate) -> None:
        """Keep who vouches for the key of a stream that is held.

        Where it is another key than before, the signatures by that one are dropped.
        """

    def certificate(self, stream: Stream) -> Certificate | None:
        """Who vouches for the key of a stream; None where nobody does."""

    def pin(self, origin: str, identity_key: bytes) -> None:
        """Write down that an identity speaks for an origin."""

    def configured(self, origins: Collection[str]) -> None:
        """Write down who is configured; who was, and is not any more, is removed."""

    def removed(self) -> frozenset[str]:
        """Who was configured once, and is not any more."""

    def taken_back(self, origin: str) -> None:
        """One that was removed is not, whoever is configured."""

    def pinned(self, origin: str) -> frozenset[bytes]:
        """The identities that were written down for an origin, if any."""
