"""Writing TOML: a flat file, or some values of a file that people wrote and nothing else of it.

What the values may be is not known here.
"""

from collections.abc import Mapping
from pathlib import Path

import tomlkit
from tomlkit.exceptions import TOMLKitError


def toml_value(value: object) -> str:
    """A string, number, flag, or list of such, as TOML writes it.

    What no file can say becomes a mark that no value may contain. Raises TypeError for others.
    """
    return tomlkit.item(_sayable(value)).as_string()


def flat(values: Mapping[str, object]) -> bytes:
    """A file of these keys; what is None is left out."""
    lines = [f"{key} = {toml_value(value)}\n" for key, value in values.items() if value is not None]
    return "".join(lines).encode()


def changed(file: Path, section: str, values: Mapping[str, object]) -> bytes:
    """The text of `file` with these values in a section, and all else as it stands.

    Raises ValueError, with what to do, where the file is at fault; and OSError.
    """
    text = file.read_bytes().decode()
    try:
        document = tomlkit.parse(text)
        if section not in document:
            document[section] = tomlkit.table()
        inside = document[section]
        if not isinstance(inside, dict):
            raise ValueError(f"{file}: {section} is no section; make it [{section}]")
        for key, value in values.items():
            inside[key] = _sayable(value)
        return tomlkit.dumps(document).encode()
    except TOMLKitError as fault:
        raise ValueError(f"{file}: can't be read: {fault}; mend it there") from None


def _sayable(value: object) -> str | int | float | list[object]:
    if isinstance(value, list):
        return [_sayable(one) for one in value]
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    if isinstance(value, int | float):
        return value
    raise TypeError(f"{value!r} is nothing that is written here")
