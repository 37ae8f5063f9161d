"""Events as docs/protocol.md section 8 has them: read from their bytes, and whether they mean
something."""

import hashlib
import re
from datetime import date
from typing import Any, NamedTuple

import orjson

ENTRY = "VEHICLE_ENTRY_PENDING"
CONFIRM = "VEHICLE_ENTRY_CONFIRMED"
EXIT = "VEHICLE_EXIT"
SEEN = "VEHICLE_SEEN"
MANUAL = "BARRIER_MANUAL_OPEN"
TARIFF = "TARIFF_SET"
PASS = "PASS_CHANGED"
POLICY = "POLICY_SET"
STAFF = "STAFF_CHANGED"
DISOWNED = "MEMBER_DISOWNED"
RESTORED = "MEMBER_RESTORED"
ADMITTED = "MEMBER_ADMITTED"
NOT_TAKEN = "VEHICLE_ENTRY_NOT_TAKEN"
CORRECTED = "VEHICLE_CORRECTED"
CLOSED = "STAY_CLOSED"
VOIDED = "EVENT_VOIDED"
CHARGED = "STAY_CHARGED"
ERASED = "VEHICLE_ERASED"
ACKNOWLEDGED = "CONFLICT_ACKNOWLEDGED"
CORRECTIONS = (CORRECTED, VOIDED, CHARGED)
OF_AN_ENTRY = (CONFIRM, EXIT, NOT_TAKEN, CLOSED)
OF_GATES = (ENTRY, SEEN, MANUAL, *OF_AN_ENTRY, *CORRECTIONS)
REMOVED = "MEMBER_REMOVED"
INVITED = "MEMBER_INVITED"
JOINED = "MEMBER_JOINED"
CHANGED = "MEMBER_CHANGED"
EDGE_REMOVED = "EDGE_REMOVED"
JOIN_REFUSED = "MEMBER_JOIN_REFUSED"
OF_MEMBERS = (DISOWNED, RESTORED, ADMITTED, REMOVED)
OF_THE_ROSTER = (INVITED, JOINED, CHANGED, EDGE_REMOVED, JOIN_REFUSED)

LAST_TIME_MS = 4_102_444_800_000  # 2100-01-01
LAST_ORDER_MS = 4_102_358_400_000  # a day before: what a gate follows
MOST_PAID = 1_000_000_000_000
GREATEST = 2**53 - 1
SEQ_MAX = 2**40 - 1

At = tuple[str, int, int]  # origin, epoch, seq
Vehicle = tuple[str, str]  # camera_type, plate_id
Key = tuple[int, str, int, int]  # order, then the position

_CENTRAL = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_EDGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_TYPE = re.compile(r"[a-z][a-z0-9_]{0,31}")
_PLATE = re.compile(r"[A-Z0-9]{3,12}")
_CALLED = re.compile(rf"{_PLATE.pattern}|\?{_CENTRAL.pattern}_[0-9]{{1,16}}_[0-9]{{1,13}}")
FORGOTTEN = b"null"
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def hash_of(data: bytes) -> str:
    """The function of section 8.3."""
    return hashlib.blake2b(data, digest_size=32).hexdigest()


class Said(NamedTuple):
    """One event. `data` and `personal` are None where it means nothing; else what it says."""

    at: At
    kind: str
    timestamp: int
    order: int
    prev: str
    hash: str
    whole: bool  # its personal part is the one that it seals
    data: dict[str, Any] | None
    personal: dict[str, Any] | None

    @property
    def key(self) -> Key:
        return (self.order, *self.at)

    @property
    def origin(self) -> str:
        return self.at[0]

    @property
    def plate(self) -> str | None:
        return self.personal.get("plate_id") if self.personal is not None else None

    @property
    def vehicle(self) -> Vehicle | None:
        """The vehicle that it speaks of itself."""
        if self.data is None or self.kind not in OF_GATES:
            return None
        camera_type, plate = self.data.get("camera_type"), self.plate
        return (camera_type, plate) if camera_type is not None and plate is not None else None

    @property
    def names(self) -> At | None:
        """The entry that it is about."""
        if self.data is None or self.kind not in OF_GATES:
            return None
        names = self.data.get("names")
        return tuple(names) if names is not None else None

    @property
    def act(self) -> tuple[str, str] | None:
        """The request of an edge that it records."""
        if self.data is None or self.data.get("request_id") is None:
            return None
        return self.data["edge_id"], self.data["request_id"]

    @property
    def event_id(self) -> str:
        return id_of(self.at[0], self.timestamp, self.plate, self.at)

    @property
    def named_id(self) -> str:
        """The readable id of what it names, as it says it itself."""
        plate = self.personal.get("entry_plate", self.plate)
        return id_of(self.names[0], self.data["entry_ms"], plate, self.names)


def id_of(origin: str, ms: int, plate: str | None, at: At) -> str:
    """A readable id; without a plate, where it was erased, it is the position."""
    return "_".join(map(str, at)) if is_nameless(plate) else f"{origin}_{ms}_{plate}"


def is_nameless(plate: str | None) -> bool:
    """Whether it stands for a plate that was erased: section 8.9."""
    return plate is not None and plate.startswith("?")


def read(skeleton: bytes, personal: bytes) -> Said:
    """The event in these bytes, which a central took for one."""
    it = orjson.loads(skeleton)
    data, who = it["data"], None
    try:
        who = orjson.loads(personal)
    except orjson.JSONDecodeError:
        data = None
    if data is not None:
        # null reads the same as a member that is left out
        data = _without_nulls(data)
        who = {"salt": ""} if personal == FORGOTTEN else _without_nulls(who)
        if not _means(it, data, who, forgotten=personal == FORGOTTEN):
            data = who = None
    return Said(
        (it["source_central"], it["epoch"], it["seq"]),
        it["type"],
        it["timestamp"],
        it["order"],
        it["prev"],
        hash_of(skeleton),
        personal == FORGOTTEN or it["sealed"] == hash_of(personal),
        data,
        who if data is not None else None,
    )


def _without_nulls(value: Any) -> Any:
    if not isinstance(value, dict):
        return None
    return {name: member for name, member in value.items() if member is not None}


def _means(it: dict[str, Any], data: Any, who: Any, *, forgotten: bool) -> bool:
    """Section 8.4, "What an event must say to mean something", and 8.6.

    What was forgotten of a gate's event is not missed.
    """
    if it["v"] != 1 or not it["timestamp"] <= it["order"] <= LAST_TIME_MS:
        return False
    if data is None or who is None or not _personal(who):
        return False
    kind = it["type"]
    if kind in OF_GATES:
        return _gate_data(data) and _says_enough(kind, data, who, forgotten=forgotten)
    match kind:
        case "TARIFF_SET":
            version = data.get("version")
            document = data.get("document")
            return _whole(version, GREATEST, 1) and isinstance(document, dict)
        case "POLICY_SET":
            version, document = data.get("version"), data.get("document")
            said = isinstance(document, dict) and "watch" not in document
            return _whole(version, GREATEST, 1) and said
        case "PASS_CHANGED":
            return "plate_id" in who and not is_nameless(who["plate_id"]) and _pass(data)
        case "STAFF_CHANGED":
            return "staff_id" in who and _flag(data, "removed")
        case "VEHICLE_ERASED":
            return _erases(data)
        case "CONFLICT_ACKNOWLEDGED":
            return _acknowledges(data)
        case "MEMBER_DISOWNED":
            return _text(data.get("member"), _CENTRAL) and _disowns(data)
        case "MEMBER_RESTORED" | "MEMBER_ADMITTED":
            return _text(data.get("member"), _CENTRAL)
        case "MEMBER_REMOVED":
            is_member = _text(data.get("member"), _CENTRAL)
            return is_member and _disowns(data) and _whole(data.get("number"), GREATEST, 1)
    if kind in OF_THE_ROSTER:
        return _of_the_roster(kind, data)
    return False


def _says_enough(kind: str, data: dict[str, Any], who: dict[str, Any], *, forgotten: bool) -> bool:
    if kind != MANUAL and not ((forgotten or "plate_id" in who) and "camera_type" in data):
        return False
    if kind == EXIT and not ("fee" in data and "currency" in data):
        return False
    if kind not in (ENTRY, EXIT, SEEN, MANUAL) and "names" not in data:
        return False
    if kind == CHARGED and not ("amount" in data and "currency" in data):
        return False
    if kind == CLOSED and "fee" in data and "currency" not in data:
        return False
    return kind not in OF_AN_ENTRY or "names" not in data or "entry_ms" in data


def _whole(value: Any, most: int, least: int = 0) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _flag(data: dict[str, Any], name: str) -> bool:
    return isinstance(data.get(name, False), bool)


def _text(value: Any, form: re.Pattern[str] | None = None) -> bool:
    return isinstance(value, str) and (form is None or form.fullmatch(value) is not None)


def _position(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 3
        and _text(value[0], _CENTRAL)
        and _whole(value[1], GREATEST, 1)
        and _whole(value[2], SEQ_MAX, 1)
    )


def _personal(who: dict[str, Any]) -> bool:
    texts = ("plate_view", "staff_id", "reason", "image", "holder", "name")
    return (
        _text(who.get("salt"))
        and all(_text(who.get(name, "")) for name in texts)
        and _text(who.get("plate_id", "AAA"), _CALLED)
        and _text(who.get("plate_read", "AAA"), _PLATE)
        and _text(who.get("entry_plate", "AAA"), _CALLED)
    )


def _gate_data(data: dict[str, Any]) -> bool:
    forms = {
        "edge_id": lambda it: _text(it, _EDGE),
        "request_id": lambda it: _text(it) and 1 <= len(it) <= 256,
        "camera_type": lambda it: _text(it, _TYPE),
        "direction": lambda it: it in ("ENTRY", "EXIT"),
        "confidence": lambda it: (
            isinstance(it, int | float) and not isinstance(it, bool) and 0 <= it <= 1
        ),
        "captured_ms": lambda it: _whole(it, GREATEST),
        "names": _position,
        "entry_ms": lambda it: _whole(it, GREATEST),
        "fee": lambda it: _whole(it, MOST_PAID),
        "currency": _text,
        "duration_s": lambda it: _whole(it, GREATEST),
        "tariff": _position,
        "tariff_version": lambda it: _whole(it, GREATEST, 1),
        "priced_ms": lambda it: _whole(it, GREATEST),
        "pass_until": _text,
        "amount": lambda it: _whole(it, MOST_PAID, -MOST_PAID),
        "staff_id": _text,
        "reason": _text,
        "breakdown": lambda it: isinstance(it, list) and len(it) <= 64,
    }
    flags = ("forced", "marked", "lost_ticket", "by_hand", "over_capacity")
    return (
        "edge_id" in data
        and all(right(data[name]) for name, right in forms.items() if name in data)
        and all(_flag(data, name) for name in flags)
    )


def _erases(data: dict[str, Any]) -> bool:
    """Section 8.9."""
    runs = data.get("runs")
    if not isinstance(runs, list) or not 1 <= len(runs) <= 400:
        return False
    lengths = 0
    for run in runs:
        if not (isinstance(run, list) and len(run) == 4):
            return False
        if not (_position(run[:3]) and _position([*run[:2], run[3]]) and run[2] <= run[3]):
            return False
        lengths += run[3] - run[2] + 1
    texts = ("salt", "digest", "staff_id", "reason")
    return (
        lengths <= 2_000
        and all(_text(data.get(name, "")) for name in texts)
        and _text(data.get("camera_type", "car"), _TYPE)
        and ("of" not in data or _position(data["of"]))
    )


def _acknowledges(data: dict[str, Any]) -> bool:
    kind = re.compile(r"[A-Z][A-Z_]{0,39}")
    return (
        _text(data.get("conflict"), kind)
        and _position(data.get("about"))
        and 1 <= len(data.get("reason") or "") <= 256
        and _text(data.get("staff_id", ""))
    )


def _disowns(data: dict[str, Any]) -> bool:
    heads = data.get("heads")
    return (
        isinstance(heads, list)
        and len(heads) <= 800
        and all(
            isinstance(pair, list)
            and len(pair) == 2
            and _whole(pair[0], GREATEST, 1)
            and _whole(pair[1], SEQ_MAX, 1)
            for pair in heads
        )
        and ("whole_before" not in data or _whole(data["whole_before"], GREATEST, 1))
    )


def _of_the_roster(kind: str, data: dict[str, Any]) -> bool:
    """Section 8.8."""
    if kind == EDGE_REMOVED:
        return _text(data.get("member"), _EDGE) and _whole(data.get("number"), GREATEST, 1)
    role = data.get("role")
    known = role in ("central", "edge")
    if not known or not _text(data.get("member"), _CENTRAL if role == "central" else _EDGE):
        return False
    keys = ("key", "public_key", "next_public_key")
    if not all(_text(data.get(key, "")) and len(data.get(key, "")) in (0, 40) for key in keys):
        return False
    if kind == JOIN_REFUSED:
        return _position(data.get("invitation")) and _text(data.get("why"))
    if not _whole(data.get("number"), GREATEST, 1):
        return False
    if kind == INVITED:
        return "key" in data and _whole(data.get("expires_ms"), GREATEST)
    if kind == JOINED:
        reached = all(name in data for name in ("address", "bus_port", "sync_port"))
        return "public_key" in data and (reached or role == "edge")
    return True


def _pass(data: dict[str, Any]) -> bool:
    days = (data.get("valid_from"), data.get("valid_until"))
    if not all(_text(day, _DAY) for day in days) or not _flag(data, "removed"):
        return False
    try:
        in_order = date.fromisoformat(days[0]) <= date.fromisoformat(days[1])
    except ValueError:
        return False
    return in_order and _text(data.get("camera_type"), _TYPE)
