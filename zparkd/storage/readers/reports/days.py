"""How far a log is held, and what came to it after the close of a day."""

import sqlite3
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from zparkd.core.events.event import Position, Stream, digest
from zparkd.core.events.heads import Heads
from zparkd.storage.keys import key_of, number_of, seq_of
from zparkd.storage.readers.outgoing import LEFT
from zparkd.storage.readers.reports.audit import MAYBE
from zparkd.storage.schema.corrections import PLATE

_SAID_LATER = "('VEHICLE_CORRECTED', 'STAY_CLOSED', 'EVENT_VOIDED', 'STAY_CHARGED')"
_LATER = f"""
SELECT e.at, e.kind, e.timestamp, {PLATE.format(plate="v.plate_id")}, v.camera_type, e.edge_id
FROM events e LEFT JOIN places p ON p.at = e.at LEFT JOIN vehicles v ON v.no = p.vehicle
WHERE e.at > ? AND e.at < ? AND (e.timestamp < ? OR e.kind IN {_SAID_LATER})
ORDER BY e.at
"""
_ARRIVED = """
SELECT a.at, e.skeleton, e.sealed FROM arrivals a JOIN events e ON e.at = a.at ORDER BY a.no
"""


class Later(NamedTuple):
    """An event that came after a day was closed, and may be of that day."""

    position: Position
    kind: str
    time_ms: int
    plate_id: str | None
    camera_type: str | None
    edge_id: str | None


def is_settled(connection: sqlite3.Connection) -> bool:
    """Whether the stays show all events that are held."""
    return not connection.execute(LEFT).fetchone()[0]


def held(connection: sqlite3.Connection) -> Heads:
    """How far each stream is held."""
    return {
        Stream(origin, epoch): head
        for origin, epoch, head in connection.execute(
            "SELECT origin, epoch, head FROM streams WHERE head > 0"
        )
    }


def digest_at(connection: sqlite3.Connection, heads: Heads) -> str:
    """One figure for the events up to these heads, all of which are held: by their hashes."""
    numbers = _numbers(connection)
    lines = []
    for stream, head in sorted(heads.items()):
        row = connection.execute(
            "SELECT skeleton FROM events WHERE at = ?", (key_of(numbers[stream], head),)
        ).fetchone()
        lines.append(f"{stream.origin} {stream.epoch} {head} {digest(row[0]) if row else ''}\n")
    return digest("".join(lines).encode())


def later(
    connection: sqlite3.Connection, heads: Heads, until_ms: int, limit: int
) -> tuple[int, list[Later]]:
    """What is held beyond these heads: how many events, and those that may be of a time.

    These are stamped before `until_ms`, or say something of another event; at most `limit`.
    """
    numbers, now = _numbers(connection), held(connection)
    count = sum(max(0, head - heads.get(stream, 0)) for stream, head in now.items())
    found: list[Later] = []
    for stream, head in sorted(now.items()):
        first = heads.get(stream, 0)
        if head <= first or len(found) >= limit:
            continue
        span = key_of(numbers[stream], first), key_of(numbers[stream] + 1, 0)
        for at, *said in connection.execute(_LATER, (*span, until_ms)):
            if len(found) < limit:
                found.append(Later(Position(*stream, seq_of(at)), *said))
    return count, found


def erased_since(connection: sqlite3.Connection, heads: Heads) -> bool:
    """Whether a personal part was erased by an event beyond these heads."""
    numbers = {number: stream for stream, number in _numbers(connection).items()}
    rows = connection.execute(f"SELECT at FROM events WHERE ({MAYBE}) AND kind = 'VEHICLE_ERASED'")
    return any(seq_of(at) > heads.get(numbers[number_of(at)], 0) for (at,) in rows)


def events_up_to(
    connection: sqlite3.Connection, heads: Mapping[Stream, int]
) -> Iterator[tuple[bytes, bytes]]:
    """Skeletons and personal parts of the events up to these heads, in the order of arrival."""
    upto = {number: heads.get(stream, 0) for stream, number in _numbers(connection).items()}
    for at, skeleton, sealed in connection.execute(_ARRIVED):
        if seq_of(at) <= upto[number_of(at)]:
            yield skeleton, sealed


def believed(connection: sqlite3.Connection, origin: str) -> set[bytes]:
    """The identities that were ever believed of a central here, and those of its streams."""
    rows = connection.execute(
        "SELECT identity_key FROM pinned WHERE origin = :origin UNION SELECT c.identity_key"
        " FROM certificates c JOIN streams o ON o.no = c.stream WHERE o.origin = :origin",
        {"origin": origin},
    )
    return {key for (key,) in rows}


def _numbers(connection: sqlite3.Connection) -> dict[Stream, int]:
    return {
        Stream(origin, epoch): number
        for number, origin, epoch in connection.execute("SELECT no, origin, epoch FROM streams")
    }
