"""`zparkctl policy`: what gates do where the tariff says nothing, checked, shown and set."""

from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click

from zparkd.cli.commands.site.lists import read_from
from zparkd.cli.context import ask_daemon, load_config, refuse
from zparkd.cli.documents import read_document
from zparkd.cli.output import print_json
from zparkd.core.policy import as_toml, read_policy, whole_document
from zparkd.storage.readers.reference import site_policy

_AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_FILE = click.argument("document", metavar="FILE", type=click.Path(path_type=Path))
_NEVER_SET: dict[str, Any] = {"version": None, "document": {}, "set_by": None, "set_ms": None}
_TIMES = "%Y-%m-%d %H:%M:%S"


@click.group(epilog="Example: zparkctl policy check policy.toml")
def policy() -> None:
    """What gates do: when it is full, misread plates, plates to look out for."""


@policy.command(epilog="Example: zparkctl policy check policy.toml")
@_FILE
@_AS_JSON
def check(document: Path, as_json: bool) -> None:
    """Say whether a policy is good; if not, list all faults and exit 1. Needs no daemon."""
    read_document(document, read_policy, as_json=as_json)
    if as_json:
        print_json({"success": True, "path": str(document), "faults": []})
    else:
        click.echo(f"{document}: good")


@policy.command("set", epilog="Example: zparkctl policy set policy.toml")
@_FILE
@_AS_JSON
@click.pass_obj
def set_(file: Path, document: Path, as_json: bool) -> None:
    """Make a policy the site's: gates go by it as soon as it is there.

    One that is at fault changes nothing; its faults are listed, exit 1.
    """
    value, _ = read_document(document, read_policy, as_json=as_json)
    answer = ask_daemon(file, "policy.set", as_json=as_json, document=value)
    if answer.get("success") is not True:
        refuse(answer, as_json=as_json)
    if as_json:
        print_json(answer)
        return
    click.echo(f"{document}: the site's policy, version {answer['version']}")
    if peers := answer.get("incomplete"):
        click.echo(
            f"{', '.join(map(str, peers))}: not heard, or ahead of this central; where a higher"
            " version was set there, that one counts once they meet",
            err=True,
        )


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
        when = datetime.fromtimestamp(held["set_ms"] / 1000, zone).strftime(_TIMES)
        click.echo(f"# version {held['version']}, set at {held['set_by']}, {when}\n")
    click.echo(as_toml(counting), nl=False)
