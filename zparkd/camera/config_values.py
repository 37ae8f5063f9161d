"""What `camera.toml` and the files of `cameras.d` may say: every key, its form and its default.

The readers of values are the daemon's; what is said here alone is said in the same words.
"""

import ipaddress
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zparkd.camera.barriers import BarrierKind
from zparkd.camera.read import Travel
from zparkd.camera.sources import Source
from zparkd.camera.sources.mapped import Place, place_of
from zparkd.config.schema import Key
from zparkd.config.toml import shown
from zparkd.config.values import (
    as_flag,
    as_number,
    as_path,
    as_port,
    as_public_key,
    as_seconds,
    as_text,
    as_timezone,
    matching,
    one_of,
)
from zparkd.core.site import CAMERA_TYPE, EDGE_ID, Direction

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

LANE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_ENDPOINT = re.compile(r"tcp://(\[[0-9A-Fa-f:.%\w]+\]|[^\s:/\[\]]+):[0-9]{1,5}")
_URL_PATH = re.compile(r"/(?!-/)[A-Za-z0-9._~/-]{0,127}")
_PLACE = re.compile(r"[^.\s]{1,64}(\.[^.\s]{1,64}){0,7}")
_METHOD = re.compile(r"GET|PUT|POST")


def as_listen(value: object) -> tuple[str, int]:
    """An IP address of this machine and a port, as `127.0.0.1:8070`."""
    text = as_text(value)
    host, colon, port = text.rpartition(":")
    try:
        ip = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host.strip("[]"))
        if not colon or not port.isascii():
            raise ValueError
        return str(ip), as_port(int(port))
    except ValueError:
        raise ValueError(
            f'{shown(text)} is no address with a port; write one such as "127.0.0.1:8070"'
        ) from None


def as_centrals(value: object) -> tuple[str, ...] | Path:
    """Where centrals answer edges, the nearest first; or the file that a join wrote."""
    if isinstance(value, str):
        return as_path(value)
    write = 'write such as ["tcp://192.168.1.101:9002"], or the file of a join'
    if not isinstance(value, list) or not value:
        raise ValueError(f"{shown(value)} is no list of addresses; {write}")
    for one in value:
        if not isinstance(one, str) or not _ENDPOINT.fullmatch(one):
            raise ValueError(f"{shown(one)} is no address of a central; {write}")
    return tuple(value)


def as_allow(value: object) -> tuple[Network, ...]:
    """Addresses and networks, such as `192.168.1.64` and `10.1.0.0/24`."""
    write = 'write such as ["192.168.1.64"]'
    if not isinstance(value, list) or not value:
        raise ValueError(f"{shown(value)} is no list of addresses; {write}")
    try:
        return tuple(ipaddress.ip_network(as_text(one)) for one in value)
    except ValueError as fault:
        raise ValueError(f"{fault}; {write}") from None


def as_direction(value: object) -> Direction | Mapping[Travel, Direction]:
    """What the lane does; or what it does where the camera says `forward`, and `reverse`."""
    if isinstance(value, str):
        return Direction(one_of(Direction)(value))
    write = 'write "ENTRY", "EXIT", or { forward = "ENTRY", reverse = "EXIT" }'
    if not isinstance(value, dict) or not value:
        raise ValueError(f"{shown(value)} is no direction; {write}")
    if not value.keys() <= {Travel.FORWARD, Travel.REVERSE}:
        raise ValueError(f"only forward and reverse may stand in it; {write}")
    return {Travel(name): Direction(one_of(Direction)(way)) for name, way in value.items()}


def as_share(value: object) -> float:
    """A confidence from 0 to 1."""
    if not 0 <= (number := as_number(value)) <= 1:
        raise ValueError(f"{shown(value)} is not from 0 to 1; write one such as 0.85")
    return number


def as_short_time(value: object) -> float:
    """Seconds from 0 to 60."""
    if not 0 <= (number := as_number(value)) <= 60:
        raise ValueError(f"{shown(value)} is not from 0 to 60; write seconds, such as 6.0")
    return number


def as_keys(value: object) -> tuple[str, ...]:
    """Public keys of centrals, in the order of `centrals`."""
    if not isinstance(value, list):
        raise ValueError(f'{shown(value)} is no list of keys; write public_keys = ["..."]')
    return tuple(map(as_public_key, value))


def as_argv(value: object) -> tuple[str, ...]:
    """A command as a list of its words; no shell reads it."""
    write = 'write such as argv = ["/usr/local/bin/open-barrier", "1"]'
    if not isinstance(value, list) or not value or not all(isinstance(it, str) for it in value):
        raise ValueError(f"{shown(value)} is no list of words; {write}")
    if not value[0].startswith("/"):
        raise ValueError(f"{shown(value[0])} is no whole path of a program; {write}")
    return tuple(value)


def as_relay_url(value: object) -> str:
    """The HTTP address of a relay, with its query."""
    text = as_text(value)
    if not re.fullmatch(r"https?://[^\s/@?#]+(/[!-~]*)?", text):
        raise ValueError(
            f"{shown(text)} is not an HTTP address, or names a user; write one such as"
            " http://192.168.1.64/ISAPI/Parking/channels/1/barrierGate, and the user in"
            " credentials_file"
        )
    return text


def as_place(value: object) -> Place:
    """The way to a member of JSON, such as `data.results.0.plate`."""
    return place_of(matching(_PLACE, "data.results.0.plate")(value))


def as_words(value: object) -> tuple[str, ...]:
    """Words of a camera."""
    if not isinstance(value, list) or not all(isinstance(it, str) for it in value):
        raise ValueError(f'{shown(value)} is no list of words; write such as ["in"]')
    return tuple(value)


def as_whole(low: int, high: int) -> Any:
    """A reader of whole numbers from `low` to `high`."""

    def parse(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise ValueError(f"{shown(value)} is no whole number from {low} to {high}; write one")
        return value

    return parse


MAIN_KEYS: Mapping[str, Key] = {
    "listen": Key(as_listen, ("127.0.0.1", 8070)),
    "outbox": Key(as_path, Path("/var/lib/zparkd-camera/outbox.db")),
    "pictures": Key(as_path),
    "pictures_mib": Key(as_whole(1, 1_000_000), 2_000),
    "pictures_days": Key(as_whole(1, 3_650), 30),
}
LANE_KEYS: Mapping[str, Key] = {
    "edge_id": Key(matching(EDGE_ID, "edge-1"), example="edge-1"),
    "centrals": Key(as_centrals, example="tcp://127.0.0.1:9002"),
    "source": Key(one_of(Source), example="hikvision"),
    "path": Key(matching(_URL_PATH, "/lane-1")),
    "secret_file": Key(as_path),
    "allow": Key(as_allow, ()),
    "direction": Key(as_direction),
    "camera_type": Key(matching(CAMERA_TYPE, "car")),
    "window_s": Key(as_short_time, 6.0),
    "sure": Key(as_share, 0.85),
    "hold_s": Key(as_short_time, 1.0),
    "timezone": Key(as_timezone, "Asia/Ho_Chi_Minh"),
    "dry_run": Key(as_flag, False),
    "silent_after_s": Key(as_seconds, 3600.0),
    "secret_key_file": Key(as_path),
    "public_keys": Key(as_keys, ()),
    "barrier": Key(lambda table: table, {}),
    "json": Key(lambda table: table),
    "mqtt": Key(lambda table: table),
}
BARRIER_KEYS: Mapping[str, Key] = {
    "kind": Key(one_of(BarrierKind), BarrierKind.NONE),
    "url": Key(as_relay_url),
    "method": Key(matching(_METHOD, "PUT"), "PUT"),
    "body": Key(as_text, ""),
    "credentials_file": Key(as_path),
    "argv": Key(as_argv),
    "chip": Key(as_path, Path("/dev/gpiochip0")),
    "line": Key(as_whole(0, 1023)),
    "pulse_ms": Key(as_whole(10, 2_000), 500),
}
JSON_KEYS: Mapping[str, Key] = {
    "plate": Key(as_place, example="plate"),
    "confidence": Key(as_place),
    "confidence_top": Key(as_seconds, 1.0),
    "time": Key(as_place),
    "direction": Key(as_place),
    "forward": Key(as_words, ()),
    "reverse": Key(as_words, ()),
    "uid": Key(as_place),
    "picture": Key(as_place),
}
MQTT_KEYS: Mapping[str, Key] = {
    "host": Key(as_text, "127.0.0.1"),
    "port": Key(as_port, 1883),
    "topic": Key(
        matching(re.compile(r"[^+#\s]{1,128}"), "frigate/tracked_object_update"),
        "frigate/tracked_object_update",
    ),
    "camera": Key(matching(LANE_NAME, "gate"), example="gate"),
    "credentials_file": Key(as_path),
}
