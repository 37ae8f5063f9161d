"""`zparkctl conflicts`: what a person should look at, read from the database.

What is a conflict, and which stay counts, was decided by the rules of the stays.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click

from zparkd.cli.context import ask_daemon, load_config, refuse
from zparkd.cli.database import reading
from zparkd.cli.output import NONE, heading, plural, print_json, table
from zparkd.storage.readers.conflicts import COLUMNS, stay_of
from zparkd.storage.readers.conflicts import conflicts as read_conflicts
from zparkd.storage.readers.connection import Connection

# What a gate that knew all that is known here now would have answered.
_NOW = {
    "SUPERSEDED": "already_inside",
    "ENDED_NOTHING": "not_inside",
    "OTHER_ENTRY": "other_fee",
}
_IN_WORDS = {
    "already_inside": "the gate would refuse the entry now: already_inside",
    "not_inside": "the gate would refuse the exit now: not_inside",
    "other_fee": "the gate would charge from the entry that counts now",
}

Row = dict[str, Any]


@click.group(invoke_without_command=True, epilog="Example: zparkctl conflicts --why")
@click.option("--why", is_flag=True, help="Tell of each who saw what when, and what would be now.")
@click.option("--all", "every", is_flag=True, help="Those too that are acknowledged or settled.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array, with all of it.")
@click.pass_context
def conflicts(ctx: click.Context, why: bool, every: bool, as_json: bool) -> None:
    """What a person should look at, newest first; times are the site's.

    A conflict is open until `conflicts ack` says that it is dealt with, at any central, or until a
    correction leaves nothing of it; a charge on its stay settles FORCED, and OTHER_ENTRY once
    nothing is left to be taken or given back.

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

    A stay with several remarks stands there once for each. With --json, `seen` lists what each
    gate saw, oldest first, and `now` says what a gate that knew all of it would have answered:
    already_inside, not_inside, other_fee, or null where it would be the same. `due` is what was
    taken too little, below 0 too much: zparkctl vehicle charge settles it.
    """
    if ctx.invoked_subcommand is not None:
        return
    config = load_config(ctx.obj, as_json=as_json)
    with reading(config.storage_path, as_json=as_json) as connection:
        rows = read_conflicts(connection, ZoneInfo(config.timezone), all=every)
        if as_json or why:
            _explain(connection, rows)
    if as_json:
        print_json([{name: row[name] for name in (*COLUMNS, "seen", "now", "due")} for row in rows])
    elif why and rows:
        click.echo("\n\n".join(map(_story, rows)))
    elif rows:
        headers = ("ID", "KIND", "PLATE", "TYPE", "TIME", "AT", "FEE", "EVENT", "STAY")
        click.echo(table(headers, [_line(row) for row in rows], right=("FEE",)))
    else:
        click.echo(f"conflicts: {NONE}")
    if not as_json and (left := _to_settle(rows)):
        click.echo(f"\n{left}")


def _to_settle(rows: Iterable[Row]) -> str:
    """What was taken too little and too much, in all; empty where nothing was."""
    dues = [row["due"] for row in rows if row["due"]]
    lines = []
    for said, amounts in (
        ("too little", [due for due in dues if due > 0]),
        ("too much", [-due for due in dues if due < 0]),
    ):
        if amounts:
            lines.append(f"{sum(amounts):,} {said}, on {plural(len(amounts), 'conflict')}")
    if lines:
        lines.append("to settle it: zparkctl vehicle charge EVENT --amount N")
    return "\n".join(lines)


@conflicts.command(epilog='Example: zparkctl conflicts ack k3vq2m7a --staff nv01 --reason "paid"')
@click.argument("id")
@click.option("--staff", "staff_id", metavar="S", required=True, help="Who says so.")
@click.option("--reason", metavar="TEXT", required=True, help="Why it is dealt with.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def ack(file: Path, id: str, staff_id: str, reason: str, as_json: bool) -> None:
    """Say that a conflict is dealt with; it is open no more at any central. Nothing else changes.

    Where the site has a list of staff, who says so must be on it. It stands in `zparkctl audit`.
    """
    answer = ask_daemon(
        file, "conflict.ack", as_json=as_json, conflict=id, staff_id=staff_id, reason=reason
    )
    if answer.get("success") is not True:
        refuse(answer, as_json=as_json)
    if as_json:
        print_json(answer)
    elif answer["already"]:
        click.echo(f"{answer['conflict']}: {answer['kind']} was acknowledged before, or is settled")
    else:
        click.echo(f"{answer['conflict']}: {answer['kind']} is acknowledged")


# --- who saw what when ------------------------------------------------------------------------


def _explain(connection: Connection, rows: Iterable[Row]) -> None:
    """Add to each row what the gates saw, and what they would answer now."""
    rows = list(rows)
    entries: dict[str, list[Row]] = {}  # the entries that do not count, by the stay that does
    for row in rows:
        if row["kind"] == "SUPERSEDED" and row["stay"] is not None:
            entries.setdefault(row["stay"], []).append(_sight("ENTRY", row))
    for row in rows:
        seen = _stay(connection, row) + entries.get(row["stay"], [])
        if row["kind"] == "SUPERSEDED" and row["stay"] is None:
            seen.append(_sight("ENTRY", row))
        elif row["kind"] in ("ENDED_NOTHING", "UNMATCHED"):
            seen.append(_sight("EXIT", row))
        row["seen"] = sorted(seen, key=lambda sight: (sight["time"], sight["what"]))
        row["now"] = _NOW.get(row["kind"])


def _sight(what: str, row: Mapping[str, Any]) -> Row:
    names = ("central", "edge_id", "time", "event_id", "fee")
    return {"what": what, **{name: row[name] for name in names}}


def _stay(connection: Connection, row: Row) -> list[Row]:
    """The entry and the exit of the stay that a conflict is about."""
    stay = stay_of(connection, row["stay"], row["camera_type"])
    if stay is None:
        return []
    entry = {
        "central": stay["source_central"],
        "edge_id": stay["edge_id"],
        "time": stay["entry_time"],
        "event_id": stay["event_id"],
        "fee": None,
    }
    sights = [_sight("ENTRY", entry)]
    if stay["exit_ms"] is not None:
        left = {
            "central": stay["exit_central"],
            "edge_id": stay["exit_edge_id"],
            "time": stay["exit_time"],
            "event_id": stay["event_id"],
            "fee": stay["fee"],
        }
        sights.append(_sight("EXIT", left))
    return sights


def _story(row: Row) -> str:
    """A conflict in lines."""
    what = f"{row['kind']} {row['plate_id']} ({row['camera_type']}) {row['time']}"
    lines = [heading(f"{what}  {row['id']}")]
    for sight in row["seen"]:
        fee = f", {sight['fee']:,}" if isinstance(sight["fee"], int) else ""
        lines.append(
            f"  {sight['time']}  {sight['what']:<5}  {sight['central']}/{sight['edge_id']}{fee}"
        )
    if row["now"] is not None:
        lines.append(f"  {_IN_WORDS[row['now']]}")
    if row["due"] is not None:
        said = "too little" if row["due"] > 0 else "too much"
        charge = f"zparkctl vehicle charge {row['stay'] or row['event_id']} --amount {row['due']}"
        lines.append(f"  {abs(row['due']):,} {said}: {charge}")
    if row["acknowledged"] is not None:
        said = row["acknowledged"]
        lines.append(f"  acknowledged by {said['who']} at {said['central']}: {said['why']}")
    return "\n".join(lines)


def _line(row: dict[str, object]) -> list[str]:
    fee, stay = row["fee"], row["stay"]
    fields = (
        row["id"],
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
