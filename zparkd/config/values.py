"""What a value of the configuration may be: one checker for each sort of value.

Each takes what TOML gave, and returns the value or raises ValueError saying what is wrong and,
after a semicolon, what to write. Which key holds which sort is not known here, and no file is
read: see `schema` and `load`.
"""

import difflib
import functools
import ipaddress
import math
import re
import zoneinfo
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

from zparkd.config.toml import shown
from zparkd.core.keys import key_bytes
from zparkd.core.site import CENTRAL_ID

_ZONE = re.compile(r"[A-Za-z0-9_+-]{1,32}(?:/[A-Za-z0-9_+-]{1,32}){0,2}")
_ADDRESS = re.compile(r"[A-Za-z0-9._:%-]+")
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?")

_NATS_SCHEMES = ("nats", "tls", "ws", "wss")


def as_text(value: object) -> str:
    """A string."""
    if not isinstance(value, str):
        raise ValueError(f"{shown(value)} is not a string; write it in quotes")
    return value


def as_flag(value: object) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise ValueError(f"{shown(value)} is not a boolean; write true or false, without quotes")
    return value


def as_number(value: object) -> float:
    """A finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{shown(value)} is not a number; write one without quotes")
    try:
        number = float(value)
    except OverflowError:  # an integer may have any size
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"{shown(value)} is not a finite number; write one such as 1.0")
    return number


def as_seconds(value: object) -> float:
    """A time above 0, in seconds."""
    if (number := as_number(value)) <= 0:
        raise ValueError(f"{shown(value)} is not above 0; write seconds, such as 1.0")
    return number


def as_rate(value: object) -> float:
    """A number of requests a second; 0 for no limit."""
    if (number := as_number(value)) < 0:
        raise ValueError(f"{shown(value)} is below 0; write requests a second, or 0 for no limit")
    return number


def as_port(value: object) -> int:
    """A port from 1 to 65535."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{shown(value)} is not a whole number; write a port from 1 to 65535")
    if not 1 <= value <= 65535:
        raise ValueError(f"{shown(value)} is not a port; write one from 1 to 65535")
    return value


def matching(pattern: re.Pattern[str], example: str) -> Callable[[object], str]:
    """A string of this form; `example` is what to write."""

    def parse(value: object) -> str:
        text = as_text(value)
        if not pattern.fullmatch(text):
            raise ValueError(
                f"{shown(text)} does not match {pattern.pattern}; write one like {example}"
            )
        return text

    return parse


def one_of(kind: type[StrEnum]) -> Callable[[object], StrEnum]:
    """The value of one of these words."""
    choices = " or ".join(f'"{member}"' for member in kind)

    def parse(value: object) -> StrEnum:
        try:
            return kind(as_text(value))
        except ValueError:
            raise ValueError(f"{shown(value)} is not known here; write {choices}") from None

    return parse


_IN_VIETNAM = frozenset(
    (
        "hanoi",
        "vietnam",
        "vn",
        "hochiminhcity",
        "hcm",
        "hcmc",
        "danang",
        "haiphong",
        "cantho",
        "hue",
    )
)


def as_timezone(value: object) -> str:
    """The IANA name of a known time zone."""
    name = as_text(value)
    try:
        # zoneinfo makes paths and even module names of what it is given: let it see no others.
        if not _ZONE.fullmatch(name):
            raise ValueError
        zoneinfo.ZoneInfo(name)
    except (LookupError, ValueError, OSError):  # OSError: the name of a directory of zones
        near = difflib.get_close_matches(name[:64], _timezones(), n=1)
        # What people of the country write; the nearest known name is one of Bahrain or Denver.
        place = re.sub(r"[\W_]+", "", name.rpartition("/")[2].lower())
        write = near[0] if near and place not in _IN_VIETNAM else "Asia/Ho_Chi_Minh"
        raise ValueError(f'{shown(name)} is not a known time zone; write "{write}"') from None
    return name


@functools.cache
def _timezones() -> list[str]:
    return sorted(zoneinfo.available_timezones())


def _ip(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(address)
    except ValueError:
        return None


def as_address(value: object) -> str:
    """An IP literal or a host name."""
    text = as_text(value)
    # A name that ends in a number is a mistyped IPv4 address: no top-level domain is one.
    is_host = _HOST.fullmatch(text) and len(text) <= 253 and not re.search(r"(^|\.)\d+\.?$", text)
    if not is_host and not (_ADDRESS.fullmatch(text) and _ip(text)):
        raise ValueError(
            f"{shown(text)} is not an IP address or host name; write it alone, without scheme,"
            " port, brackets or spaces, such as 192.168.1.102"
        )
    return text


def as_listen_address(value: object) -> str:
    """An IP literal or `localhost`."""
    text = as_text(value)
    if text != "localhost" and not (_ADDRESS.fullmatch(text) and _ip(text)):
        raise ValueError(
            f"{shown(text)} is not an IP address; write one of this machine's, such as 127.0.0.1"
        )
    return text


def as_path(value: object) -> Path:
    """The path of a file, as written."""
    text = as_text(value)
    if not text or any(ord(char) < 32 or char == "\x7f" for char in text):
        raise ValueError(f"{shown(text)} is not a path; write the path of a file")
    return Path(text)


def as_url(value: object) -> str:
    """The address of an HTTP server, up to what all its documents have in common."""
    text = as_text(value)
    try:
        parts = urlsplit(text)
        good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        good = False
    if not good or not text.isprintable() or " " in text or not text.isascii():
        raise ValueError(
            f"{shown(text)} is not an HTTP address; write one such as http://192.168.1.10:8080/api"
        )
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError(
            "has a user, a query or a fragment; write the address alone, and a token in token_file"
        )
    return text.rstrip("/")


def as_servers(value: object) -> tuple[str, ...]:
    """Addresses of NATS servers: a list, or one by itself."""
    texts = value if isinstance(value, list) else [value]
    servers = tuple(as_text(text) for text in texts)
    for server in servers:
        parts = urlsplit(server)
        if parts.scheme not in _NATS_SCHEMES or not parts.hostname:
            raise ValueError(f'{shown(server)} is no server of NATS; write "nats://host:4222"')
    if not servers:
        raise ValueError('names no server; write ["nats://host:4222"], or leave servers out')
    return servers


def as_public_key(value: object) -> str:
    """A CURVE key: 40 characters of Z85 that stand for 32 bytes.

    What is none is not repeated: it may be the secret one, or a part of it.
    """
    text = as_text(value)
    try:
        key_bytes(text)
    except ValueError as fault:
        raise ValueError(
            f"is no public key ({fault}; not shown, it has {len(text)}); write the 40 characters"
            " that `zparkctl keygen --public FILE` prints there"
        ) from None
    return text


def as_known_keys(value: object) -> dict[str, tuple[str, ...]]:
    """For some centrals a list of public keys each."""
    write = 'write such as { central-4 = ["..."] }'
    if not isinstance(value, dict):
        raise ValueError(f"{shown(value)} is no table; {write}")
    for id, keys in value.items():
        if not CENTRAL_ID.fullmatch(id):
            raise ValueError(f"{shown(id)} is no id of a central; {write}")
        if not isinstance(keys, list):
            raise ValueError(f"{id} has no list of keys; {write}")
    return {id: tuple(map(as_public_key, keys)) for id, keys in value.items()}


def is_loopback(address: str) -> bool:
    """Whether this address is of this machine alone."""
    ip = _ip(address)
    return ip.is_loopback if ip else address.lower() == "localhost"
