"""The documents that people hand to zparkctl: read from a file, judged, refused with lines, set.

What a document must say is decided where it is read into values.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn, TypeVar
from zoneinfo import ZoneInfo

import click

from zparkd.cli.context import Exit, ask_daemon, fail, refuse
from zparkd.cli.output import print_json
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


def say_good(file: Path, how: str, *, as_json: bool) -> None:
    """Say that a document is good, and `how`."""
    if as_json:
        print_json({"success": True, "path": str(file), "faults": []})
    else:
        click.echo(f"{file}: good{how}")


def set_document(config: Path, kind: str, file: Path, value: object, *, as_json: bool) -> None:
    """Make a judged document the site's `kind`, "tariff" or "policy", and say what came of it."""
    answer = ask_daemon(config, f"{kind}.set", as_json=as_json, document=value)
    if answer.get("success") is not True:
        refuse(answer, as_json=as_json)
    if as_json:
        print_json(answer)
        return
    click.echo(f"{file}: the site's {kind}, version {answer['version']}")
    if peers := answer.get("incomplete"):
        click.echo(
            f"{', '.join(map(str, peers))}: not heard, or ahead of this central; where a higher"
            " version was set there, that one counts once they meet",
            err=True,
        )


def origin(held: Mapping[str, Any], zone: ZoneInfo) -> str:
    """A comment of TOML: who set a document of the site, and when."""
    when = datetime.fromtimestamp(held["set_ms"] / 1000, zone).strftime("%Y-%m-%d %H:%M:%S")
    return f"# version {held['version']}, set at {held['set_by']}, {when}\n"


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
