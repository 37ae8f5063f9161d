"""`zparkctl top`: a live screen of one central: how it is, what comes and goes, and how fast.

All of it is asked of the daemon and read from the database; nothing is measured here but time.
"""

import sys
import time
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from zparkd.cli import output
from zparkd.cli.commands.look.status import screen
from zparkd.cli.context import ask_daemon, call, find_control, load_config, refuse
from zparkd.client.control import DaemonUnreachable
from zparkd.storage.readers import arrivals
from zparkd.storage.readers.connection import UNREADABLE, Connection, read_only

_LAST = 8
_RATES = (("events", "events"), ("messages_sent", "sent"), ("messages_received", "received"))


@click.command(epilog="Example: zparkctl top --interval 2")
@click.option(
    "--interval",
    "interval_s",
    metavar="S",
    type=click.FloatRange(min=0.2),
    default=1.0,
    show_default=True,
    help="Seconds between two looks.",
)
@click.option("--once", is_flag=True, help="One screen, after one interval.")
@click.pass_obj
def top(file: Path, interval_s: float, once: bool) -> None:
    """A live screen: status, events and messages a second, and who came and went last.

    ^C ends it. Where output is no terminal, screens follow each other.
    """
    answer = ask_daemon(file, "status")
    if answer.get("success") is not True:
        refuse(answer, as_json=False)
    database = load_config(file).storage_path
    before, at = answer, time.monotonic()
    try:
        while True:
            time.sleep(interval_s)
            try:
                answer, now = call(find_control(file)[0], "status"), time.monotonic()
                output.redraw(_shown(before, answer, now - at, database))
                before, at = answer, now
            except DaemonUnreachable as fault:
                output.redraw(output.bad(output.paragraph(str(fault))))
            if once:
                return
    except KeyboardInterrupt:
        sys.stdout.flush()


def _shown(
    before: Mapping[str, Any], answer: Mapping[str, Any], took_s: float, database: Path
) -> str:
    rates = ", ".join(
        f"{max(0, answer.get(key, 0) - before.get(key, 0)) / took_s:,.1f} {name}/s"
        for key, name in _RATES
    )
    parts = [screen(answer, datetime.now(UTC)), rates]
    try:
        with closing(read_only(database)) as connection:
            parts += [_hour(connection), _newest(connection)]
    except UNREADABLE as fault:
        parts.append(output.bad(f"{database}: {fault}"))
    return "\n\n".join(parts)


def _hour(connection: Connection) -> str:
    since = (time.time_ns() // 1_000_000) - 3_600_000
    passed = arrivals.passed_since(connection, since)
    return f"in the last hour: {output.count(passed.came)} in, {output.count(passed.went)} out"


def _newest(connection: Connection) -> str:
    rows = [
        (
            row["time"],
            row["plate_id"],
            row["camera_type"],
            "out" if row["kind"] == "VEHICLE_EXIT" else "in",
            row["place"] or output.NONE,
            output.count(row["fee"]) if row["fee"] is not None else output.NONE,
        )
        for row in arrivals.last_passages(connection, _LAST)
    ]
    if not rows:
        return f"vehicles: {output.NONE}"
    names = ("TIME", "PLATE", "TYPE", "WAY", "WHERE", "FEE")
    return output.table(names, rows, right=("FEE",), width=output.SCREEN, shrink={"WHERE": 12})
