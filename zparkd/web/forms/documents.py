"""What is answered about tariff, policy, passes and staff, as types."""

from typing import Annotated, Literal

from msgspec import UNSET, Struct, UnsetType

from zparkd.core.tariff.pricing import Line
from zparkd.web.forms.answers import Row, Yes, is_a


class TariffShown(Yes, kw_only=True):
    """What the site charges; `version` is null where none was set and the built-in one counts."""

    version: int | None
    toml: str
    rate: list[Annotated[Row, is_a("Rate")]]
    set_by: str | None
    set_at: str | None


class TariffChecked(Yes, kw_only=True):
    """A tariff that could be set, as it would be written down."""

    toml: str
    rate: list[Annotated[Row, is_a("Rate")]]


class PriceLine(Struct, kw_only=True, rename={"from_": "from"}):
    """A part of a fee: the rule that asks for it, the amount, and what that rule goes by."""

    rule: Literal["free", "lost_ticket", "limit", "step", "window", "cap", "round"]
    amount: int
    free_minutes: int | UnsetType = UNSET
    limit: int | UnsetType = UNSET
    from_minutes: int | UnsetType = UNSET
    every_minutes: int | UnsetType = UNSET
    blocks: int | UnsetType = UNSET
    each: int | UnsetType = UNSET
    from_: str | UnsetType = UNSET
    to: str | UnsetType = UNSET
    times: int | UnsetType = UNSET
    cap_24h: int | UnsetType = UNSET
    days: int | UnsetType = UNSET
    round_to: int | UnsetType = UNSET


class Quoted(Yes, kw_only=True):
    """What a stay would cost, and how that comes about."""

    fee: int
    currency: str
    minutes: int
    breakdown: tuple[Annotated[Line, is_a("PriceLine")], ...]


class PolicyShown(Yes, kw_only=True):
    """What gates do, with every default; `version` is null where none was set."""

    version: int | None
    toml: str
    policy: Annotated[Row, is_a("Policy")]
    set_by: str | None
    set_at: str | None


class PolicyChecked(Yes, kw_only=True):
    """A policy that could be set, with every default."""

    toml: str
    policy: Annotated[Row, is_a("Policy")]


class Pass(Struct, kw_only=True):
    """Who leaves without paying from one day to another, both included."""

    plate_id: str
    camera_type: str
    valid_from: str
    valid_until: str
    holder: str | None
    changed_by: str
    changed_ms: int


class Passes(Yes, kw_only=True):
    """The passes of the site by plate, also those that are over."""

    passes: list[Annotated[Row, is_a("Pass")]]


class StaffMember(Struct, kw_only=True):
    """One of those who may act."""

    staff_id: str
    name: str | None
    changed_by: str
    changed_ms: int


class Staff(Yes, kw_only=True):
    """The staff of the site by id; where there is none, everybody may act."""

    staff: list[Annotated[Row, is_a("StaffMember")]]


class ListSet(Yes, kw_only=True):
    """What a list that was set changed. `outranked` entries were not changed, with the reason."""

    added: int
    changed: int
    removed: int
    outranked: list[str]
