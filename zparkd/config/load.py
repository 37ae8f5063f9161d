"""Reading `zparkd.toml` and the `peers.d` and `edges.d` beside it, and finding every fault.

What the files come to lives here, and what they must not say together; what may stand at each
key, in `schema`. Nothing here acts on a configuration: no socket, no database, no file
is made.
"""

import difflib
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zparkd.config.schema import EDGE_KEYS, PEER_KEYS, SECTIONS, Key, SecurityMode
from zparkd.config.secret_key import key_file, read_secret_key
from zparkd.config.security import check_security
from zparkd.config.toml import ConfigError, Fault, Source, read, shown, unreadable
from zparkd.core.site import Lane, Peer, Told

__all__ = [
    "SECTIONS",
    "Config",
    "ConfigError",
    "ExternalApi",
    "Fault",
    "Listen",
    "Security",
    "SecurityMode",
    "Uplink",
    "default_path",
    "load",
    "read_secret_key",
    "restart_faults",
    "secret_key",
]

DEFAULT_PATH = Path("/etc/zparkd/zparkd.toml")
MAX_SOCKET_PATH_BYTES = 107  # sun_path of Linux, less its closing zero

_PORTS = ("bus_port", "sync_port", "edge_port")  # each defaults to the first plus its place


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
    """How traffic is protected; `allow_insecure` permits plain mode beyond loopback.

    `known_keys` are further keys by which events of an origin are good: see `core.replication`.
    """

    mode: SecurityMode
    allow_insecure: bool
    secret_key_file: Path | None
    known_keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ExternalApi:
    """Where tariff, passes and staff are fetched from, how often, and how long it may take."""

    url: str
    interval_s: float
    timeout_s: float
    token_file: Path | None


@dataclass(frozen=True, slots=True)
class Uplink:
    """Where the events of the site are sent, and what of their personal parts."""

    servers: tuple[str, ...]
    stream: str
    credentials_file: Path | None
    ca_file: Path | None
    personal: Told
    personal_key_file: Path | None


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
    external_api: ExternalApi | None = None
    uplink: Uplink | None = None
    key_lines: Mapping[str, int] = field(default_factory=dict, compare=False, repr=False)

    def fault(self, key: str, text: str) -> Fault:
        """A fault found later at a key of the main file, such as `central.id`."""
        return Fault(self.path, self.key_lines.get(key, 1), key, text)


# --- the whole of it


def default_path() -> Path:
    """The main file where none is named: `$ZPARKD_CONFIG`, else `/etc/zparkd/zparkd.toml`."""
    return Path(os.environ.get("ZPARKD_CONFIG") or DEFAULT_PATH)


_MISSING = "make it: sudo zparkctl setup, or name another: -c FILE"


def load(path: Path) -> Config:
    """Read the configuration whose main file is `path`.

    Raises ConfigError with every fault of the main file, of `peers.d` and of `edges.d`.
    """
    faults: list[Fault] = []
    main = read(path, faults, missing=_MISSING)
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
        check_security(main, got, peers, edges)
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
        external_api=ExternalApi(**external) if (external := got["external_api"])["url"] else None,
        uplink=Uplink(**uplink) if (uplink := got["uplink"])["servers"] else None,
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
    uplink = got["uplink"]
    if uplink.get("personal") is Told.PSEUDONYM and not uplink.get("personal_key_file", main):
        main.fault(
            ("uplink", "personal_key_file"),
            "is missing, and personal is pseudonym; make one key for all senders of the site:"
            " zparkctl keygen FILE",
            ("uplink", "personal"),
        )
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


def secret_key(config: Config) -> bytes | None:
    """The secret key of this central, as Z85; None in plain mode.

    Not part of `load`, since most who read a configuration may not read the key. Raises
    ConfigError.
    """
    if config.security.mode is not SecurityMode.CURVE:
        return None
    import zmq  # noqa: PLC0415 - most who read a configuration need no key

    name = "security.secret_key_file"
    file = key_file(config.security.secret_key_file)
    if file is None:
        place = config.path.parent.absolute() / "central.key"
        raise ConfigError(
            [
                config.fault(
                    name,
                    f"is missing, and mode is curve; make a key: zparkctl keygen {place}, and"
                    f' write secret_key_file = "{place}"',
                )
            ]
        )
    try:
        secret = read_secret_key(file)
    except ValueError as fault:
        raise ConfigError([config.fault(name, str(fault))]) from None
    own = zmq.curve_public(secret).decode()
    keys = {key: one.id for one in config.peers for key in one.public_keys}
    keys |= {key: one.id for one in config.lanes for key in one.public_keys}
    if own in keys:
        text = f"{file} holds the key of {keys[own]} too; each has its own, made by keygen there"
        raise ConfigError([config.fault(name, text)])
    return secret


def _meant(name: str, known: Collection[str], homes: Sequence[str], form: str = "{}") -> str:
    """What to write for an unknown name: where else it belongs, or the nearest known one."""
    if homes:
        return f"write {name} in [{homes[0]}]"
    folded = name[:64].lower().replace("-", "_")
    near = difflib.get_close_matches(folded, known, n=1, cutoff=0.4)
    if near:
        return "write " + form.format(near[0])
    return "write one of " + ", ".join(map(form.format, known))
