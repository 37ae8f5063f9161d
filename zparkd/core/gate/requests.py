"""What an edge asks, read from its JSON; and what "no" looks like.

One frame in, one frame out, each a UTF-8 JSON object. Only the form is judged here; what the
answer is, `gate` decides.
"""

import re
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, NamedTuple

import msgspec
import orjson
from msgspec import Meta, Struct

from zparkd.core.events.ids import event_id
from zparkd.core.gate import limits
from zparkd.core.gate.lane_report import LaneReport, read_report
from zparkd.core.limits import FEE_MAX, TEXT_CHARACTERS, TIME_SHOWN_MS_MAX
from zparkd.core.plates import PLATE_ID, normalise_plate
from zparkd.core.principal import Principal
from zparkd.core.site import CAMERA_TYPE, CENTRAL_ID, EDGE_ID, Direction


class RequestType(StrEnum):
    """What an edge can ask."""

    DETECTION = "DETECTION"
    BARRIER_OPEN = "BARRIER_OPEN"
    BARRIER_CLOSE = "BARRIER_CLOSE"
    PING = "PING"


class Code(StrEnum):
    """Why not. The meaning of each is part of the protocol."""

    BAD_REQUEST = "bad_request"
    UNSUPPORTED_TYPE = "unsupported_type"
    TOO_LARGE = "too_large"
    FORBIDDEN = "forbidden"
    ALREADY_INSIDE = "already_inside"
    NOT_INSIDE = "not_inside"
    FULL = "full"
    TOO_LATE = "too_late"
    RATE_LIMITED = "rate_limited"
    STORAGE_UNAVAILABLE = "storage_unavailable"


class Refusal(Exception):
    """A "no" to an edge: raised where a rule says it, made an answer in `responses` alone."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def bad(message: str) -> Refusal:
    """The refusal of a request that is not of the form it must have."""
    return Refusal(Code.BAD_REQUEST, message)


class EntryRef(NamedTuple):
    """An `event_id` taken apart."""

    origin: str
    timestamp: int
    plate_id: str

    def __str__(self) -> str:
        return event_id(*self)


class Request(Struct, frozen=True):
    """One request of an edge. None stands for what it did not say.

    `centrals` is the digest of what a camera that joined knows of them.
    `speaker` is the edge with whose key it came, None where no keys are in use. `by` is who was
    proved to ask in its name, where it did not ask by itself.

    An exit by force may say what `fee` was taken by hand, or the `entry_time` at the site from
    which it is to be priced.
    """

    type: RequestType
    edge_id: str
    request_id: str | None = None
    plate_id: str | None = None
    plate_view: str | None = None
    camera_type: str | None = None
    direction: Direction | None = None
    confidence: float | None = None
    captured_ms: int | None = None
    staff_id: str | None = None
    image: str | None = None
    force: bool = False
    lost_ticket: bool = False
    reason: str | None = None
    event: EntryRef | None = None
    report: LaneReport | None = None
    centrals: str | None = None
    fee: int | None = None
    entry_time: datetime | None = None
    speaker: str | None = None
    by: Principal | None = None

    @property
    def is_unnamed_open(self) -> bool:
        """Whether it is an open of a vehicle with nothing by which its repetition is known."""
        return (
            self.type is RequestType.BARRIER_OPEN
            and self.plate_id is not None
            and self.request_id is None
            and self.direction is None
        )


def read_request(body: bytes, speaker: str | None = None, by: Principal | None = None) -> Request:
    """The request in a frame. Raises Refusal naming the first field at fault.

    `speaker` and `by` as in `Request`, proved by whoever took it in.
    """
    if len(body) > limits.EDGE_REQUEST_BYTES:
        raise Refusal(
            Code.TOO_LARGE,
            f"a request is at most {limits.EDGE_REQUEST_BYTES} bytes, not {len(body)}",
        )
    return _usual(body, speaker, by) or _request(_object(body), speaker, by)


_Text = Annotated[str, Meta(max_length=TEXT_CHARACTERS)]


class _Usual(Struct, forbid_unknown_fields=True):
    """What cameras mostly say, where all of it is as it must be; the plate as it is kept."""

    type: RequestType
    edge_id: Annotated[str, Meta(pattern=f"^{EDGE_ID.pattern}\\Z")]
    request_id: Annotated[str, Meta(min_length=1, max_length=TEXT_CHARACTERS)] | None = None
    plate_id: Annotated[str, Meta(pattern=f"^{PLATE_ID.pattern}\\Z")] | None = None
    plate_view: _Text | None = None
    camera_type: Annotated[str, Meta(pattern=f"^{CAMERA_TYPE.pattern}\\Z")] | None = None
    direction: Direction | None = None
    confidence: Annotated[float, Meta(ge=0, le=1)] | None = None
    captured_ms: Annotated[int, Meta(ge=0, le=TIME_SHOWN_MS_MAX)] | None = None
    staff_id: _Text | None = None
    image: _Text | None = None


_read_usual = msgspec.json.Decoder(_Usual).decode
_PRINTABLE = re.compile(rb"[ -\[\]-~]*")  # ASCII without escapes: then all strings in it are


def _usual(body: bytes, speaker: str | None, by: Principal | None) -> Request | None:
    """The request in a frame, read in one step where nothing is unusual in it; else None.

    It comes to what `_request` makes of it, and refuses nothing: the words for that are there.
    """
    if not _PRINTABLE.fullmatch(body):
        return None
    try:
        said = _read_usual(body)
    except msgspec.MsgspecError:
        return None
    if said.type is RequestType.PING:
        return None
    if said.plate_id is None and said.type is not RequestType.BARRIER_CLOSE:
        return None
    return Request(
        said.type,
        said.edge_id,
        said.request_id,
        said.plate_id,
        said.plate_view,
        said.camera_type,
        said.direction,
        said.confidence,
        said.captured_ms,
        said.staff_id,
        said.image,
        speaker=speaker,
        by=by,
    )


def request_id_in(body: bytes) -> str | None:
    """The `request_id` in a frame, to be repeated in a refusal; None where it can't be found."""
    try:
        request_id = _object(body).get("request_id")
    except Refusal:
        return None
    return request_id if isinstance(request_id, str) else None


def _object(body: bytes) -> dict[str, Any]:
    try:
        fields = orjson.loads(body)
    except orjson.JSONDecodeError as fault:
        raise bad(f"the request is not JSON: {fault}") from None
    if not isinstance(fields, dict):
        raise bad("the request must be a JSON object")
    return fields


def _request(fields: dict[str, Any], speaker: str | None, by: Principal | None) -> Request:
    request_id = _text(fields, "request_id")
    if request_id == "":
        raise bad("request_id: must not be empty; leave it out, or use a new one for each request")
    edge_id = _matching(
        fields, "edge_id", EDGE_ID, "a letter or digit, then letters, digits, . _ -"
    )
    if edge_id is None:
        raise bad("edge_id: is missing; every request names its edge")
    name = fields.get("type")
    if not isinstance(name, str):
        raise bad(f"type: must be one of {', '.join(RequestType)}")
    if name not in RequestType.__members__:
        raise Refusal(
            Code.UNSUPPORTED_TYPE,
            f"type: {name[:40]!r} is not one of {', '.join(RequestType)}",
        )
    kind = RequestType(name)
    if kind is RequestType.PING:
        report = _report(fields)
        centrals = _text(fields, "centrals")
        said = (kind, edge_id, request_id)
        return Request(*said, report=report, centrals=centrals, speaker=speaker, by=by)
    by_force = kind is RequestType.BARRIER_OPEN and _flag(fields, "force")
    request = Request(
        type=kind,
        edge_id=edge_id,
        request_id=request_id,
        plate_id=_plate(fields),
        plate_view=_text(fields, "plate_view"),
        camera_type=_matching(fields, "camera_type", CAMERA_TYPE, "a-z, then a-z, 0-9 and _"),
        direction=_direction(fields),
        confidence=_confidence(fields),
        captured_ms=_captured_ms(fields),
        staff_id=_text(fields, "staff_id"),
        image=_text(fields, "image"),
        force=_flag(fields, "force"),
        lost_ticket=_flag(fields, "lost_ticket"),
        centrals=_text(fields, "centrals"),
        reason=_text(fields, "reason"),
        event=_event_ref(fields) if kind is not RequestType.DETECTION else None,
        fee=_fee(fields) if by_force else None,
        entry_time=_entry_time(fields) if by_force else None,
        speaker=speaker,
        by=by,
    )
    _check_whole(request)
    return request


def _check_whole(request: Request) -> None:
    opens = request.type is RequestType.BARRIER_OPEN
    if opens and request.force and not (request.reason and request.reason.strip()):
        raise bad("reason: is missing; force needs a reason")
    if request.fee is not None and request.entry_time is not None:
        raise bad("entry_time: is not asked where fee says what was taken; leave one of them out")
    if request.plate_id is None:
        if request.type is RequestType.DETECTION:
            raise bad("plate_id: is missing")
        if opens and not request.force and request.event is None:
            raise bad("plate_id: is missing; only force with a reason opens without a plate")


_SITE_TIME = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}(:[0-9]{2})?")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")


def _text(fields: dict[str, Any], name: str) -> str | None:
    value = fields.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise bad(f"{name}: must be a string, not {_kind_of(value)}")
    if len(value) > TEXT_CHARACTERS:
        raise bad(f"{name}: is {len(value)} characters; at most {TEXT_CHARACTERS}")
    if _CONTROL.search(value):
        raise bad(f"{name}: must not contain control characters")
    return value


def _matching(fields: dict[str, Any], name: str, form: re.Pattern[str], words: str) -> str | None:
    value = _text(fields, name)
    if value is not None and not form.fullmatch(value):
        raise bad(f"{name}: must be {words}, not {value[:40]!r}")
    return value


def _plate(fields: dict[str, Any]) -> str | None:
    value = _text(fields, "plate_id")
    if value is None:
        return None
    try:
        return normalise_plate(value)
    except ValueError as fault:
        raise bad(f"plate_id: {fault}") from None


def _direction(fields: dict[str, Any]) -> Direction | None:
    value = _text(fields, "direction")
    if value is None:
        return None
    if value not in Direction.__members__:
        raise bad(f"direction: must be ENTRY or EXIT, not {value[:40]!r}")
    return Direction(value)


def _confidence(fields: dict[str, Any]) -> float | None:
    value = fields.get("confidence")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise bad("confidence: must be a number from 0 to 1")
    return float(value)


def _captured_ms(fields: dict[str, Any]) -> int | None:
    value = fields.get("captured_ms")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise bad("captured_ms: must be a whole number of milliseconds since 1970")
    if not 0 <= value <= TIME_SHOWN_MS_MAX:
        raise bad("captured_ms: is out of range for milliseconds since 1970")
    return value


def _report(fields: dict[str, Any]) -> LaneReport | None:
    if fields.get("lane") is None:
        return None
    try:
        return read_report(fields["lane"])
    except ValueError as fault:
        raise bad(f"lane: {fault}") from None


def _fee(fields: dict[str, Any]) -> int | None:
    value = fields.get("fee")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= FEE_MAX:
        raise bad(f"fee: must be a whole number from 0 to {FEE_MAX:,}, of the site's currency")
    return value


def _entry_time(fields: dict[str, Any]) -> datetime | None:
    value = _text(fields, "entry_time")
    if value is None:
        return None
    try:
        if _SITE_TIME.fullmatch(value) and value >= "2000":
            return datetime.fromisoformat(value)
    except ValueError:
        pass
    raise bad(f'entry_time: must be site time such as "2025-12-02 10:30:00", not {value[:40]!r}')


def _flag(fields: dict[str, Any], name: str) -> bool:
    value = fields.get(name)
    if value is None:
        return False
    if not isinstance(value, bool):
        raise bad(f"{name}: must be true or false, not {_kind_of(value)}")
    return value


_EVENT_ID = re.compile(f"({CENTRAL_ID.pattern})_([0-9]{{1,15}})_({PLATE_ID.pattern})")


def _event_ref(fields: dict[str, Any]) -> EntryRef | None:
    value = _text(fields, "event_id")
    if value is None:
        return None
    parts = _EVENT_ID.fullmatch(value)
    if parts is None:
        raise bad("event_id: must be <central>_<ms>_<plate_id>, as an answer gave it")
    return EntryRef(parts[1], int(parts[2]), parts[3])


def _kind_of(value: object) -> str:
    names = {bool: "true or false", str: "a string", list: "a list", dict: "an object"}
    return names.get(type(value), "a number")
