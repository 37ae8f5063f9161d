"""What the gateway is asked with, as types, for the document alone.

Who reads a body judges it field by field, so that a refusal names the field and says what to write.
"""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from zparkd.core import limits
from zparkd.core.plates import PLATE_ID
from zparkd.core.site import CAMERA_TYPE, CENTRAL_ID, EDGE_ID
from zparkd.core.tariff import limits as tariff_limits

_Text = Annotated[str, Meta(max_length=limits.TEXT_CHARACTERS)]
_Amount = Annotated[int, Meta(ge=0, le=tariff_limits.AMOUNT_MAX)]
_Port = Annotated[int, Meta(ge=1, le=65535)]
_Moment = Annotated[str, Meta(examples=["2025-12-02 10:30:00"])]
_Day = Annotated[str, Meta(examples=["2025-12-31"])]
_TimeOfDay = Annotated[str, Meta(examples=["06:00"])]
_CentralId = Annotated[str, Meta(pattern=f"^{CENTRAL_ID.pattern}$")]
_EdgeId = Annotated[str, Meta(pattern=f"^{EDGE_ID.pattern}$")]
_CameraType = Annotated[str, Meta(pattern=f"^{CAMERA_TYPE.pattern}$")]
_Direction = Literal["ENTRY", "EXIT"]
_Role = Literal["central", "edge"]


class Login(Struct, kw_only=True):
    """Who wants to come in."""

    user: _Text
    password: _Text


class ThisCentralAsked(Struct, kw_only=True, forbid_unknown_fields=True):
    """This central; what is left out stays as it is."""

    id: _CentralId
    ip: str | UnsetType = UNSET
    p2p_port: _Port | UnsetType = UNSET
    api_port: _Port | UnsetType = UNSET


class PeerCentralAsked(Struct, kw_only=True, forbid_unknown_fields=True):
    """A peer; `sync_port` is the one after `p2p_port` where it is left out."""

    id: _CentralId
    ip: str
    p2p_port: _Port | UnsetType = UNSET
    sync_port: _Port | UnsetType = UNSET
    public_key: str | UnsetType = UNSET


class ConfigurationAsked(Struct, kw_only=True, forbid_unknown_fields=True):
    """The configuration that is wanted."""

    this_central: ThisCentralAsked
    peer_centrals: list[PeerCentralAsked]


class Invite(Struct, kw_only=True):
    """Who is to be invited; a central where no role is named."""

    member: _Text
    role: _Role | UnsetType = UNSET
    hours: Annotated[int, Meta(ge=1, le=2160)] | UnsetType = UNSET
    replace: bool | UnsetType = UNSET
    direction: _Direction | UnsetType | None = UNSET
    camera_type: str | UnsetType | None = UNSET


CORRECTIONS = ("correct", "close", "enter", "void", "charge")
"""What a person may say of a stay: the last part of the path."""


class Correction(Struct, kw_only=True):
    """What a person says of a stay; which fields are asked for depends on what it is."""

    reason: _Text
    staff_id: _Text | UnsetType = UNSET
    event_id: _Text | UnsetType = UNSET
    plate: _Text | UnsetType = UNSET
    camera_type: _CameraType | UnsetType | None = UNSET
    at: _Moment | UnsetType = UNSET
    fee: _Amount | UnsetType | None = UNSET
    amount: int | UnsetType = UNSET
    exit: bool | UnsetType = UNSET


class Erase(Struct, kw_only=True):
    """Why what is personal of a vehicle is to be forgotten; of all types where none is named."""

    reason: _Text
    staff_id: _Text | UnsetType | None = UNSET
    camera_type: _CameraType | UnsetType | None = UNSET


class PassAsked(Struct, kw_only=True, forbid_unknown_fields=True):
    """Who leaves without paying, both days included."""

    plate_id: _Text
    camera_type: _CameraType
    valid_from: _Day
    valid_until: _Day
    holder: _Text | UnsetType | None = UNSET


class PassesAsked(Struct, kw_only=True):
    """All passes of the site: those that are not here are taken away."""

    passes: list[PassAsked]


class StaffMemberAsked(Struct, kw_only=True, forbid_unknown_fields=True):
    """One of those who may act."""

    staff_id: _Text
    name: _Text | UnsetType | None = UNSET


class StaffAsked(Struct, kw_only=True):
    """All staff of the site: who is not here is taken away."""

    staff: list[StaffMemberAsked]


class RemoveMember(Struct, kw_only=True):
    """Whose membership is to end."""

    member: _Text
    role: _Role | UnsetType = UNSET


class EdgeRequest(Struct, kw_only=True):
    """A request of a camera, as over its own port."""

    edge_id: _EdgeId
    plate_id: (
        Annotated[str, Meta(max_length=limits.TEXT_CHARACTERS, examples=["29A-123.45"])] | UnsetType
    ) = UNSET
    plate_view: _Text | UnsetType = UNSET
    camera_type: _CameraType | UnsetType = UNSET
    direction: _Direction | UnsetType = UNSET
    confidence: Annotated[float, Meta(ge=0, le=1)] | UnsetType = UNSET
    request_id: (
        Annotated[str, Meta(min_length=1, max_length=limits.TEXT_CHARACTERS)] | UnsetType
    ) = UNSET
    captured_ms: Annotated[int, Meta(ge=0, le=limits.TIME_SHOWN_MS_MAX)] | UnsetType = UNSET
    staff_id: _Text | UnsetType = UNSET
    image: _Text | UnsetType = UNSET
    force: bool | UnsetType = UNSET
    reason: _Text | UnsetType = UNSET
    lost_ticket: bool | UnsetType = UNSET
    fee: Annotated[int, Meta(ge=0, le=limits.FEE_MAX)] | UnsetType = UNSET
    entry_time: _Moment | UnsetType = UNSET
    event_id: (
        Annotated[str, Meta(pattern=f"^{CENTRAL_ID.pattern}_[0-9]{{1,15}}_{PLATE_ID.pattern}$")]
        | UnsetType
    ) = UNSET


class Step(Struct, kw_only=True):
    """An amount for each started part of a stay, up to a length of it."""

    every_minutes: _Amount
    amount: _Amount
    until_minutes: _Amount | UnsetType = UNSET


class Window(Struct, kw_only=True, rename={"from_": "from"}):
    """An amount for a part of the day."""

    from_: _TimeOfDay
    to: _TimeOfDay
    amount: _Amount


class Rate(Struct, kw_only=True):
    """What vehicles of a type pay."""

    camera_type: _CameraType
    currency: Annotated[str, Meta(pattern="^[A-Z]{3}$")] | UnsetType = UNSET
    free_minutes: _Amount | UnsetType = UNSET
    round_to: _Amount | UnsetType = UNSET
    cap_24h: _Amount | UnsetType = UNSET
    lost_ticket: _Amount | UnsetType = UNSET
    step: list[Step] | UnsetType = UNSET
    window: list[Window] | UnsetType = UNSET


class AckConflict(Struct, kw_only=True):
    """A conflict that is dealt with, and why; who says so, where nobody is logged in."""

    id: str
    reason: str
    staff_id: str | UnsetType | None = UNSET


class Tariff(Struct, kw_only=True):
    """What a site charges."""

    rate: list[Rate]


class QuoteRequest(Struct, kw_only=True):
    """A stay, and a tariff to try; that of the site where none is given."""

    entry: _Moment
    exit: _Moment
    camera_type: _CameraType | UnsetType = UNSET
    lost_ticket: bool | UnsetType = UNSET
    toml: str | UnsetType = UNSET


class EntryPolicy(Struct, kw_only=True):
    """What entries do."""

    full: Literal["allow", "refuse"] | UnsetType = UNSET
    not_taken_after_s: _Amount | UnsetType = UNSET


class ExitPolicy(Struct, kw_only=True):
    """What exits do."""

    misread: Literal["ask", "accept"] | UnsetType = UNSET


class AlertPolicy(Struct, kw_only=True):
    """Of what people are told."""

    silent_edge_min: _Amount | UnsetType = UNSET


class PrivacyPolicy(Struct, kw_only=True):
    """How long what is personal is kept."""

    keep_days: _Amount | UnsetType = UNSET


class Policy(Struct, kw_only=True):
    """What gates do where the tariff says nothing; what is left out is as by default."""

    capacity: dict[str, _Amount] | UnsetType = UNSET
    entry: EntryPolicy | UnsetType = UNSET
    exit: ExitPolicy | UnsetType = UNSET
    watch: dict[str, str] | UnsetType = UNSET
    alerts: AlertPolicy | UnsetType = UNSET
    privacy: PrivacyPolicy | UnsetType = UNSET
