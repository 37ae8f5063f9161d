"""What is answered about what people did, and what they are to look at, as types."""

from typing import Annotated

from msgspec import Struct

from zparkd.web.forms.answers import Row, Yes, is_a


class Recorded(Yes, kw_only=True):
    """What a person said is recorded; `stay` is what it is now, null where there is none."""

    recorded: Row
    stay: Row | None


class Erased(Yes, kw_only=True):
    """How many events were forgotten here; other centrals follow."""

    erased: int


class Acknowledgement(Struct, kw_only=True):
    """Who said of a conflict that it is dealt with, why, when and where."""

    who: str
    why: str | None
    central: str
    time_ms: int


class Conflict(Struct, kw_only=True):
    """An event that did not count, or a stay with a remark; open while nobody acknowledged it."""

    id: str
    kind: str
    plate_id: str | None
    camera_type: str
    event_id: str
    stay: str | None
    central: str
    edge_id: str | None
    time: str
    fee: int | None
    due: int | None
    acknowledged: Acknowledgement | None


class ConflictAcknowledged(Yes, kw_only=True):
    """A conflict is open no more; `already` where it was not before."""

    id: str
    kind: str
    already: bool


class Conflicts(Yes, kw_only=True):
    """What a person should look at, the newest first."""

    conflicts: list[Annotated[Row, is_a("Conflict")]]


class Act(Struct, kw_only=True):
    """What a person did, when, where and why."""

    time: str | None
    central: str
    edge_id: str | None
    kind: str
    forced: bool
    who: str
    why: str | None
    about: str | None
    plate_id: str | None
    camera_type: str | None
    event_id: str | None
    login: str | None
    staff_id: str | None
    uid: int | None
    counts: bool
    time_ms: int
    position: list[str | int]


class Acts(Yes, kw_only=True):
    """The acts of people, the newest first."""

    audit: list[Annotated[Row, is_a("Act")]]
