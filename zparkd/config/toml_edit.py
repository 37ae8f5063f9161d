"""Writing TOML: a flat file, or some values of a file that people wrote and nothing else of it.

What the values may be is not known here.
"""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path

import orjson

from zparkd.config.toml import Source, read

_VALUE = r"""("(?:\\.|[^"\\])*"|'[^']*'|[+-]?[0-9][0-9_]*|true|false)"""


def written(value: object) -> str:
    """A string, number, flag, or list of such, as TOML writes it. Raises TypeError for others."""
    if isinstance(value, list):
        return f"[{', '.join(map(written, value))}]"
    if not isinstance(value, str | int | float):
        raise TypeError(f"{value!r} is nothing that is written here")
    if not isinstance(value, str):
        return str(value).lower()
    text = value.encode(errors="replace").decode()
    return orjson.dumps(text).decode().replace("\x7f", "\\u007f")


def flat(values: Mapping[str, object]) -> bytes:
    """A file of these keys; what is None is left out."""
    lines = [f"{key} = {written(value)}\n" for key, value in values.items() if value is not None]
    return "".join(lines).encode()


def changed(file: Path, section: str, values: Mapping[str, object]) -> bytes:
    """The text of `file` with these values in a section, and all else as it stands.

    Raises ValueError, with what to do, where that can't be done by changing single lines; and
    OSError.
    """
    text = file.read_bytes().decode()
    fresh = _with(text, read(file, []), section, values)
    wanted = tomllib.loads(text.replace("\r\n", "\n"))
    inside = wanted.setdefault(section, {})
    if isinstance(inside, dict):
        inside.update(values)
    try:
        fits = tomllib.loads(fresh.replace("\r\n", "\n")) == wanted
    except tomllib.TOMLDecodeError:
        fits = False
    if not fits:
        raise ValueError(
            f"{file}: is written in a way that only a person can change; edit it there"
        )
    return fresh.encode()


def _with(text: str, source: Source | None, section: str, values: Mapping[str, object]) -> str:
    """The text with each value on its line, else below the head of its section, else at the end."""
    places = source.lines if source is not None else {}
    lines = text.splitlines(keepends=True)
    missing = []
    for key, value in values.items():
        number = places.get((section, key))
        if number is None:
            missing.append(f"{key} = {written(value)}\n")
            continue
        found = re.match(rf"(\s*{re.escape(key)}\s*=\s*){_VALUE}(?=\s*(#.*)?$)", lines[number - 1])
        if found is not None:
            rest = lines[number - 1][found.end() :]
            lines[number - 1] = found[1] + written(value) + rest
    head = places.get((section,))
    if missing and head is not None:
        lines[head:head] = missing
    elif missing:
        lines += [f"\n[{section}]\n", *missing]
    return "".join(lines)
