"""What reports are calculated from, as it stands in a database."""

import sqlite3
from collections.abc import Iterable, Iterator

from zparkd.core.errors import ProtocolError
from zparkd.core.events.event import Event, read
from zparkd.core.policy import read_policy
from zparkd.core.reports.exceptions import exceptional
from zparkd.core.reports.records import Asked, By, Exceptional, Name, Paid, Records, Stay
from zparkd.storage.readers.conflicts import conflicts_between
from zparkd.storage.readers.reference import site_policy
from zparkd.storage.readers.reports.audit import acts
from zparkd.storage.schema.corrections import PLATE, STAY_ID

STAYS = f"""
SELECT {STAY_ID}, {PLATE.format(plate="v.plate_id")},
       s.plate_view, v.camera_type,
       eo.origin || '/' || s.edge_id, s.entry_ms, s.closed_by,
       max(s.entry_ms, s.exit_ms), xo.origin || '/' || s.exit_edge_id,
       s.exit_ms, s.fee, s.currency, s.entry, s.closer
FROM sessions s
JOIN vehicles v ON v.no = s.vehicle
JOIN streams eo ON eo.no = s.entry >> 40
LEFT JOIN streams xo ON xo.no = s.closer >> 40
WHERE """
# Each stay that touches a time once: those that came in it, left in it, or were there at its start.
TOUCHING = (
    "s.entry_ms >= :since AND s.entry_ms < :until",
    "s.exit_ms >= :since AND s.exit_ms < :until AND NOT (s.entry_ms >= :since"
    " AND s.entry_ms < :until)",
    "s.closed_by IS NULL AND s.entry_ms < :since",
    "s.exit_ms >= :until AND s.entry_ms < :since",
)
_UNMATCHED = """
SELECT v.camera_type, e.skeleton, e.sealed
FROM verdicts d JOIN events e ON e.at = d.at JOIN vehicles v ON v.no = d.vehicle
WHERE d.verdict IN ('ENDED_NOTHING', 'WAITING', 'GAVE_WAY')
  AND e.kind IN ('VEHICLE_EXIT', 'STAY_CLOSED') AND e.timestamp >= :since AND e.timestamp < :until
"""
_CHARGES = """
SELECT coalesce(sv.camera_type, dv.camera_type, v.camera_type), c.amount, c.currency, c.timestamp,
       e.skeleton, e.sealed
FROM charges c JOIN events e ON e.at = c.at
LEFT JOIN places p ON p.at = c.at LEFT JOIN vehicles v ON v.no = p.vehicle
LEFT JOIN sessions s ON s.entry = c.stay LEFT JOIN vehicles sv ON sv.no = s.vehicle
LEFT JOIN verdicts d ON d.at = c.at LEFT JOIN vehicles dv ON dv.no = d.vehicle
WHERE c.timestamp >= :since AND c.timestamp < :until
"""
_EVENT = "SELECT skeleton, sealed FROM events WHERE at = ?"


def records(connection: sqlite3.Connection, asked: Asked) -> Records:
    """All that a report needs. Read as it is gone through: all of one moment is the caller's."""
    paid = asked.name in (Name.REVENUE, Name.SHIFT)
    listed = asked.name in (Name.EXCEPTIONS, Name.SHIFT)
    return Records(
        _stays(connection, asked) if asked.name is not Name.EXCEPTIONS else (),
        _unmatched(connection, asked) if paid else (),
        _charges(connection, asked) if paid else (),
        _exceptions(connection, asked) if listed else (),
        _capacity(connection) if asked.by is By.TYPE else {},
    )


def _times(asked: Asked) -> dict[str, int]:
    """The time of a report; of the one of who is inside its end alone."""
    since_ms = asked.until_ms if asked.name is Name.INSIDE else asked.since_ms
    return {"since": since_ms, "until": asked.until_ms}


def _stays(connection: sqlite3.Connection, asked: Asked) -> Iterator[Stay]:
    cursor = connection.cursor()
    cursor.row_factory = None  # plain tuples: there may be millions
    for condition in TOUCHING:
        for *values, entry, closer in cursor.execute(STAYS + condition, _times(asked)):
            stay = Stay(*values)
            if asked.by is By.STAFF:
                stay = stay._replace(
                    entry_staff=_staff(_event(connection, entry)),
                    left_staff=_staff(_event(connection, closer)) if closer is not None else None,
                )
            yield stay


def _unmatched(connection: sqlite3.Connection, asked: Asked) -> Iterator[Paid]:
    """Exits, and closes by hand, that ended nothing; those too whose entry has not arrived yet."""
    for camera_type, skeleton, sealed in connection.execute(_UNMATCHED, _times(asked)):
        event = _read(skeleton, sealed)
        if event is None or event.facts is None or event.facts.fee is None:
            continue
        gate = f"{event.position.origin}/{event.facts.edge_id}"
        fee, currency = event.facts.fee, event.facts.currency or ""
        yield Paid(event.timestamp, camera_type, gate, fee, currency, _staff(event))


def _charges(connection: sqlite3.Connection, asked: Asked) -> Iterator[Paid]:
    """What was charged afterwards, also where no stay is left for it."""
    for camera_type, amount, currency, time_ms, *parts in connection.execute(
        _CHARGES, _times(asked)
    ):
        event = _read(*parts)
        if event is not None and event.facts is not None:
            gate = f"{event.position.origin}/{event.facts.edge_id}"
            yield Paid(time_ms, camera_type, gate, amount, currency, _staff(event))


def _exceptions(connection: sqlite3.Connection, asked: Asked) -> Iterable[Exceptional]:
    since_ms, until_ms = asked.since_ms, asked.until_ms
    return exceptional(
        conflicts_between(connection, since_ms, until_ms),
        acts(connection, asked.zone, since_ms, until_ms),
    )


def _capacity(connection: sqlite3.Connection) -> dict[str, int]:
    held = site_policy(connection)
    return dict(read_policy(held["document"]).capacity) if held is not None else {}


def _event(connection: sqlite3.Connection, at: int) -> Event | None:
    row = connection.execute(_EVENT, (at,)).fetchone()
    return _read(*row) if row is not None else None


def _read(skeleton: bytes, sealed: bytes) -> Event | None:
    try:
        return read(skeleton, sealed)
    except ProtocolError:  # rot; `verify` names it
        return None


def _staff(event: Event | None) -> str | None:
    """Who opened: the login, else whom they said to be; None for a lane by itself."""
    if event is None or event.facts is None:
        return None
    facts = event.facts
    if facts.by is not None and facts.by.login is not None:
        return facts.by.login
    personal = event.personal
    return facts.staff_id or (personal.staff_id if personal is not None else None)
