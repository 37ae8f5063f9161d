"""The policy of a site, as it is written down: what gates do where the tariff says nothing.

    {"capacity": {"car": 200}, "entry": {"full": "refuse"}, "watch": {"29A12345": "stolen"}}

A key that is left out is as if it were written with its default. Plain values in, a policy out;
files, lines and events belong to others.
"""

import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from zparkd.core import limits
from zparkd.core.plates import normalise_plate
from zparkd.core.site import CAMERA_TYPE
from zparkd.core.tariff.fields import Checker, shown
from zparkd.core.tariff.line_map import Place


class Full(StrEnum):
    """What an entry comes to where the car park is full."""

    ALLOW = "allow"
    REFUSE = "refuse"


class Misread(StrEnum):
    """What the exit of a plate that is not inside comes to, where one that is looks alike."""

    ASK = "ask"
    ACCEPT = "accept"


class Policy(Struct, frozen=True):
    """What gates go by. Made of nothing, it is that of a site which never set one.

    `capacity` says by type of vehicle with how many inside it is full; a type that is not in it
    never is. `watch` has the words to show of plates to look out for. 0 stands for never in
    `silent_edge_min` and `keep_days`.
    """

    capacity: Mapping[str, int] = {}
    full: Full = Full.ALLOW
    not_taken_after_s: int = 120
    misread: Misread = Misread.ASK
    watch: Mapping[str, str] = {}
    silent_edge_min: int = 0
    keep_days: int = 0


WATCH = "watch"
_TABLES: dict[str, tuple[str, ...]] = {
    "capacity": (),
    "entry": ("full", "not_taken_after_s"),
    "exit": ("misread",),
    WATCH: (),
    "alerts": ("silent_edge_min",),
    "privacy": ("keep_days",),
}
_Word = TypeVar("_Word", bound=StrEnum)


def read_policy(document: object) -> Policy:
    """The policy in a document. Raises BadDocument."""
    check = Checker()
    tables = check.table(document, (), tuple(_TABLES))
    entry, leave, alerts, privacy = (
        check.table(tables.get(name, {}), (name,), _TABLES[name])
        for name in ("entry", "exit", "alerts", "privacy")
    )
    usual = Policy()
    policy = Policy(
        _capacity(check, tables),
        _word(check, entry, ("entry", "full"), Full, usual.full),
        _whole(
            check,
            entry,
            ("entry", "not_taken_after_s"),
            usual.not_taken_after_s,
            least=limits.NOT_TAKEN_AFTER_S_MIN,
            most=limits.NOT_TAKEN_AFTER_S_MAX,
        ),
        _word(check, leave, ("exit", "misread"), Misread, usual.misread),
        _watch(check, tables),
        _whole(check, alerts, ("alerts", "silent_edge_min"), 0, most=limits.SILENT_EDGE_MIN_MAX),
        _whole(check, privacy, ("privacy", "keep_days"), 0, most=limits.KEEP_DAYS_MAX),
    )
    check.done()
    size = len(msgspec.json.encode(document))
    if size > limits.POLICY_BYTES:
        check.fault((), f"is {size:,} bytes of JSON; write at most {limits.POLICY_BYTES:,}")
    check.done()
    return policy


def _capacity(check: Checker, tables: Mapping[str, object]) -> dict[str, int]:
    table, capacity = _open_table(check, tables, "capacity"), {}
    for name in table:
        place = ("capacity", name)
        if not CAMERA_TYPE.fullmatch(name):
            check.fault(place, f"{shown(name)} is no type of vehicle; write one such as car")
        capacity[name] = _whole(check, table, place, 0, most=limits.CAPACITY_MAX)
    return capacity


def _watch(check: Checker, tables: Mapping[str, object]) -> dict[str, str]:
    table = _open_table(check, tables, WATCH)
    watched: dict[str, str] = {}
    for name in table:
        place = (WATCH, name)
        words = check.text(table, place[:-1], name)
        try:
            plate_id = normalise_plate(name)
        except ValueError as fault:
            check.fault(place, str(fault))
            continue
        if plate_id in watched:
            check.fault(place, f"{plate_id} stands above; write each plate once")
        if words is not None and not words.strip():
            check.fault(place, 'is empty; write the words to show, such as "stolen"')
        watched[plate_id] = words or ""
    return watched


def _open_table(check: Checker, tables: Mapping[str, object], name: str) -> Mapping[str, object]:
    """A table whose keys are no fixed ones."""
    value = tables.get(name, {})
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return value
    check.fault((name,), f"{shown(value)} is no table; write keys and values")
    return {}


def _whole(
    check: Checker,
    table: Mapping[str, object],
    place: Place,
    usual: int,
    *,
    least: int = 0,
    most: int,
) -> int:
    value = check.whole(table, place[:-1], str(place[-1]), least=least, most=most)
    return usual if value is None else value


def _word(
    check: Checker, table: Mapping[str, object], place: Place, words: type[_Word], usual: _Word
) -> _Word:
    value = table.get(str(place[-1]), usual.value)
    if isinstance(value, str) and value in list(words):
        return words(value)
    either = " or ".join(f'"{word}"' for word in words)
    check.fault(place, f"{shown(value)} is unknown; write {either}")
    return usual


def written(document: Mapping[str, Any]) -> dict[str, Any]:
    """A document that `read_policy` took, with tables and keys in their usual order.

    Plates are written as they are compared, and tables that say nothing are left out. So two that
    say the same in the same words are the same bytes.
    """
    ordered: dict[str, Any] = {}
    for name, keys in _TABLES.items():
        table = document.get(name, {})
        if name == WATCH:
            table = {normalise_plate(plate): words for plate, words in table.items()}
        table = {key: table[key] for key in keys or sorted(table) if key in table}
        if table:
            ordered[name] = table
    return ordered


def whole_document(policy: Policy) -> dict[str, Any]:
    """A document that says all that a policy does, the defaults too."""
    return {
        "capacity": dict(policy.capacity),
        "entry": {"full": policy.full.value, "not_taken_after_s": policy.not_taken_after_s},
        "exit": {"misread": policy.misread.value},
        WATCH: dict(policy.watch),
        "alerts": {"silent_edge_min": policy.silent_edge_min},
        "privacy": {"keep_days": policy.keep_days},
    }


def as_toml(document: Mapping[str, Any]) -> str:
    """A document that `read_policy` took, as TOML to read, edit and set again."""
    lines: list[str] = []
    for name, table in document.items():
        lines += [f"[{name}]", *(f"{_key(key)} = {_value(table[key])}" for key in table), ""]
    return "\n".join(lines)


def _key(key: str) -> str:
    bare = key.isascii() and key.replace("_", "").isalnum()
    return key if bare and not key[0].isdecimal() else _value(key)


def _value(value: object) -> str:
    """A number, or a string: what JSON escapes, TOML reads."""
    return json.dumps(value, ensure_ascii=False)
