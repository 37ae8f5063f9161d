"""How zparkctl writes: aligned tables, colour, words for numbers and times, and JSON.

The only place that knows any of this. What is to be written, and why, belongs to the commands.
"""

import os
import sys
import textwrap
import unicodedata
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import click
import orjson

SCREEN = 80  # columns
UNKNOWN = "?"
NONE = "none"
NEVER = "never"

Style = Callable[[str], str]


def good(text: str) -> str:
    """As it should be."""
    return click.style(text, fg="green")


def bad(text: str) -> str:
    """Somebody should look at this."""
    return click.style(text, fg="red", bold=True)


def heading(text: str) -> str:
    """What names the things below it."""
    return click.style(text, bold=True)


@dataclass(frozen=True, slots=True)
class Cell:
    """One field of a table, coloured after it has been cut and aligned."""

    text: str
    style: Style | None = None


def colour_wanted() -> bool:
    """Whether standard output is a terminal whose user has nothing against colour."""
    refused = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return not refused and sys.stdout.isatty()


def print_json(value: object) -> None:
    """One JSON document on standard output."""
    click.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2))


def print_json_line(value: object) -> None:
    """One JSON document on a line of its own, for what goes on for ever."""
    click.echo(orjson.dumps(value))


def redraw(text: str) -> None:
    """Put text in the place of what stood on the screen; below it where that is no terminal."""
    if sys.stdout.isatty() and os.environ.get("TERM") != "dumb":
        click.echo("\x1b[H\x1b[J", nl=False, color=True)  # moves and clears: it is no colour
        click.echo(text)
    else:
        click.echo(f"{text}\n")


def table(
    headers: Sequence[str],
    rows: Iterable[Sequence[str | Cell]],
    *,
    right: Collection[str] = (),
    width: int | None = None,
    shrink: Mapping[str, int] | None = None,
    names: Collection[str] = (),
) -> str:
    """Aligned columns under their `headers`, two spaces apart.

    `right` names the columns that are aligned to the right. Where the table is wider than
    `width`, the columns of `shrink` (name to least width) are cut in that order, with a `…`; those
    of `names` in the middle, since names in a row often differ in their ends.
    """
    lines = [[_cell(field) for field in row] for row in rows]
    widths = [
        max(_columns(text) for text in (header, *(row[at].text for row in lines)))
        for at, header in enumerate(headers)
    ]
    if width is not None:
        excess = sum(widths) + 2 * (len(widths) - 1) - width
        for name, least in (shrink or {}).items():
            at = headers.index(name)
            cut = max(0, min(excess, widths[at] - max(least, len(name))))
            widths[at] -= cut
            excess -= cut

    def line(cells: Sequence[Cell]) -> str:
        fields = [
            _fitted(cell, columns, at_right=header in right, name=header in names)
            for cell, columns, header in zip(cells, widths, headers, strict=True)
        ]
        return "  ".join(fields).rstrip()

    return "\n".join([line([Cell(text, heading) for text in headers]), *map(line, lines)])


def paragraph(text: str, *, first: str = "", rest: str = "") -> str:
    """Text broken into lines for the screen, behind the indents `first` and `rest`.

    A word that is longer, such as a path, is not broken: it is there to be copied.
    """
    lines = text.splitlines() or [""]
    return "\n".join(
        textwrap.fill(
            printable(line),
            SCREEN,
            initial_indent=rest if number else first,
            subsequent_indent=rest,
            break_long_words=False,
            break_on_hyphens=False,
        )
        for number, line in enumerate(lines)
    )


def printable(text: str) -> str:
    """Text of another machine, without what could move the cursor or change colours."""
    return "".join(char if char.isprintable() else "?" for char in text)


def count(number: int | None) -> str:
    """`12,034`; what isn't known is `?`."""
    return UNKNOWN if number is None else f"{number:,}"


def plural(number: int | None, noun: str) -> str:
    """`1 peer`, `12,034 peers`."""
    return f"{count(number)} {noun}{'' if number == 1 else 's'}"


def duration(seconds: float) -> str:
    """A length of time in at most two words: `0.4 s`, `42 s`, `5 min`, `3 h 12 min`, `2 d 1 h`."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{int(seconds)} s"
    minutes = int(seconds // 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if hours else f"{days} d"


def offset(milliseconds: float | None) -> str:
    """How far a clock is ahead: `+3 ms`, `-12 s`; what isn't known is `?`."""
    if milliseconds is None:
        return UNKNOWN
    if abs(milliseconds) < 10_000:
        return f"{round(milliseconds):+d} ms"
    return ("+" if milliseconds > 0 else "-") + duration(abs(milliseconds) / 1000)


def _cell(field: str | Cell) -> Cell:
    cell = field if isinstance(field, Cell) else Cell(field)
    return Cell(printable(cell.text), cell.style)


def _fitted(cell: Cell, columns: int, *, at_right: bool, name: bool) -> str:
    text = cell.text
    if _columns(text) > columns:
        end = text[len(text) - (columns - 1) // 2 :] if name else ""
        while _columns(text) + _columns(end) > columns - 1:
            text = text[:-1]
        text += f"…{end}"
    blank = " " * (columns - _columns(text))
    shown = cell.style(text) if cell.style else text
    return blank + shown if at_right else shown + blank


def _columns(text: str) -> int:
    """How many columns of a terminal the text takes."""
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        for char in text
    )
