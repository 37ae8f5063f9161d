"""`zparkctl conflicts`: what a person should look at, read from the database.

What is a conflict, and which stay counts, was decided by the rules of the stays.
"""

from pathlib import Path

import click

from zparkd.cli.database import reading
from zparkd.cli.reach import load_config
from zparkd.cli.tables import NONE, print_json, table

COLUMNS = (
    "kind",
    "plate_id",
    "camera_type",
    "event_id",
    "stay",
    "central",
    "edge_id",
    "time",
    "fee",
)


@click.command(epilog="Example: zparkctl conflicts --json")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")
@click.pass_obj
def conflicts(file: Path, as_json: bool) -> None:
    """What a person should look at, newest first; times are the site's.

    \b
    SUPERSEDED         an entry of one that was inside; STAY counts
    ENDED_NOTHING      an exit of one that was not inside, with its fee
    UNMATCHED          an exit by force, with no entry known
    WAITING            names an entry that has not arrived yet
    FORCED             a stay that was ended by force
    OTHER_ENTRY        a stay priced from another entry than the one that counts
    MARKED_TIME        a stay with a time that could not be trusted
    NEGATIVE_DURATION  a stay that ends before it begins
    ABSURD_DURATION    a stay of more than 90 days

    A stay with several remarks stands there once for each.
    """
    database = load_config(file, as_json=as_json).storage_path
    query = f"SELECT {', '.join(COLUMNS)} FROM conflicts ORDER BY time_ms DESC, event_id, kind"
    with reading(database, as_json=as_json) as connection:
        rows = [dict(row) for row in connection.execute(query)]
    if as_json:
        print_json(rows)
    elif rows:
        headers = ("KIND", "PLATE", "TYPE", "TIME", "AT", "FEE", "EVENT", "STAY")
        click.echo(table(headers, [_line(row) for row in rows], right=("FEE",)))
    else:
        click.echo(f"conflicts: {NONE}")


def _line(row: dict[str, object]) -> list[str]:
    fee, stay = row["fee"], row["stay"]
    fields = (
        row["kind"],
        row["plate_id"],
        row["camera_type"],
        row["time"],
        f"{row['central']}/{row['edge_id']}",
        f"{fee:,}" if isinstance(fee, int) else None,
        row["event_id"],
        "the same" if stay == row["event_id"] else stay,
    )
    return [NONE if field is None else str(field) for field in fields]
