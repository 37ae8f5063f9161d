"""What the events of one vehicle come to: docs/protocol.md section 10, read again each time."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from tests.sim.oracle.events import CONFIRM, ENTRY, EXIT, At, Key, Said, Vehicle

SUPERSEDED = "SUPERSEDED"
ENDED_NOTHING = "ENDED_NOTHING"
REPEATED = "REPEATED"
WAITING = "WAITING"

ABSURD_MS = 90 * 24 * 60 * 60 * 1000


@dataclass
class Stay:
    """One stay: its entry, and what ended it, if anything did."""

    vehicle: Vehicle
    entry: Said
    confirmed: bool = False
    closer: Said | None = None

    @property
    def event_id(self) -> str:
        return f"{self.entry.origin}_{self.entry.timestamp}_{self.vehicle[1]}"

    @property
    def closed_by(self) -> str | None:
        if self.closer is None:
            return None
        return "EXIT" if self.closer.kind == EXIT else "FORCED_ENTRY"

    @property
    def duration_s(self) -> int | None:
        if self.closer is None:
            return None
        return max(0, self.closer.timestamp - self.entry.timestamp) // 1000

    @property
    def paid(self) -> tuple[int | None, str | None]:
        """Fee and currency."""
        if self.closer is None or self.closer.kind != EXIT:
            return None, None
        return self.closer.data["fee"], self.closer.data["currency"]

    @property
    def remarks(self) -> str | None:
        """Codes with commas, or None."""
        end = self.closer
        if end is None:
            return None
        took_ms = end.timestamp - self.entry.timestamp
        told = {
            "OTHER_ENTRY": end.kind == EXIT and end.names != self.entry.at,
            "MARKED_TIME": _says(self.entry, "marked") or _says(end, "marked"),
            "NEGATIVE_DURATION": took_ms < 0,
            "ABSURD_DURATION": took_ms > ABSURD_MS,
            "FORCED": end.kind == ENTRY or _says(end, "forced"),
        }
        return ",".join(code for code, holds in told.items() if holds) or None


def _says(event: Said, name: str) -> bool:
    return bool(event.data.get(name, False))


@dataclass
class Folded:
    """The stays of a vehicle by the entry that counts, and what became of its other events."""

    stays: dict[At, Stay]
    verdicts: dict[At, tuple[str, At | None]]
    open: Stay | None = None

    def stay_of(self, entry: At | None) -> Stay | None:
        """The stay for which an entry stands."""
        for _ in range(3):
            if entry in self.stays:
                return self.stays[entry]
            verdict = self.verdicts.get(entry)
            if verdict is None:
                return None
            entry = verdict[1]
        return None


def fold(vehicle: Vehicle, events: Iterable[Said]) -> Folded:
    """All events of a vehicle that wait for nothing, in any order."""
    events = list(events)
    folded = Folded({}, {})
    oldest: dict[tuple[str, str], Said] = {}
    for event in sorted(events, key=lambda it: it.key):
        if event.kind in (ENTRY, EXIT) and event.act is not None:
            first = oldest.setdefault(event.act, event)
            if first is not event:
                folded.verdicts[event.at] = (REPEATED, first.at)
    entry_keys = {event.at: event.key for event in events if event.kind == ENTRY}

    def place(event: Said) -> tuple[Key, bool, Key]:
        """Its key; of an exit not before that of the entry it names, and there after it."""
        if event.kind == EXIT and event.names is not None:
            named = entry_keys[event.names]
            if named > event.key:
                return named, True, event.key
        return event.key, False, event.key

    taking_part = [it for it in events if it.at not in folded.verdicts]
    for event in sorted((it for it in taking_part if it.kind in (ENTRY, EXIT)), key=place):
        inside = folded.open
        if event.kind == EXIT:
            if inside is None:
                folded.verdicts[event.at] = (ENDED_NOTHING, None)
            else:
                inside.closer, folded.open = event, None
            continue
        if inside is not None:
            stale = folded.stay_of(event.names) if _says(event, "forced") else None
            if stale is not inside:
                folded.verdicts[event.at] = (SUPERSEDED, inside.entry.at)
                continue
            inside.closer = event
        folded.open = folded.stays[event.at] = Stay(vehicle, event)
    for event in taking_part:
        if event.kind == CONFIRM:
            stay = folded.stay_of(event.names)
            if stay is not None:
                stay.confirmed = True
    return folded


# --- as rows -------------------------------------------------------------------------------------


def shared_row(stay: Stay) -> tuple[Any, ...]:
    """What is the same of a stay on all centrals."""
    entry, end = stay.entry, stay.closer
    confidence = entry.data.get("confidence")
    return (
        *entry.at,
        *stay.vehicle,
        entry.personal.get("plate_view"),
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
    )


def history_row(stay: Stay, central: str, zone: tzinfo) -> dict[str, Any]:
    """The row of a stay that people of a central read, but for its `id`."""
    entry, end = stay.entry, stay.closer
    confidence = entry.data.get("confidence")
    return {
        "event_id": stay.event_id,
        "source_central": entry.origin,
        "edge_id": entry.data["edge_id"],
        "sync_status": "LOCAL" if entry.origin == central else "SYNCED",
        "plate_id": stay.vehicle[1],
        "plate_view": entry.personal.get("plate_view"),
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
        "duration": duration_words(stay.duration_s),
        "duration_s": stay.duration_s,
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
