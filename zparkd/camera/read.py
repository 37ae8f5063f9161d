"""What a camera saw, in one form whichever camera it was.

Plain values, and the rules by which the words and scales of cameras become ours. Nothing here
knows a format, a file, a socket or what time it is.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from enum import StrEnum

from zparkd.core.plates import normalise_plate

MESSAGE_BYTES = 8 * 1024 * 1024  # of one message with its pictures
PICTURES = 8  # kept of one message
READS = 16  # taken of one message
RAW_CHARACTERS = 64  # kept of each value as the camera wrote it
_UNKNOWN_PLATES = frozenset({"", "UNKNOWN", "NOPLATE", "NULL", "NONE", "无车牌"})
_SECONDS_END = 100_000_000_000  # a number of seconds is below it, one of milliseconds above
_TIME_MS_END = 253_402_214_400_000


class Unreadable(ValueError):
    """A message that is none of its format. The text says what is wrong with it."""


class Travel(StrEnum):
    """Which way a vehicle went past the camera, as the camera saw it."""

    FORWARD = "forward"  # towards the camera
    REVERSE = "reverse"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class At:
    """How a time that names no zone is to be read: in `zone`, near `now_ms`."""

    zone: tzinfo
    now_ms: int


@dataclass(frozen=True, slots=True)
class Read:
    """One reading of one plate.

    `plate` is the `plate_id`, None where the camera saw a vehicle and read none; `view` what it
    wrote. `confidence` is 0 to 1, None where it says none. `captured_ms` is the camera's clock,
    in ms since 1970 UTC. `repeated` says that the camera itself sends it late, from its memory.
    `uid` is its own name for the event. `raw` are the values as they came.
    """

    plate: str | None
    view: str | None
    confidence: float | None
    travel: Travel
    captured_ms: int
    repeated: bool = False
    uid: str | None = None
    raw: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that came with a message; `name` is the camera's word for what it shows."""

    name: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Message:
    """What one message of a camera holds. Without reads, `about` says what it is."""

    reads: tuple[Read, ...] = ()
    pictures: tuple[Picture, ...] = ()
    about: str = "reads"


def read_of(
    plate: object,
    *,
    captured_ms: int,
    confidence: float | None = None,
    travel: Travel = Travel.UNKNOWN,
    repeated: bool = False,
    uid: object = None,
    raw: Mapping[str, object],
) -> Read:
    """A read whose plate is normalised; one without where the camera wrote none that can be."""
    text = plate.strip() if isinstance(plate, str) else ""
    kept = {name: _kept(value) for name, value in raw.items() if value not in (None, "")}
    named = _kept(uid) if isinstance(uid, str | int) and uid != "" else None
    plate_id = None
    if text.upper() not in _UNKNOWN_PLATES:
        try:
            plate_id = normalise_plate(text)
        except ValueError:
            kept.setdefault("plate", _kept(text))
    view = _kept(text) if plate_id is not None else None
    return Read(plate_id, view, confidence, travel, captured_ms, repeated, named, kept)


def _kept(value: object) -> str:
    """A value as it came, short, without what could break a line."""
    try:
        text = str(value)
    except ValueError:  # an integer of more digits than Python cares to write
        text = "a huge number"
    return "".join(char for char in text[:RAW_CHARACTERS] if char.isprintable())


def confidence_of(value: object, top: float) -> float | None:
    """A confidence of 0 to `top` as one of 0 to 1; None for what is none."""
    if isinstance(value, str):
        try:
            value = float(value[:RAW_CHARACTERS])
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= top:
        return None
    return value / top


def travel_of_degrees(value: object) -> Travel:
    """The way of a vehicle that moves at this angle in the picture: 0 is up, clockwise.

    Down the picture is towards the camera. Sideways, within 30 degrees of level, is unknown.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return Travel.UNKNOWN
    turned = value % 360
    if 120 <= turned <= 240:
        return Travel.FORWARD
    if turned <= 60 or turned >= 300:
        return Travel.REVERSE
    return Travel.UNKNOWN


def time_of(value: object, at: At) -> int:
    """A time in ms since 1970 UTC: ISO 8601 with or without zone, or a number of s or ms.

    What names no zone is read in that of `at`; where the clock there shows it twice a year, the
    one nearer to now is meant. Raises Unreadable: a time that can't be read is never guessed.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        ms = round(value * 1000 if value < _SECONDS_END else value) if value < _TIME_MS_END else 0
        if ms <= 0:
            raise Unreadable("the time of the read is out of range")
        return ms
    if not isinstance(value, str):
        raise Unreadable("the read has no time")
    try:
        moment = datetime.fromisoformat(value.strip()[:RAW_CHARACTERS])
        if moment.tzinfo is not None:
            candidates = [moment]
        else:
            candidates = [moment.replace(tzinfo=at.zone, fold=fold) for fold in (0, 1)]
        times = [round(one.astimezone(UTC).timestamp() * 1000) for one in candidates]
    except (ValueError, OverflowError):
        raise Unreadable(f"the time {_kept(value)!r} can't be read") from None
    best = min(times, key=lambda ms: abs(ms - at.now_ms))
    if not 0 < best < _TIME_MS_END:
        raise Unreadable("the time of the read is out of range")
    return best
