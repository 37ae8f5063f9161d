"""The lists of passes and staff as they are written down: what an entry may say.

    [{"plate_id": "29A12345", "camera_type": "car", "valid_from": "2025-12-01",
      "valid_until": "2025-12-31", "holder": "..."}]
    [{"staff_id": "nv01", "name": "..."}]

Plain values in, entries out; files, lines and events belong to others.
"""

import re
from collections.abc import Callable, Mapping
from datetime import date
from typing import TypeVar

from zparkd.core import limits
from zparkd.core.events.payloads import Pass, Staff
from zparkd.core.plates import normalise_plate
from zparkd.core.site import CAMERA_TYPE
from zparkd.core.tariff.fields import Checker, shown
from zparkd.core.tariff.line_map import Place

_PASS_KEYS = ("plate_id", "camera_type", "valid_from", "valid_until", "holder")
_STAFF_KEYS = ("staff_id", "name")
_DAY = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")
_Entry = TypeVar("_Entry", Pass, Staff)


def read_passes(document: object) -> list[Pass]:
    """The passes of a list. Raises BadDocument."""
    return _entries(document, _pass, "this plate and type has a pass from that day above")


def read_staff(document: object) -> list[Staff]:
    """The staff of a list. Raises BadDocument."""
    return _entries(document, _staff, "this staff_id stands above")


def _entries(
    document: object, read: Callable[[Checker, object, Place], _Entry], twice: str
) -> list[_Entry]:
    check = Checker()
    entries: dict[object, _Entry] = {}
    for number, value in enumerate(_list(check, document)):
        faults = len(check.faults)
        entry = read(check, value, (number,))
        if len(check.faults) == faults and entry.key in entries:
            check.fault((number,), f"{twice}; write each once")
        entries[entry.key] = entry
    check.done()
    return list(entries.values())


def _list(check: Checker, document: object) -> list[object]:
    most = limits.REFERENCE_ENTRIES
    if not isinstance(document, list):
        check.fault((), f"{shown(document)} is no list; write [ {{...}}, {{...}} ]")
        return []
    if len(document) > most:
        check.fault((), f"has {len(document):,} entries; write at most {most:,}")
        return []
    return document


def _pass(check: Checker, value: object, place: Place) -> Pass:
    table = check.table(value, place, _PASS_KEYS)
    since = _day(check, table, place, "valid_from")
    until = _day(check, table, place, "valid_until")
    if since and until and until < since:
        check.fault((*place, "valid_until"), f"{until} is before valid_from, {since}")
    camera_type = check.text(table, place, "camera_type") or ""
    if check.required(table, place, "camera_type", '"car"') and not CAMERA_TYPE.fullmatch(
        camera_type
    ):
        text = f"{shown(table['camera_type'])} is no type of vehicle; write one such as car"
        check.fault((*place, "camera_type"), text)
    plate_id = _plate(check, table, place)
    return Pass(plate_id, camera_type, since, until, _optional(check, table, place, "holder"))


def _staff(check: Checker, value: object, place: Place) -> Staff:
    table = check.table(value, place, _STAFF_KEYS)
    staff_id = check.text(table, place, "staff_id") or ""
    if check.required(table, place, "staff_id", '"nv01"') and not staff_id.strip():
        check.fault((*place, "staff_id"), 'is empty; write an id such as "nv01"')
    return Staff(staff_id, _optional(check, table, place, "name"))


def _optional(check: Checker, table: Mapping[str, object], place: Place, name: str) -> str | None:
    return check.text(table, place, name) if table.get(name) is not None else None


def _plate(check: Checker, table: Mapping[str, object], place: Place) -> str:
    text = check.text(table, place, "plate_id")
    if not check.required(table, place, "plate_id", '"29A12345"') or text is None:
        return ""
    try:
        return normalise_plate(text)
    except ValueError as fault:
        check.fault((*place, "plate_id"), str(fault))
        return ""


def _day(check: Checker, table: Mapping[str, object], place: Place, name: str) -> str:
    if not check.required(table, place, name, '"2025-12-01"'):
        return ""
    value = table[name]
    try:
        if isinstance(value, str) and _DAY.fullmatch(value):
            return date.fromisoformat(value).isoformat()
    except ValueError:
        pass
    check.fault((*place, name), f'{shown(value)} is no day; write it as "YYYY-MM-DD"')
    return ""
