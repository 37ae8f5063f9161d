"""Tables for spreadsheets: CSV that opens as it is, and computes nothing.

UTF-8 behind the mark by which a spreadsheet sees that. A text that would be taken for a formula, a
plate or a name, stands behind an apostrophe.
"""

import csv
from collections.abc import Iterable, Sequence

MARK = "\ufeff"
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def cell(value: object) -> object:
    """A value as a spreadsheet shows it, and never computes it."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def lines(rows: Iterable[Sequence[object]], mark: str = "") -> bytes:
    """Rows as lines of CSV; `mark` is MARK where they are the first of a file."""
    out = _Lines([mark])
    csv.writer(out, lineterminator="\r\n").writerows([cell(value) for value in row] for row in rows)
    return "".join(out).encode("utf-8", "replace")


class _Lines(list[str]):
    """What is written, line by line."""

    write = list.append
