"""Tariffs, policies, passes, staff and acknowledgements of a database and their events."""

from typing import Any

import orjson

from zparkd.core.errors import ProtocolError
from zparkd.core.events.event import Event, Kind, Position, read
from zparkd.core.events.payloads import (
    Acknowledged,
    PassChanged,
    PolicySet,
    StaffChanged,
    TariffSet,
)
from zparkd.core.reference.fold import project_reference
from zparkd.storage.readers.connection import Connection, one_moment
from zparkd.storage.readers.log import Reference, StoredLog
from zparkd.verify.ranges import Difference

_KINDS = (
    *(Kind.TARIFF.value, Kind.POLICY.value, Kind.PASS.value, Kind.STAFF.value),
    Kind.ACKNOWLEDGED.value,
)
_Rows = dict[object, tuple[Any, ...]]


def check_reference(connection: Connection) -> list[Difference]:
    """What is wrong with the tables of reference data, as they are in this moment."""
    with one_moment(connection):
        log = StoredLog(connection)
        wanted = _wanted(log, _events(log))
        found = []
        for table in Reference:
            held = log.reference(table)
            for key in held.keys() | wanted[table].keys():
                is_, must = held.get(key), wanted[table].get(key)
                if is_ != must:
                    position = log.position((must or is_ or (0,))[0])
                    what = f"not what the table {table} says"
                    found.append(Difference(*position, position.seq, what))
        return found


def _events(log: StoredLog) -> dict[Position, Event]:
    events = {}
    for skeleton, personal in log.changes(_KINDS):
        try:
            event = read(skeleton, personal)
        except ProtocolError:
            continue  # the check of the log said so
        events[event.position] = event
    return events


def _wanted(log: StoredLog, events: dict[Position, Event]) -> dict[Reference, _Rows]:
    """The rows that the tables must have, each by its key and with `at` first."""
    tariffs: _Rows = {}
    policies: _Rows = {}
    passes: _Rows = {}
    staff: _Rows = {}
    acks: _Rows = {}
    for event in events.values():
        if isinstance(event.reference, Acknowledged):
            at = log.key(event.position)
            acks[at] = (at, event.reference.conflict, *event.reference.about)
        if isinstance(event.reference, TariffSet | PolicySet):
            document = orjson.dumps(event.reference.document).decode()
            at = log.key(event.position)
            said = event.reference.version, event.order, event.timestamp, document
            if isinstance(event.reference, TariffSet):
                tariffs[at] = (at, *said)
                continue
            watch = event.personal.watch if event.personal is not None else None
            policies[at] = (at, *said, orjson.dumps(watch).decode() if watch else None)
    counting = project_reference(events.values())
    for entry, position in counting.passes.items():
        event, at = events[position], log.key(position)
        assert isinstance(event.reference, PassChanged)
        assert event.personal is not None
        said_of_pass = event.reference.valid_until, event.personal.holder, event.reference.removed
        key = orjson.dumps(list(entry)).decode()
        passes[key] = (at, *said_of_pass, event.order, event.timestamp)
    for staff_id, position in counting.staff.items():
        event, at = events[position], log.key(position)
        assert isinstance(event.reference, StaffChanged)
        assert event.personal is not None
        said_of_staff = event.personal.name, event.reference.removed
        staff[staff_id] = (at, *said_of_staff, event.order, event.timestamp)
    return {
        Reference.TARIFFS: tariffs,
        Reference.POLICIES: policies,
        Reference.ACKS: acks,
        Reference.PASSES: passes,
        Reference.STAFF: staff,
    }
