"""Reading the file of `zparkd-camera` and the `cameras.d` beside it, and finding every fault.

Nothing here acts on a configuration: no socket, no database, no file is made.
"""

import difflib
import importlib.util
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from zparkd.camera.barriers import BarrierConfig, BarrierKind
from zparkd.camera.config_values import (
    BARRIER_KEYS,
    JSON_KEYS,
    LANE_KEYS,
    LANE_NAME,
    MAIN_KEYS,
    MQTT_KEYS,
    Network,
)
from zparkd.camera.read import Travel
from zparkd.camera.secret_files import Secret, read_secret
from zparkd.camera.sources import DECODERS, Decode, Source, frigate, mapped
from zparkd.client import edge_file
from zparkd.config.schema import Key
from zparkd.config.toml import ConfigError, Fault, read, shown, unreadable
from zparkd.config.toml import Source as File
from zparkd.core.site import Direction

DEFAULT_PATH = Path("/etc/zparkd/camera.toml")
LANES = 64
_OF_KIND = {
    BarrierKind.NONE: (),
    BarrierKind.HTTP: ("url", "method", "body", "credentials_file"),
    BarrierKind.COMMAND: ("argv",),
    BarrierKind.GPIO: ("chip", "line", "pulse_ms"),
}
_NEEDED = {BarrierKind.HTTP: "url", BarrierKind.COMMAND: "argv", BarrierKind.GPIO: "line"}
_EXAMPLES = {
    "url": '"http://192.168.1.64/ISAPI/Parking/channels/1/barrierGate"',
    "argv": '["/usr/local/bin/open-barrier"]',
    "line": "17",
}


@dataclass(frozen=True, slots=True)
class Mqtt:
    """Where Frigate's broker is, and which of its cameras is at the lane."""

    host: str
    port: int
    topic: str
    camera: str
    credentials: Secret | None


@dataclass(frozen=True, slots=True)
class LaneConfig:
    """One lane: its name, who it is at the site, and what its camera and barrier speak.

    `direction` is what the lane does, or what each way of travel means; None where centrals
    decide. Times are in seconds; `sure` is a confidence from 0 to 1. `joined` is the file that a
    join wrote; then it holds the key.
    """

    name: str
    edge_id: str
    centrals: tuple[str, ...]
    source: Source
    decode: Decode
    path: str
    secret: Secret | None
    allow: tuple[Network, ...]
    direction: Direction | Mapping[Travel, Direction] | None
    camera_type: str | None
    window_s: float
    sure: float
    hold_s: float
    zone: ZoneInfo
    dry_run: bool
    silent_after_s: float
    secret_key_file: Path | None
    public_keys: tuple[str, ...]
    joined: Path | None
    barrier: BarrierConfig
    mqtt: Mqtt | None


@dataclass(frozen=True, slots=True)
class Config:
    """A whole, valid configuration; its paths are absolute, its lanes sorted by name.

    `pictures` is the folder they are kept in, bounded in MiB and days.
    """

    path: Path
    listen: tuple[str, int]
    outbox: Path
    pictures: Path
    pictures_mib: int
    pictures_days: int
    lanes: tuple[LaneConfig, ...]


def default_path() -> Path:
    """The file where none is named: `$ZPARKD_CAMERA_CONFIG`, else `/etc/zparkd/camera.toml`."""
    return Path(os.environ.get("ZPARKD_CAMERA_CONFIG") or DEFAULT_PATH)


def load(path: Path) -> Config:
    """Read the configuration whose main file is `path`.

    Raises ConfigError with every fault of it and of the files in `cameras.d`.
    """
    faults: list[Fault] = []
    main = read(path, faults)
    got = _values(main, (), main.table, MAIN_KEYS) if main else {}
    folder = path.parent / "cameras.d"
    lanes = [lane for file in _files(folder, faults) if (lane := _lane(file)) is not None]
    _no_path_twice(folder, lanes, faults)
    if not lanes and not faults:
        faults.append(
            Fault(folder, 0, "file", "names no lane; write cameras.d/LANE.toml, one file a lane")
        )
    if len(lanes) > LANES:
        faults.append(Fault(folder, 0, "file", f"has more than {LANES} lanes; use another process"))
    if faults or not main:
        faults.sort(key=lambda fault: (fault.file != path, str(fault.file), fault.line))
        raise ConfigError(faults)
    base = path.parent.absolute()
    outbox = base / got["outbox"]
    return Config(
        path=path,
        listen=got["listen"],
        outbox=outbox,
        pictures=base / got["pictures"] if got["pictures"] else outbox.parent / "pictures",
        pictures_mib=got["pictures_mib"],
        pictures_days=got["pictures_days"],
        lanes=tuple(lanes),
    )


def _files(folder: Path, faults: list[Fault]) -> list[File]:
    try:
        names = sorted(os.listdir(folder), key=os.fsencode)
    except FileNotFoundError:
        return []
    except OSError as error:
        faults.append(unreadable(folder, error, "make it a directory that zparkd-camera may read"))
        return []
    wanted = [name for name in names if name.endswith(".toml") and not name.startswith(".")]
    files = (read(folder / name, faults, may_vanish=True) for name in wanted)
    return [file for file in files if file is not None]


def _lane(file: File) -> LaneConfig | None:
    """The lane that a file describes; None, with its faults noted, where it describes none."""
    before = len(file.faults)
    name = file.file.name.removesuffix(".toml")
    if not LANE_NAME.fullmatch(name):
        file.fault(("file",), "is no name of a lane; name it such as lane-1.toml")
    got = _values(file, (), file.table, LANE_KEYS)
    base = file.file.parent.absolute()
    source = got.get("source")
    mapping = _table(file, "json", JSON_KEYS, source, Source.JSON)
    mqtt = _table(file, "mqtt", MQTT_KEYS, source, Source.FRIGATE)
    barrier = _barrier(file, got.get("barrier"), base)
    secret = _secret(file, ("secret_file",), got.get("secret_file"), base)
    if source is not Source.FRIGATE and not got.get("secret_file") and not got.get("allow"):
        file.fault(
            ("secret_file",),
            "is missing, and so is allow: anybody could open this barrier; write"
            ' allow = ["192.168.1.64"] with the camera\'s address, or secret_file',
        )
    if source is Source.FRIGATE and importlib.util.find_spec("paho") is None:
        file.fault(
            ("source",),
            '"frigate" needs the Python library paho-mqtt, which is not installed;'
            " pip install paho-mqtt",
        )
    centrals, keys, key_file, joined = _centrals(file, got, base)
    credentials = None
    if mqtt and mqtt.get("credentials_file"):
        credentials = _secret(
            file, ("mqtt", "credentials_file"), mqtt["credentials_file"], base, user=True
        )
    if len(file.faults) > before or source is None or barrier is None:
        return None
    return LaneConfig(
        name=name,
        edge_id=got["edge_id"],
        centrals=centrals,
        source=source,
        decode=_decoder(source, mapping, mqtt),
        path=got["path"] or f"/{name}",
        secret=secret,
        allow=got["allow"],
        direction=got["direction"],
        camera_type=got["camera_type"],
        window_s=got["window_s"],
        sure=got["sure"],
        hold_s=got["hold_s"],
        zone=ZoneInfo(got["timezone"]),
        dry_run=got["dry_run"],
        silent_after_s=got["silent_after_s"],
        secret_key_file=key_file,
        public_keys=keys,
        joined=joined,
        barrier=barrier,
        mqtt=Mqtt(mqtt["host"], mqtt["port"], mqtt["topic"], mqtt["camera"], credentials)
        if mqtt
        else None,
    )


def _decoder(
    source: Source, mapping: Mapping[str, Any] | None, mqtt: Mapping[str, Any] | None
) -> Decode:
    """What reads this lane's messages."""
    if mqtt is not None:
        return frigate.of_camera(mqtt["camera"])
    if mapping is None:
        return DECODERS[source]
    return mapped.Mapping(
        plate=mapping["plate"],
        confidence=mapping["confidence"],
        top=mapping["confidence_top"],
        time=mapping["time"],
        direction=mapping["direction"],
        forward=mapping["forward"],
        reverse=mapping["reverse"],
        uid=mapping["uid"],
        picture=mapping["picture"],
    ).decode


class _Centrals(NamedTuple):
    """Where a lane asks: addresses, the centrals' keys, the file of its own, or that of a join."""

    endpoints: tuple[str, ...] = ()
    public_keys: tuple[str, ...] = ()
    secret_key_file: Path | None = None
    joined: Path | None = None


def _centrals(file: File, got: Mapping[str, Any], base: Path) -> _Centrals:
    centrals = got.get("centrals") or ()
    keys = got.get("public_keys", ())
    secret = got.get("secret_key_file")
    if isinstance(centrals, Path):
        for name in ("public_keys", "secret_key_file"):
            if name in file.table:
                file.fault((name,), "has no meaning beside the file of a join; remove it")
        return _of_join(file, base / centrals, got.get("edge_id"))
    if bool(keys) != (secret is not None):
        file.fault(
            ("public_keys",),
            "and secret_key_file go together; write both, or neither",
            ("secret_key_file",),
        )
    elif keys and len(keys) != len(centrals):
        file.fault(
            ("public_keys",),
            f"has {len(keys)} keys for {len(centrals)} centrals; write one for each, in order",
        )
    return _Centrals(centrals, keys, base / secret if secret else None)


def _of_join(file: File, joined: Path, edge_id: str | None) -> _Centrals:
    """What the file says that `zparkctl join --edge-file` wrote; its faults are noted."""
    try:
        camera = edge_file.kept(joined)
    except FileNotFoundError:
        write = "make it: zparkctl join TOKEN --edge-file"
        file.fault(("centrals",), f"{joined}: no such file; {write} {joined}")
        return _Centrals()
    except OSError as error:
        file.fault(
            ("centrals",), f"{joined}: {error.strerror}; let the user of zparkd-camera read it"
        )
        return _Centrals()
    except ValueError as error:
        file.fault(("centrals",), str(error))
        return _Centrals()
    if edge_id is not None and camera.edge_id != edge_id:
        file.fault(
            ("edge_id",),
            f'"{edge_id}" is not who joined with {joined}; write edge_id = "{camera.edge_id}"',
        )
    return _Centrals(camera.centrals, camera.public_keys, joined=joined)


def _barrier(file: File, table: object, base: Path) -> BarrierConfig | None:
    if table is None:
        return None
    if not isinstance(table, dict):
        file.fault(("barrier",), f"{shown(table)} is not a section; write [barrier]")
        return None
    got = _values(file, ("barrier",), table, BARRIER_KEYS)
    kind = got.get("kind")
    if kind is None:
        return None
    for name in table:
        if name in BARRIER_KEYS and name != "kind" and name not in _OF_KIND[kind]:
            file.fault(("barrier", name), f'has no meaning with kind = "{kind}"; remove it')
    needed = _NEEDED.get(kind)
    if needed and needed not in table:
        file.fault(("barrier", needed), f"is missing; write {needed} = {_EXAMPLES[needed]}")
        return None
    if kind is BarrierKind.GPIO and importlib.util.find_spec("gpiod") is None:
        file.fault(
            ("barrier", "kind"),
            '"gpio" needs the Python library gpiod, which is not installed; pip install gpiod',
        )
    credentials = _secret(
        file, ("barrier", "credentials_file"), got.get("credentials_file"), base, user=True
    )
    return BarrierConfig(
        kind=kind,
        url=got.get("url"),
        method=got.get("method", "PUT"),
        body=got.get("body", ""),
        credentials=credentials,
        argv=got.get("argv") or (),
        chip=got.get("chip"),
        line=got.get("line"),
        pulse_ms=got.get("pulse_ms", 500),
    )


def _secret(
    file: File, place: tuple[str, ...], path: Path | None, base: Path, user: bool = False
) -> Secret | None:
    if path is None:
        return None
    try:
        secret = read_secret(base / path)
        if user and secret.user is None:
            raise ValueError(f"{path}: no user in it; write one line, user:password")
    except ValueError as fault:
        file.fault(place, str(fault))
        return None
    return secret


def _table(
    file: File, name: str, keys: Mapping[str, Key], source: Source | None, of: Source
) -> dict[str, Any] | None:
    """The values of a section that one source needs and no other may have."""
    table = file.table.get(name)
    if source is None:
        return None
    if source is not of:
        if table is not None:
            file.fault((name,), f'has no meaning with source = "{source}"; remove it')
        return None
    if not isinstance(table, dict):
        file.fault((name,), f'is missing; source = "{of}" needs a section [{name}]')
        return None
    return _values(file, (name,), table, keys)


def _values(
    file: File, section: tuple[str, ...], table: Mapping[str, object], keys: Mapping[str, Key]
) -> dict[str, Any]:
    """The values of one table, with defaults for what is not written."""
    for name in table:
        if name not in keys:
            near = difflib.get_close_matches(name[:64].lower().replace("-", "_"), keys, n=1)
            meant = near[0] if near else "one of " + ", ".join(keys)
            file.fault((*section, name), f"unknown key; write {meant}")
    values = {}
    for name, key in keys.items():
        if name in table:
            try:
                values[name] = key.parse(table[name])
            except ValueError as error:
                file.fault((*section, name), str(error))
        elif key.example:
            example = f'["{key.example}"]' if name == "centrals" else f'"{key.example}"'
            file.fault((*section, name), f"is missing; write {name} = {example}")
        else:
            values[name] = key.default
    return values


def _no_path_twice(folder: Path, lanes: Sequence[LaneConfig], faults: list[Fault]) -> None:
    """No camera's messages may be another lane's: no path begins another."""
    for lane in lanes:
        for other in lanes:
            if lane is not other and f"{lane.path}/".startswith(f"{other.path.rstrip('/')}/"):
                where = folder / f"{lane.name}.toml"
                text = (
                    f'"{lane.path}" is within that of {other.name}, "{other.path}"; write another'
                )
                faults.append(Fault(where, 1, "path", text))
                break
