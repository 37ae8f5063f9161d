"""`zparkctl report day` and `report check`: the close of a day, signed, and calculated again."""

import sys
import time
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click
import msgspec

from zparkd.cli.context import Exit, ask_daemon, fail, load_config, refuse
from zparkd.cli.database import reading
from zparkd.cli.output import plural, print_json
from zparkd.config.atomic_file import new_file
from zparkd.config.load import Config, SecurityMode, read_secret_key
from zparkd.config.secret_key import key_file
from zparkd.core.clock import site_time
from zparkd.core.keys import fingerprint, key_text
from zparkd.core.reports.day import (
    VERSION,
    BadDay,
    Close,
    bounds,
    heads_of,
    is_genuine,
    read_close,
    write_close,
)
from zparkd.core.reports.period import BadPeriod, complete, iso
from zparkd.storage.readers.connection import Connection, one_moment
from zparkd.storage.readers.figures import sync_state
from zparkd.storage.readers.reports import days
from zparkd.verify.day import Folding, Totals, lacking, totals_now, totals_then

_SETTLED_S = 10.0  # how long it is waited for that the stays show all that is held
_LATER = 1_000  # events that came later are listed
_LINES = 20
_AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.command(epilog="Example: zparkctl report day 2025-12-02 --out 2025-12-02.json")
@click.argument("date", metavar="DATE")
@click.option(
    "--out", metavar="FILE", required=True, type=click.Path(path_type=Path), help="Where to."
)
@_AS_JSON
@click.pass_obj
def day(file: Path, date: str, out: Path, as_json: bool) -> None:
    """Close a day: write what it came to, signed by this central, as a file.

    It is a function of the events up to the heads that it lists: `report check` calculates it
    again, at any central that holds them. In plain mode it is not signed, and says so.
    """
    config = load_config(file, as_json=as_json)
    zone, now_ms = ZoneInfo(config.timezone), time.time_ns() // 1_000_000
    try:
        _, until_ms = bounds(date, zone)
    except BadPeriod as fault:
        raise click.BadParameter(str(fault), param_hint="DATE") from None
    if until_ms > now_ms:
        text = f"{date} is not over yet; close it after {site_time(until_ms, zone)}"
        fail(Exit.NO, "not_over", text, as_json=as_json)
    with reading(config.storage_path, as_json=as_json) as connection:
        close = _closed(connection, config, date, zone, now_ms, until_ms)
    if close is None:
        text = "the stays do not show all events yet: zparkctl sync --wait, and ask again"
        fail(Exit.NO, "not_settled", text, as_json=as_json)
    if config.security.mode is SecurityMode.CURVE:
        answer = ask_daemon(
            file, "day.sign", as_json=as_json, timeout_s=10.0, close=msgspec.to_builtins(close)
        )
        if answer.get("success") is not True:
            refuse(answer, as_json=as_json)
        signature, public_key = str(answer["signature"]), str(answer["public_key"])
        close = msgspec.structs.replace(close, public_key=public_key, signature=signature)
    _write(out, close, as_json=as_json)
    if as_json:
        print_json({"success": True, "path": str(out), **msgspec.to_builtins(close)})
        return
    click.echo(f"{out}: {date}, closed by {config.central_id}")
    if close.signature is None:
        click.echo('mode = "plain": it is not signed', err=True)
    if close.missing:
        upto = close.complete_until or "never"
        click.echo(f"complete up to {upto} but for {', '.join(close.missing)}", err=True)


def _closed(
    connection: Connection, config: Config, date: str, zone: ZoneInfo, now_ms: int, until_ms: int
) -> Close | None:
    """What a day came to by all that is held, not signed; None where stays lag behind."""
    until_s = time.monotonic() + _SETTLED_S
    while True:
        with one_moment(connection):
            if days.is_settled(connection):
                heads = days.held(connection)
                synced = {
                    row["peer_central_id"]: row["last_sync_timestamp"]
                    for row in sync_state(connection)
                }
                peers = (peer.id for peer in config.peers)
                state = complete(peers, synced, until_ms, now_ms)
                return Close(
                    VERSION,
                    config.site,
                    date,
                    config.timezone,
                    config.central_id,
                    iso(now_ms, zone) or "",
                    iso(state.until_ms, zone),
                    state.missing,
                    totals_now(connection, date, zone),
                    sorted((*stream, head) for stream, head in heads.items()),
                    days.digest_at(connection, heads),
                )
        if time.monotonic() >= until_s:
            return None
        time.sleep(0.05)


def _write(out: Path, close: Close, *, as_json: bool) -> None:
    try:
        with new_file(out) as opened:
            opened.write(write_close(close))
    except OSError as fault:
        exists = isinstance(fault, FileExistsError)
        why = "exists, and is not overwritten; name another file" if exists else fault.strerror
        fail(Exit.NO, "not_written", f"{out}: {why}", as_json=as_json)


# --- checking ------------------------------------------------------------------------------------


@click.command(epilog="Example: zparkctl report check 2025-12-02.json")
@click.argument("closed", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--public-key", "key", metavar="K", help="The key of the central that closed it.")
@_AS_JSON
@click.pass_obj
def check(file: Path, closed: Path, key: str | None, as_json: bool) -> None:
    """Say whether the close of a day is genuine, and whether it is still what the day came to.

    Where the database of a central is, it is calculated again from the events that it was made of:
    exit 1 where that differs. What came later is listed, and is no fault. Elsewhere the signature
    alone is checked; --public-key says by which key, else the configuration does.
    """
    try:
        close = read_close(closed.read_bytes())
        zone = ZoneInfo(close.timezone)
        bounds(close.day, zone)
    except (BadDay, BadPeriod, OSError) as fault:
        reason = getattr(fault, "strerror", None) or str(fault)
        fail(Exit.NO, "bad_file", f"{closed}: {reason}", as_json=as_json)
    except (ZoneInfoNotFoundError, ValueError):
        text = f"{closed}: time zone {close.timezone!r} is not known here"
        fail(Exit.NO, "bad_file", text, as_json=as_json)
    config = load_config(file, as_json=as_json) if key is None or file.exists() else None
    told: dict[str, Any] = {"path": str(closed), "day": close.day, "closed_by": close.closed_by}
    told |= _signature(close, config, key)
    if config is not None and config.storage_path.exists() and config.site == close.site:
        told |= _again(config, close, zone, as_json=as_json)
    good = told.get("signed") is not False and told.get("equal") is not False
    if as_json:
        print_json({"success": good, **told})
    else:
        _tell(closed, close, told)
    if not good:
        raise click.exceptions.Exit(Exit.NO)


def _signature(close: Close, config: Config | None, key: str | None) -> dict[str, Any]:
    """Whether it is signed by a key of who closed it; None where a site has no keys."""
    plain = config is not None and config.security.mode is not SecurityMode.CURVE
    if close.signature is None and plain and key is None:
        return {"signed": None, "why": 'mode = "plain": nobody signed it'}
    if close.signature is None or close.public_key is None:
        return {"signed": False, "why": "nobody signed it"}
    if not is_genuine(close):
        return {"signed": False, "why": "it was changed after it was signed, or never signed so"}
    named = fingerprint(close.public_key)
    known = {key} if key is not None else _keys(config, close.closed_by)
    if close.public_key not in known:
        why = f"signed by key {named}, which is not known as that of {close.closed_by}"
        return {"signed": False, "why": f"{why}; --public-key K says which is"}
    return {"signed": True, "why": f"signed by {close.closed_by}, key {named}"}


def _keys(config: Config | None, central: str) -> set[str]:
    """The keys by which a central is believed here."""
    if config is None:
        return set()
    found = {key for peer in config.peers if peer.id == central for key in peer.public_keys}
    found |= set(config.security.known_keys.get(central, ()))
    own = key_file(config.security.secret_key_file) if central == config.central_id else None
    if own is not None:
        import zmq

        with suppress(ValueError):  # not everybody may read it
            found.add(zmq.curve_public(read_secret_key(own)).decode())
    if config.storage_path.exists():
        with reading(config.storage_path, as_json=False) as connection:
            found |= {key_text(raw) for raw in days.believed(connection, central)}
    return found


def _again(config: Config, close: Close, zone: ZoneInfo, *, as_json: bool) -> dict[str, Any]:
    """What it comes to, calculated again from the same events, and what came later."""
    heads = heads_of(close)
    _, until_ms = bounds(close.day, zone)
    with reading(config.storage_path, as_json=as_json) as connection, one_moment(connection):
        if behind := lacking(connection, close):
            missing = ", ".join(f"{plural(it.events, 'event')} of {it.origin}" for it in behind)
            why = f"{missing} that it was made of are not here; zparkctl sync --wait"
            return {"equal": False, "differs": [why], "since": None}
        differs = []
        if days.digest_at(connection, heads) != close.held:
            differs.append("the log that it was made of is another one")
        now = totals_now(connection, close.day, zone)
        count, later = days.later(connection, heads, until_ms, _LATER)
        then = now
        if days.erased_since(connection, heads):
            why = "not calculated again: plates were erased since, and with them what it was of"
            return {"equal": None, "differs": [*differs, why], "since": {"events": count}}
        if count:
            with _bar(sum(heads.values()), as_json=as_json) as bar:
                went_on = (lambda _: None) if bar is None else bar.update
                folding = Folding(config.site, config.central_id, close.timezone, went_on)
                then = totals_then(connection, heads, close.day, zone, folding)
    differs += _differences(close.totals, then)
    since = {
        "events": count,
        "of_the_day": [
            {
                "time": site_time(it.time_ms, zone),
                "kind": it.kind,
                "plate_id": it.plate_id,
                "camera_type": it.camera_type,
                "central": it.position.origin,
                "edge_id": it.edge_id,
            }
            for it in later
        ],
        "changed": _differences(then, now),
    }
    return {"equal": not differs, "differs": differs, "since": since}


def _differences(one: Totals, other: Totals) -> list[str]:
    """What differs between two, a line each."""
    found = []
    for part in sorted({*one, *other}):
        first, second = one.get(part, []), other.get(part, [])
        found += [f"{part}: no more {_row(row)}" for row in first if row not in second]
        found += [f"{part}: now {_row(row)}" for row in second if row not in first]
    return found


def _row(row: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in row.items() if value is not None)


def _tell(closed: Path, close: Close, told: dict[str, Any]) -> None:
    click.echo(f"{closed}: {close.day}, closed by {close.closed_by} at {close.closed_at}")
    click.echo(str(told["why"]), err=told["signed"] is False)
    if "equal" not in told:
        click.echo("not calculated again: the events are not on this machine")
        return
    if told["equal"]:
        click.echo("calculated again from the same events: equal")
    for line in told["differs"][:_LINES]:
        click.echo(f"differs: {line}", err=True)
    since = told["since"]
    if since is None or not since.get("of_the_day"):
        return
    listed = since["of_the_day"]
    click.echo(f"since: {plural(since['events'], 'event')}, {len(listed):,} of the day or about it")
    for it in listed[:_LINES]:
        where = f"{it['central']}/{it['edge_id']}" if it["edge_id"] else it["central"]
        click.echo(f"  {it['time']}  {it['kind']}  {it['plate_id'] or ''}  {where}")
    for line in since["changed"][:_LINES]:
        click.echo(f"  {line}")


def _bar(length: int, *, as_json: bool) -> AbstractContextManager[Any]:
    """A progress bar where somebody looks, else nothing."""
    if as_json or not sys.stderr.isatty():
        return nullcontext()
    return click.progressbar(length=max(1, length), label="folding again", file=sys.stderr)
