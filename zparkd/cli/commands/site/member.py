"""`zparkctl member`: the centrals of the site, and whether what they record means anything."""

from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click

from zparkd.cli.commands.site.rotation import rotate
from zparkd.cli.context import Exit, ask_daemon, fail, load_config, refuse
from zparkd.cli.moments import site_ms
from zparkd.cli.output import NONE, plural, print_json, table

_AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_ID = click.argument("member", metavar="ID")
_TIMES = "%Y-%m-%d %H:%M:%S"
_PATIENCE_S = 20.0  # a long past is looked through for a time
_Row = dict[str, Any]


@click.group(epilog="Example: zparkctl member list")
def member() -> None:
    """The centrals of the site: who they are, and whether what they record counts."""


@member.command("list", epilog="Example: zparkctl member list --json")
@_AS_JSON
@click.pass_obj
def list_(file: Path, as_json: bool) -> None:
    """List all centrals that anything is known of here, cameras that joined, open invitations."""
    answer = _ask(file, "member.list", as_json=as_json)
    if as_json:
        print_json(answer["members"])
        return
    zone = _zone(file)
    rows = [
        (
            row["member"],
            row["standing"],
            row["fingerprint"] or NONE,
            _counts(row),
            f"{row['events']:,}",
            _time(row, zone),
        )
        for row in answer["members"]
    ]
    head = ("ID", "KNOWN AS", "KEY", "COUNTS", "EVENTS", "LAST EVENT")
    click.echo(table(head, rows, right=("EVENTS",)))
    if answer["edges"]:
        edges = [
            (row["id"], "removed" if row["removed"] else "joined", row["fingerprint"])
            for row in answer["edges"]
        ]
        click.echo("\n" + table(("CAMERA", "KNOWN AS", "KEY"), edges))
    waiting = [row for row in answer["invitations"] if row["open"]]
    if waiting:
        invited = [
            (row["member"], row["role"], row["invited_by"], _moment(row["expires_ms"], zone))
            for row in waiting
        ]
        click.echo("\n" + table(("INVITED", "AS", "BY", "UNTIL"), invited))


@member.command(epilog="Example: zparkctl member show central-9")
@_ID
@_AS_JSON
@click.pass_obj
def show(file: Path, member: str, as_json: bool) -> None:
    """Show one central: who is for and against it, and each run of it."""
    answer = _ask(file, "member.show", member=member, as_json=as_json)
    if as_json:
        print_json(answer)
        return
    zone = _zone(file)
    click.echo(f"{member}: {answer['standing']}; counts: {_counts(answer)}")
    if (row := answer["membership"]) is not None:
        where = f" at {row['address']}" if row["address"] else ""
        click.echo(f"membership {row['number']}{where}, since {_moment(row['joined_ms'], zone)}")
        click.echo(f"key {row['public_key']}, fingerprint {row['fingerprint']}")
    if row is not None and row["role"] == "edge":
        return
    for what, ids in (("disowned by", "disowned_by"), ("restored by", "restored_by")):
        if answer[ids]:
            click.echo(f"{what}: {', '.join(answer[ids])}")
    rows = [
        (
            str(run["epoch"]),
            f"{run['head']:,}",
            f"{run['counts_to']:,}",
            _moment(run["first_ms"], zone),
            _moment(run["last_ms"], zone),
        )
        for run in answer["heads"]
    ]
    if rows:
        head = ("RUN", "EVENTS", "COUNT TO", "FIRST EVENT", "LAST EVENT")
        click.echo(table(head, rows, right=("EVENTS", "COUNT TO")))


@member.command(epilog='Example: zparkctl member disown central-9 --since "2025-12-02 10:30:00"')
@_ID
@click.option(
    "--since",
    metavar="TIME",
    help="From this time on, by its own stamps; site time.  [default: from now on]",
)
@_AS_JSON
@click.pass_obj
def disown(file: Path, member: str, since: str | None, as_json: bool) -> None:
    """Say that what a central records means nothing from now on, or from a time on.

    Its events are kept, and stays, tariff, passes and staff are as if they had never been. That
    holds at all centrals while more of them say so than deny it; if it does not hold, exit 1.
    """
    since_ms = (
        site_ms(file, since, option="--since", as_json=as_json) if since is not None else None
    )
    answer = _ask(file, "member.disown", member=member, since_ms=since_ms, as_json=as_json)
    _said(answer, holds=answer["disowned"], word="disowned", as_json=as_json)


@member.command(epilog="Example: zparkctl member remove central-9")
@_ID
@_AS_JSON
@click.pass_obj
def remove(file: Path, member: str, as_json: bool) -> None:
    """End the membership of a central or a camera: its key opens nothing any more.

    At all connected centrals within two seconds, at others when they hear of it. What it recorded
    so far counts, and nothing beyond. Of a central it holds while more of the others say so than
    deny it (`member restore`); if it does not hold, exit 1.
    """
    answer = _ask(file, "member.remove", member=member, as_json=as_json)
    if not answer["removed"]:
        message = f"{member}: said, but it does not hold: as many centrals deny it (member restore)"
        fail(Exit.NO, "outvoted", message, as_json=as_json, **_of_member(answer))
    if as_json:
        print_json(answer)
    else:
        key = answer["membership"]["fingerprint"]
        click.echo(f"{member}: removed; its key {key} opens nothing any more")


@member.command(epilog="Example: zparkctl member address central-2 192.168.1.112")
@_ID
@click.argument("address", metavar="A")
@_AS_JSON
@click.pass_obj
def address(file: Path, member: str, address: str, as_json: bool) -> None:
    """Say where a central is reached from now on; all others follow.

    For this central itself its own configuration must listen there: write it in [listen].
    """
    answer = _ask(file, "member.address", member=member, address=address, as_json=as_json)
    if as_json:
        print_json(answer)
        return
    click.echo(f"{member}: at {answer['membership']['address']}, told to all members")
    listens = load_config(file).listen.address
    if answer["own"] and listens not in (address, "0.0.0.0", "::"):
        click.echo(f'{file}: write address = "{address}" in [listen]; it listens on {listens}')


@member.command("rotate-key", epilog="Example: zparkctl member rotate-key")
@click.option("--now", "at_once", is_flag=True, help="Do not wait for members that are away.")
@click.option("--wait", "wait_s", default=30.0, metavar="S", help="[default: 30]")
@_AS_JSON
@click.pass_obj
def rotate_key(file: Path, at_once: bool, wait_s: float, as_json: bool) -> None:
    """Change the key of this central, without an outage.

    A new key is made beside the old and announced; once every other member knows it, it takes the
    place of the old one. If some are away this ends with exit 1 and names them; the daemon goes on
    when they are back, and with --now nobody waits. Needs write access to the key file.
    """
    rotate(file, at_once=at_once, wait_s=wait_s, as_json=as_json)


@member.command(epilog="Example: zparkctl member restore central-9")
@_ID
@_AS_JSON
@click.pass_obj
def restore(file: Path, member: str, as_json: bool) -> None:
    """Deny that a central is disowned: what it records counts, unless more say otherwise.

    If they do, exit 1.
    """
    answer = _ask(file, "member.restore", member=member, as_json=as_json)
    _said(answer, holds=not answer["disowned"], word="restored", as_json=as_json)


@member.command(epilog="Example: zparkctl member admit central-7")
@_ID
@_AS_JSON
@click.pass_obj
def admit(file: Path, member: str, as_json: bool) -> None:
    """Take in what a central records that is in no peer file here."""
    answer = _ask(file, "member.admit", member=member, as_json=as_json)
    if as_json:
        print_json(answer)
    else:
        click.echo(f"{member}: admitted here; what it records is fetched from those who have it")


def _said(answer: _Row, *, holds: bool, word: str, as_json: bool) -> None:
    id, voices = answer["member"], _voices(answer)
    if not holds:
        message = (
            f"{id}: said, but it does not hold: {voices}; have the others say so too"
            " (zparkctl member there)"
        )
        fail(Exit.NO, "outvoted", message, as_json=as_json, **_of_member(answer))
    if as_json:
        print_json(answer)
        return
    off = answer["events"] - answer["events_counting"]
    nothing = f"; {plural(off, 'event')} so far without effect" if off else ""
    click.echo(f"{id}: {word}: {voices}{nothing}")


def _of_member(answer: _Row) -> _Row:
    return {key: value for key, value in answer.items() if key != "success"}


def _voices(answer: _Row) -> str:
    against, for_it = answer["disowned_by"], answer["restored_by"]
    return f"{', '.join(against) or 'nobody'} against it, {', '.join(for_it) or 'nobody'} for it"


def _counts(row: _Row) -> str:
    if not row["disowned"]:
        return "yes" if not row["disowned_by"] else f"yes, against {', '.join(row['disowned_by'])}"
    return f"{row['events_counting']:,}, disowned by {', '.join(row['disowned_by'])}"


def _ask(file: Path, command: str, *, as_json: bool, **arguments: object) -> _Row:
    answer = ask_daemon(file, command, as_json=as_json, timeout_s=_PATIENCE_S, **arguments)
    if answer.get("success") is not True:
        refuse(answer, as_json=as_json)
    return answer


def _zone(file: Path) -> tzinfo:
    return ZoneInfo(load_config(file).timezone)


def _time(row: _Row, zone: tzinfo) -> str:
    return _moment(row["last_ms"], zone)


def _moment(ms: int | None, zone: tzinfo) -> str:
    if ms is None:
        return NONE
    try:
        return datetime.fromtimestamp(ms / 1000, zone).strftime(_TIMES)
    except (OverflowError, ValueError, OSError):
        return "?"
