"""`zparkctl backup`: a copy of the database as it is in one moment, while all goes on.

A copy that is not whole never gets the name it was asked for.
"""

import os
import re
import time
from pathlib import Path
from typing import Any, NoReturn

import click

from zparkd.cli.context import Exit, fail, load_config
from zparkd.cli.database import reading
from zparkd.cli.output import plural, print_json, table
from zparkd.config.atomic_file import new_file
from zparkd.storage.readers.connection import Connection
from zparkd.storage.readers.copies import CopyFailed, copy_to


@click.command(epilog="Example: zparkctl backup /var/backups/zparkd-$(date +%F).db")
@click.argument("target", metavar="[FILE]", type=click.Path(path_type=Path), required=False)
@click.option(
    "--into",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Instead of FILE: a file in DIR, named by central and time.",
)
@click.option(
    "--keep",
    metavar="N",
    type=click.IntRange(min=1),
    help="With --into: then remove all but this central's N newest there.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def backup(
    file: Path, target: Path | None, into: Path | None, keep: int | None, as_json: bool
) -> None:
    """Copy the database to FILE, and print what is in the copy.

    The daemon need not stop, and does not wait. The copy is checked and on the disk before it
    is given its name, readable for its owner alone. FILE is never overwritten.
    """
    if (target is None) == (into is None):
        raise click.UsageError("name a FILE, or --into DIR")
    if keep is not None and into is None:
        raise click.UsageError("--keep: is for --into DIR")
    config = load_config(file, as_json=as_json)
    if into is not None:
        target = into / f"{config.central_id}-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}.db"
    assert target is not None
    if os.path.lexists(target):
        _refuse_existing(target, as_json=as_json)
    with reading(config.storage_path, as_json=as_json) as connection:
        try:
            held = _copied(connection, target)
        except FileExistsError:
            _refuse_existing(target, as_json=as_json)
        except (CopyFailed, OSError) as fault:
            message = f"{target}: no backup was made: {fault}"
            fail(Exit.NO, "no_backup", message, as_json=as_json)
    removed = _rotated(target.parent, config.central_id, keep) if keep is not None else []
    if as_json:
        gone = {"removed": [str(path) for path in removed]} if keep is not None else {}
        print_json({"success": True, "path": str(target), **held, **gone})
        return
    size = f"{held['bytes'] / 1e6:,.1f} MB"
    click.echo(f"{target}: {size}, {plural(held['events'], 'event')}")
    for path in removed:
        click.echo(f"{path}: removed")
    rows = [(head["central"], str(head["epoch"]), f"{head['head']:,}") for head in held["heads"]]
    if rows:
        click.echo(table(("CENTRAL", "EPOCH", "HEAD"), rows, right=("HEAD",)))


def _rotated(folder: Path, central_id: str, keep: int) -> list[Path]:
    """Remove the older backups of this central, and no other file; which those were."""
    mine = re.compile(re.escape(central_id) + r"-\d{8}T\d{6}Z\.db")
    found = sorted(path for path in folder.iterdir() if mine.fullmatch(path.name))
    removed = found[: max(0, len(found) - keep)]
    for path in removed:
        path.unlink(missing_ok=True)
    return removed


def _refuse_existing(target: Path, *, as_json: bool) -> NoReturn:
    message = f"{target}: exists, and is not overwritten; name another file"
    fail(Exit.NO, "exists", message, as_json=as_json)


def _copied(connection: Connection, target: Path) -> dict[str, Any]:
    """Copy the database; what is in the copy. Raises CopyFailed or OSError."""
    with new_file(target) as opened:
        held = copy_to(connection, Path(opened.name))
    heads = [
        {"central": central, "epoch": epoch, "head": head}
        for (central, epoch), head in held.heads.items()
    ]
    return {"bytes": held.bytes, "events": held.events, "heads": heads}
