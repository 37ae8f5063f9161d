"""What an exit is charged: by the site's tariff, a pass, or the fee that was quoted a moment ago.

A detection quotes what its vehicle would pay; an exit soon after, at the same edge and of the same
stay, is charged just that, whatever hour began or tariff came in between. All that a charge was
made from is kept with the exit, so any central can compute it again.
"""

from datetime import tzinfo
from typing import NamedTuple

from msgspec.structs import replace

from zparkd.core.events.event import Facts, Position, VehicleKey
from zparkd.core.events.payloads import Pass
from zparkd.core.tariff.pricing import Line, Tariff, price


class Quote(NamedTuple):
    """By what the stay that began with `entry` is charged; None for an exit without a stay.

    `at_ms` is up to when it is priced, None for up to its exit.
    """

    entry: Position | None
    at_ms: int | None
    tariff: Tariff
    held_pass: Pass | None


class Charge(NamedTuple):
    """What an exit pays and why; `priced_ms` is up to when, None for the exit's own time.

    One `by_hand` was taken by a person, who says so, and was not calculated.
    """

    fee: int
    currency: str
    tariff: Tariff
    breakdown: tuple[Line, ...]
    priced_ms: int | None = None
    held_pass: Pass | None = None
    by_hand: bool = False


def charge(
    quote: Quote,
    vehicle: VehicleKey,
    entry_ms: int | None,
    exit_ms: int,
    zone: tzinfo,
    *,
    lost_ticket: bool = False,
) -> Charge:
    """What the exit of a vehicle at `exit_ms` pays that entered at `entry_ms`.

    Where no entry is known, only for a lost ticket.
    """
    rate = quote.tariff.rate(vehicle.camera_type)
    until_ms = exit_ms if quote.at_ms is None else quote.at_ms
    priced_ms = until_ms if until_ms != exit_ms else None
    if quote.held_pass is not None:
        line: Line = {"rule": "pass", "amount": 0, "valid_until": quote.held_pass.valid_until}
        return Charge(0, rate.currency, quote.tariff, (line,), priced_ms, quote.held_pass)
    if entry_ms is None:
        line = {"rule": "lost_ticket", "amount": rate.lost_ticket}
        lines, fee = ((line,), rate.lost_ticket) if lost_ticket else ((), 0)
        return Charge(fee, rate.currency, quote.tariff, lines)
    priced = price(rate, entry_ms, until_ms, zone, lost_ticket=lost_ticket)
    return Charge(priced.fee, priced.currency, quote.tariff, priced.breakdown, priced_ms)


def taken(fee: int, quote: Quote, vehicle: VehicleKey) -> Charge:
    """What a person says that was taken."""
    currency = quote.tariff.rate(vehicle.camera_type).currency
    return Charge(fee, currency, quote.tariff, (), by_hand=True)


def charged(facts: Facts, charge: Charge, *, lost_ticket: bool) -> Facts:
    """What an exit says, with all that its charge was made from."""
    return replace(
        facts,
        fee=charge.fee,
        currency=charge.currency,
        tariff=charge.tariff.set_by,
        tariff_version=charge.tariff.version or None,
        priced_ms=charge.priced_ms,
        lost_ticket=lost_ticket,
        pass_until=charge.held_pass.valid_until if charge.held_pass is not None else None,
        breakdown=charge.breakdown or None,
        by_hand=charge.by_hand,
    )


def computed_again(facts: Facts, timestamp: int, tariff: Tariff, zone: tzinfo) -> int | None:
    """The fee of an exit, computed from what it says; None where it can't be.

    That is where it says of no entry, or what a person took. `timestamp` is the exit's, `tariff`
    the one that it names, or the built-in one.
    """
    if facts.entry_ms is None or facts.by_hand:
        return None
    return due(facts, timestamp, facts.entry_ms, tariff, zone)


def due(facts: Facts, timestamp: int, entry_ms: int, tariff: Tariff, zone: tzinfo) -> int:
    """What an exit charges a vehicle that entered at `entry_ms`, all else being as it says."""
    assert facts.camera_type is not None
    if facts.pass_until is not None:
        return 0
    until_ms = timestamp if facts.priced_ms is None else facts.priced_ms
    rate = tariff.rate(facts.camera_type)
    return price(rate, entry_ms, until_ms, zone, lost_ticket=facts.lost_ticket).fee
