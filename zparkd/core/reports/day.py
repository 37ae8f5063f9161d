"""The close of a day: what a day came to, as one central knew it, signed by that central.

What it says is a pure function of the events up to the heads that it lists; so any central that
holds those can calculate it again, whatever came later. Nothing in it points to a person: so it can
be calculated again when plates were erased before it was closed. The signature is that of the
identity of the central, over all of it but the signature.
"""

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta, tzinfo
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct, structs

from zparkd.core import limits
from zparkd.core.events import xeddsa
from zparkd.core.events.event import Stream
from zparkd.core.events.heads import Heads
from zparkd.core.keys import key_bytes
from zparkd.core.reports.period import BadPeriod, day_ms
from zparkd.core.reports.records import Asked, By, Name, Table
from zparkd.core.site import CENTRAL_ID

VERSION = 1
_Id = Annotated[str, Meta(pattern=f"^{CENTRAL_ID.pattern}\\Z")]
_Text = Annotated[str, Meta(max_length=limits.TEXT_CHARACTERS)]
_Head = tuple[
    _Id,
    Annotated[int, Meta(ge=1, le=limits.EPOCH_MAX)],
    Annotated[int, Meta(ge=1, le=limits.SEQ_MAX)],
]
Ask = Callable[[Asked], Table]

# What of which report stands in the close of a day.
_PARTS = {
    "shift": (Name.SHIFT, None),
    "traffic_by_type": (Name.TRAFFIC, By.TYPE),
    "traffic_by_gate": (Name.TRAFFIC, By.GATE),
    "revenue_by_type": (Name.REVENUE, By.TYPE),
    "revenue_by_gate": (Name.REVENUE, By.GATE),
}


class BadDay(Exception):
    """The file is no close of a day. The text says what is wrong."""


class Close(Struct, frozen=True):
    """The close of a day as it stands in a file.

    `heads` are how far the log was held (origin, epoch, seq), `held` a digest over the hashes
    there. `complete_until` and `missing` as in a report. A central in plain mode has no key, and
    signs nothing. Times in ISO 8601.
    """

    zparkd_day: Annotated[int, Meta(ge=1)]
    site: _Text
    day: Annotated[str, Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")]
    timezone: _Text
    closed_by: _Id
    closed_at: _Text
    complete_until: _Text | None
    missing: list[_Text]
    totals: dict[str, list[dict[str, int | str | None]]]
    heads: list[_Head]
    held: _Text
    public_key: Annotated[str, Meta(min_length=40, max_length=40)] | None = None
    signature: Annotated[str, Meta(pattern=r"^[0-9a-f]{128}\Z")] | None = None


_encode = msgspec.json.Encoder(order="sorted").encode
_decode = msgspec.json.Decoder(Close).decode


def bounds(day: str, zone: tzinfo) -> tuple[int, int]:
    """When a day, YYYY-MM-DD, begins and ends at the site, in ms. Raises BadPeriod."""
    try:
        begun = datetime.strptime(day, "%Y-%m-%d")
        return day_ms(begun, zone), day_ms(begun + timedelta(days=1), zone)
    except (ValueError, OverflowError):
        raise BadPeriod(f"{day[:40]!r} is no day; write YYYY-MM-DD") from None


def totals(ask: Ask, day: str, zone: tzinfo) -> dict[str, list[dict[str, Any]]]:
    """What a day came to, by the reports that are asked for. Raises BadPeriod."""
    since_ms, until_ms = bounds(day, zone)
    found = {
        part: ask(Asked(name, by, since_ms, until_ms, zone)).rows
        for part, (name, by) in _PARTS.items()
    }
    odd = ask(Asked(Name.EXCEPTIONS, None, since_ms, until_ms, zone)).rows
    counts = Counter(row["kind"] for row in odd)
    found["exceptions"] = [{"kind": kind, "count": counts[kind]} for kind in sorted(counts)]
    return found


def signed_text(close: Close) -> bytes:
    """What is signed of the close of a day: all of it but the signature, in one form."""
    return b"zparkd.1.day\n" + _encode(structs.replace(close, signature=None))


def is_genuine(close: Close) -> bool:
    """Whether the holder of the secret half of the key that it names signed exactly this."""
    if close.public_key is None or close.signature is None:
        return False
    try:
        key = key_bytes(close.public_key)
    except ValueError:
        return False
    return xeddsa.verify(key, signed_text(close), bytes.fromhex(close.signature))


def read_close(data: bytes) -> Close:
    """The close of a day in a file. Raises BadDay."""
    try:
        close = _decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as fault:
        raise BadDay(f"is no close of a day: {fault}") from None
    if close.zparkd_day != VERSION:
        raise BadDay(f"is of version {close.zparkd_day}; this zparkd knows {VERSION}")
    return close


def write_close(close: Close) -> bytes:
    """The close of a day as a file, for people too."""
    return msgspec.json.format(_encode(close), indent=2) + b"\n"


def heads_of(close: Close) -> Heads:
    """How far the log was held."""
    return {Stream(origin, epoch): seq for origin, epoch, seq in close.heads}
