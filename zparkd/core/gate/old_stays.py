"""Stays of the earlier system as events of this central: told afterwards, each once.

An old stay is known by type, plate and the second of its entry, whichever database it comes from.
Entry and exit are two acts, each with a `request_id` made of these three, so copies that several
centrals take over, at whatever time, are one act each. They stand in the order at the time when
they happened, and say nothing about what time it is now.
"""

from collections.abc import Sequence
from datetime import tzinfo
from hashlib import blake2b
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta, Struct

from zparkd.core.clock import site_time
from zparkd.core.events.event import Event, Facts, Kind, Personal, VehicleKey
from zparkd.core.gate import limits
from zparkd.core.limits import FEE_MAX, TEXT_CHARACTERS, TIME_SHOWN_MS_MAX
from zparkd.core.log import Log
from zparkd.core.plates import PLATE_ID
from zparkd.core.replication.own_stream import OwnStream
from zparkd.core.site import CAMERA_TYPE

EDGE = "import"
CURRENCY = "VND"  # the earlier system knew no other

_Second = Annotated[int, Meta(ge=0, lt=TIME_SHOWN_MS_MAX // 1000)]
_Text = Annotated[str, Meta(max_length=TEXT_CHARACTERS)]


class OldStay(Struct, frozen=True, array_like=True):
    """One stay of the earlier system; times in seconds since 1970, `exit_s` None while inside.

    `ended_entry_s` is the entry of an earlier stay of the vehicle that never got an exit: this
    one ends it. `was` is what the earlier system called the stay.
    """

    camera_type: Annotated[str, Meta(pattern=f"^{CAMERA_TYPE.pattern}\\Z")]
    plate_id: Annotated[str, Meta(pattern=f"^{PLATE_ID.pattern}\\Z")]
    entry_s: _Second
    exit_s: _Second | None = None
    fee: Annotated[int, Meta(ge=0, le=FEE_MAX)] | None = None
    plate_view: _Text | None = None
    confidence: Annotated[float, Meta(ge=0, le=1)] | None = None
    ended_entry_s: _Second | None = None
    was: _Text | None = None

    @property
    def vehicle(self) -> VehicleKey:
        """Whose stay it is."""
        return VehicleKey(self.camera_type, self.plate_id)


class Taken(NamedTuple):
    """How many events were recorded, and how many of them were held before."""

    entries: int
    exits: int
    known: int


class BadStays(ValueError):
    """What was handed in is no list of old stays. The text says why."""


def read_stays(value: object) -> list[OldStay]:
    """Old stays from JSON values, as many as one turn takes. Raises BadStays."""
    try:
        stays = msgspec.convert(value, list[OldStay])
    except msgspec.ValidationError as fault:
        raise BadStays(f"stays: {fault}") from None
    if len(stays) > limits.OLD_STAYS_PER_TURN:
        raise BadStays(f"stays: are more than {limits.OLD_STAYS_PER_TURN}")
    return stays


def name_of(vehicle: VehicleKey, entry_s: int, zone: tzinfo) -> str:
    """By which an old stay is known, at whatever central; what its acts are called begins so.

    The plate is not in it, since what is erased some day must not stand in the name of an act.
    Vehicle by vehicle, as they are taken over, so that what belongs together lies side by side.
    """
    named = blake2b(f"{vehicle.camera_type}/{vehicle.plate_id}".encode(), digest_size=12)
    when = site_time(entry_s * 1000, zone).replace(" ", "T")
    return f"{named.hexdigest()}/{when}"


def acts_of(stay: OldStay, zone: tzinfo) -> list[str]:
    """What the acts of an old stay are called: its entry's, and its exit's where it has one."""
    kinds = (Kind.ENTRY,) if stay.exit_s is None else (Kind.ENTRY, Kind.EXIT)
    name = name_of(stay.vehicle, stay.entry_s, zone)
    return [request_id(name, kind) for kind in kinds]


def request_id(name: str, kind: Kind) -> str:
    """By which an act of the old stay of this name is known."""
    return f"{name}/{_WAY[kind]}"


_WAY = {Kind.ENTRY: "entry", Kind.EXIT: "exit"}


class OldStays:
    """Records old stays. All within the caller's transaction."""

    def __init__(self, log: Log, own_stream: OwnStream) -> None:
        self._log = log
        self._own_stream = own_stream

    def take(self, stays: Sequence[OldStay], zone: tzinfo) -> Taken:
        """Record what of these is not held here yet."""
        entries = exits = known = 0
        for stay in stays:
            name = name_of(stay.vehicle, stay.entry_s, zone)
            acts = self._acts(name, Kind.ENTRY)
            entry = _first(acts, Kind.ENTRY)
            if entry is None:
                entry = self._enter(stay, name, zone, new_act=not acts)
                entries += 1
            else:
                known += 1
            if stay.exit_s is None:
                continue
            acts = self._acts(name, Kind.EXIT)
            if _first(acts, Kind.EXIT) is None:
                self._leave(stay, name, entry, stay.exit_s, new_act=not acts)
                exits += 1
            else:
                known += 1
        self._log.settle()
        return Taken(entries, exits, known)

    def _acts(self, name: str, kind: Kind) -> list[Event]:
        """The events of an act, by whichever central."""
        return self._log.acts(EDGE, request_id(name, kind))

    def _enter(self, stay: OldStay, name: str, zone: tzinfo, *, new_act: bool) -> Event:
        ended = None
        if stay.ended_entry_s is not None:
            before = name_of(stay.vehicle, stay.ended_entry_s, zone)
            ended = _first(self._acts(before, Kind.ENTRY), Kind.ENTRY)
        facts = Facts(
            edge_id=EDGE,
            request_id=request_id(name, Kind.ENTRY),
            camera_type=stay.camera_type,
            confidence=stay.confidence,
            names=ended.position if ended is not None else None,
            forced=ended is not None,
        )
        return self._record(Kind.ENTRY, stay, stay.entry_s, facts, new_act=new_act)

    def _leave(self, stay: OldStay, name: str, entry: Event, exit_s: int, *, new_act: bool) -> None:
        facts = Facts(
            edge_id=EDGE,
            request_id=request_id(name, Kind.EXIT),
            camera_type=stay.camera_type,
            names=entry.position,
            entry_ms=entry.timestamp,
            fee=stay.fee or 0,
            currency=CURRENCY,
            duration_s=max(0, exit_s - stay.entry_s),
        )
        self._record(Kind.EXIT, stay, exit_s, facts, new_act=new_act)

    def _record(
        self, kind: Kind, stay: OldStay, at_s: int, facts: Facts, *, new_act: bool
    ) -> Event:
        at_ms = self._log.free_stamp(stay.plate_id, at_s * 1000)
        personal = Personal(
            salt="", plate_id=stay.plate_id, plate_view=stay.plate_view, reason=stay.was
        )
        return self._own_stream.record(kind, at_ms, at_ms, facts, personal, new_act=new_act)


def _first(acts: Sequence[Event], kind: Kind) -> Event | None:
    return next((event for event in acts if event.kind == kind), None)
