"""Tariffs, passes and staff of a database compared with the events that they come from."""

import sqlite3
from collections.abc import Iterator
from typing import Any

import orjson

from zparkd.core.errors import ProtocolError
from zparkd.core.events.event import Event, Kind, Position, Stream, read
from zparkd.core.events.payloads import PassChanged, StaffChanged, TariffSet
from zparkd.core.reference.fold import project_reference
from zparkd.verify.log import SEQ_BITS, SEQ_MASK, Log
from zparkd.verify.ranges import Difference

_KINDS = (Kind.TARIFF.value, Kind.PASS.value, Kind.STAFF.value)
# The columns by which a row is known, and those that say something, as `_rows` gives them.
_TABLES = {
    "tariffs": "at, at, version, place, timestamp, document",
    "passes": "json_array(plate_id, camera_type, valid_from), at, valid_until, holder, removed,"
    " place, timestamp",
    "staff": "staff_id, at, name, removed, place, timestamp",
}

_Rows = dict[object, tuple[Any, ...]]


def check_reference(connection: sqlite3.Connection) -> list[Difference]:
    """What is wrong with the tables of reference data, as they are in this moment."""
    connection.execute("BEGIN")
    try:
        log = Log(connection)
        wanted = _wanted(log, _events(connection))
        streams = {number: stream for stream, number in log.numbers.items()}
        found = []
        for table, columns in _TABLES.items():
            held = {row[0]: tuple(row)[1:] for row in _rows(connection, table, columns)}
            for key in held.keys() | wanted[table].keys():
                is_, must = held.get(key), wanted[table].get(key)
                if is_ != must:
                    at = (must or is_ or (0,))[0]
                    stream = streams.get(at >> SEQ_BITS, Stream("?", at >> SEQ_BITS))
                    what = f"not what the table {table} says"
                    found.append(Difference(*stream, at & SEQ_MASK, at & SEQ_MASK, what))
        return found
    finally:
        connection.execute("ROLLBACK")


def _rows(connection: sqlite3.Connection, table: str, columns: str) -> Iterator[sqlite3.Row]:
    yield from connection.execute(f"SELECT {columns} FROM {table}")


def _events(connection: sqlite3.Connection) -> dict[Position, Event]:
    events = {}
    for skeleton, sealed in connection.execute(
        "SELECT skeleton, sealed FROM events LEFT JOIN cuts ON stream = at >> 40"
        " WHERE vehicle IS NULL AND kind IN (?,?,?)"
        " AND (up_to IS NULL OR at & ((1 << 40) - 1) <= up_to)",
        _KINDS,
    ):
        try:
            event = read(skeleton, sealed)
        except ProtocolError:
            continue  # the check of the log said so
        events[event.position] = event
    return events


def _wanted(log: Log, events: dict[Position, Event]) -> dict[str, _Rows]:
    """The rows that the tables must have, each by its key and with `at` first."""
    tariffs: _Rows = {}
    passes: _Rows = {}
    staff: _Rows = {}
    for event in events.values():
        if isinstance(event.reference, TariffSet):
            document = orjson.dumps(event.reference.document).decode()
            at = log.at(event.position.stream, event.position.seq)
            said = event.reference.version, event.order, event.timestamp, document
            tariffs[at] = (at, *said)
    counting = project_reference(events.values())
    for entry, position in counting.passes.items():
        event, at = events[position], log.at(position.stream, position.seq)
        assert isinstance(event.reference, PassChanged)
        assert event.personal is not None
        said_of_pass = event.reference.valid_until, event.personal.holder, event.reference.removed
        key = orjson.dumps(list(entry)).decode()
        passes[key] = (at, *said_of_pass, event.order, event.timestamp)
    for staff_id, position in counting.staff.items():
        event, at = events[position], log.at(position.stream, position.seq)
        assert isinstance(event.reference, StaffChanged)
        assert event.personal is not None
        said_of_staff = event.personal.name, event.reference.removed
        staff[staff_id] = (at, *said_of_staff, event.order, event.timestamp)
    return {"tariffs": tariffs, "passes": passes, "staff": staff}
