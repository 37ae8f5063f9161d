"""The documents that people hand to zparkctl: read from a file, judged, refused with lines.

What a document must say is decided where it is read into values.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NoReturn, TypeVar

from zparkd.cli.context import Exit, fail
from zparkd.core.tariff.fields import BadDocument, parse
from zparkd.core.tariff.line_map import Form, lines_of

MOST_BYTES = 8 * 1024 * 1024
_Read = TypeVar("_Read")


def read_document(
    file: Path, judge: Callable[[object], _Read], *, as_json: bool, form: Form | None = None
) -> tuple[object, _Read]:
    """The value in a file and what `judge` makes of it, or the end of the command with its faults.

    Without a `form`, what begins with a brace is JSON, and all else TOML.
    """
    text = _text(file, as_json=as_json)
    if form is None:
        form = Form.JSON if text.lstrip().startswith("{") else Form.TOML
    try:
        value = parse(text, form)
    except BadDocument as bad:
        refuse_document(file, bad, as_json=as_json)
    try:
        return value, judge(value)
    except BadDocument as bad:
        refuse_document(file, bad.located(lines_of(text, form)), as_json=as_json)


def refuse_document(file: Path, bad: BadDocument, *, as_json: bool) -> NoReturn:
    """End the command over a bad document: its faults, one a line, and nothing was changed."""
    faults = [f"{file}:{fault}" for fault in bad.faults]
    fail(Exit.NO, "bad_document", "\n".join(faults), as_json=as_json, faults=faults)


def _text(file: Path, *, as_json: bool) -> str:
    try:
        raw = file.read_bytes() if file.stat().st_size <= MOST_BYTES else None
    except OSError as fault:
        why = (fault.strerror or str(fault)).lower()
        fail(Exit.NO, "unreadable", f"{file}: can't be read: {why}", as_json=as_json)
    if raw is None:
        message = f"{file}: is larger than {MOST_BYTES:,} bytes; name the right file"
        fail(Exit.NO, "unreadable", message, as_json=as_json)
    try:
        return raw.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as fault:
        message = f"{file}: byte {fault.start} is not UTF-8; save the file as UTF-8"
        fail(Exit.NO, "unreadable", message, as_json=as_json)
