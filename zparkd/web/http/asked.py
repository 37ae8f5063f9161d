"""What a request over HTTP says, read and judged for its form: its query, and its JSON body.

A fault names the parameter or the field. What an answer is, is not known here.
"""

from datetime import datetime, timedelta, tzinfo
from http import HTTPStatus
from typing import Any

import orjson
from starlette.requests import ClientDisconnect, Request

from zparkd.core import limits
from zparkd.core.gate import limits as gate_limits
from zparkd.web.http.answers import Problem, bad

_YES = frozenset({"1", "true", "yes", "on"})
_NO = frozenset({"0", "false", "no", "off"})


def text(request: Request, name: str) -> str | None:
    """A parameter of the query; None where it is missing or empty. The last one counts."""
    value = request.query_params.get(name)
    if not value:
        return None
    if len(value) > limits.TEXT_CHARACTERS:
        raise bad(f"{name}: is {len(value)} characters; at most {limits.TEXT_CHARACTERS}")
    if any(ord(c) < 0x20 or 0x7F <= ord(c) < 0xA0 or 0xD800 <= ord(c) < 0xE000 for c in value):
        raise bad(f"{name}: must not hold control characters")
    return value


def flag(request: Request, name: str) -> bool | None:
    """Yes or no; None where nothing is said."""
    value = text(request, name)
    if value is None:
        return None
    folded = value.lower()
    if folded not in _YES | _NO:
        raise bad(f"{name}: must be 1 or 0, not {value[:40]!r}")
    return folded in _YES


def whole(request: Request, name: str, default: int, lowest: int, highest: int) -> int:
    """A whole number within bounds."""
    value = text(request, name)
    if value is None:
        return default
    if not (value.isascii() and value.removeprefix("-").isdigit() and len(value) < 20):
        raise bad(f"{name}: must be a whole number, not {value[:40]!r}")
    number = int(value)
    if not lowest <= number <= highest:
        raise bad(f"{name}: must be from {lowest} to {highest}, not {number}")
    return number


def choice(request: Request, name: str, *choices: str) -> str | None:
    """One of some words; None where nothing is said."""
    value = text(request, name)
    if value is not None and value not in choices:
        raise bad(f"{name}: must be one of {', '.join(choices)}, not {value[:40]!r}")
    return value


def since(request: Request, name: str, zone: tzinfo) -> int | None:
    """A moment of site time as ms: a day means its beginning."""
    value = text(request, name)
    return None if value is None else _ms(_moment(name, value)[0], zone)


def until(request: Request, name: str, zone: tzinfo) -> int | None:
    """The ms that follow a moment of site time: a day means its end, a second its end."""
    value = text(request, name)
    if value is None:
        return None
    moment, step = _moment(name, value)
    try:
        return _ms(moment + step, zone)
    except OverflowError:
        return limits.TIME_SHOWN_MS_MAX


def _moment(name: str, value: str) -> tuple[datetime, timedelta]:
    for form, step in (
        ("%Y-%m-%d", timedelta(days=1)),
        ("%Y-%m-%d %H:%M:%S", timedelta(seconds=1)),
        ("%Y-%m-%dT%H:%M:%S", timedelta(seconds=1)),
    ):
        try:
            return datetime.strptime(value, form), step
        except ValueError:
            continue
    raise bad(f"{name}: must be YYYY-MM-DD or YYYY-MM-DD HH:MM:SS, site time, not {value[:40]!r}")


def _ms(moment: datetime, zone: tzinfo) -> int:
    try:
        return round(moment.replace(tzinfo=zone).timestamp() * 1000)
    except (OverflowError, ValueError):  # at the ends of the calendar
        return 0 if moment.year < 1970 else limits.TIME_SHOWN_MS_MAX


async def body(request: Request, most: int = gate_limits.EDGE_REQUEST_BYTES) -> bytes:
    """The body of a request, not longer than an edge's where nothing is said. Raises Problem."""
    read = bytearray()
    try:
        async for part in request.stream():
            read += part
            if len(read) > most:
                raise Problem(
                    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                    "too_large",
                    f"a request is at most {most} bytes",
                )
    except ClientDisconnect:
        raise bad("the request ended before its body did") from None
    return bytes(read)


async def fields(request: Request, most: int = gate_limits.EDGE_REQUEST_BYTES) -> dict[str, Any]:
    """The JSON object in a request's body, whatever its Content-Type says. Raises Problem."""
    try:
        found = orjson.loads(await body(request, most))
    except orjson.JSONDecodeError as fault:
        raise bad(f"the request is not JSON: {fault}") from None
    if not isinstance(found, dict):
        raise bad("the request must be a JSON object")
    return found
