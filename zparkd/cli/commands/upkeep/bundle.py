"""`zparkctl bundle`: events carried by hand to a central that no network reaches.

Written from the database, read back through the daemon, which judges it as it judges its peers.
"""

import base64
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import click
from nacl import bindings

from zparkd.cli.context import Exit, ask_daemon, call, fail, find_control, load_config
from zparkd.cli.database import reading
from zparkd.cli.output import plural, print_json, printable
from zparkd.client.control import DaemonUnreachable
from zparkd.config.atomic_file import new_file
from zparkd.config.load import Config, SecurityMode
from zparkd.core.keys import key_bytes
from zparkd.core.replication.bundles import (
    BadBundle,
    Label,
    Pages,
    read_bundle,
    write_chunk,
    write_end,
    write_label,
)
from zparkd.storage.readers.bundles import HeldLog, held_by
from zparkd.storage.readers.connection import one_moment

_AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_FILE = click.argument("bundle_file", metavar="FILE", type=click.Path(path_type=Path))
_PATIENCE_S = 60.0
_LINES = 20  # of what was left out, for people
_PLAIN = 'mode = "plain": nothing in a bundle is signed; its chain alone is checked'

Seal = Callable[[bytes], bytes]


@click.group(epilog="Example: zparkctl bundle export /media/usb/lot-a.bundle --for central-4")
def bundle() -> None:
    """Carry events by hand over a gap in the network: write a file here, take it in there."""


@bundle.command(epilog="Example: zparkctl bundle export lot-a.bundle --for central-4")
@_FILE
@click.option("--for", "target", metavar="CENTRAL", help="For this central alone: what it lacks.")
@_AS_JSON
@click.pass_obj
def export(file: Path, bundle_file: Path, target: str | None, as_json: bool) -> None:
    """Write the events held here, with their signatures, as a file. Needs no daemon.

    Plates are in it: FILE is readable for its owner alone, and with --for it is encrypted to the
    key of that central, and holds what that one lacked when it was last heard. A plate that is
    erased later stays in a bundle that was made before.
    """
    config = load_config(file, as_json=as_json)
    signed = config.security.mode is SecurityMode.CURVE
    seal = _seal_for(config, target, as_json=as_json) if target is not None else None
    label = Label(
        config.site,
        config.central_id,
        time.time_ns() // 1_000_000,
        signed,
        target if seal is not None else None,
    )
    with reading(config.storage_path, as_json=as_json) as connection, one_moment(connection):
        held = HeldLog(connection)
        pages = Pages(held, label, held_by(connection, target) if target is not None else {})
        try:
            events = _written(bundle_file, pages, seal, as_json=as_json)
        except OSError as fault:
            exists = isinstance(fault, FileExistsError)
            why = "exists, and is not overwritten; name another file" if exists else fault.strerror
            fail(Exit.NO, "not_written", f"{bundle_file}: {why}", as_json=as_json)
    left_out = [
        f"{stream.origin}/{stream.epoch}: {plural(count, 'event')}"
        for stream, count in pages.left_out.items()
    ]
    if as_json:
        told = {"path": str(bundle_file), "events": events, "signed": signed}
        print_json({"success": True, **told, "sealed_for": label.sealed_for, "left_out": left_out})
        return
    click.echo(f"{bundle_file}: {plural(events, 'event')}{f', for {target}' if target else ''}")
    _say_left_out(left_out, "not in it, since nobody signed them or the disk lost them")
    if not signed:
        click.echo(_PLAIN, err=True)


def _written(bundle_file: Path, pages: Pages, seal: Seal | None, *, as_json: bool) -> int:
    """Write all pages; how many events that were. Raises OSError."""
    events = chunks = 0
    with new_file(bundle_file) as out, _bar(pages.total, "exporting", as_json=as_json) as bar:
        out.write(write_label(pages.label))
        for page in pages:
            out.write(write_chunk(page.chunk if seal is None else seal(page.chunk)))
            events += page.events
            chunks += 1
            if bar is not None:
                bar.update(page.events)
        out.write(write_end(chunks))
        os.fchmod(out.fileno(), 0o600)
    return events


def _seal_for(config: Config, target: str, *, as_json: bool) -> Seal | None:
    """What encrypts for a central; None in plain mode, where there are no keys."""
    peers = {peer.id: peer for peer in config.peers}
    if target == config.central_id:
        fail(Exit.NO, "own", f"{target} is this central; name another one", as_json=as_json)
    if target not in peers:
        known = f"; known are {', '.join(sorted(peers))}" if peers else ""
        text = f"{target} is no peer of this central{known}"
        fail(Exit.NO, "unknown_peer", text, as_json=as_json)
    if config.security.mode is not SecurityMode.CURVE:
        return None
    key = peers[target].public_key
    assert key is not None, "every peer has a key in curve mode"
    public = key_bytes(key)
    return lambda chunk: bindings.crypto_box_seal(chunk, public)


@bundle.command("import", epilog="Example: zparkctl bundle import /media/usb/lot-a.bundle")
@_FILE
@_AS_JSON
@click.pass_obj
def import_(file: Path, bundle_file: Path, as_json: bool) -> None:
    """Take in the events of a bundle, as those of a peer. Twice is the same as once.

    Nothing gets in that is broken, or not signed by whom it says; and nothing of a central that is
    not known here already. Exit 1 where something was left out, and says what and why.
    """
    config = load_config(file, as_json=as_json)
    totals: dict[str, Any] = {"events": 0, "known": 0, "left_out": []}
    label = None
    try:
        with bundle_file.open("rb") as opened:
            label, chunks = read_bundle(opened.read)
            _judge_label(label, config)
            size = bundle_file.stat().st_size
            with _bar(size, "importing", as_json=as_json) as bar:
                for answer, taken in _taken(file, chunks, label, as_json=as_json):
                    _add(totals, answer)
                    if bar is not None:
                        bar.update(taken)
    except (BadBundle, OSError) as fault:
        reason = getattr(fault, "strerror", None) or str(fault)
        text = f"{bundle_file}: {reason}"
        if totals["events"]:
            text += f"; {plural(totals['events'], 'event')} before that are taken in"
        totals["left_out"].append(text)
    if label is not None and totals["events"]:
        done = {"events": totals["events"], "made_by": label.made_by}
        ask_daemon(file, "bundle.done", as_json=as_json, **done)
    _tell(config, bundle_file, totals, as_json=as_json)


def _judge_label(label: Label, config: Config) -> None:
    """Whether a bundle can be of any use here. Raises BadBundle."""
    if label.site != config.site:
        raise BadBundle(f"is of site {label.site!r}; this central is of {config.site}")
    if label.sealed_for not in (None, config.central_id):
        raise BadBundle(f"is encrypted for {label.sealed_for}; import it there")
    if config.security.mode is SecurityMode.CURVE and not label.signed:
        raise BadBundle("was made in plain mode: nothing in it is signed, and so nothing is taken")


def _taken(
    file: Path, chunks: Iterator[bytes], label: Label, *, as_json: bool
) -> Iterator[tuple[dict[str, Any], int]]:
    """What the daemon says to each page, and how long that is in the file."""
    ask_daemon(file, "status", as_json=as_json)  # ends the command where there is none
    control, _ = find_control(file)
    for chunk in chunks:
        page = base64.b64encode(chunk).decode()
        sealed = label.sealed_for is not None
        try:
            answer = call(control, "bundle.take", timeout_s=_PATIENCE_S, page=page, sealed=sealed)
        except DaemonUnreachable as gone:
            raise BadBundle(f"was not taken in to its end: {gone}; import it again") from None
        yield answer, len(chunk)


def _add(totals: dict[str, Any], answer: dict[str, Any]) -> None:
    if answer.get("success") is not True:
        totals["left_out"].append(str(answer.get("error", {}).get("message", "refused")))
        return
    totals["events"] += answer["events"]
    totals["known"] += answer["known"]
    totals["left_out"] += [why for why in answer["left_out"] if why not in totals["left_out"]]


def _tell(config: Config, bundle_file: Path, totals: dict[str, Any], *, as_json: bool) -> None:
    good = not totals["left_out"]
    if as_json:
        print_json({"success": good, "path": str(bundle_file), **totals})
    else:
        click.echo(
            f"{bundle_file}: {plural(totals['events'], 'event')} taken in,"
            f" {totals['known']:,} were here already"
        )
        if config.security.mode is not SecurityMode.CURVE:
            click.echo(_PLAIN, err=True)
        _say_left_out(totals["left_out"], "left out")
    if not good:
        raise click.exceptions.Exit(Exit.NO)


def _say_left_out(reasons: list[str], what: str) -> None:
    for why in reasons[:_LINES]:
        click.echo(f"{what}: {printable(why)}", err=True)
    if len(reasons) > _LINES:
        click.echo(f"{what}: {len(reasons) - _LINES:,} more", err=True)


def _bar(length: int, label: str, *, as_json: bool) -> AbstractContextManager[Any]:
    """A progress bar where somebody looks, else nothing."""
    if as_json or not sys.stderr.isatty():
        return nullcontext()
    return click.progressbar(length=max(1, length), label=label, file=sys.stderr)
