"""`zparkctl import`: the cars and the past of the earlier system become events of this central."""

import itertools
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click
import msgspec

from zparkd.cli.context import Exit, fail, find_control, load_config, refuse
from zparkd.cli.database import reading
from zparkd.cli.output import plural, print_json, table
from zparkd.client.control import ControlClient, DaemonUnreachable
from zparkd.core.clock import site_time
from zparkd.core.gate import limits
from zparkd.core.gate.old_stays import EDGE, acts_of
from zparkd.core.site import CAMERA_TYPE
from zparkd.storage.old_history import (
    DEFAULT_TYPE,
    NotReadable,
    OldHistory,
    count_rows,
    old_history,
)
from zparkd.storage.readers.log import acts_held

_PATIENCE_S = 30.0  # a batch is a few hundred milliseconds on the slowest disk
_ROWS_NAMED = 5
_ROWS_LISTED = 10_000


def _camera_type(_ctx: click.Context, _option: click.Parameter, text: str) -> str:
    if not CAMERA_TYPE.fullmatch(text):
        raise click.BadParameter(f"{text!r} is no type; write one such as car")
    return text


@click.command("import", epilog="Example: zparkctl import parking.db --dry-run")
@click.argument("old", metavar="OLD_PARKING_DB", type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Say what would be taken over; change nothing.")
@click.option(
    "--camera-type",
    metavar="T",
    default=DEFAULT_TYPE,
    show_default=True,
    callback=_camera_type,
    help="The type of vehicle of rows that say none.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def import_(file: Path, old: Path, dry_run: bool, camera_type: str, as_json: bool) -> None:
    """Take over the earlier system's parking.db, with or without its P2P columns.

    Each stay becomes an entry, and an exit where it ended; cars inside stay inside. A stay is
    known by type, plate and the second of its entry, so the same file again, or the file of
    another central, adds only what is not here yet: an import that was cut short is simply
    given again. Cameras are answered meanwhile. Rows that can't be taken over are skipped, and
    the reason is told.
    """
    zone = ZoneInfo(load_config(file, as_json=as_json).timezone)
    with ExitStack() as stack:
        try:
            with _bar(count_rows(old), "reading", as_json=as_json) as bar:
                update = bar.update if bar is not None else lambda _: None
                opened = old_history(old, zone, int(time.time()), camera_type, update)
                history = stack.enter_context(opened)
        except NotReadable as fault:
            fail(Exit.NO, "not_readable", str(fault), as_json=as_json)
        report = _report(history)
        if dry_run:
            report |= _compared(file, history, zone, as_json=as_json)
        else:
            report |= _recorded(file, history, as_json=as_json)
    if as_json:
        print_json({"success": True, "dry_run": dry_run, **report})
    else:
        _print(old, report, zone)


def _report(history: OldHistory) -> dict[str, Any]:
    skipped = [
        {"reason": reason, "count": len(rows), "rows": rows[:_ROWS_LISTED]}
        for reason, rows in sorted(history.skipped.items())
    ]
    counts = {"rows": history.rows, "doubles": history.doubles, **history.sums._asdict()}
    return {**counts, "skipped": skipped}


def _compared(file: Path, history: OldHistory, zone: ZoneInfo, *, as_json: bool) -> dict[str, int]:
    """How many events are held here already; nothing where there is no database yet."""
    database = load_config(file, as_json=as_json).storage_path
    if not database.exists():
        return {"known": 0}
    known = 0
    with (
        reading(database, as_json=as_json) as connection,
        _bar(history.sums.stays, "comparing", as_json=as_json) as bar,
    ):
        stays = history.stays()
        while batch := list(itertools.islice(stays, limits.OLD_STAYS_PER_TURN)):
            acts = [act for stay in batch for act in acts_of(stay, zone)]
            known += acts_held(connection, EDGE, acts)
            if bar is not None:
                bar.update(len(batch))
    return {"known": known}


def _recorded(file: Path, history: OldHistory, *, as_json: bool) -> dict[str, int]:
    """Hand all stays to the daemon, batch by batch; how many events were new, and were not."""
    total = {"entries": 0, "exits": 0, "known": 0}
    control, _ = find_control(file)
    done = 0
    try:
        with (
            ControlClient(control, _PATIENCE_S) as daemon,
            _bar(history.sums.stays, "recording", as_json=as_json) as bar,
        ):
            for batch, answer in _answered(daemon, _batches(history)):
                if answer.get("success") is not True:
                    refuse(answer, as_json=as_json)
                for name in total:
                    total[name] += answer[name]
                done += len(batch)
                if bar is not None:
                    bar.update(len(batch))
            new = {"entries": total["entries"], "exits": total["exits"]}
            daemon.call("import.done", stays=done, **new)
    except DaemonUnreachable as fault:
        message = f"{fault}\n{plural(done, 'stay')} of {history.sums.stays:,} are recorded;"
        message += " give the same command again: it goes on from there"
        fail(Exit.UNREACHABLE, "daemon_unreachable", message, as_json=as_json, **total)
    return total


def _answered(
    daemon: ControlClient, batches: Iterator[list[Any]]
) -> Iterator[tuple[list[Any], dict[str, Any]]]:
    """Each batch with its answer. The next one is made ready while the daemon is at work."""
    with ThreadPoolExecutor(1) as asking:
        batch = next(batches, None)
        while batch is not None:
            asked = asking.submit(daemon.call, "import.stays", stays=batch)
            following = next(batches, None)
            yield batch, asked.result()
            batch = following


def _batches(history: OldHistory) -> Iterator[list[Any]]:
    stays = history.stays()
    while batch := list(itertools.islice(stays, limits.OLD_STAYS_PER_TURN)):
        yield msgspec.to_builtins(batch)


def _bar(length: int, label: str, *, as_json: bool) -> AbstractContextManager[Any]:
    """A progress bar where somebody looks, else nothing."""
    if as_json or not sys.stderr.isatty():
        return nullcontext()
    return click.progressbar(length=max(1, length), label=f"{label:<9}", file=sys.stderr)


def _print(old: Path, report: dict[str, Any], zone: ZoneInfo) -> None:
    first_s, last_s = report["first_s"], report["last_s"]
    span = ""
    if first_s is not None:
        span = f", {site_time(first_s * 1000, zone)} to {site_time(last_s * 1000, zone)}"
    skipped = sum(why["count"] for why in report["skipped"])
    lines = [
        ("rows read", report["rows"]),
        ("skipped", skipped),
        ("the same stay once more", report["doubles"]),
        ("stays", report["stays"]),
        ("  inside now", report["inside"]),
        ("  without an exit, ended by the next entry", report["never_left"]),
        ("fees", report["fees"]),
    ]
    if "entries" in report:
        lines += [("entries recorded", report["entries"]), ("exits recorded", report["exits"])]
    lines.append(("events that were here before", report["known"]))
    click.echo(f"{old}: {plural(report['stays'], 'stay')}{span}")
    rows = [(name, f"{number:,}") for name, number in lines]
    click.echo(table(("WHAT", "HOW MANY"), rows, right=("HOW MANY",)))
    for why in report["skipped"]:
        named = ", ".join(map(str, why["rows"][:_ROWS_NAMED]))
        more = ", …" if why["count"] > _ROWS_NAMED else ""
        click.echo(f"skipped {why['count']:,}: {why['reason']} (row {named}{more})", err=True)
