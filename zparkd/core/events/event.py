"""An event: an immutable fact, as bytes that are the same on every central.

An event is two JSON objects. The **skeleton** holds its position, kind, times and all that is
no personal data; the **personal part** holds the plate and what else points to a person. The
skeleton carries a digest of the personal part (which begins with a random salt) and the hash
of the skeleton before it in its stream. So the chain of skeletons can be checked for ever,
also when a personal part has been forgotten.

The bytes of the origin are stored and relayed unchanged; they are read here, never rewritten.
"""

import hashlib
import re
from collections.abc import Callable
from contextlib import suppress
from enum import StrEnum
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta, Raw, Struct

from zparkd.core import limits
from zparkd.core.errors import ProtocolError
from zparkd.core.events import payloads
from zparkd.core.events.ids import NAMELESS, event_id, is_nameless, nameless_id
from zparkd.core.events.payloads import Reference, is_sound
from zparkd.core.members.roster_words import Changed, EdgeRemoved, Invited, Joined, JoinRefused
from zparkd.core.members.words import (
    MemberAdmitted,
    MemberDisowned,
    MemberRemoved,
    MemberRestored,
)
from zparkd.core.plates import PLATE_ID
from zparkd.core.principal import Principal
from zparkd.core.site import CAMERA_TYPE, CENTRAL_ID, EDGE_ID, Direction

FORMAT = 1
NESTING = 32  # arrays and objects within each other, at most
FIRST_PREV = ""
ERASED = b"null"  # stands for a personal part that was forgotten


class Kind(StrEnum):
    """What happened. A kind that is not listed is kept and relayed, and means nothing here."""

    ENTRY = "VEHICLE_ENTRY_PENDING"
    CONFIRM = "VEHICLE_ENTRY_CONFIRMED"
    EXIT = "VEHICLE_EXIT"
    SEEN = "VEHICLE_SEEN"  # too late to open for; recorded as seen
    MANUAL = "BARRIER_MANUAL_OPEN"  # opened by a person for something without a plate
    NOT_TAKEN = "VEHICLE_ENTRY_NOT_TAKEN"  # the barrier opened for it, and never closed behind it
    CORRECTED = "VEHICLE_CORRECTED"  # what follows are a person's words about another event
    CLOSED = "STAY_CLOSED"
    VOIDED = "EVENT_VOIDED"
    CHARGED = "STAY_CHARGED"
    ERASED = "VEHICLE_ERASED"  # the personal parts of a vehicle's events are forgotten
    TARIFF = "TARIFF_SET"
    POLICY = "POLICY_SET"
    PASS = "PASS_CHANGED"
    STAFF = "STAFF_CHANGED"
    ACKNOWLEDGED = "CONFLICT_ACKNOWLEDGED"  # a person has looked at a conflict: it is done
    DISOWNED = "MEMBER_DISOWNED"
    RESTORED = "MEMBER_RESTORED"
    ADMITTED = "MEMBER_ADMITTED"
    REMOVED = "MEMBER_REMOVED"
    INVITED = "MEMBER_INVITED"
    JOINED = "MEMBER_JOINED"
    CHANGED = "MEMBER_CHANGED"
    EDGE_REMOVED = "EDGE_REMOVED"
    JOIN_REFUSED = "MEMBER_JOIN_REFUSED"


class Stream(NamedTuple):
    """One run of one central: its events are numbered from 1 without a gap."""

    origin: str
    epoch: int


class Position(NamedTuple):
    """The identity of an event: no two events of a site ever share one."""

    origin: str
    epoch: int
    seq: int

    @property
    def stream(self) -> Stream:
        """The stream in which this position lies."""
        return Stream(self.origin, self.epoch)


class VehicleKey(NamedTuple):
    """What tells vehicles apart: a car and a motorbike can share a plate."""

    camera_type: str
    plate_id: str


class SortKey(NamedTuple):
    """Who is older. Total: no two events share one."""

    order: int
    origin: str
    epoch: int
    seq: int


_Whole = Annotated[int, Meta(ge=0, le=limits.TIME_MS_MAX)]
_Epoch = Annotated[int, Meta(ge=1, le=limits.EPOCH_MAX)]
_Seq = Annotated[int, Meta(ge=1, le=limits.SEQ_MAX)]
_Origin = Annotated[str, Meta(pattern=f"^{CENTRAL_ID.pattern}\\Z")]
_Plate = Annotated[str, Meta(pattern=f"^{PLATE_ID.pattern}\\Z")]
_Called = Annotated[str, Meta(pattern=f"^({PLATE_ID.pattern}|{NAMELESS})\\Z")]
_Digest = Annotated[str, Meta(pattern="^([0-9a-f]{64})?\\Z")]


class Facts(Struct, frozen=True, omit_defaults=True):
    """The `data` of a skeleton: what an event of a gate says, but for who it was.

    `names` is the entry that an exit or confirmation is about, or the stay that a forced entry
    calls stale, and `entry_ms` the `timestamp` of that entry. `marked` says that no trusted
    clock made the time stamp.

    An exit names the event that set the `tariff` it was priced by, none for the built-in one. It
    was priced up to `priced_ms`, where that is not its own time, and paid nothing for a pass that
    ends with `pass_until`. `by` is who asked for it, where that was no edge.

    What a person said afterwards, a correction or an entry `by_hand`, has `staff_id` and `reason`
    here: they outlive the personal part. A correction `names` the event that it is about; a charge
    adds `amount`, which may be negative, to what its stay paid.
    """

    edge_id: Annotated[str, Meta(pattern=f"^{EDGE_ID.pattern}\\Z")]
    request_id: Annotated[str, Meta(min_length=1, max_length=limits.TEXT_CHARACTERS)] | None = None
    camera_type: Annotated[str, Meta(pattern=f"^{CAMERA_TYPE.pattern}\\Z")] | None = None
    direction: Direction | None = None
    confidence: Annotated[float, Meta(ge=0, le=1)] | None = None
    captured_ms: _Whole | None = None
    names: tuple[_Origin, _Epoch, _Seq] | None = None
    entry_ms: _Whole | None = None
    fee: Annotated[int, Meta(ge=0, le=limits.FEE_MAX)] | None = None
    currency: str | None = None
    duration_s: _Whole | None = None
    forced: bool = False
    marked: bool = False
    tariff: tuple[_Origin, _Epoch, _Seq] | None = None
    tariff_version: Annotated[int, Meta(ge=1, le=limits.VERSION_MAX)] | None = None
    priced_ms: _Whole | None = None
    lost_ticket: bool = False
    pass_until: str | None = None
    breakdown: Annotated[tuple[dict[str, int | str], ...], Meta(max_length=64)] | None = None
    by: Principal | None = None
    by_hand: bool = False
    over_capacity: bool = False
    amount: Annotated[int, Meta(ge=-limits.FEE_MAX, le=limits.FEE_MAX)] | None = None
    staff_id: str | None = None
    reason: str | None = None


class Personal(Struct, frozen=True, omit_defaults=True):
    """The personal part: what can be forgotten. `salt` keeps its digest from being guessed."""

    salt: str
    plate_id: _Called | None = None
    plate_view: str | None = None
    staff_id: str | None = None
    reason: str | None = None
    image: str | None = None
    holder: str | None = None  # of a pass
    name: str | None = None  # of a member of staff
    watch: dict[_Plate, str] | None = None  # of a policy: plates to look out for, what to show
    plate_read: _Plate | None = None  # where an exit is of another plate
    entry_plate: _Called | None = None  # in the id of a named entry that was corrected


class Envelope(Struct, frozen=True):
    """The skeleton as it stands on the wire."""

    v: Annotated[int, Meta(ge=1)]
    type: Annotated[str, Meta(min_length=1, max_length=64)]
    source_central: _Origin
    epoch: _Epoch
    seq: _Seq
    timestamp: _Whole
    order: _Whole
    prev: _Digest
    sealed: _Digest
    data: Raw


class Event(Struct, frozen=True):
    """One event as read: its bytes, and what they say.

    `facts` is what an event of a gate says, `reference` what one of reference data does. Both and
    `personal` are None where the kind is unknown or the content is not what its kind must say:
    such an event holds its position, is relayed, and changes nothing.
    """

    position: Position
    kind: str
    timestamp: int
    order: int
    prev: str
    hash: str
    skeleton: bytes
    personal_part: bytes
    facts: Facts | None
    personal: Personal | None
    reference: Reference | None = None

    @property
    def is_read(self) -> bool:
        """Whether it says anything to this version."""
        return self.facts is not None or self.reference is not None

    @property
    def key(self) -> SortKey:
        """Its place among the events of its vehicle."""
        return SortKey(self.order, *self.position)

    @property
    def vehicle(self) -> VehicleKey | None:
        """The vehicle that the event itself speaks of."""
        if self.facts is None or self.personal is None or self.personal.plate_id is None:
            return None
        if self.facts.camera_type is None:
            return None
        return VehicleKey(self.facts.camera_type, self.personal.plate_id)

    @property
    def act(self) -> tuple[str | None, str | None]:
        """The edge that asked for it, and the request that it did so with."""
        if self.facts is None:
            return None, None
        return self.facts.edge_id, self.facts.request_id

    @property
    def names(self) -> Position | None:
        """The entry that it is about."""
        if self.facts is None or self.facts.names is None:
            return None
        return Position(*self.facts.names)

    @property
    def event_id(self) -> str | None:
        """`<central>_<ms>_<plate_id>`, for readers; None for an event of no vehicle at a gate."""
        if self.facts is None or self.personal is None or self.personal.plate_id is None:
            return None
        if is_nameless(self.personal.plate_id):
            return nameless_id(self.position)
        return event_id(self.position.origin, self.timestamp, self.personal.plate_id)

    @property
    def named_id(self) -> str | None:
        """The readable id of the entry that it names, by this event alone; None where unsaid."""
        facts, personal = self.facts, self.personal
        if facts is None or personal is None:
            return None
        plate_id = personal.entry_plate or personal.plate_id
        if facts.names is None or facts.entry_ms is None or plate_id is None:
            return None
        if is_nameless(plate_id):
            return nameless_id(Position(*facts.names))
        return event_id(facts.names[0], facts.entry_ms, plate_id)


def digest(data: bytes) -> str:
    """blake2b of 32 bytes, in hex: what chains skeletons and seals personal parts."""
    return hashlib.blake2b(data, digest_size=32).hexdigest()


_read_envelope = msgspec.json.Decoder(Envelope).decode
_read_facts = msgspec.json.Decoder(Facts).decode
_read_reference: dict[str, Callable[[Raw], Reference]] = {
    Kind.TARIFF: msgspec.json.Decoder(payloads.TariffSet).decode,
    Kind.POLICY: msgspec.json.Decoder(payloads.PolicySet).decode,
    Kind.PASS: msgspec.json.Decoder(payloads.PassChanged).decode,
    Kind.STAFF: msgspec.json.Decoder(payloads.StaffChanged).decode,
    Kind.ACKNOWLEDGED: msgspec.json.Decoder(payloads.Acknowledged).decode,
    Kind.ERASED: msgspec.json.Decoder(payloads.VehicleErased).decode,
    Kind.DISOWNED: msgspec.json.Decoder(MemberDisowned).decode,
    Kind.RESTORED: msgspec.json.Decoder(MemberRestored).decode,
    Kind.ADMITTED: msgspec.json.Decoder(MemberAdmitted).decode,
    Kind.REMOVED: msgspec.json.Decoder(MemberRemoved).decode,
    Kind.INVITED: msgspec.json.Decoder(Invited).decode,
    Kind.JOINED: msgspec.json.Decoder(Joined).decode,
    Kind.CHANGED: msgspec.json.Decoder(Changed).decode,
    Kind.EDGE_REMOVED: msgspec.json.Decoder(EdgeRemoved).decode,
    Kind.JOIN_REFUSED: msgspec.json.Decoder(JoinRefused).decode,
}
_NAMELESS = Personal(salt="")
_read_personal = msgspec.json.Decoder(Personal).decode
_encode = msgspec.json.Encoder().encode
_NOT_READABLE = (msgspec.MsgspecError, UnicodeDecodeError)
_NO_BRACKET = re.compile(rb'"(?:[^"\\]|\\.)*"?|[^"\[\]{}]+', re.DOTALL)


def write(
    position: Position,
    kind: Kind,
    *,
    timestamp: int,
    order: int,
    prev: str,
    facts: Facts | Reference,
    personal: Personal,
) -> Event:
    """A new event of this central, ready to be appended after `prev`."""
    personal_part = _encode(personal)
    skeleton = _encode(
        Envelope(
            v=FORMAT,
            type=kind.value,
            source_central=position.origin,
            epoch=position.epoch,
            seq=position.seq,
            timestamp=timestamp,
            order=order,
            prev=prev,
            sealed=digest(personal_part),
            data=Raw(_encode(facts)),
        )
    )
    assert max(len(skeleton), len(personal_part)) <= limits.EVENT_BYTES
    return Event(
        position,
        kind,
        timestamp,
        order,
        prev,
        digest(skeleton),
        skeleton,
        personal_part,
        facts if isinstance(facts, Facts) else None,
        personal,
        None if isinstance(facts, Facts) else facts,
    )


def read(skeleton: bytes, personal_part: bytes, *, stands_in: bool = False) -> Event:
    """The event in these bytes, from a peer or from the database.

    Where the personal part `stands_in` for the one that the skeleton seals, as a pseudonym does
    for a plate, its digest is not compared.

    Raises ProtocolError where they are no skeleton, or the personal part is not the one that
    the skeleton seals; one that is `null` was forgotten, and its digest still stands for it in
    the chain. What the content says is not judged: see `Event`.
    """
    if max(len(skeleton), len(personal_part)) > limits.EVENT_BYTES:
        raise ProtocolError(f"an event is longer than {limits.EVENT_BYTES} bytes")
    if _too_deep(skeleton) or _too_deep(personal_part):
        raise ProtocolError(f"an event nests deeper than {NESTING}")
    try:
        envelope = _read_envelope(skeleton)
    except _NOT_READABLE as fault:
        raise ProtocolError(f"no event: {fault}") from None
    if personal_part != ERASED and not stands_in and envelope.sealed != digest(personal_part):
        raise ProtocolError("a personal part is not the one that its event seals")
    content, personal = _content(envelope, personal_part)
    return Event(
        Position(envelope.source_central, envelope.epoch, envelope.seq),
        envelope.type,
        envelope.timestamp,
        envelope.order,
        envelope.prev,
        digest(skeleton),
        skeleton,
        personal_part,
        content if isinstance(content, Facts) else None,
        personal,
        None if isinstance(content, Facts) else content,
    )


class Link(NamedTuple):
    """What chains an event to those around it: where it stands, its own hash and that before."""

    position: Position
    prev: str
    hash: str


class _Chained(Struct):
    """The members of a skeleton that chain it."""

    source_central: str
    epoch: int
    seq: int
    prev: str
    sealed: str


_read_chained = msgspec.json.Decoder(_Chained).decode


def link(skeleton: bytes, personal_part: bytes | None = None) -> Link | None:
    """How an event is chained; None where the bytes are no skeleton, or not of that personal part.

    Costs a fraction of `read`, and judges nothing else.
    """
    try:
        chained = _read_chained(skeleton)
    except _NOT_READABLE:
        return None
    if personal_part is not None and chained.sealed != seal_of(skeleton, personal_part):
        return None
    position = Position(chained.source_central, chained.epoch, chained.seq)
    return Link(position, chained.prev, digest(skeleton))


def seal_of(skeleton: bytes, personal_part: bytes) -> str:
    """The digest of a personal part, taken anew; of one that was forgotten what the skeleton says.

    So centrals of which one has forgotten it hold the same.
    """
    if personal_part == ERASED:
        with suppress(*_NOT_READABLE):
            return _read_chained(skeleton).sealed
    return digest(personal_part)


def _too_deep(json: bytes) -> bool:
    """Whether JSON nests deeper than NESTING.

    Counted here: the decoder's own bound moves with the stack of who reads, and with the
    version of Python, so one central would understand an event and another not.
    """
    if json.count(b"[") + json.count(b"{") <= NESTING:
        return False
    depth = 0
    for bracket in _NO_BRACKET.sub(b"", json):
        depth += 1 if bracket in b"[{" else -1
        if depth > NESTING:
            return True
    return False


_KINDS = frozenset(Kind)


def knows() -> str:
    """The forms and kinds of events that this version reads, as one text."""
    return f"{FORMAT}: {' '.join(sorted(_KINDS))}"


# Kinds that say of which entry, and when that was; and those that are about another event.
_OF_AN_ENTRY = frozenset((Kind.CONFIRM, Kind.EXIT, Kind.NOT_TAKEN, Kind.CLOSED))
_ABOUT_AN_EVENT = (_OF_AN_ENTRY - {Kind.EXIT}) | {Kind.CORRECTED, Kind.VOIDED, Kind.CHARGED}
_OF_A_VEHICLE = _ABOUT_AN_EVENT | {Kind.ENTRY, Kind.EXIT, Kind.SEEN}


def _content(
    envelope: Envelope, personal_part: bytes
) -> tuple[Facts | Reference | None, Personal | None]:
    """What an event says, or None twice where it does not say what its kind must."""
    if envelope.v != FORMAT or envelope.type not in _KINDS:
        return None, None
    if not envelope.timestamp <= envelope.order <= limits.TIME_SHOWN_MS_MAX:
        return None, None
    read_reference = _read_reference.get(envelope.type)
    try:
        personal = _NAMELESS if personal_part == ERASED else _read_personal(personal_part)
        if read_reference is None:
            facts = _read_facts(envelope.data)
            return (
                (facts, personal) if _says_enough(envelope.type, facts, personal) else (None, None)
            )
        reference = read_reference(envelope.data)
    except _NOT_READABLE:
        return None, None
    who = {Kind.PASS: personal.plate_id, Kind.STAFF: personal.staff_id}
    named = who.get(Kind(envelope.type), "")
    if named is None or is_nameless(named) or not is_sound(reference):
        return None, None
    return reference, personal


def _says_enough(kind: str, facts: Facts, personal: Personal) -> bool:
    """Whether an event of a gate says what its kind must, but for what was forgotten."""
    unnamed = personal.plate_id is None and personal is not _NAMELESS
    if kind in _OF_A_VEHICLE and (unnamed or facts.camera_type is None):
        return False
    money = facts.amount if kind == Kind.CHARGED else facts.fee
    if kind in (Kind.EXIT, Kind.CHARGED) and money is None:
        return False
    if (
        kind in (Kind.EXIT, Kind.CHARGED, Kind.CLOSED)
        and money is not None
        and facts.currency is None
    ):
        return False
    if kind in _ABOUT_AN_EVENT and facts.names is None:
        return False
    return not (kind in _OF_AN_ENTRY and facts.names is not None and facts.entry_ms is None)
