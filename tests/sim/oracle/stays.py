"""What the events of one vehicle come to: docs/protocol.md section 10, read again each time."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from tests.sim.oracle.corrections import Corrected
from tests.sim.oracle.events import (
    CHARGED,
    CLOSED,
    CONFIRM,
    ENTRY,
    EXIT,
    NOT_TAKEN,
    OF_AN_ENTRY,
    SEEN,
    At,
    Key,
    Said,
    Vehicle,
    is_nameless,
)

SUPERSEDED = "SUPERSEDED"
ENDED_NOTHING = "ENDED_NOTHING"
REPEATED = "REPEATED"
WAITING = "WAITING"
VOID = "VOIDED"
GAVE_WAY = "GAVE_WAY"
CHARGED_NOTHING = "CHARGED_NOTHING"

# What a person should look at in a stay, of its remarks; and of that what a charge may settle.
CONFLICTS = {"OTHER_ENTRY", "MARKED_TIME", "NEGATIVE_DURATION", "ABSURD_DURATION", "FORCED"}
SETTLED_BY_MONEY = {"OTHER_ENTRY", "FORCED"}

ABSURD_MS = 90 * 24 * 60 * 60 * 1000


@dataclass
class Stay:
    """One stay: its entry, and what ended it, if anything did.

    `moved` and `exit_moved` are the corrections that made entry and exit those of this vehicle.
    """

    vehicle: Vehicle
    entry: Said
    confirmed: bool = False
    closer: Said | None = None
    moved: Said | None = None
    exit_moved: Said | None = None
    adjusted: int = 0

    @property
    def event_id(self) -> str:
        return self.entry.event_id

    @property
    def id_plate(self) -> str | None:
        """The plate in that, where it is not the vehicle's."""
        return self.entry.plate if self.entry.plate != self.vehicle[1] else None

    @property
    def plate_view(self) -> str | None:
        return (self.moved or self.entry).personal.get("plate_view")

    @property
    def plate_read(self) -> str | None:
        if self.closer is None or self.closer.kind != EXIT:
            return None
        return self.closer.personal.get("plate_read")

    @property
    def closed_by(self) -> str | None:
        return _ENDS[self.closer.kind] if self.closer is not None else None

    @property
    def duration_s(self) -> int | None:
        if self.closer is None:
            return None
        return max(0, self.closer.timestamp - self.entry.timestamp) // 1000

    @property
    def paid(self) -> tuple[int | None, str | None]:
        """Fee and currency."""
        if self.closer is None or self.closer.kind not in (EXIT, CLOSED):
            return None, None
        return self.closer.data.get("fee"), self.closer.data.get("currency")

    @property
    def remarks(self) -> str | None:
        """Codes with commas, or None."""
        told = {}
        if (end := self.closer) is not None:
            took_ms = end.timestamp - self.entry.timestamp
            told = {
                "OTHER_ENTRY": end.kind == EXIT and end.names != self.entry.at,
                "MARKED_TIME": _says(self.entry, "marked") or _says(end, "marked"),
                "NEGATIVE_DURATION": took_ms < 0,
                "ABSURD_DURATION": took_ms > ABSURD_MS,
                "FORCED": end.kind == ENTRY or _says(end, "forced"),
            }
        told["CORRECTED"] = self.moved is not None or self.exit_moved is not None
        told["CLOSED_BY_HAND"] = end is not None and end.kind == CLOSED
        told["ENTERED_BY_HAND"] = _says(self.entry, "by_hand")
        told["MISREAD"] = self.plate_read not in (None, self.vehicle[1])
        told["OVER_CAPACITY"] = _says(self.entry, "over_capacity")
        return ",".join(code for code, holds in told.items() if holds) or None


_ENDS = {EXIT: "EXIT", ENTRY: "FORCED_ENTRY", NOT_TAKEN: "NOT_TAKEN", CLOSED: "CORRECTION"}


def _says(event: Said, name: str) -> bool:
    return bool(event.data.get(name, False))


@dataclass
class Folded:
    """The stays of a vehicle by the entry that counts, and what became of its other events."""

    stays: dict[At, Stay]
    verdicts: dict[At, tuple[str, At | None]]
    charged: dict[At, At | None] = field(default_factory=dict)
    open: Stay | None = None

    def stay_of(self, entry: At | None) -> Stay | None:
        """The stay for which an entry stands."""
        for _ in range(len(self.verdicts) + 1):
            if entry in self.stays:
                return self.stays[entry]
            verdict = self.verdicts.get(entry)
            if verdict is None:
                return None
            entry = verdict[1]
        return None


def fold(
    vehicle: Vehicle, events: Iterable[Said], held: Mapping[At, Said], corrections: Corrected
) -> Folded:
    """The events of a vehicle, in any order, all of them; `held` are those of all vehicles."""
    events = list(events)
    folded = Folded({}, {})
    for event in events:
        if event.at in corrections.void and event.kind != SEEN:
            folded.verdicts[event.at] = (VOID, None)
        elif event.at in corrections.counts_for:
            folded.verdicts[event.at] = (REPEATED, corrections.counts_for[event.at])
        elif event.at in corrections.waiting:
            folded.verdicts[event.at] = (WAITING, None)
    taking_part = [it for it in events if it.at not in folded.verdicts]

    def place(event: Said) -> tuple[Key, bool, Key]:
        """Its key; of what names an entry not before that of the entry, and there after it."""
        if event.kind in OF_AN_ENTRY and event.names is not None:
            named = held[event.names].key
            if named > event.key:
                return named, True, event.key
        return event.key, False, event.key

    stands, passed_on = _endings(taking_part, place, corrections)
    for event in sorted((it for it in taking_part if it.kind in _MOVING), key=place):
        inside = folded.open
        if event.kind == ENTRY:
            _enter(folded, vehicle, event, stands, passed_on, corrections)
        elif event.kind == EXIT and inside is None:
            folded.verdicts[event.at] = (ENDED_NOTHING, None)
        elif event.kind == EXIT:
            inside.closer, inside.exit_moved = event, corrections.made.get(event.at)
            folded.open = None
        elif event.kind == NOT_TAKEN:
            if inside is not None and stands.get((NOT_TAKEN, inside.entry.at)) is event:
                inside.closer, folded.open = event, None
        elif (
            inside is not None
            and event in stands.values()
            and folded.stay_of(corrections.counting(event.names)) is inside
        ):
            inside.closer, folded.open = event, None
        elif "fee" in event.data:
            folded.verdicts[event.at] = (GAVE_WAY, None)
    for event in taking_part:
        if event.kind == CONFIRM:
            stay = folded.stay_of(corrections.counting(event.names))
            if stay is not None:
                stay.confirmed = True
    for event in taking_part:
        if event.kind == CHARGED:
            _charge(folded, event, held, corrections)
    return folded


_MOVING = (ENTRY, EXIT, NOT_TAKEN, CLOSED)


def _endings(
    taking_part: list[Said], place: Callable[[Said], tuple[Key, bool, Key]], corrections: Corrected
) -> tuple[dict[tuple[str, At], Said], dict[At, At]]:
    """The endings that stand, by kind and entry, and the entries that are passed on: 10.2."""
    entries = sorted((it for it in taking_part if it.kind == ENTRY), key=lambda it: it.key)
    about: dict[At, list[Said]] = defaultdict(list)
    for event in taking_part:
        if event.kind in OF_AN_ENTRY and event.names is not None:
            about[corrections.counting(event.names)].append(event)
    stands: dict[tuple[str, At], Said] = {}
    passed_on: dict[At, At] = {}
    for number, entry in enumerate(entries):
        said = sorted(about[entry.at], key=lambda it: it.key)
        exits = [place(it)[0] for it in said if it.kind == EXIT]
        after = entries[number + 1] if number + 1 < len(entries) else None
        came_again = bool(exits) and after is not None and after.key < min(exits)
        closes = [it for it in said if it.kind == CLOSED]
        if closes and (not exits or came_again):
            stands[CLOSED, entry.at] = closes[-1]
        untaken = [it for it in said if it.kind == NOT_TAKEN]
        if not untaken or any(it.kind == CONFIRM for it in said):
            continue
        if not exits:
            stands[NOT_TAKEN, entry.at] = untaken[0]
        elif came_again:
            passed_on[entry.at] = after.at
    return stands, passed_on


def _enter(
    folded: Folded,
    vehicle: Vehicle,
    event: Said,
    stands: dict[tuple[str, At], Said],
    passed_on: dict[At, At],
    corrections: Corrected,
) -> None:
    """An entry in its turn."""
    inside = folded.open
    if inside is not None:
        named = corrections.counting(event.names) if event.names is not None else None
        untaken = stands.get((NOT_TAKEN, inside.entry.at))
        if _says(event, "forced") and folded.stay_of(named) is inside:
            inside.closer = event
        elif untaken is not None:
            inside.closer = untaken
        else:
            folded.verdicts[event.at] = (SUPERSEDED, inside.entry.at)
            return
        folded.open = None
    if event.at in passed_on:
        folded.verdicts[event.at] = (SUPERSEDED, passed_on[event.at])
        return
    stay = Stay(vehicle, event, moved=corrections.made.get(event.at))
    folded.open = folded.stays[event.at] = stay


def _charge(folded: Folded, charge: Said, held: Mapping[At, Said], corrections: Corrected) -> None:
    """Section 10.4."""
    ended = {it.closer.at: it for it in folded.stays.values() if it.closer is not None}
    stay = None
    at, seen = corrections.counting(charge.names), set()
    if held[at].order < charge.order:
        while at in held and at not in seen:
            seen.add(at)
            if held[at].kind == ENTRY:
                stay = folded.stay_of(at)
                break
            stay = ended.get(at)
            if stay is not None or held[at].names is None:
                break
            at = corrections.counting(held[at].names)
    folded.charged[charge.at] = stay.entry.at if stay is not None else None
    if stay is None:
        folded.verdicts[charge.at] = (CHARGED_NOTHING, None)
    else:
        stay.adjusted += charge.data["amount"]


# --- as rows -------------------------------------------------------------------------------------


def shared_row(stay: Stay) -> tuple[Any, ...]:
    """What is the same of a stay on all centrals."""
    entry, end = stay.entry, stay.closer
    confidence = entry.data.get("confidence")
    return (
        *entry.at,
        stay.vehicle[0],
        shown(stay.vehicle[1]),
        stay.plate_view,
        entry.data["edge_id"],
        float(confidence) if confidence is not None else None,
        entry.timestamp,
        int(stay.confirmed),
        stay.closed_by,
        end.origin if end is not None else None,
        end.data["edge_id"] if end is not None else None,
        end.timestamp if end is not None else None,
        *stay.paid,
        stay.duration_s,
        stay.remarks,
        shown(stay.id_plate),
        stay.plate_read,
        stay.adjusted,
    )


def shown(plate: str | None) -> str | None:
    """A plate as people read it: none where it was erased."""
    return None if is_nameless(plate) else plate


def history_row(stay: Stay, central: str, zone: tzinfo) -> dict[str, Any]:
    """The row of a stay that people of a central read, but for its `id`."""
    entry, end = stay.entry, stay.closer
    confidence = entry.data.get("confidence")
    return {
        "event_id": stay.event_id,
        "source_central": entry.origin,
        "edge_id": entry.data["edge_id"],
        "sync_status": "LOCAL" if entry.origin == central else "SYNCED",
        "plate_id": shown(stay.vehicle[1]),
        "plate_view": stay.plate_view,
        "camera_type": stay.vehicle[0],
        "camera_name": f"{entry.origin}/{entry.data['edge_id']}",
        "confidence": float(confidence) if confidence is not None else None,
        "status": "IN" if end is None else "OUT",
        "confirmed": int(stay.confirmed),
        "closed_by": stay.closed_by,
        "entry_time": site_time(entry.timestamp, zone),
        "exit_time": site_time(end.timestamp, zone) if end is not None else None,
        "entry_ms": entry.timestamp,
        "exit_ms": end.timestamp if end is not None else None,
        "exit_central": end.origin if end is not None else None,
        "exit_edge_id": end.data["edge_id"] if end is not None else None,
        "fee": stay.paid[0],
        "adjusted": stay.adjusted,
        "duration": duration_words(stay.duration_s),
        "duration_s": stay.duration_s,
        "plate_read": stay.plate_read,
        "remarks": stay.remarks,
    }


def duration_words(seconds: int | None) -> str | None:
    """`5 phút`, `1 giờ 0 phút`."""
    if seconds is None:
        return None
    hours, minutes = divmod(seconds // 60, 60)
    return f"{hours} giờ {minutes} phút" if hours else f"{minutes} phút"


def site_time(ms: int, zone: tzinfo) -> str:
    """A time as people of the site read it."""
    shown = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=ms // 1000)).astimezone(zone)
    return f"{shown.year:04}-{shown:%m-%d %H:%M:%S}"
