"""`zparkctl report`: what the car park came to in a time, read from the database.

What is counted, and how, the rules of reports say; here they are asked for and shown.
"""

import time
from collections.abc import Callable
from pathlib import Path
from zoneinfo import ZoneInfo

import click

from zparkd.cli.commands.look.report_day import check, day
from zparkd.cli.context import load_config
from zparkd.cli.database import reading
from zparkd.cli.output import NONE, print_json, table
from zparkd.config.load import Config
from zparkd.core.clock import site_time
from zparkd.core.reports import sheet
from zparkd.core.reports.counting import report as calculate
from zparkd.core.reports.period import BadPeriod, Complete, complete, period, told
from zparkd.core.reports.records import COUNTED_BY, Asked, By, Name, Table
from zparkd.storage.readers.connection import one_moment
from zparkd.storage.readers.figures import sync_state
from zparkd.storage.readers.reports.records import records

_SUMMARY = {
    Name.INSIDE: "Who is inside, now or at the end of the time.",
    Name.OCCUPANCY: "How many were inside, at most and at the end of each hour.",
    Name.TRAFFIC: "Who came and who left.",
    Name.REVENUE: "What was paid.",
    Name.EXCEPTIONS: "What did not fit, and what people did.",
    Name.SHIFT: "What one shift hands to the next.",
}
_MORE = {
    Name.OCCUPANCY: "IN came, OUT left by an exit, CLOSED was ended otherwise.",
    Name.TRAFFIC: "IN came, OUT left by an exit, CLOSED was ended otherwise.",
    Name.REVENUE: "FEES of ended stays, by exit or by hand, and ADJUSTMENTS charged afterwards make"
    " REVENUE; UNMATCHED stands beside it: what was taken of exits that ended nothing.",
    Name.SHIFT: "Open at the start, plus IN, less OUT and CLOSED, makes open at the end; FEES and"
    " ADJUSTMENTS make REVENUE, and UNMATCHED stands beside it.",
}


@click.group(
    epilog='Example: zparkctl report shift --from "2025-12-02 06:00" --to "2025-12-02 14:00"'
)
def report() -> None:
    """What the car park came to in a time: today, where nothing is said."""


def _command(name: Name) -> Callable[..., None]:
    def run(
        file: Path,
        *,
        since: str | None,
        until: str | None,
        by: str | None,
        as_json: bool,
        as_csv: bool,
    ) -> None:
        if as_json and as_csv:
            raise click.UsageError("--json and --csv: one of the two")
        _run(file, name, since, until, By(by) if by else None, as_json=as_json, as_csv=as_csv)

    return run


def _run(
    file: Path,
    name: Name,
    since: str | None,
    until: str | None,
    by: By | None,
    *,
    as_json: bool,
    as_csv: bool,
) -> None:
    config = load_config(file, as_json=as_json)
    zone, now_ms = ZoneInfo(config.timezone), time.time_ns() // 1_000_000
    try:
        since_ms, until_ms = period(since, until, zone, now_ms)
    except BadPeriod as fault:
        raise click.BadParameter(str(fault), param_hint="--from, --to") from None
    asked = Asked(name, by or COUNTED_BY[name][0], since_ms, until_ms, zone)
    with reading(config.storage_path, as_json=as_json) as connection, one_moment(connection):
        found = calculate(asked, records(connection, asked))
        synced = {
            row["peer_central_id"]: row["last_sync_timestamp"] for row in sync_state(connection)
        }
    state = complete((peer.id for peer in config.peers), synced, until_ms, now_ms)
    if as_csv:
        rows = [[row[column] for column in found.columns] for row in found.rows]
        click.echo(sheet.lines([found.columns, *rows], sheet.MARK), nl=False)
    elif as_json:
        print_json(told(asked, found, state))
    else:
        click.echo(f"{name}, {site_time(since_ms, zone)} to {site_time(until_ms, zone)}")
        click.echo(_screen(found) if found.rows else f"{name}: {NONE}")
    if not as_json and state.missing:
        click.echo(_missing(config, state), err=True)


def _missing(config: Config, state: Complete) -> str:
    names = ", ".join(state.missing)
    if state.until_ms <= 0:
        return f"not complete: never heard of {names}"
    upto = site_time(state.until_ms, ZoneInfo(config.timezone))
    return f"complete up to {upto}: what {names} recorded since is not in it yet"


def _screen(found: Table) -> str:
    """A table for people; columns in which nothing stands are left out."""
    columns = [name for name in found.columns if any(row[name] is not None for row in found.rows)]
    numbers = {
        name for name in columns if all(isinstance(row[name], int | None) for row in found.rows)
    }
    headers = [name.replace("_", " ").upper() for name in columns]
    rows = [[_word(row[name]) for name in columns] for row in found.rows]
    lines = table(headers, rows, right=[name.replace("_", " ").upper() for name in numbers])
    totals = [
        ", ".join(f"{name.replace('_', ' ')} {_word(value)}" for name, value in total.items())
        for total in found.totals
    ]
    return "\n".join([lines, *(f"in all: {total}" for total in totals)])


def _word(value: object) -> str:
    if value is None:
        return NONE
    return f"{value:,}" if isinstance(value, int) else str(value)


def _add(name: Name) -> None:
    choices = [by.value for by in COUNTED_BY[name] if by is not None]
    default = COUNTED_BY[name][0]
    about = "What a row is of."
    made = click.pass_obj(_command(name))
    made = click.option("--csv", "as_csv", is_flag=True, help="Print CSV for a spreadsheet.")(made)
    made = click.option("--json", "as_json", is_flag=True, help="Print JSON.")(made)
    made = click.option(
        "--by",
        type=click.Choice(choices),
        help=f"{about}  [default: {default}]" if default is not None else about,
    )(made)
    made = click.option("--to", "until", metavar="TIME", help="Before this; of a day, its end.")(
        made
    )
    made = click.option("--from", "since", metavar="TIME", help="From this on: site time.")(made)
    text = "\n\n".join(filter(None, (_SUMMARY[name], _MORE.get(name))))
    epilog = f"Example: zparkctl report {name} --from 2025-12-01 --to 2025-12-31"
    report.add_command(click.command(name.value, help=text, epilog=epilog)(made))


for _name in Name:
    _add(_name)
report.add_command(day)
report.add_command(check)
