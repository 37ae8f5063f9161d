"""`zparkctl policy`: what gates do where the tariff says nothing, checked, shown and set."""

from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click

from zparkd.cli.commands.site.lists import read_from
from zparkd.cli.context import load_config
from zparkd.cli.documents import origin, read_document, say_good, set_document
from zparkd.cli.output import print_json
from zparkd.core.policy import as_toml, read_policy, whole_document
from zparkd.storage.readers.reference import site_policy

_AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_FILE = click.argument("document", metavar="FILE", type=click.Path(path_type=Path))
_NEVER_SET: dict[str, Any] = {"version": None, "document": {}, "set_by": None, "set_ms": None}


@click.group(epilog="Example: zparkctl policy check policy.toml")
def policy() -> None:
    """What gates do: when it is full, misread plates, plates to look out for."""


@policy.command(epilog="Example: zparkctl policy check policy.toml")
@_FILE
@_AS_JSON
def check(document: Path, as_json: bool) -> None:
    """Say whether a policy is good; if not, list all faults and exit 1. Needs no daemon."""
    read_document(document, read_policy, as_json=as_json)
    say_good(document, "", as_json=as_json)


@policy.command("set", epilog="Example: zparkctl policy set policy.toml")
@_FILE
@_AS_JSON
@click.pass_obj
def set_(file: Path, document: Path, as_json: bool) -> None:
    """Make a policy the site's: gates go by it as soon as it is there.

    One that is at fault changes nothing; its faults are listed, exit 1.
    """
    value, _ = read_document(document, read_policy, as_json=as_json)
    set_document(file, "policy", document, value, as_json=as_json)


@policy.command(epilog="Example: zparkctl policy show > policy.toml")
@_AS_JSON
@click.pass_obj
def show(file: Path, as_json: bool) -> None:
    """Print the policy that counts as TOML, every default too, ready to be edited and set."""
    held = read_from(file, site_policy, as_json=as_json)
    found = held or _NEVER_SET
    counting = whole_document(read_policy(found["document"]))
    if as_json:
        print_json({**found, "policy": counting})
        return
    if held is None:
        click.echo("# none was set; these are the defaults\n")
    else:
        zone = ZoneInfo(load_config(file, as_json=as_json).timezone)
        click.echo(origin(held, zone))
    click.echo(as_toml(counting), nl=False)
