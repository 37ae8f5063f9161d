"""What a time came to, counted from the events: docs/operations.md, "Reports", taken literally.

Each question goes through everything that is held. Times in ms, from `since` to before `until`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from tests.sim.oracle.events import (
    CHARGED,
    CLOSED,
    CORRECTED,
    ENTRY,
    EXIT,
    MANUAL,
    VOIDED,
    Said,
    Vehicle,
)
from tests.sim.oracle.held import Held
from tests.sim.oracle.stays import (
    ENDED_NOTHING,
    GAVE_WAY,
    REPEATED,
    VOID,
    WAITING,
    Stay,
    site_time,
)

Key = Any


@dataclass(frozen=True)
class Time:
    """A time, and the zone of the site."""

    since: int
    until: int
    zone: tzinfo

    def holds(self, ms: int) -> bool:
        return self.since <= ms < self.until


def gate(event: Said) -> str:
    return f"{event.origin}/{event.data['edge_id']}"


def staff(event: Said) -> str | None:
    """Who opened: a login, or whom they said to be."""
    login = (event.data.get("by") or {}).get("login")
    return login or event.data.get("staff_id") or event.personal.get("staff_id")


def key_of(by: str | None, ms: int, camera_type: str, event: Said, zone: tzinfo) -> Key:
    match by:
        case "gate":
            return gate(event)
        case "type":
            return camera_type
        case "staff":
            return staff(event)
        case "day":
            return site_time(ms, zone)[:10]
        case "hour":
            return site_time(ms, zone)[:13] + ":00"
    return None


def ended(stay: Stay) -> int | None:
    """When it was over; never before it began."""
    return None if stay.closer is None else max(stay.entry.timestamp, stay.closer.timestamp)


def is_open(stay: Stay, ms: int) -> bool:
    over = ended(stay)
    return stay.entry.timestamp < ms and (over is None or over >= ms)


def traffic(held: Held, by: str | None, time: Time) -> dict[Key, tuple[int, int, int]]:
    """In, out by an exit, ended otherwise."""
    found: dict[Key, list[int]] = {}
    for stay in held.stays().values():
        camera_type = stay.vehicle[0]
        ms = stay.entry.timestamp
        if time.holds(ms):
            found.setdefault(key_of(by, ms, camera_type, stay.entry, time.zone), [0, 0, 0])[0] += 1
        over = ended(stay)
        if over is not None and stay.closer is not None and time.holds(over):
            key = key_of(by, over, camera_type, stay.closer, time.zone)
            at = 1 if stay.closed_by == "EXIT" else 2
            found.setdefault(key, [0, 0, 0])[at] += 1
    return {key: (came, out, other) for key, (came, out, other) in found.items()}


def revenue(
    held: Held, by: str | None, time: Time
) -> dict[tuple[Key, str], tuple[int, int, int, int, int]]:
    """Fees and how many paid one, what was taken of exits that ended nothing and how many.

    And what was charged afterwards.
    """
    found: dict[tuple[Key, str], list[int]] = {}

    def add(key: Key, currency: str, at: int, fee: int) -> None:
        sums = found.setdefault((key, currency), [0] * 6)
        sums[at] += fee
        sums[at + 1] += 1

    for stay in held.stays().values():
        fee, currency = stay.paid
        if fee is not None and currency is not None and stay.closer is not None:
            ms = stay.closer.timestamp
            if time.holds(ms):
                add(key_of(by, ms, stay.vehicle[0], stay.closer, time.zone), currency, 0, fee)
    for event, vehicle in unmatched(held):
        ms = event.timestamp
        if time.holds(ms):
            key = key_of(by, ms, vehicle[0], event, time.zone)
            add(key, event.data["currency"], 2, event.data["fee"])
    for event, vehicle in charges(held):
        ms = event.timestamp
        if time.holds(ms):
            key = key_of(by, ms, vehicle[0], event, time.zone)
            add(key, event.data["currency"], 4, event.data["amount"])
    return {
        key: (one, two, three, four, five)
        for key, (one, two, three, four, five, _) in found.items()
    }


def unmatched(held: Held) -> list[tuple[Said, Vehicle]]:
    """Exits and closes with a fee that ended nothing, or wait for an entry; of which vehicle."""
    return [
        (event, vehicle)
        for event, vehicle, verdict in judged(held)
        if event.kind in (EXIT, CLOSED)
        and verdict in (ENDED_NOTHING, WAITING, GAVE_WAY)
        and event.data.get("fee") is not None
    ]


def charges(held: Held) -> list[tuple[Said, Vehicle]]:
    """What was charged afterwards, and of which vehicle."""
    return [
        (held.events[at], vehicle)
        for vehicle in held.vehicles()
        for at in held.folded(vehicle).charged
    ]


def judged(held: Held) -> list[tuple[Said, Vehicle, str]]:
    """What neither opened, confirmed nor ended a stay: of which vehicle, and what became of it."""
    return [
        (held.events[at], vehicle, verdict)
        for vehicle in held.vehicles()
        for at, (verdict, _) in held.folded(vehicle).verdicts.items()
    ]


def inside(held: Held, by: str | None, ms: int, zone: tzinfo) -> dict[Key, int]:
    found: dict[Key, int] = {}
    for stay in held.stays().values():
        if is_open(stay, ms):
            key = stay.event_id, stay.vehicle[0]
            if by is not None:
                key = key_of(by, stay.entry.timestamp, stay.vehicle[0], stay.entry, zone)
            found[key] = found.get(key, 0) + 1
    return found


def occupancy(stays: Iterable[Stay], time: Time) -> tuple[int, int, int]:
    """Who was open at the start, at most, and at the end.

    Of one moment, who leaves is counted first; but one that leaves as it comes was there.
    """
    stays = list(stays)
    start = sum(is_open(stay, time.since) for stay in stays)
    most = start
    moments = {stay.entry.timestamp for stay in stays} | {ended(stay) for stay in stays}
    for ms in moments:
        if ms is not None and time.holds(ms):
            came = sum(stay.entry.timestamp == ms for stay in stays)
            left = sum(ended(stay) == ms and stay.entry.timestamp < ms for stay in stays)
            most = max(most, sum(is_open(stay, ms) for stay in stays) - left + came)
    return start, most, sum(is_open(stay, time.until) for stay in stays)


def spans(by: str, time: Time) -> list[tuple[str, int, int]]:
    """The days or hours of a time: each minute is asked for what it is."""
    found: list[tuple[str, int, int]] = []
    ms = time.since
    while ms < time.until:
        next_ms = min((ms // 60_000 + 1) * 60_000, time.until)
        text = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)).astimezone(time.zone)
        key = f"{text:%Y-%m-%d}" if by == "day" else f"{text:%Y-%m-%d %H}:00"
        if found and found[-1][0] == key:
            found[-1] = (key, found[-1][1], next_ms)
        else:
            found.append((key, ms, next_ms))
        ms = next_ms
    return found


Odd = tuple[int, str, str | None]
# What people know of a stay, and nobody needs to look at.
NOTES = ("CORRECTED", "CLOSED_BY_HAND", "ENTERED_BY_HAND", "MISREAD", "OVER_CAPACITY")


def exceptions(held: Held, time: Time) -> list[Odd]:
    """Time, kind and plate of what did not fit, and of what people did at gates."""
    found: list[Odd] = []
    told: set[tuple[str, int, str | None]] = set()

    def add(ms: int, kind: str, plate: str, event: Said) -> None:
        found.append((ms, kind, plate))
        if kind in ("FORCED", "UNMATCHED", "ENDED_NOTHING"):
            told.add((event.origin, ms, plate))

    for event, vehicle, verdict in judged(held):
        if verdict not in (REPEATED, VOID):
            alone = verdict == ENDED_NOTHING and event.names is None
            add(event.timestamp, "UNMATCHED" if alone else verdict, vehicle[1], event)
    for stay in held.stays().values():
        last = stay.closer or stay.entry
        for kind in (stay.remarks or "").split(","):
            if kind and kind not in NOTES:
                add(last.timestamp, kind, stay.vehicle[1], last)
    for event in held.events.values():
        if event.data is None or (event.origin, event.timestamp, event.plate) in told:
            continue
        if event.kind in (MANUAL, CORRECTED, CLOSED, VOIDED, CHARGED):
            found.append((event.timestamp, event.kind, event.plate))
        elif event.kind in (ENTRY, EXIT) and event.data.get("forced"):
            kind = "FORCED_ENTRY" if event.kind == ENTRY else "FORCED_EXIT"
            found.append((event.timestamp, kind, event.plate))
        elif event.kind == ENTRY and event.data.get("by_hand"):
            found.append((event.timestamp, ENTRY, event.plate))
    return sorted(
        (odd for odd in found if time.holds(odd[0])), key=lambda odd: (*odd[:2], odd[2] or "")
    )
