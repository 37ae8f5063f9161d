"""`zparkctl audit`: who did what, when and why, read from the database.

What is an act of a person was decided by the rules; here rows are only shown.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click

from zparkd.cli.context import load_config
from zparkd.cli.database import reading
from zparkd.cli.moments import site_ms
from zparkd.cli.output import NONE, print_json, table
from zparkd.storage.readers.reports.audit import acts

_FORCED = {"VEHICLE_ENTRY_PENDING": "FORCED ENTRY", "VEHICLE_EXIT": "FORCED EXIT"}


@click.command(epilog='Example: zparkctl audit --since "2025-12-02 06:00"')
@click.option("--since", metavar="TIME", help="Not before this: site time.")
@click.option(
    "--limit",
    metavar="N",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Show at most this many acts; 0 for all.",
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array, with all of it.")
@click.pass_obj
def audit(file: Path, since: str | None, limit: int, as_json: bool) -> None:
    """Who did what, when, where and why, newest first; times are the site's.

    Forced and manual opens, what was set, invited, let in or turned away, removed: all that a
    person did at any central, as far as it is here. WHO is the login; else whom they said to be;
    else root or another account of the central's machine, or the camera itself.

    What a central recorded that is disowned by now is marked, and means nothing.
    """
    config = load_config(file, as_json=as_json)
    since_ms = 0 if since is None else site_ms(file, since, option="--since", as_json=as_json)
    with reading(config.storage_path, as_json=as_json) as connection:
        rows = acts(connection, ZoneInfo(config.timezone), since_ms, limit=limit or None)
    if as_json:
        print_json(rows)
    elif rows:
        headers = ("TIME", "WHAT", "ABOUT", "AT", "WHO", "WHY")
        click.echo(table(headers, map(_line, rows)))
    else:
        click.echo(f"audit: {NONE}")


def _line(row: Mapping[str, Any]) -> list[str]:
    where = row["central"] if row["edge_id"] is None else f"{row['central']}/{row['edge_id']}"
    what = _FORCED.get(row["kind"], row["kind"]) if row["forced"] else row["kind"]
    if not row["counts"]:
        what += " (does not count)"
    fields = (row["time"], what, row["about"], where, row["who"], row["why"])
    return [NONE if field is None else str(field) for field in fields]
