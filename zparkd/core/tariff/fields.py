"""Documents that people and other systems write: read whole, with every fault by key and line.

A document is TOML or JSON text, or the plain value that such a text stands for. What one must
say, `document` and `reference.lists` know; here is how values are taken out of it and how
what is wrong with them is told.
"""

import difflib
import json
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from zparkd.core import limits
from zparkd.core.tariff import limits as tariff_limits
from zparkd.core.tariff.line_map import Form, Place


class Fault(NamedTuple):
    """One thing wrong: where, and what; after a semicolon, what to write. Line 0: not known."""

    place: Place
    text: str
    line: int = 0

    @property
    def key(self) -> str:
        """`rate[0].step[1].amount`; items of a list count from 0."""
        parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in self.place)
        return "".join(parts).removeprefix(".") or "document"

    def __str__(self) -> str:
        text = f"{self.line}: {self.key}: {self.text}" if self.line else f"{self.key}: {self.text}"
        return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


class BadDocument(Exception):
    """A document that can't be used, with all that is wrong with it."""

    def __init__(self, faults: Collection[Fault]) -> None:
        super().__init__("; ".join(map(str, faults)))
        self.faults = tuple(faults)

    def located(self, lines: Mapping[Place, int]) -> "BadDocument":
        """The same, with the line of each fault: that of its key, else of the table around it."""
        return BadDocument(
            [fault._replace(line=_line(fault.place, lines)) for fault in self.faults]
        )


def _line(place: Place, lines: Mapping[Place, int]) -> int:
    around = (place[:depth] for depth in range(len(place), 0, -1))
    return next((lines[part] for part in around if part in lines), 1)


def parse(text: str, form: Form) -> object:
    """The value that a text stands for. Raises BadDocument where it is not of its form."""
    try:
        return tomllib.loads(text) if form is Form.TOML else json.loads(text)
    except RecursionError:
        raise BadDocument([Fault((), "is nested too deeply", 1)]) from None
    except json.JSONDecodeError as fault:
        raise BadDocument([Fault((), f"is not JSON: {fault.msg}", fault.lineno)]) from None
    except ValueError as fault:
        said, _, at = str(fault).partition(" (at line ")
        line = at.partition(",")[0]
        number = int(line) if line.isdecimal() else max(1, len(text.splitlines()))
        raise BadDocument([Fault((), f"is not TOML: {said}", number)]) from None


@dataclass(slots=True)
class Checker:
    """Takes values out of a document and gathers what is wrong with them.

    Each method returns the value, or what stands for its absence: then a fault was noted.
    """

    faults: list[Fault] = field(default_factory=list)
    unsaid: int = 0

    def fault(self, place: Place, text: str) -> None:
        """Note a fault; beyond a bound only their number.

        One at the same place, or at a table around it, says enough.
        """
        if any(place[: len(fault.place)] == fault.place for fault in self.faults):
            return
        if len(self.faults) < tariff_limits.DOCUMENT_FAULTS:
            self.faults.append(Fault(place, text))
        else:
            self.unsaid += 1

    def done(self) -> None:
        """Raise BadDocument where anything is wrong."""
        if self.unsaid:
            self.faults.append(Fault((), f"and {self.unsaid} faults more"))
        if self.faults:
            raise BadDocument(self.faults)

    def table(self, value: object, place: Place, names: Collection[str]) -> Mapping[str, object]:
        """A table with no other keys than these."""
        if not isinstance(value, dict):
            self.fault(place, f"{shown(value)} is no table; write keys and values")
            return {}
        for name in value:
            if name not in names:
                near = difflib.get_close_matches(str(name)[:64], names, n=1, cutoff=0.5)
                write = near[0] if near else "one of " + ", ".join(names)
                self.fault((*place, name), f"unknown key; write {write}")
        return value

    def items(
        self, table: Mapping[str, object], place: Place, name: str, most: int
    ) -> list[object]:
        """A list of at most so many items; absent, none."""
        value = table.get(name, [])
        if not isinstance(value, list):
            self.fault((*place, name), f"{shown(value)} is no list; write [[...]] for each item")
            return []
        if len(value) > most:
            self.fault((*place, name), f"has {len(value)} items; write at most {most}")
            return []
        return value

    def whole(
        self, table: Mapping[str, object], place: Place, name: str, *, least: int, most: int
    ) -> int | None:
        """A whole number within bounds; None where there is none."""
        value = table.get(name)
        if name not in table:
            return None
        if isinstance(value, bool) or not isinstance(value, int):
            text = f"{shown(value)} is no whole number; write one without quotes or decimals"
            self.fault((*place, name), text)
            return None
        if not least <= value <= most:
            self.fault((*place, name), f"{shown(value)} is not within {least} to {most:,}")
            return None
        return value

    def required(self, table: Mapping[str, object], place: Place, name: str, example: str) -> bool:
        """Whether a key is written; a fault where it is not."""
        if name not in table:
            self.fault((*place, name), f"is missing; write {example}")
        return name in table

    def text(self, table: Mapping[str, object], place: Place, name: str) -> str | None:
        """A string of a line, as requests may have them; None where there is none."""
        value = table.get(name)
        if name not in table:
            return None
        if not isinstance(value, str):
            self.fault((*place, name), f"{shown(value)} is no string; write it in quotes")
            return None
        if len(value) > limits.TEXT_CHARACTERS:
            most = limits.TEXT_CHARACTERS
            self.fault((*place, name), f"has {len(value)} characters; write at most {most}")
            return None
        if any(ord(char) < 0x20 or 0x7F <= ord(char) < 0xA0 for char in value):
            self.fault((*place, name), "holds control characters; write it without")
            return None
        if any(0xD800 <= ord(char) < 0xE000 for char in value):
            self.fault((*place, name), "is no text that UTF-8 can hold; write it anew")
            return None
        return value


def shown(value: object) -> str:
    """A value as a message shows it: short, and whatever it holds."""
    if isinstance(value, dict | list):
        return "a table" if isinstance(value, dict) else "a list"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    try:
        text = json.dumps(value, ensure_ascii=False) if isinstance(value, str) else str(value)
    except ValueError:  # an integer of more digits than Python cares to write
        return "a huge number"
    return text if len(text) <= 60 else f"{text[:57]}..."
