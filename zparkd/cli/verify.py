"""`zparkctl verify`: is what this central holds what it says it holds.

Each comparison gives differences, named by stream and range; here they are only put together.
"""

from pathlib import Path

import click

from zparkd.cli.database import reading
from zparkd.cli.reach import Exit, fail, load_config
from zparkd.cli.tables import plural, print_json


@click.command(epilog="Example: zparkctl verify --json")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def verify(file: Path, as_json: bool) -> None:
    """Check this central's database with itself; the daemon may run meanwhile.

    The hash chain of every stream is computed again, and all stays from all events. Exit
    status 1 where anything differs; each difference is named by its stream and range.
    """
    from zparkd.cli.self_check import check

    database = load_config(file, as_json=as_json).storage_path
    with reading(database, as_json=as_json) as connection:
        found = check(connection)
    counts = {"streams": found.streams, "events": found.events, "stays": found.stays}
    looked_at = ", ".join(plural(number, noun[:-1]) for noun, number in counts.items())
    if found.differences:
        lines = [f"{database}: {looked_at}: {plural(len(found.differences), 'difference')}"]
        listed = [difference._asdict() for difference in found.differences]
        fail(
            Exit.NO,
            "differs",
            "\n".join([*lines, *map(str, found.differences)]),
            as_json=as_json,
            **counts,
            differences=listed,
        )
    if as_json:
        print_json({"success": True, **counts, "differences": []})
    else:
        click.echo(f"{database}: {looked_at}: no difference")
