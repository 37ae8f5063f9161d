"""`zparkctl tail`: events as they arrive in this central's log, its own and those of others.

Read from the database, by the order in which events arrived here; nothing of a daemon that is
asked, so that nobody's tail ever holds it up, and none that is written is missed.
"""

import time
from collections.abc import Iterator
from datetime import tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zparkd.cli.context import find_control, listens, load_config
from zparkd.cli.database import reading
from zparkd.cli.output import NONE, print_json_line, printable
from zparkd.storage.readers.arrivals import arrived, newest
from zparkd.storage.readers.connection import Connection

if TYPE_CHECKING:
    from zparkd.core.events.event import Event

_LOOK_EVERY_S = 0.2
_DAEMON_EVERY_S = 2.0
_AT_ONCE = 1_000  # events read in one go
_WIDTHS = (19, 23, 12, 10, 24, 8)
_HEADERS = ("TIME", "KIND", "PLATE", "TYPE", "AT", "FEE", "BY HAND")


@click.command(epilog="Example: zparkctl tail --json | jq .plate_id")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, a line each.")
@click.pass_obj
def tail(file: Path, as_json: bool) -> None:
    """Print events as they arrive here, a line each, until ^C; times are the site's.

    Those of this central's lanes, and those that came from other centrals. While the daemon is
    away nothing arrives: that is said on standard error, and the waiting goes on.
    """
    from zoneinfo import ZoneInfo

    config = load_config(file, as_json=as_json)
    zone = ZoneInfo(config.timezone)
    with reading(config.storage_path, as_json=as_json) as connection:
        try:
            if not as_json:
                click.echo(_line(_HEADERS))
            for event in _arriving(connection, _Daemon(file)):
                if as_json:
                    print_json_line(said(event, zone))
                else:
                    click.echo(_line(_words(said(event, zone))))
        except KeyboardInterrupt:
            pass


class _Daemon:
    """Whether the daemon runs, as far as people were told."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._control, _ = find_control(file)
        self._running = True
        self._due_s = time.monotonic()

    def look(self) -> None:
        """Look now and then, and say where it came or went."""
        if time.monotonic() < self._due_s:
            return
        self._due_s = time.monotonic() + _DAEMON_EVERY_S
        running = listens(self._control)
        if running is not self._running:
            start = f"start it with: systemctl start zparkd, or: zparkd -c {self._file}"
            text = "zparkd runs again" if running else f"zparkd is not running; {start}"
            click.echo(text, err=True)
        self._running = running


def _arriving(connection: Connection, daemon: _Daemon) -> "Iterator[Event]":
    """The events that arrive from now on, for ever."""
    from zparkd.core.errors import ProtocolError
    from zparkd.core.events.event import read

    seen = newest(connection)
    while True:
        daemon.look()
        rows = arrived(connection, seen, _AT_ONCE)
        for number, skeleton, personal in rows:
            seen = number
            try:
                yield read(skeleton, personal)
            except ProtocolError as fault:
                click.echo(f"an event that can't be read: {printable(str(fault))}", err=True)
        if len(rows) < _AT_ONCE:
            time.sleep(_LOOK_EVERY_S)


def said(event: "Event", zone: tzinfo) -> dict[str, Any]:
    """What an event says, for readers; what a kind does not say is null."""
    from zparkd.core.audit import act_of
    from zparkd.core.events.ids import shown_plate

    facts, personal, act = event.facts, event.personal, act_of(event)
    return {
        "type": event.kind,
        "source_central": event.position.origin,
        "epoch": event.position.epoch,
        "seq": event.position.seq,
        "timestamp": event.timestamp,
        "time": _site_time(event.timestamp, zone),
        "event_id": event.event_id,
        "plate_id": shown_plate(personal.plate_id) if personal is not None else None,
        "plate_view": personal.plate_view if personal is not None else None,
        "camera_type": facts.camera_type if facts is not None else None,
        "edge_id": facts.edge_id if facts is not None else None,
        "confidence": facts.confidence if facts is not None else None,
        "names": facts.names if facts is not None else None,
        "fee": facts.fee if facts is not None else None,
        "currency": facts.currency if facts is not None else None,
        "duration_s": facts.duration_s if facts is not None else None,
        "forced": facts is not None and facts.forced,
        "marked": facts is not None and facts.marked,
        "who": act.who if act is not None else None,
        "why": act.why if act is not None else None,
    }


def _site_time(ms: int, zone: tzinfo) -> str | None:
    from zparkd.core.clock import site_time

    try:
        return site_time(ms, zone)
    except (OverflowError, ValueError, OSError):
        return None  # no date has so many days


def _words(event: dict[str, Any]) -> tuple[str, ...]:
    fee = event["fee"]
    where = f"{event['source_central']}/{event['edge_id'] or NONE}"
    fields = (event["time"], event["type"], event["plate_id"], event["camera_type"], where)
    words = tuple(NONE if field is None else printable(str(field)) for field in fields)
    return (*words, NONE if fee is None else f"{fee:,}", _by_hand(event))


def _by_hand(event: dict[str, Any]) -> str:
    """Who had it opened by force or by hand, or changed the site, and why."""
    if event["who"] is None:
        return NONE
    why = "" if event["why"] is None else f": {event['why']}"
    return printable(f"{'forced by ' if event['forced'] else ''}{event['who']}{why}")


def _line(words: tuple[str, ...]) -> str:
    """Columns that are as wide whatever comes later."""
    padded = [word.ljust(width) for word, width in zip(words, _WIDTHS, strict=False)]
    return "  ".join([*padded, *words[len(_WIDTHS) :]])
