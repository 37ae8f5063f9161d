"""Reference data: the site's tariff, policy, passes and staff, as events like any other.

Each change is an event, and what counts is a pure function of the set of them:

    tariff   the highest (version, order, origin, epoch, seq)
    policy   likewise
    a pass   of plate, type and first day: the last of its events in order; it may be a removal
    staff    of an id: likewise
    acks     conflicts that a person has looked at: once said, it is done
    members  what centrals say of each other: see `core.members.votes`
    roster   who belongs to the site, by which key: see `core.members.roster`

So all centrals that hold the same events have the same, whatever was changed on either side of a
cut. What may stand in such an event is checked when it is read; one that is at fault changes
nothing, and the one before it goes on counting.
"""

from collections.abc import Iterable
from datetime import date
from typing import Annotated, Any, NamedTuple

from msgspec import Meta, Struct

from zparkd.core import limits
from zparkd.core.members.roster_words import RosterSaid, fits_its_role
from zparkd.core.members.words import MemberSaid
from zparkd.core.policy import WATCH, Policy, read_policy
from zparkd.core.principal import Principal
from zparkd.core.site import CAMERA_TYPE, CENTRAL_ID
from zparkd.core.tariff.document import read_tariff
from zparkd.core.tariff.fields import BadDocument
from zparkd.core.tariff.pricing import Tariff

_Origin = Annotated[str, Meta(pattern=f"^{CENTRAL_ID.pattern}\\Z")]
_Epoch = Annotated[int, Meta(ge=1, le=limits.EPOCH_MAX)]
_Seq = Annotated[int, Meta(ge=1, le=limits.SEQ_MAX)]
_Day = Annotated[str, Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")]


class TariffSet(Struct, frozen=True, omit_defaults=True):
    """The `data` of TARIFF_SET: a whole tariff, which takes the place of the one before."""

    version: Annotated[int, Meta(ge=1, le=limits.VERSION_MAX)]
    document: dict[str, Any]
    by: Principal | None = None


class PolicySet(Struct, frozen=True, omit_defaults=True):
    """The `data` of POLICY_SET: a whole policy, which takes the place of the one before.

    But for the plates to look out for: these stand in the personal part.
    """

    version: Annotated[int, Meta(ge=1, le=limits.VERSION_MAX)]
    document: dict[str, Any]
    by: Principal | None = None


class PassChanged(Struct, frozen=True, omit_defaults=True):
    """The `data` of PASS_CHANGED; plate and holder are in the personal part."""

    camera_type: Annotated[str, Meta(pattern=f"^{CAMERA_TYPE.pattern}\\Z")]
    valid_from: _Day
    valid_until: _Day
    removed: bool = False
    by: Principal | None = None


class StaffChanged(Struct, frozen=True, omit_defaults=True):
    """The `data` of STAFF_CHANGED; id and name are in the personal part."""

    removed: bool = False
    by: Principal | None = None


class Acknowledged(Struct, frozen=True, omit_defaults=True):
    """The `data` of CONFLICT_ACKNOWLEDGED: a person has looked at a conflict, and it is done.

    `about` is the event that it is a conflict of: the one that did not count, or the entry of the
    stay with the remark. `conflict` is its kind. `staff_id` is who that says to be.
    """

    conflict: Annotated[str, Meta(pattern=r"^[A-Z][A-Z_]{0,39}\Z")]
    about: tuple[_Origin, _Epoch, _Seq]
    reason: Annotated[str, Meta(min_length=1, max_length=limits.TEXT_CHARACTERS)]
    staff_id: Annotated[str, Meta(max_length=limits.TEXT_CHARACTERS)] | None = None
    by: Principal | None = None


class VehicleErased(Struct, frozen=True, omit_defaults=True):
    """The `data` of VEHICLE_ERASED: the personal parts of these events are forgotten.

    `runs` are (origin, epoch, first seq, last seq). Other events up to the `order` of this one are
    meant too, where the `digest` with this `salt` is that of their plate, of the `camera_type` that
    is said, if any is; they are named by further erases. `of` is the first erase of the vehicle.
    """

    runs: Annotated[tuple[tuple[_Origin, _Epoch, _Seq, _Seq], ...], Meta(max_length=400)]
    salt: str = ""
    digest: str = ""
    camera_type: Annotated[str, Meta(pattern=f"^{CAMERA_TYPE.pattern}\\Z")] | None = None
    of: tuple[_Origin, _Epoch, _Seq] | None = None
    staff_id: str | None = None
    reason: str | None = None
    by: Principal | None = None


Reference = (
    TariffSet
    | PolicySet
    | PassChanged
    | StaffChanged
    | Acknowledged
    | VehicleErased
    | MemberSaid
    | RosterSaid
)


def is_sound(data: Reference) -> bool:
    """Whether the content of such an event can be used, beyond the forms of its members."""
    match data:
        case TariffSet():
            try:
                read_tariff(data.document)
            except BadDocument:
                return False
        case PolicySet():
            try:
                read_policy(data.document)
            except BadDocument:
                return False
            return WATCH not in data.document
        case PassChanged():
            try:
                return date.fromisoformat(data.valid_from) <= date.fromisoformat(data.valid_until)
            except ValueError:
                return False
        case VehicleErased():
            lengths = [last - first + 1 for *_, first, last in data.runs]
            return min(lengths, default=0) > 0 and sum(lengths) <= limits.ERASED_AT_ONCE
        case _ if isinstance(data, RosterSaid):
            return fits_its_role(data)
    return True


class PassKey(NamedTuple):
    """What tells passes apart. The last day and the holder can change."""

    plate_id: str
    camera_type: str
    valid_from: str


class Pass(NamedTuple):
    """A right to leave without paying, from one day to another, both included; site dates."""

    plate_id: str
    camera_type: str
    valid_from: str
    valid_until: str
    holder: str | None = None

    @property
    def key(self) -> PassKey:
        """Which pass this is."""
        return PassKey(self.plate_id, self.camera_type, self.valid_from)


class Staff(NamedTuple):
    """Somebody who may override a refusal."""

    staff_id: str
    name: str | None = None

    @property
    def key(self) -> str:
        """Who this is."""
        return self.staff_id


class SiteTariff(NamedTuple):
    """The tariff that counts, with what it was read from and when and where it was set."""

    tariff: Tariff
    document: dict[str, Any]
    order: int
    set_ms: int


class SitePolicy(NamedTuple):
    """The policy that counts, with what it was read from and when and where it was set."""

    policy: Policy
    version: int
    set_by: tuple[str, int, int]
    document: dict[str, Any]
    order: int
    set_ms: int


def pass_on(passes: Iterable[Pass], day: str) -> Pass | None:
    """The pass that is valid on a day, of those of one vehicle: the one that ends last."""
    valid = [held for held in passes if held.valid_from <= day <= held.valid_until]
    return max(valid, key=lambda held: (held.valid_until, held.valid_from), default=None)
