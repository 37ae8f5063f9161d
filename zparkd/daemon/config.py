"""Reading `zparkd.toml` and the `peers.d` and `edges.d` beside it, and finding every fault.

What the files may say lives here, in the tables `SECTIONS`, `PEER_KEYS` and `EDGE_KEYS`.
Nothing here acts on a configuration: no socket, no database, no file is made.
"""

import difflib
import functools
import ipaddress
import math
import os
import re
import zoneinfo
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from zparkd.core.site import CAMERA_TYPE, CENTRAL_ID, EDGE_ID, Direction, Lane, Peer
from zparkd.daemon.toml_places import Fault, Source, read, shown, unreadable

__all__ = [
    "Config",
    "ConfigError",
    "Fault",
    "Listen",
    "Security",
    "SecurityMode",
    "default_path",
    "load",
    "restart_faults",
]

DEFAULT_PATH = Path("/etc/zparkd/zparkd.toml")
MAX_SOCKET_PATH_BYTES = 107  # sun_path of Linux, less its closing zero
Z85 = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"

_PORTS = ("bus_port", "sync_port", "edge_port")  # each defaults to the first plus its place
_ZONE = re.compile(r"[A-Za-z0-9_+-]{1,32}(?:/[A-Za-z0-9_+-]{1,32}){0,2}")
_ADDRESS = re.compile(r"[A-Za-z0-9._:%-]+")
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?")


class SecurityMode(StrEnum):
    """How centrals and edges prove who they are: by CURVE keys, or not at all."""

    CURVE = "curve"
    PLAIN = "plain"


class ConfigError(Exception):
    """The configuration can't be used; `faults` are all that was found in all its files."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("\n".join(map(str, faults)))
        self.faults = tuple(faults)


@dataclass(frozen=True, slots=True)
class Listen:
    """Where this central listens: an IP literal or `localhost`, three ports, a socket's path."""

    address: str
    bus_port: int
    sync_port: int
    edge_port: int
    control: Path


@dataclass(frozen=True, slots=True)
class Security:
    """How traffic is protected; `allow_insecure` permits plain mode beyond loopback."""

    mode: SecurityMode
    allow_insecure: bool
    secret_key_file: Path | None


@dataclass(frozen=True, slots=True)
class Config:
    """A whole, valid configuration; its paths are absolute, `path` is as it was given.

    `timezone` is an IANA name. `heartbeat_s` and `peer_timeout_s` are seconds,
    `edge_requests_per_s` is requests a second of one edge, 0 for no limit. `peers` and
    `lanes` are sorted by id. `key_lines` says where keys of the main file stand, for faults
    found later; it takes no part in comparison.
    """

    path: Path
    central_id: str
    site: str
    timezone: str
    listen: Listen
    storage_path: Path
    heartbeat_s: float
    peer_timeout_s: float
    edge_requests_per_s: float
    security: Security
    peers: tuple[Peer, ...] = ()
    lanes: tuple[Lane, ...] = ()
    key_lines: Mapping[str, int] = field(default_factory=dict, compare=False, repr=False)

    def fault(self, key: str, text: str) -> Fault:
        """A fault found later at a key of the main file, such as `central.id`."""
        return Fault(self.path, self.key_lines.get(key, 1), key, text)


# --- what a value may be: each takes what TOML gave, and raises ValueError saying what is
# --- wrong and, after a semicolon, what to write


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{shown(value)} is not a string; write it in quotes")
    return value


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{shown(value)} is not a boolean; write true or false, without quotes")
    return value


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{shown(value)} is not a number; write one without quotes")
    try:
        number = float(value)
    except OverflowError:  # an integer may have any size
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"{shown(value)} is not a finite number; write one such as 1.0")
    return number


def _seconds(value: object) -> float:
    if (number := _number(value)) <= 0:
        raise ValueError(f"{shown(value)} is not above 0; write seconds, such as 1.0")
    return number


def _rate(value: object) -> float:
    if (number := _number(value)) < 0:
        raise ValueError(f"{shown(value)} is below 0; write requests a second, or 0 for no limit")
    return number


def _port(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{shown(value)} is not a whole number; write a port from 1 to 65535")
    if not 1 <= value <= 65535:
        raise ValueError(f"{shown(value)} is not a port; write one from 1 to 65535")
    return value


def _matching(pattern: re.Pattern[str], example: str) -> Callable[[object], str]:
    def parse(value: object) -> str:
        text = _text(value)
        if not pattern.fullmatch(text):
            raise ValueError(
                f"{shown(text)} does not match {pattern.pattern}; write one like {example}"
            )
        return text

    return parse


def _one_of(kind: type[StrEnum]) -> Callable[[object], StrEnum]:
    choices = " or ".join(f'"{member}"' for member in kind)

    def parse(value: object) -> StrEnum:
        try:
            return kind(_text(value))
        except ValueError:
            raise ValueError(f"{shown(value)} is not known here; write {choices}") from None

    return parse


def _timezone(value: object) -> str:
    name = _text(value)
    try:
        # zoneinfo makes paths and even module names of what it is given: let it see no others.
        if not _ZONE.fullmatch(name):
            raise ValueError
        zoneinfo.ZoneInfo(name)
    except (LookupError, ValueError, OSError):  # OSError: the name of a directory of zones
        near = difflib.get_close_matches(name[:64], _timezones(), n=1)
        write = near[0] if near else "Asia/Ho_Chi_Minh"
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


def _address(value: object) -> str:
    text = _text(value)
    # A name that ends in a number is a mistyped IPv4 address: no top-level domain is one.
    is_host = _HOST.fullmatch(text) and len(text) <= 253 and not re.search(r"(^|\.)\d+\.?$", text)
    if not is_host and not (_ADDRESS.fullmatch(text) and _ip(text)):
        raise ValueError(
            f"{shown(text)} is not an IP address or host name; write it alone, without scheme,"
            " port, brackets or spaces, such as 192.168.1.102"
        )
    return text


def _listen_address(value: object) -> str:
    text = _text(value)
    if text != "localhost" and not (_ADDRESS.fullmatch(text) and _ip(text)):
        raise ValueError(
            f"{shown(text)} is not an IP address; write one of this machine's, such as 127.0.0.1"
        )
    return text


def _path(value: object) -> Path:
    text = _text(value)
    if not text or any(ord(char) < 32 or char == "\x7f" for char in text):
        raise ValueError(f"{shown(text)} is not a path; write the path of a file")
    return Path(text)


def _public_key(value: object) -> str:
    text = _text(value)
    if len(text) != 40 or not all(_z85_fits(text[at : at + 5]) for at in range(0, 40, 5)):
        raise ValueError(
            f"{shown(text)} is not a public key; write the 40 characters (Z85) that"
            " `zparkctl keygen --public FILE` prints"
        )
    return text


def _z85_fits(group: str) -> bool:
    """Whether five characters stand for four bytes; a few combinations stand for more."""
    number = 0
    for char in group:
        if char not in Z85:
            return False
        number = number * 85 + Z85.index(char)
    return number < 1 << 32


@dataclass(frozen=True, slots=True)
class Key:
    """What may stand at one key: how it is read, and what counts where it is not written.

    `parse` returns the value or raises ValueError with "what is wrong; what to write". A key
    with an `example` is required, and the example is what its absence asks for.
    """

    parse: Callable[[object], Any]
    default: Any = None
    example: str = ""


SECTIONS: Mapping[str, Mapping[str, Key]] = {
    "central": {
        "id": Key(_matching(CENTRAL_ID, "central-1"), example="central-1"),
        "site": Key(_matching(CENTRAL_ID, "lot-a"), example="lot-a"),
        "timezone": Key(_timezone, "Asia/Ho_Chi_Minh"),
    },
    "listen": {
        "address": Key(_listen_address, "127.0.0.1"),
        "bus_port": Key(_port, 9000),
        "sync_port": Key(_port),
        "edge_port": Key(_port),
        "control": Key(_path, Path("/run/zparkd/control.sock")),
    },
    "storage": {"path": Key(_path, Path("/var/lib/zparkd/zparkd.db"))},
    "bus": {"heartbeat_s": Key(_seconds, 1.0), "peer_timeout_s": Key(_seconds, 3.0)},
    "limits": {"edge_requests_per_s": Key(_rate, 100.0)},
    "security": {
        "mode": Key(_one_of(SecurityMode), SecurityMode.CURVE),
        "allow_insecure": Key(_flag, False),
        "secret_key_file": Key(_path),
    },
}
PEER_KEYS: Mapping[str, Key] = {
    "id": Key(_matching(CENTRAL_ID, "central-2"), example="central-2"),
    "address": Key(_address, example="192.168.1.102"),
    "bus_port": Key(_port, 9000),
    "sync_port": Key(_port),
    "public_key": Key(_public_key),
}
EDGE_KEYS: Mapping[str, Key] = {
    "id": Key(_matching(EDGE_ID, "edge-1"), example="edge-1"),
    "public_key": Key(_public_key),
    "direction": Key(_one_of(Direction)),
    "camera_type": Key(_matching(CAMERA_TYPE, "car")),
    "reports_close": Key(_flag, False),
}


# --- the whole of it


def default_path() -> Path:
    """The main file where none is named: `$ZPARKD_CONFIG`, else `/etc/zparkd/zparkd.toml`."""
    return Path(os.environ.get("ZPARKD_CONFIG") or DEFAULT_PATH)


def load(path: Path) -> Config:
    """Read the configuration whose main file is `path`.

    Raises ConfigError with every fault of the main file, of `peers.d` and of `edges.d`.
    """
    faults: list[Fault] = []
    main = read(path, faults)
    got = _main(main) if main else {}
    peers = [(file, _peer(file)) for file in _sources(path.parent / "peers.d", faults)]
    edges = [
        (file, _values(file, (), file.table, EDGE_KEYS))
        for file in _sources(path.parent / "edges.d", faults)
    ]
    _no_id_twice(peers)
    _no_id_twice(edges)
    if main:
        _no_peer_of_itself(got, peers)
        _secure(main, got, peers)
    if faults or not main:
        faults.sort(key=lambda fault: (fault.file != path, str(fault.file), fault.line))
        raise ConfigError(faults)

    return Config(
        path=path,
        central_id=got["central"]["id"],
        site=got["central"]["site"],
        timezone=got["central"]["timezone"],
        listen=Listen(**got["listen"]),
        storage_path=got["storage"]["path"],
        heartbeat_s=got["bus"]["heartbeat_s"],
        peer_timeout_s=got["bus"]["peer_timeout_s"],
        edge_requests_per_s=got["limits"]["edge_requests_per_s"],
        security=Security(**got["security"]),
        peers=tuple(sorted((Peer(**peer) for _, peer in peers), key=lambda peer: peer.id)),
        lanes=tuple(sorted((Lane(**edge) for _, edge in edges), key=lambda lane: lane.id)),
        key_lines={
            f"{section}.{key}": main.line((section, key))
            for section in SECTIONS
            for key in got[section]
        },
    )


def restart_faults(running: Config, wanted: Config) -> list[Fault]:
    """What of `wanted` a reload of `running` must refuse, because it needs a restart."""
    changes = {
        "central.id": (running.central_id, wanted.central_id),
        "central.site": (running.site, wanted.site),
        "storage.path": (str(running.storage_path), str(wanted.storage_path)),
    }
    return [
        wanted.fault(
            key,
            f"{shown(new)} is not what the running daemon has, {shown(old)};"
            " restart to apply it, or write the old value",
        )
        for key, (old, new) in changes.items()
        if old != new
    ]


def _sources(folder: Path, faults: list[Fault]) -> list[Source]:
    """The valid TOML files of a `.d` directory, in byte order of their names."""
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return []
    except OSError as error:
        faults.append(unreadable(folder, error, "make it a directory that zparkd may read"))
        return []
    wanted = [name for name in names if name.endswith(".toml") and not name.startswith(".")]
    files = [folder / name for name in sorted(wanted, key=os.fsencode)]
    sources = (read(file, faults, may_vanish=True) for file in files)
    return [source for source in sources if source]


# --- checking what they say; a value at fault is left out of the result, and so of later checks


def _values(
    source: Source, section: tuple[str, ...], table: Mapping[str, object], keys: Mapping[str, Key]
) -> dict[str, Any]:
    """The values of one table, with defaults for what is not written."""
    for name in table:
        if name not in keys:
            homes = [other for other in SECTIONS if section and name in SECTIONS[other]]
            source.fault((*section, name), f"unknown key; {_meant(name, keys, homes)}")
    values = {}
    for name, key in keys.items():
        if name in table:
            try:
                values[name] = key.parse(table[name])
            except ValueError as error:
                source.fault((*section, name), str(error))
        elif key.example:
            source.fault((*section, name), f'is missing; write {name} = "{key.example}"')
        else:
            values[name] = key.default
    return values


def _main(main: Source) -> dict[str, dict[str, Any]]:
    """The values of the main file, by section."""
    for name in main.table:
        if name not in SECTIONS:
            homes = [section for section in SECTIONS if name in SECTIONS[section]]
            main.fault((name,), f"unknown section; {_meant(name, SECTIONS, homes, '[{}]')}")
    base = main.file.parent.absolute()
    got: dict[str, dict[str, Any]] = {}
    for section, keys in SECTIONS.items():
        table = main.table.get(section, {})
        if isinstance(table, dict):
            values = _values(main, (section,), table, keys).items()
            got[section] = {
                key: base / value if isinstance(value, Path) else value for key, value in values
            }
        else:
            main.fault((section,), f"{shown(table)} is not a section; write [{section}]")
            got[section] = {}
    _fill_ports(main, ("listen",), got["listen"])
    if control := got["listen"].get("control"):
        size = len(str(control).encode(errors="surrogateescape"))
        if size > MAX_SOCKET_PATH_BYTES:
            main.fault(
                ("listen", "control"),
                f"{control} has {size} bytes; write a path of at most {MAX_SOCKET_PATH_BYTES}",
            )
    bus = got["bus"]
    if bus.keys() == SECTIONS["bus"].keys() and bus["peer_timeout_s"] <= bus["heartbeat_s"]:
        main.fault(
            ("bus", "peer_timeout_s"),
            f"{bus['peer_timeout_s']:g} is not above heartbeat_s, {bus['heartbeat_s']:g};"
            " write some three times heartbeat_s",
            ("bus", "heartbeat_s"),
        )
    return got


def _peer(source: Source) -> dict[str, Any]:
    got = _values(source, (), source.table, PEER_KEYS)
    _fill_ports(source, (), got)
    return got


def _fill_ports(source: Source, section: tuple[str, ...], got: dict[str, Any]) -> None:
    """Put in the ports that follow from `bus_port`; no two ports may be the same."""
    bus: Any = got.get("bus_port")
    taken: dict[int, str] = {}
    for offset, name in enumerate(_PORTS):
        if name not in got or (got[name] is None and bus is None):
            continue
        if got[name] is None:
            got[name] = bus + offset
            if got[name] > 65535:
                source.fault(
                    (*section, name),
                    f"the default, bus_port + {offset}, is {got[name]}, above 65535;"
                    f" write {name} or a lower bus_port",
                    (*section, "bus_port"),
                )
        other = taken.setdefault(got[name], name)
        if other != name:
            source.fault(
                (*section, name),
                f"{got[name]} is {other} too; write a port of its own",
                (*section, other),
                (*section, "bus_port"),
            )


def _no_id_twice(sources: Sequence[tuple[Source, dict[str, Any]]]) -> None:
    first: dict[str, Source] = {}
    for source, got in sources:
        if "id" in got and (other := first.setdefault(got["id"], source)) is not source:
            where = f"{other.file}:{other.line(('id',))}"
            source.fault(("id",), f'"{got["id"]}" is the id in {where} too; write each id once')


def _no_peer_of_itself(
    got: Mapping[str, Mapping[str, Any]], peers: Sequence[tuple[Source, Mapping[str, Any]]]
) -> None:
    for peer, its in peers:
        if "id" in its and its["id"] == got["central"].get("id"):
            peer.fault(
                ("id",),
                f"\"{its['id']}\" is this central's own id; write the peer's, or remove the file",
            )


def _secure(
    main: Source,
    got: Mapping[str, Mapping[str, Any]],
    peers: Sequence[tuple[Source, Mapping[str, Any]]],
) -> None:
    """Refuse the curve mode, and plain traffic beyond this machine where it isn't allowed."""
    mode = got["security"].get("mode")
    if mode is SecurityMode.CURVE:
        # Line 0 where it is the default: there is nothing in the file to point at.
        line = main.lines.get(("security", "mode"), 0)
        text = (
            'curve is not available in this version; write mode = "plain" with loopback addresses'
        )
        main.faults.append(Fault(main.file, line, "security.mode", text))
    if mode is not SecurityMode.PLAIN or got["security"].get("allow_insecure", True):
        return
    said: list[tuple[Source, tuple[str, ...], Mapping[str, Any]]] = [
        (main, ("listen", "address"), got["listen"])
    ]
    said += [(peer, ("address",), its) for peer, its in peers]
    for source, place, its in said:
        if (address := its.get("address")) and not _is_loopback(address):
            source.fault(
                place,
                f"mode plain protects nothing and {address} is not loopback; write a loopback"
                " address such as 127.0.0.1, or allow_insecure = true in [security]",
            )


def _is_loopback(address: str) -> bool:
    ip = _ip(address)
    return ip.is_loopback if ip else address.lower() == "localhost"


def _meant(name: str, known: Collection[str], homes: Sequence[str], form: str = "{}") -> str:
    """What to write for an unknown name: where else it belongs, or the nearest known one."""
    if homes:
        return f"write {name} in [{homes[0]}]"
    folded = name[:64].lower().replace("-", "_")
    near = difflib.get_close_matches(folded, known, n=1, cutoff=0.4)
    if near:
        return "write " + form.format(near[0])
    return "write one of " + ", ".join(map(form.format, known))
