"""`zparkctl reload`: have the daemon read its configuration, and wait for what comes of it."""

from pathlib import Path

import click

from zparkd.cli.context import ask_daemon, fail_config, refuse
from zparkd.cli.output import print_json

PATIENCE_S = 10.0  # opening sockets for many new peers takes a while


@click.command(epilog="Example: zparkctl reload && zparkctl status")
@click.option("--json", "as_json", is_flag=True, help="Print the daemon's answer as JSON.")
@click.pass_obj
def reload(file: Path, as_json: bool) -> None:
    """Have the daemon read its configuration, and wait for the result.

    Where the files are at fault the faults are printed, the exit status is 78, and the last
    good configuration stays live.
    """
    answer = ask_daemon(file, "reload", as_json=as_json, timeout_s=PATIENCE_S)
    if answer.get("success") is not True:
        if faults := answer.get("faults"):
            fail_config([str(fault) for fault in faults], as_json=as_json)
        refuse(answer, as_json=as_json)
    if as_json:
        print_json(answer)
    else:
        click.echo(f"{file}: read, and in effect")
