"""What an exit is charged: by the site's tariff, a pass, or the fee that was quoted a moment ago.

A detection quotes what its vehicle would pay; an exit soon after, at the same edge and of the same
stay, is charged just that, whatever hour began or tariff came in between. All that a charge was
made from is kept with the exit, so any central can reckon it again.
"""

from datetime import tzinfo
from typing import NamedTuple

from msgspec.structs import replace

from zparkd.core.clock import site_time
from zparkd.core.events.event import Facts, Position, VehicleKey
from zparkd.core.events.payloads import Pass
from zparkd.core.log import Log
from zparkd.core.stays import Stay
from zparkd.core.tariff.pricing import BUILT_IN, Line, Tariff, price


class Quote(NamedTuple):
    """What was said at `at_ms` of the stay that began with `entry`; by which tariff or pass."""

    entry: Position
    at_ms: int
    tariff: Tariff
    held_pass: Pass | None


class Charge(NamedTuple):
    """What an exit pays and why; `priced_ms` is up to when, None for the exit's own time."""

    fee: int
    currency: str
    tariff: Tariff
    breakdown: tuple[Line, ...]
    priced_ms: int | None = None
    held_pass: Pass | None = None


class Charges:
    """Prices stays on what the log holds now."""

    def __init__(self, log: Log, zone: tzinfo) -> None:
        """`zone` is the site's, which may change while it runs."""
        self._log = log
        self.zone = zone

    def quote(self, stay: Stay, now_ms: int) -> Quote:
        """What this stay would be charged by if it ended now."""
        return Quote(stay.entry, now_ms, self._tariff(), self._pass(stay.vehicle, now_ms))

    def quoted(self, quote: Quote, stay: Stay) -> Charge:
        """What the stay would be charged for this quote."""
        return self._charge(stay.vehicle, stay.entry_ms, quote.at_ms, quote)

    def of_exit(
        self, stay: Stay, exit_ms: int, quote: Quote | None, *, lost_ticket: bool
    ) -> Charge:
        """What an exit of this stay is charged; `quote` is the last of its edge for its plate."""
        if quote is None or quote.entry != stay.entry:
            quote = self.quote(stay, exit_ms)
        elif quote.held_pass is None:
            quote = quote._replace(held_pass=self._pass(stay.vehicle, exit_ms))
        return self._charge(stay.vehicle, stay.entry_ms, exit_ms, quote, lost_ticket=lost_ticket)

    def of_unmatched(self, vehicle: VehicleKey) -> Charge:
        """What an exit is charged of which no entry is known: nothing."""
        tariff = self._tariff()
        return Charge(0, tariff.rate(vehicle.camera_type).currency, tariff, ())

    def _charge(
        self,
        vehicle: VehicleKey,
        entry_ms: int,
        exit_ms: int,
        quote: Quote,
        *,
        lost_ticket: bool = False,
    ) -> Charge:
        rate = quote.tariff.rate(vehicle.camera_type)
        priced_ms = quote.at_ms if quote.at_ms != exit_ms else None
        if quote.held_pass is not None:
            line: Line = {"rule": "pass", "amount": 0, "valid_until": quote.held_pass.valid_until}
            lines = (line,)
            return Charge(0, rate.currency, quote.tariff, lines, priced_ms, quote.held_pass)
        priced = price(rate, entry_ms, quote.at_ms, self.zone, lost_ticket=lost_ticket)
        return Charge(priced.fee, priced.currency, quote.tariff, priced.breakdown, priced_ms)

    def _tariff(self) -> Tariff:
        held = self._log.reference.tariff()
        return held.tariff if held is not None else BUILT_IN

    def _pass(self, vehicle: VehicleKey, ms: int) -> Pass | None:
        day = site_time(ms, self.zone)[:10]
        return self._log.reference.pass_of(vehicle.plate_id, vehicle.camera_type, day)


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
    )


def reckoned(facts: Facts, timestamp: int, tariff: Tariff, zone: tzinfo) -> int | None:
    """The fee of an exit reckoned again from what it says; None for one that names no entry.

    `timestamp` is the exit's, `tariff` the one that it names, or the built-in one.
    """
    assert facts.camera_type is not None
    if facts.names is None or facts.entry_ms is None:
        return None
    if facts.pass_until is not None:
        return 0
    until_ms = timestamp if facts.priced_ms is None else facts.priced_ms
    rate = tariff.rate(facts.camera_type)
    return price(rate, facts.entry_ms, until_ms, zone, lost_ticket=facts.lost_ticket).fee
