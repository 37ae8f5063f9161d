"""One TOML file: what it says, on which line, and what is wrong with it.

Nothing here knows what a configuration may say; nothing here writes. Values, and refusing bad
TOML, are tomllib's business; it tells no line of a value, so lines are found here.
"""

import json
import re
import stat
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zparkd.core.tariff.line_map import lines_of

MAX_FILE_BYTES = 1 << 20  # a reload must not hold up the daemon over a file put there by mistake
_DEPTH = 2  # a section and its key; deeper ones are in no message


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong in one file.

    `line` counts from 1; 0 where there is no line to point at, as in a missing file. `text`
    is what is wrong and, after a semicolon, what to write.
    """

    file: Path
    line: int
    key: str
    text: str

    def __str__(self) -> str:
        """One line: whatever a file or its name contains, it can't break or colour it."""
        line = f"{self.file}:{self.line}: {self.key}: {self.text}"
        return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in line)


class ConfigError(Exception):
    """The configuration can't be used; `faults` are all that was found in all its files."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("\n".join(map(str, faults)))
        self.faults = tuple(faults)


@dataclass(slots=True)
class Source:
    """One file that is valid TOML, and where its faults go."""

    file: Path
    table: dict[str, Any]
    lines: dict[tuple[str, ...], int]
    faults: list[Fault]

    def line(self, *places: tuple[str, ...]) -> int:
        """The line of the first place that is written, else of the last one's table, else 1."""
        for place in (*places, places[-1][:-1]):
            if place in self.lines:
                return self.lines[place]
        return 1

    def fault(self, place: tuple[str, ...], text: str, *instead: tuple[str, ...]) -> None:
        """Note a fault at `place`, shown `instead` at another where it is not written."""
        key = ".".join(map(_key_shown, place))
        self.faults.append(Fault(self.file, self.line(place, *instead), key, text))


def read(
    file: Path,
    faults: list[Fault],
    may_vanish: bool = False,
    missing: str = "write it, or name another",
) -> Source | None:
    """The file as TOML; None, with a fault added to `faults`, where it can't be read as such.

    With `may_vanish` a file that is no longer there is no fault; `missing` is what to do about it
    otherwise.
    """
    try:
        if not stat.S_ISREG(file.stat().st_mode):  # opening a FIFO would wait for ever
            raise OSError("not a regular file")
        with file.open("rb") as opened:
            raw = opened.read(MAX_FILE_BYTES + 1)
        if len(raw) > MAX_FILE_BYTES:
            raise OSError(f"larger than {MAX_FILE_BYTES} bytes")
        text = raw.decode().replace("\r\n", "\n")
    except FileNotFoundError as error:
        # Listed and then gone is a removed file; a dangling link is still there.
        if not (may_vanish and not file.is_symlink()):
            faults.append(unreadable(file, error, missing))
        return None
    except UnicodeDecodeError as error:
        what = f"byte {error.start} is not UTF-8; save the file as UTF-8"
        faults.append(Fault(file, 0, "file", what))
        return None
    except OSError as error:
        faults.append(unreadable(file, error, "make it a text file that zparkd may read"))
        return None
    try:
        return Source(file, tomllib.loads(text), key_lines(text), faults)
    except RecursionError:
        faults.append(Fault(file, 1, "syntax", "nested too deeply; write plain keys and tables"))
    except ValueError as error:  # also plain ones, as for an integer of too many digits
        faults.append(_syntax_fault(file, text, error))
    return None


def unreadable(path: Path, error: OSError, write: str) -> Fault:
    """The fault of a file or directory that the system doesn't let us read."""
    return Fault(path, 0, "file", f"{(error.strerror or str(error)).lower()}; {write}")


def _syntax_fault(file: Path, text: str, error: ValueError) -> Fault:
    what = str(error)
    if place := re.search(r" \(at line (\d+), column \d+\)$", what):
        line = int(place[1])
    elif place := re.search(r" \(at end of document\)$", what):
        line = text.removesuffix("\n").count("\n") + 1
    else:
        line = 1
    what = what[: place.start()] if place else what
    return Fault(file, line, "syntax", f"not TOML: {what}; write key = value, strings in quotes")


def key_lines(text: str) -> dict[tuple[str, ...], int]:
    """The line (from 1) on which each section and each key of a section first stands.

    The names are paths, `("listen",)` and `("listen", "bus_port")`. The text must be one that
    tomllib accepts.
    """
    lines: dict[tuple[str, ...], int] = {}
    for place, line in lines_of(text).items():
        names = tuple(name for name in place if isinstance(name, str))[:_DEPTH]
        lines[names] = min(line, lines.get(names, line))
    return lines


def shown(value: object) -> str:
    """A value as a message shows it: much as TOML writes it, and short."""
    if isinstance(value, dict | list):
        return "a table" if isinstance(value, dict) else "a list"
    if isinstance(value, bool):
        return str(value).lower()
    try:
        text = json.dumps(value, ensure_ascii=False) if isinstance(value, str) else str(value)
    except ValueError:  # an integer of more digits than Python cares to write
        return "a huge number"
    return text if len(text) <= 120 else f"{text[:117]}..."


def _key_shown(key: str) -> str:
    return key if re.fullmatch("[A-Za-z0-9_-]+", key) else shown(key)
