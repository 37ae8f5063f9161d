"""`zparkctl config import`: the file of the earlier system becomes files of zparkd.

What the old fields are called lives here alone; what the new ones may say is decided where
they are read, before any of them is put in its place.
"""

import os
from pathlib import Path
from typing import Any

import click
import orjson

from zparkd.cli.context import Exit, fail
from zparkd.cli.files import faults_with, make_folder, write_new
from zparkd.cli.output import print_json
from zparkd.config.load import Fault
from zparkd.config.toml_edit import toml_value
from zparkd.core.site import CENTRAL_ID

# The old field that a key of the new files comes from.
_MAIN_FIELDS = {
    "central.id": "this_central.id",
    "listen.address": "this_central.ip",
    "listen.bus_port": "this_central.p2p_port",
    "listen.sync_port": "this_central.p2p_port",
    "listen.edge_port": "this_central.p2p_port",
}
_PEER_FIELDS = {"id": "id", "address": "ip", "bus_port": "p2p_port", "sync_port": "p2p_port"}

_MAIN = """\
# Made from {old} by `zparkctl config import`.

[central]
id = {id}
site = {site}

[listen]
address = {ip}
bus_port = {p2p_port}

# The earlier system had no keys: this is as open as that was. With keys of all centrals and
# edges (zparkctl keygen) it becomes mode = "curve".
[security]
mode = "plain"
allow_insecure = true
"""


class _BadInput(Exception):
    """The old file can't be taken over. The text names the field."""


def _site(_ctx: click.Context, _option: click.Parameter, text: str) -> str:
    if not CENTRAL_ID.fullmatch(text):
        raise click.BadParameter(f"{text!r} is no name of a site; write one such as lot-a")
    return text


@click.command(
    "import", epilog="Example: zparkctl -c zparkd.toml config import p2p_config.json --site lot-a"
)
@click.argument("old", metavar="OLD_P2P_CONFIG.json", type=click.Path(path_type=Path))
@click.option("--site", required=True, metavar="SITE", callback=_site, help="Such as lot-a.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def import_(file: Path, old: Path, site: str, as_json: bool) -> None:
    """Make zparkd.toml and peers.d from the configuration of the earlier system.

    They are put where -c FILE says. No file is ever overwritten: where one of them is there
    already, or something in the old file is wrong, nothing is written.
    """
    try:
        said = _read(old)
        new = _converted(file, old, site, said)
        for path in new:
            if os.path.lexists(path):
                raise _BadInput(f"{path}: exists, and is not overwritten")
        if faults := faults_with(file, new):
            raise _BadInput("\n".join(_as_said(fault, file, old, said) for fault in faults))
        _write(file, new)
    except _BadInput as fault:
        fail(Exit.NO, "bad_import", str(fault), as_json=as_json)
    except OSError as fault:
        message = f"{fault.filename or file}: {(fault.strerror or str(fault)).lower()}"
        fail(Exit.NO, "unwritable", message, as_json=as_json)
    if as_json:
        written = [str(path) for path in new]
        print_json({"success": True, "written": written, "next": _keys(file, said)})
        return
    for path in new:
        click.echo(f"{path}: written")
    click.echo("mode is plain, as open as the earlier system was; see [security]", err=True)
    if (port := said["this_central"].get("api_port")) is not None:
        click.echo(f"api_port is none of the daemon's: zparkd-web --port {port}", err=True)
    click.echo("\nThen give all of them keys:", err=True)
    for number, step in enumerate(_keys(file, said), 1):
        click.echo(f"{number}. {step}", err=True)


def _keys(file: Path, said: dict[str, Any]) -> list[str]:
    """What is left to do until nobody without a key is let in."""
    folder, this = file.parent, said["this_central"]["id"]
    key = folder / "central.key"
    others = ", ".join(central["id"] for central in said["peer_centrals"])
    at_peers = [
        f"write what it printed at each other central ({others}) into peers.d/{this}.toml:"
        ' public_key = "..."; and theirs here into peers.d/ID.toml'
    ]
    return [
        f"make the key of this central: zparkctl keygen {key}",
        *(at_peers if others else []),
        "make one for each camera (zparkctl keygen CAMERA.key), and write it here into"
        ' edges.d/EDGE_ID.toml: id = "EDGE_ID", public_key = "..."',
        f'in [security] of {file} write mode = "curve" and secret_key_file = "{key}", and take'
        " allow_insecure away; at the same moment at all of them",
        f"see that it is right: zparkctl -c {file} config check",
    ]


def _read(old: Path) -> dict[str, Any]:
    """The old configuration, its form and types checked. Raises _BadInput."""
    try:
        said = orjson.loads(old.read_bytes())
    except OSError as fault:
        raise _BadInput(f"{old}: {(fault.strerror or str(fault)).lower()}") from None
    except orjson.JSONDecodeError as fault:
        raise _BadInput(f"{old}: is no JSON: {fault}") from None
    if not isinstance(said, dict):
        raise _BadInput(f"{old}: is no JSON object; expected this_central and peer_centrals")
    centrals = said.setdefault("peer_centrals", [])
    if not isinstance(centrals, list):
        raise _BadInput(f"{old}: peer_centrals: is no list")
    _check(old, "this_central", said.get("this_central"))
    ids = {said["this_central"]["id"]: "this_central"}
    for number, central in enumerate(centrals):
        name = f"peer_centrals[{number}]"
        _check(old, name, central)
        if (other := ids.setdefault(central["id"], name)) != name:
            raise _BadInput(f"{old}: {name}.id: {central['id']!r} is the id of {other} too")
    port = said["this_central"].get("api_port")
    if port is not None and type(port) is not int:
        raise _BadInput(f"{old}: this_central.api_port: {port!r} is no port")
    return said


def _check(old: Path, name: str, central: object) -> None:
    """That a central has what it must, of the right type; values are judged later."""
    if not isinstance(central, dict):
        raise _BadInput(f"{old}: {name}: is missing or no object; it has id, ip and p2p_port")
    for field, kind in (("id", str), ("ip", str), ("p2p_port", int)):
        if field not in central:
            raise _BadInput(f"{old}: {name}.{field}: is missing")
        if type(central[field]) is not kind:
            what = "whole number" if kind is int else "string"
            raise _BadInput(f"{old}: {name}.{field}: {central[field]!r} is no {what}")
    if not CENTRAL_ID.fullmatch(central["id"]):
        form = f"does not match {CENTRAL_ID.pattern}; rename it, such as central-1"
        raise _BadInput(f"{old}: {name}.id: {central['id']!r} {form}")


def _peer_file(file: Path, central: dict[str, Any]) -> Path:
    return file.parent / "peers.d" / f"{central['id']}.toml"


def _converted(file: Path, old: Path, site: str, said: dict[str, Any]) -> dict[Path, bytes]:
    """The new files, by where they go; the main one last, so that it completes the whole."""
    new = {
        _peer_file(file, central): (
            f"id = {toml_value(central['id'])}\naddress = {toml_value(central['ip'])}\n"
            f"bus_port = {toml_value(central['p2p_port'])}\n"
        ).encode()
        for central in said["peer_centrals"]
    }
    this = said["this_central"]
    values = {field: toml_value(this[field]) for field in ("id", "ip", "p2p_port")}
    name = "".join(char if char.isprintable() else "?" for char in old.name)
    new[file] = _MAIN.format(old=name, site=toml_value(site), **values).encode(errors="replace")
    return new


def _as_said(fault: Fault, file: Path, old: Path, said: dict[str, Any]) -> str:
    """A fault of a new file as one of the field that it comes from."""
    if fault.file == file and fault.key in _MAIN_FIELDS:
        return f"{old}: {_MAIN_FIELDS[fault.key]}: {fault.text}"
    for number, central in enumerate(said["peer_centrals"]):
        if fault.file == _peer_file(file, central) and fault.key in _PEER_FIELDS:
            return f"{old}: peer_centrals[{number}].{_PEER_FIELDS[fault.key]}: {fault.text}"
    return str(fault)


def _write(file: Path, new: dict[Path, bytes]) -> None:
    """Write all of the files, or none. Raises OSError."""
    file.parent.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    try:
        for path, content in new.items():
            make_folder(path.parent, file.parent)
            write_new(path, content, file.parent)
            written.append(path)
    except OSError:
        for path in written:
            path.unlink(missing_ok=True)
        raise
