"""`zparkctl history`: who came and went, read from the database without asking the daemon.

What a stay is has been decided where it was recorded; here rows are only picked and shown.
"""

from collections.abc import Mapping
from pathlib import Path

import click

from zparkd.cli.context import load_config
from zparkd.cli.database import reading
from zparkd.cli.output import NONE, print_json, table
from zparkd.core.plates import normalise_plate
from zparkd.storage.readers.stays import StayFilter, stays

Row = Mapping[str, object]


def _plate_id(_ctx: click.Context, _option: click.Parameter, text: str | None) -> str | None:
    if text is None:
        return None
    try:
        return normalise_plate(text)
    except ValueError as fault:
        raise click.BadParameter(str(fault)) from None


@click.command(epilog="Example: zparkctl history --plate 29A-123.45 --inside")
@click.option(
    "--plate", "plate_id", metavar="P", callback=_plate_id, help="Only this plate, however written."
)
@click.option("--inside", is_flag=True, help="Only vehicles that are inside.")
@click.option(
    "--limit",
    metavar="N",
    type=click.IntRange(min=0),
    default=50,
    show_default=True,
    help="Show at most this many stays; 0 for all.",
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array with all columns.")
@click.pass_obj
def history(file: Path, plate_id: str | None, inside: bool, limit: int, as_json: bool) -> None:
    """Who came and went, newest entry first; times are the site's."""
    database = load_config(file, as_json=as_json).storage_path
    with reading(database, as_json=as_json) as connection:
        rows = stays(connection, StayFilter(plate_id=plate_id, inside=inside), limit or None)
    if as_json:
        print_json(rows)
    elif rows:
        click.echo(_screen(rows))
    else:
        click.echo(f"history: {NONE}")


def _screen(rows: list[dict[str, object]]) -> str:
    headers = ("PLATE", "TYPE", "IN", "AT", "OUT", "AT", "DURATION", "FEE", "REMARKS")
    return table(headers, [_line(row) for row in rows], right=("FEE",))


def _line(row: Row) -> tuple[str, ...]:
    fee = row["fee"]
    return (
        _word(row["plate_id"]),
        _word(row["camera_type"]),
        _word(row["entry_time"])[:-3],
        _word(row["camera_name"]),
        _left(row),
        f"{row['exit_central']}/{row['exit_edge_id']}" if row["exit_edge_id"] else NONE,
        _word(row["duration"]),
        f"{fee:,}" if isinstance(fee, int) else NONE,
        _word(row["remarks"]),
    )


def _left(row: Row) -> str:
    """When it left, without a date that is the entry's; else why there is no such time."""
    if row["status"] == "IN":
        return "inside"
    if row["exit_time"] is None:
        return _word(row["closed_by"]).lower().replace("_", " ")
    entry, left = _word(row["entry_time"])[:-3], _word(row["exit_time"])[:-3]
    return left[11:] if left[:10] == entry[:10] else left


def _word(value: object) -> str:
    return NONE if value is None else str(value)
