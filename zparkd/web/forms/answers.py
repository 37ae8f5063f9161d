"""What the gateway answers, as types: an endpoint makes one of these, and so they are documented.

All members are always there, but for those that can be UNSET. What the daemon or the database says
is passed on as it is, `Row` by `Row`: the types here say what is in it, and a test compares. Times
are site time where they are text, and ms since 1970 UTC where they are numbers.
"""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from zparkd.web.auth.credentials import Role

Row = dict[str, Any]

# For `success` and the like, which say one thing in each form.
Always = Annotated[bool, Meta(extra_json_schema={"const": True})]
_Never = Annotated[bool, Meta(extra_json_schema={"const": False})]
_Direction = Literal["ENTRY", "EXIT"]
Language = Literal["vi", "en"]


def is_a(name: str) -> Meta:
    """Says that a row, which is passed on, is one of the type with this name."""
    return Meta(extra_json_schema={"$ref": f"#/components/schemas/{name}"})


class Yes(Struct, kw_only=True):
    """It was done."""

    success: Always = True


# --- who asks -----------------------------------------------------------------------------------


class Session(Yes, kw_only=True):
    """Who is asking, and what a page needs to ask on."""

    login_required: bool
    first_login: str | None
    user: str | None
    role: Role
    staff_id: str | None
    csrf: str
    central: str
    site: str
    timezone: str
    language: Language


class LoggedIn(Yes, kw_only=True):
    """A session began."""

    user: str
    role: Role
    csrf: str


# --- this central and its peers -----------------------------------------------------------------


class ThisCentral(Struct, kw_only=True):
    """This central: where it listens, and where this gateway does."""

    id: str
    ip: str
    p2p_port: int
    api_port: int


class PeerCentral(Struct, kw_only=True):
    """A peer; `sync_port` where it is not the one after `p2p_port`."""

    id: str
    ip: str
    p2p_port: int
    sync_port: int | UnsetType = UNSET
    public_key: str | UnsetType = UNSET


class Configuration(Struct, kw_only=True):
    """A central and its peers."""

    this_central: ThisCentral
    peer_centrals: list[PeerCentral]


class ConfigShown(Yes, kw_only=True):
    """The configuration that is in effect."""

    config: Configuration


class SyncState(Struct, kw_only=True):
    """Up to when all that a peer had is held here; 0 and null where that was never known."""

    peer_central_id: str
    last_sync_timestamp: int
    last_sync_time: str | None
    updated_at: str


class SyncStates(Yes, kw_only=True):
    """Of each peer."""

    sync_state: list[Annotated[Row, is_a("SyncState")]]


class Reached(Yes, kw_only=True):
    """A peer is there, and who we think it is."""

    peer_id: str
    latency_ms: float


class Healthy(Yes, kw_only=True):
    """All is as it should be."""

    status: Literal["OK"] = "OK"


# --- members ------------------------------------------------------------------------------------


class Member(Struct, kw_only=True):
    """A central that belongs to the site, or did."""

    id: str
    standing: str
    disowned: bool
    fingerprint: str | None
    public_key: str | None
    address: str | None
    member: bool


class MemberEdge(Struct, kw_only=True):
    """A camera that belongs to the site, or did."""

    id: str
    fingerprint: str
    removed: bool
    direction: _Direction | None
    camera_type: str | None


class Invitation(Struct, kw_only=True):
    """An invitation that is open."""

    member: str
    role: Literal["central", "edge"]
    invited_by: str
    until: str


class Members(Yes, kw_only=True):
    """Who belongs to the site, and who may come."""

    centrals: list[Member]
    edges: list[MemberEdge]
    invitations: list[Invitation]


class QrCode(Struct, kw_only=True):
    """How many squares a side has, and the path of an SVG that fills the dark ones."""

    side: int
    path: str


class Invited(Yes, kw_only=True):
    """An invitation: its token, as text and drawn."""

    token: str
    role: Literal["central", "edge"]
    member: str
    number: int
    addresses: list[str]
    until: str
    qr: QrCode


class Removed(Yes, kw_only=True):
    """A membership is over."""

    member: str
    removed: Always = True


# --- cameras ------------------------------------------------------------------------------------


class HeldPass(Struct, kw_only=True):
    """The pass that a vehicle has."""

    holder: str | None
    valid_until: str


class Candidate(Struct, kw_only=True):
    """A stay that a plate which was misread may be of."""

    plate_id: str
    plate_view: str | None
    camera_type: str
    event_id: str
    entry_time: str
    match: str
    strong: bool


class VehicleInfo(Struct, kw_only=True, rename={"pass_": "pass"}):
    """Whether a vehicle is inside; from `event_id` on only where it is."""

    already_inside: bool
    plate_id: str
    event_id: str | UnsetType = UNSET
    entry_time: str | UnsetType = UNSET
    source_central: str | UnsetType = UNSET
    fee: int | UnsetType = UNSET
    duration: str | UnsetType = UNSET
    pass_: HeldPass | UnsetType = UNSET
    watch: str | UnsetType = UNSET
    candidates: list[Candidate] | UnsetType = UNSET
    incomplete: list[str] | UnsetType = UNSET


class Detected(Yes, kw_only=True):
    """What a camera is told of a plate that it saw."""

    request_id: str | None
    vehicle_info: VehicleInfo


class Opened(Yes, kw_only=True, rename={"pass_": "pass"}):
    """The barrier may open, and that is on the disk."""

    request_id: str | None
    action: Literal["ENTRY", "EXIT", "MANUAL"]
    event_id: str | UnsetType = UNSET
    history_id: int | UnsetType | None = UNSET
    fee: int | UnsetType = UNSET
    currency: str | UnsetType | None = UNSET
    duration: str | UnsetType = UNSET
    duration_s: int | UnsetType = UNSET
    plate_id: str | UnsetType = UNSET
    plate_read: str | UnsetType = UNSET
    pass_: HeldPass | UnsetType = UNSET
    unmatched: Always | UnsetType = UNSET


class Closed(Yes, kw_only=True):
    """The barrier closed; NONE where nothing had been opened for."""

    request_id: str | None
    action: Literal["ENTRY_CONFIRMED", "NONE"]
    event_id: str | UnsetType = UNSET


# --- stays and events ---------------------------------------------------------------------------


class Stay(Struct, kw_only=True):
    """A vehicle that came in, and perhaps left; `closed_by` says what ended it."""

    id: int
    event_id: str
    source_central: str
    edge_id: str
    sync_status: Literal["LOCAL", "SYNCED"]
    plate_id: str | None
    plate_view: str | None
    camera_type: str
    camera_name: str
    confidence: float | None
    status: Literal["IN", "OUT"]
    confirmed: Literal[0, 1]
    closed_by: str | None
    entry_time: str
    exit_time: str | None
    entry_ms: int
    exit_ms: int | None
    exit_central: str | None
    exit_edge_id: str | None
    fee: int | None
    duration: str | None
    duration_s: int | None
    remarks: str | None
    adjusted: int
    plate_read: str | None


class History(Yes, kw_only=True):
    """Stays, the newest entry first; `total` is how many there are in all."""

    history: list[Annotated[Row, is_a("Stay")]]
    total: int


class StoryEvent(Struct, kw_only=True):
    """An event of a vehicle, what became of it, and the stay for which it counts."""

    event_id: str | None
    kind: str
    central: str
    edge_id: str | None
    time: str | None
    time_ms: int
    camera_type: str | None
    plate_view: str | None
    fee: int | None
    verdict: str | None
    counts_for: str | None
    forced: bool
    reason: str | None
    staff_id: str | None
    image: str | None
    by: str | None


class FoundVehicle(Struct, kw_only=True):
    """A vehicle that fits what was looked for: `alike` where only a misreading does."""

    plate_id: str
    plate_view: str | None
    camera_type: str
    fit: str
    inside: bool
    stays: int
    entry_time: str | None


class Vehicles(Yes, kw_only=True):
    """The vehicles that fit a plate or a part of one, and how many plates do in all."""

    vehicles: list[FoundVehicle]
    plates: int


class Story(Yes, kw_only=True):
    """All that was ever recorded of the vehicles with one plate, the oldest first."""

    plate_id: str
    stays: list[Annotated[Row, is_a("Stay")]]
    events: list[StoryEvent]


class TrafficRow(Struct, kw_only=True):
    """How many came and went in an hour, at a gate or of a type, and what they paid.

    `unmatched_exits` ended no stay, and `unmatched` is what was taken for them.
    """

    key: str
    entries: int
    exits: int
    revenue: int
    unmatched_exits: int
    unmatched: int
    currency: str | None


class Traffic(Yes, kw_only=True):
    """The rows; `missing` are peers whose events may not be in them after `complete_until`."""

    rows: list[TrafficRow]
    complete_until: str | None
    missing: list[str]


class Report(Yes, kw_only=True, rename={"from_": "from"}):
    """The rows of a report, as its columns are, and their sums; `missing` as of traffic."""

    report: str
    from_: str | None
    to: str | None
    by: str | None
    rows: list[Row]
    totals: list[Row]
    complete_until: str | None
    missing: list[str]


class StreamEvent(Struct, kw_only=True):
    """An event as it arrived; of one that can't be read here there is only that, and no kind."""

    id: int
    kind: str | None
    event_id: str | UnsetType | None = UNSET
    plate_id: str | UnsetType | None = UNSET
    plate_view: str | UnsetType | None = UNSET
    camera_type: str | UnsetType | None = UNSET
    central: str | UnsetType = UNSET
    edge_id: str | UnsetType | None = UNSET
    time: str | UnsetType | None = UNSET
    time_ms: int | UnsetType = UNSET
    fee: int | UnsetType | None = UNSET
    currency: str | UnsetType | None = UNSET
    status: Literal["IN", "OUT"] | UnsetType | None = UNSET
    forced: bool | UnsetType = UNSET
    who: str | UnsetType | None = UNSET
    why: str | UnsetType | None = UNSET


class Events(Yes, kw_only=True):
    """The events that arrived here last, the newest first."""

    events: list[StreamEvent]


# --- no -----------------------------------------------------------------------------------------


class Refusal(Struct, kw_only=True):
    """Why not: a stable code, and a message for people."""

    code: str
    message: str
    incomplete: list[str] | UnsetType = UNSET


class No(Struct, kw_only=True):
    """It was not done, as RFC 9457 has it."""

    type: str
    title: str
    status: int
    detail: str
    error: Refusal
    success: _Never = False
    request_id: str | UnsetType | None = UNSET
    faults: list[str] | UnsetType = UNSET
    incomplete: list[str] | UnsetType = UNSET
    peer_id: str | UnsetType = UNSET
