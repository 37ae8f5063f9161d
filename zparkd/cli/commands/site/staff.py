"""`zparkctl staff`: who may override a refusal at a gate."""

from pathlib import Path

import click

from zparkd.cli.commands.site.lists import import_list, read_from
from zparkd.cli.output import NONE, print_json, table
from zparkd.core.reference.lists import read_staff
from zparkd.storage.readers import reference

_AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group(epilog="Example: zparkctl staff list")
def staff() -> None:
    """Staff: who may override a refusal. Without a list everybody may."""


@staff.command("import", epilog="Example: zparkctl staff import staff.json")
@click.argument("document", metavar="FILE", type=click.Path(path_type=Path))
@_AS_JSON
@click.pass_obj
def import_(file: Path, document: Path, as_json: bool) -> None:
    """Make the staff of the site those of a JSON file; who is not in it is taken away.

    \b
    [{"staff_id": "nv01", "name": "..."}]

    A file at fault changes nothing; its faults are listed, exit 1.
    """
    import_list(file, document, "staff.import", read_staff, as_json=as_json)


@staff.command("list", epilog="Example: zparkctl staff list --json")
@_AS_JSON
@click.pass_obj
def list_(file: Path, as_json: bool) -> None:
    """List the staff of the site by id."""
    rows = read_from(file, reference.staff, as_json=as_json)
    if as_json:
        print_json(rows)
    elif rows:
        click.echo(table(("ID", "NAME"), [(row["staff_id"], row["name"] or NONE) for row in rows]))
    else:
        click.echo(f"staff: {NONE}; everybody may override")
