"""`zparkctl restore`: a backup becomes the database again, and nothing that was there is lost.

The daemon must not run. What the copy lacks is told before the daemon starts: what peers were known
to hold comes back from them, the rest is in the files that were put aside.
"""

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import click

from zparkd.cli.context import Exit, fail, listens, load_config
from zparkd.cli.output import NONE, plural, print_json, table
from zparkd.config.atomic_file import sync_folder
from zparkd.config.load import Config
from zparkd.storage.readers.connection import UNREADABLE, read_only
from zparkd.storage.readers.copies import Contents, CopyFailed, contents, whole

_PARTS = ("", "-wal", "-shm")
_MODE = 0o640


class _Refused(Exception):
    """Nothing was changed. The text says why, and the way out."""


class _Lack(NamedTuple):
    """Events of one stream that the copy lacks: how many, and how many a peer is known to hold."""

    central: str
    epoch: int
    lacking: int
    at_peers: int
    peers: tuple[str, ...]


@click.command(epilog="Example: zparkctl restore /var/lib/zparkd/backups/central-1-20261121.db")
@click.argument("copy", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def restore(file: Path, copy: Path, as_json: bool) -> None:
    """Put a backup in the place of the database, while the daemon is stopped.

    The copy is checked first: that it is whole, and of this central and site. What was there is
    kept beside it under another name. Then it is told which events the copy lacks, which of them
    peers were known to hold, and will send, and which are only in what was put aside.
    """
    config = load_config(file, as_json=as_json)
    database = config.storage_path
    try:
        with _alone(config):
            restored = _checked(copy, config)
            before = _before(database)
            if before is not None and restored.schema > before.schema:
                raise _Refused(
                    f"{copy}: has schema {restored.schema}, the database here {before.schema}:"
                    " it is of a newer zparkd; install that first"
                )
            kept = _put(copy, database)
    except (_Refused, *UNREADABLE) as fault:
        fail(Exit.NO, "not_restored", f"not restored: {fault}", as_json=as_json)
    except OSError as fault:
        reason = f"{fault.filename or copy}: {(fault.strerror or str(fault)).lower()}"
        fail(Exit.NO, "not_restored", f"not restored: {reason}", as_json=as_json)
    lacks = _lacks(before, restored) if before is not None else []
    report = {
        "path": str(database),
        "events": restored.events,
        "kept": [str(path) for path in kept],
        "readable_before": before is not None,
        "lacks": [lack._asdict() for lack in lacks],
    }
    if as_json:
        print_json({"success": True, **report})
    else:
        _print(report, lacks, config)


@contextmanager
def _alone(config: Config) -> Iterator[None]:
    """Hold the database as a daemon would, so that none runs meanwhile. Raises _Refused."""
    stop = "stop it first: systemctl stop zparkd"
    if listens(config.listen.control):
        raise _Refused(f"zparkd runs; {stop}")
    database = config.storage_path
    database.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(f"{database}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _MODE)
    try:
        _own_as(descriptor, database.parent)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise _Refused(f"{database} is in use by zparkd; {stop}") from None
        yield
    finally:
        os.close(descriptor)


def _checked(copy: Path, config: Config) -> Contents:
    """What a copy says, once all of it was read. Raises _Refused."""
    if not copy.is_file():
        raise _Refused(f"{copy}: there is no such file")
    if copy.resolve() == config.storage_path.resolve():
        raise _Refused(f"{copy}: is the database itself; name a copy of it")
    try:
        with closing(read_only(copy)) as connection:
            said = whole(connection)
    except CopyFailed as fault:
        raise _Refused(f"{copy}: {fault}") from None
    except UNREADABLE as fault:
        raise _Refused(f"{copy}: is damaged or no database: {fault}") from None
    ours = ("central", said.central, config.central_id), ("site", said.site, config.site)
    for key, value, our in ours:
        if value != our:
            message = f"{copy}: is of {key} {value!r}, this central's is {our!r}"
            raise _Refused(f"{message}; see {config.path}")
    return said


def _before(database: Path) -> Contents | None:
    """What the database says that is there now; None where there is none, or it can't be read."""
    if not database.exists():
        return None
    try:
        with closing(read_only(database)) as connection:
            return contents(connection)
    except (*UNREADABLE, OSError):
        return None


def _put(copy: Path, database: Path) -> list[Path]:
    """Give the copy the database's name; what was there gets another one. Raises OSError."""
    fresh = database.with_name(f".{database.name}.restoring")
    fresh.unlink(missing_ok=True)
    try:
        with copy.open("rb") as source, fresh.open("xb") as target:
            os.fchmod(target.fileno(), _MODE)
            _own_as(target.fileno(), database if database.exists() else database.parent)
            shutil.copyfileobj(source, target, 2**20)
            target.flush()
            os.fsync(target.fileno())
        when = time.strftime("%Y%m%d-%H%M%S")
        kept = []
        for part in _PARTS:
            there = database.with_name(f"{database.name}{part}")
            if there.exists():
                aside = database.with_name(f"{database.name}.before-{when}{part}")
                there.rename(aside)
                kept.append(aside)
        fresh.rename(database)
        sync_folder(database.parent)
    finally:
        fresh.unlink(missing_ok=True)
    return kept


def _own_as(descriptor: int, other: Path) -> None:
    """Have a file belong to whom another one belongs: the daemon, where root restores."""
    with suppress(PermissionError):
        found = other.stat()
        os.fchown(descriptor, found.st_uid, found.st_gid)


def _lacks(before: Contents, restored: Contents) -> list[_Lack]:
    """What the copy lacks of what was here, stream by stream."""
    found = []
    for (central, epoch), head in sorted(before.heads.items()):
        held = restored.heads.get((central, epoch), 0)
        if head <= held:
            continue
        there = {
            peer: min(head, heads.get((central, epoch), 0)) - held
            for peer, heads in before.peers.items()
        }
        most = max(0, max(there.values(), default=0))
        named = tuple(sorted(peer for peer, count in there.items() if count == most and most))
        found.append(_Lack(central, epoch, head - held, most, named))
    return found


def _print(report: dict[str, Any], lacks: list[_Lack], config: Config) -> None:
    click.echo(f"{report['path']}: restored, {plural(report['events'], 'event')}")
    if report["kept"]:
        click.echo(f"kept: {', '.join(report['kept'])}")
    if lacks:
        rows = [
            (
                lack.central,
                str(lack.epoch),
                f"{lack.lacking:,}",
                f"{lack.at_peers:,}",
                ", ".join(lack.peers) or NONE,
                f"{lack.lacking - lack.at_peers:,}",
            )
            for lack in lacks
        ]
        names = ("CENTRAL", "EPOCH", "LACKING", "COME BACK", "FROM", "ONLY IN WHAT WAS KEPT")
        right = ("LACKING", "COME BACK", "ONLY IN WHAT WAS KEPT")
        click.echo(f"\n{table(names, rows, right=right)}")
    elif report["readable_before"]:
        click.echo("the copy lacks nothing of what was here")
    elif config.peers:
        click.echo("what the copy lacks could not be told; what peers hold comes back from them")
    only = sum(lack.lacking - lack.at_peers for lack in lacks)
    if only:
        click.echo(
            f"\n{plural(only, 'event')} may be on no other central: keep {report['kept'][0]}",
            err=True,
        )
    click.echo("\nnext: systemctl start zparkd && zparkctl sync --wait && zparkctl verify")
