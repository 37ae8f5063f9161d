"""`zparkctl config`: what the files say, judged and shown without a daemon.

What may be written, and what is wrong with it, is decided where it is read.
"""

from pathlib import Path
from typing import Any

import click

from zparkd.cli.commands.upkeep.config_import import import_
from zparkd.cli.context import fail_config, load_config
from zparkd.cli.output import NONE, plural, print_json, table
from zparkd.config.load import Config, ConfigError, secret_key
from zparkd.config.roster_files import EDGES, PEERS, Written, written_in

_AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group(epilog="Example: zparkctl config check")
def config() -> None:
    """Check, show and import the configuration; needs no daemon."""


@config.command(epilog="Example: zparkctl -c /etc/zparkd/zparkd.toml config check")
@_AS_JSON
@click.pass_obj
def check(file: Path, as_json: bool) -> None:
    """Say whether the configuration is good; if not, list all faults and exit 78."""
    loaded = load_config(file, as_json=as_json)
    try:
        secret_key(loaded)
    except ConfigError as error:
        fail_config([str(fault) for fault in error.faults], as_json=as_json)
    peers, edges = (written_in(file.parent / folder) for folder in (PEERS, EDGES))
    if as_json:
        print_json(
            {
                "success": True,
                "path": str(file),
                "faults": [],
                "of_roster": {"peers": sorted(peers.roster), "edges": sorted(edges.roster)},
                "by_hand": {"peers": sorted(peers.hand), "edges": sorted(edges.hand)},
            }
        )
        return
    click.echo(
        f"{file}: good: {loaded.central_id} of site {loaded.site},"
        f" {plural(len(loaded.peers), 'peer')}{_of_roster(peers)},"
        f" {plural(len(loaded.lanes), 'edge')}{_of_roster(edges)}"
    )


@config.command(epilog="Example: zparkctl config show --json")
@_AS_JSON
@click.pass_obj
def show(file: Path, as_json: bool) -> None:
    """Show the configuration as it is understood, defaults filled in; no secret is shown."""
    settings = _settings(load_config(file, as_json=as_json))
    if as_json:
        print_json(settings)
        return
    peers, edges = settings.pop("peers"), settings.pop("edges")
    rows = [
        (f"{section}.{key}", _word(value))
        for section, values in settings.items()
        for key, value in values.items()
    ]
    click.echo(table(("KEY", "VALUE"), rows))
    for noun, entries in (("peers", peers), ("edges", edges)):
        click.echo()
        if not entries:
            click.echo(f"{noun}: {NONE}")
            continue
        headers = [key.upper().replace("_", " ") for key in entries[0]]
        click.echo(
            table(headers, [[_word(value) for value in entry.values()] for entry in entries])
        )


config.add_command(import_)


def _of_roster(written: Written) -> str:
    """How many of the files in a folder the daemon keeps; nothing where that is none."""
    count, all_ = len(written.roster), len(written.roster | written.hand)
    return f" ({count} of {all_} of the roster)" if count else ""


def _settings(loaded: Config) -> dict[str, Any]:
    """The configuration by the names it has in its files."""
    return {
        "central": {
            "id": loaded.central_id,
            "site": loaded.site,
            "timezone": loaded.timezone,
        },
        "listen": {
            "address": loaded.listen.address,
            "bus_port": loaded.listen.bus_port,
            "sync_port": loaded.listen.sync_port,
            "edge_port": loaded.listen.edge_port,
            "control": str(loaded.listen.control),
        },
        "storage": {"path": str(loaded.storage_path)},
        "bus": {"heartbeat_s": loaded.heartbeat_s, "peer_timeout_s": loaded.peer_timeout_s},
        "limits": {"edge_requests_per_s": loaded.edge_requests_per_s},
        "security": {
            "mode": loaded.security.mode,
            "allow_insecure": loaded.security.allow_insecure,
            "secret_key_file": loaded.security.secret_key_file
            and str(loaded.security.secret_key_file),
            "known_keys": dict(loaded.security.known_keys),
        },
        "external_api": _external_api(loaded),
        "peers": [
            {
                "id": peer.id,
                "address": peer.address,
                "bus_port": peer.bus_port,
                "sync_port": peer.sync_port,
                "public_key": peer.public_key,
                "next_public_key": peer.next_public_key,
            }
            for peer in loaded.peers
        ],
        "edges": [
            {
                "id": lane.id,
                "direction": lane.direction,
                "camera_type": lane.camera_type,
                "reports_close": lane.reports_close,
                "public_key": lane.public_key,
                "next_public_key": lane.next_public_key,
            }
            for lane in loaded.lanes
        ],
    }


def _external_api(loaded: Config) -> dict[str, Any]:
    api = loaded.external_api
    if api is None:
        return {"url": None}
    return {
        "url": api.url,
        "interval_s": api.interval_s,
        "timeout_s": api.timeout_s,
        "token_file": api.token_file and str(api.token_file),
    }


def _word(value: object) -> str:
    if value is None:
        return NONE
    return str(value).lower() if isinstance(value, bool) else str(value)
