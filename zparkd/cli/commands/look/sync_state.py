"""`zparkctl sync-state`: up to when the events of each peer are here, read from the database."""

from pathlib import Path

import click

from zparkd.cli.context import load_config
from zparkd.cli.database import reading
from zparkd.cli.output import NEVER, NONE, print_json, table
from zparkd.storage.readers import figures


@click.command("sync-state", epilog="Example: zparkctl sync-state --json")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array with all columns.")
@click.pass_obj
def sync_state(file: Path, as_json: bool) -> None:
    """Up to when all that each peer had is held here; times are the site's.

    It is written down every few seconds while the daemon runs, and stays when it stops.
    """
    database = load_config(file, as_json=as_json).storage_path
    with reading(database, as_json=as_json) as connection:
        rows = figures.sync_state(connection)
    if as_json:
        print_json(rows)
    elif rows:
        lines = [
            (row["peer_central_id"], row["last_sync_time"] or NEVER, row["updated_at"] or NEVER)
            for row in rows
        ]
        click.echo(table(("PEER", "ALL IS HERE UP TO", "WRITTEN DOWN"), lines))
    else:
        click.echo(f"sync state: {NONE}, this central has heard of no peer yet")
