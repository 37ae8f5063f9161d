"""What a site says to its fleet, and what the fleet says back: values and their bytes.

An event goes out as one message: its skeleton and personal part as its origin wrote them, and
where its origin signed that position the signature, with whose key it is. Its subject names site,
origin and kind; its id is its position, so a message that comes twice is known.

Every few seconds the sender says how far the site holds each stream, and what its stays come to
at some moment; the fleet answers how far it holds them. From there the sender goes on, whoever
that is by then. See docs/fleet.md.
"""

import hashlib
import hmac
from base64 import b32encode
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec
from msgspec import Raw, Struct

from zparkd.core import limits
from zparkd.core.errors import ProtocolError
from zparkd.core.events.event import ERASED, Event, Personal, Position, Stream, read
from zparkd.core.events.signing import Certificate, SignedHead
from zparkd.core.site import Told

VERSION = 1
HEADS_EVERY_S = limits.UPLINK_EVERY_S
SILENT_INTERVALS = 2  # after so many without a word of a lower central the next one sends
_PSEUDONYM_CHARACTERS = 12  # as long as a plate may be: 60 bits
_ROOM = 1 << 128

# A stay as all centrals of a site share it: the position of its entry, then what it says.
StayValues = tuple[str | int | float | None, ...]
STAY_COLUMNS = (
    *("origin", "epoch", "seq", "camera_type", "plate_id", "plate_view", "edge_id", "confidence"),
    *("entry_ms", "confirmed", "closed_by", "exit_central", "exit_edge_id", "exit_ms", "fee"),
    *("currency", "duration_s", "remarks"),
)
_PLATE_ID = STAY_COLUMNS.index("plate_id")
_PLATE_VIEW = STAY_COLUMNS.index("plate_view")


class Proof(Struct, frozen=True):
    """Why a position is believed: the signature of the head there, and whose key made it."""

    signature: bytes
    stream_key: bytes
    identity_key: bytes
    certified: bytes


class _EventMessage(Struct, frozen=True, array_like=True):
    skeleton: Raw
    personal: Raw
    told: Told = Told.FULL
    proof: Proof | None = None


class Sent(NamedTuple):
    """An event as it came from a site, and the proof that came with it."""

    event: Event
    told: Told
    proof: Proof | None

    @property
    def signed_head(self) -> SignedHead | None:
        """The signature of its position."""
        if self.proof is None:
            return None
        return SignedHead(self.event.position, self.proof.signature)

    @property
    def certificate(self) -> Certificate | None:
        """Whose key signed it."""
        if self.proof is None:
            return None
        return Certificate(
            self.event.position.stream,
            self.proof.stream_key,
            self.proof.identity_key,
            self.proof.certified,
        )


class StaySum(Struct, frozen=True):
    """What all stays of a site come to where its streams are held up to `heads`."""

    heads: list[tuple[str, int, int]]
    count: int
    digest: str


class SiteHeads(Struct, frozen=True):
    """What the sender of a site says: how far the site holds its streams."""

    v: int
    site: str
    sender: str
    timezone: str
    personal: Told
    heads: list[tuple[str, int, int]]
    stays: StaySum | None = None


class FleetHeads(Struct, frozen=True):
    """What the fleet answers: how far it holds them, and how many messages of them still wait."""

    v: int
    heads: list[tuple[str, int, int]]
    pending: int = 0
    problem: str | None = None


_encode = msgspec.json.Encoder().encode
_read_message = msgspec.json.Decoder(_EventMessage).decode
_read_site = msgspec.json.Decoder(SiteHeads).decode
_read_fleet = msgspec.json.Decoder(FleetHeads).decode
_read_personal = msgspec.json.Decoder(Personal).decode
_NOT_READABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


def event_subject(site: str, origin: str, kind: str) -> str:
    """Where an event is published; a kind that is no word of a subject is `OTHER`."""
    word = kind if kind.isascii() and kind.replace("_", "").isalnum() else "OTHER"
    return f"zparkd.{site}.{origin}.{word}"


def heads_subject(site: str) -> str:
    """Where the sender of a site says how far it is."""
    return f"zparkd.{site}.heads"


def message_id(site: str, position: Position) -> str:
    """What tells the message of an event from all others: its position, of all sites."""
    return f"{site}/{position.origin}/{position.epoch}/{position.seq}"


def emptied_id(site: str, position: Position) -> str:
    """The same of an event that is sent once more, since its personal part is no more."""
    return f"{message_id(site, position)}/erased"


def write_event(skeleton: bytes, personal: bytes, told: Told, proof: Proof | None) -> bytes:
    """The message of an event; `personal` is what is told of it."""
    return _encode(_EventMessage(Raw(skeleton), Raw(personal), told, proof))


def read_event(message: bytes) -> Sent:
    """The event in a message. Raises ProtocolError where there is none."""
    if len(message) > 3 * limits.EVENT_BYTES:
        raise ProtocolError("a message is longer than an event can be")
    try:
        got = _read_message(message)
    except _NOT_READABLE as fault:
        raise ProtocolError(f"no message of an event: {fault}") from None
    event = read(bytes(got.skeleton), bytes(got.personal), stands_in=got.told is Told.PSEUDONYM)
    return Sent(event, got.told, got.proof)


def told_of(personal: bytes, told: Told, key: bytes) -> bytes:
    """What is told of a personal part; `key` is that of pseudonyms."""
    if told is Told.FULL or personal == ERASED:
        return personal
    if told is Told.PSEUDONYM:
        try:
            plate_id = _read_personal(personal).plate_id
        except _NOT_READABLE:
            return ERASED
        if plate_id is not None:
            return _encode(Personal(salt="", plate_id=pseudonym(plate_id, key)))
    return ERASED


def pseudonym(plate_id: str, key: bytes) -> str:
    """What stands for a plate: the same for the same plate under the same key, and a plate in form.

    60 bits of HMAC-SHA-256; without the key nobody finds the plate by trying all there are.
    """
    made = hmac.new(key, plate_id.encode(), hashlib.sha256).digest()
    return b32encode(made)[:_PSEUDONYM_CHARACTERS].decode()


def write_heads(said: SiteHeads | FleetHeads) -> bytes:
    """What either side says of its heads."""
    return _encode(said)


def read_site_heads(message: bytes) -> SiteHeads:
    """What a site says. Raises ProtocolError where it is not that."""
    try:
        return _read_site(message)
    except _NOT_READABLE as fault:
        raise ProtocolError(f"no heads of a site: {fault}") from None


def read_fleet_heads(message: bytes) -> FleetHeads:
    """What the fleet says. Raises ProtocolError where it is not that."""
    try:
        return _read_fleet(message)
    except _NOT_READABLE as fault:
        raise ProtocolError(f"no heads of a fleet: {fault}") from None


def vector(heads: Iterable[tuple[str, int, int]]) -> dict[Stream, int]:
    """Heads in a message, by stream."""
    return {Stream(origin, epoch): head for origin, epoch, head in heads}


def listed(heads: Mapping[Stream, int]) -> list[tuple[str, int, int]]:
    """Heads as they stand in a message."""
    return [(*stream, head) for stream, head in sorted(heads.items())]


def told_stay(values: StayValues, told: Told, key: bytes) -> StayValues:
    """A stay as the fleet has it that is told of plates what `told` says."""
    if told is Told.FULL:
        return values
    plate_id = values[_PLATE_ID]
    if not isinstance(plate_id, str):
        return values  # it was erased
    shown = list(values)
    shown[_PLATE_ID], shown[_PLATE_VIEW] = pseudonym(plate_id, key), None
    return tuple(shown)


class StayDigest:
    """One number for a set of stays, whatever their order: two sets that differ differ in it."""

    def __init__(self) -> None:
        self.count = 0
        self._sum = 0

    def add(self, values: StayValues) -> None:
        """Take one in: the values of STAY_COLUMNS."""
        line = hashlib.blake2b(_encode(values), digest_size=16).digest()
        self._sum = (self._sum + int.from_bytes(line, "big")) % _ROOM
        self.count += 1

    def hex(self) -> str:
        """The number, in 32 hex digits."""
        return f"{self._sum:032x}"
