"""`zparkctl pass`: who leaves without paying, and until when."""

from pathlib import Path

import click

from zparkd.cli.commands.site.lists import Row, import_list, read_from
from zparkd.cli.output import NONE, print_json, table
from zparkd.core.plates import normalise_plate
from zparkd.core.reference.lists import read_passes
from zparkd.storage.readers.reference import passes

_AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group("pass", epilog="Example: zparkctl pass list")
def pass_() -> None:
    """Passes: who leaves without paying."""


@pass_.command("import", epilog="Example: zparkctl pass import passes.json")
@click.argument("document", metavar="FILE", type=click.Path(path_type=Path))
@_AS_JSON
@click.pass_obj
def import_(file: Path, document: Path, as_json: bool) -> None:
    """Make the passes of the site those of a JSON file; what is not in it is taken away.

    \b
    [{"plate_id": "29A12345", "camera_type": "car", "valid_from": "2025-12-01",
      "valid_until": "2025-12-31", "holder": "..."}]

    Both days are included. A file at fault changes nothing; its faults are listed, exit 1.
    """
    import_list(file, document, "pass.import", read_passes, as_json=as_json)


def _plate_id(_ctx: click.Context, _option: click.Parameter, text: str | None) -> str | None:
    if text is None:
        return None
    try:
        return normalise_plate(text)
    except ValueError as fault:
        raise click.BadParameter(str(fault)) from None


@pass_.command("list", epilog="Example: zparkctl pass list --plate 29A-123.45")
@click.option(
    "--plate", "plate_id", metavar="P", callback=_plate_id, help="Only this plate, however written."
)
@_AS_JSON
@click.pass_obj
def list_(file: Path, plate_id: str | None, as_json: bool) -> None:
    """List the passes of the site by plate, also those that are over."""
    rows = read_from(file, lambda held: passes(held, plate_id), as_json=as_json)
    if as_json:
        print_json(rows)
    elif rows:
        click.echo(table(("PLATE", "TYPE", "FROM", "UNTIL", "HOLDER"), map(_line, rows)))
    else:
        click.echo(f"passes: {NONE}")


def _line(row: Row) -> tuple[str, ...]:
    fields = (row["plate_id"], row["camera_type"], row["valid_from"], row["valid_until"])
    return (*fields, row["holder"] or NONE)
