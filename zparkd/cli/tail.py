"""`zparkctl tail`: events in the moment in which this central tells its peers of them."""

from collections.abc import Iterator
from datetime import datetime, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zparkd.cli.reach import Exit, fail, load_config
from zparkd.cli.tables import NONE, print_json_line, printable
from zparkd.daemon.config import Config

if TYPE_CHECKING:
    from zparkd.core.events import Event

_PATIENCE_S = 2.0
_WIDTHS = (19, 23, 12, 10, 24)
_HEADERS = ("TIME", "KIND", "PLATE", "TYPE", "AT", "FEE")


@click.command(epilog="Example: zparkctl tail --json | jq .plate_id")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, a line each.")
@click.pass_obj
def tail(file: Path, as_json: bool) -> None:
    """Print events as this central records them, a line each, until ^C; times are the site's.

    These are the events of its own lanes. Those of another central are told there, and are in
    `zparkctl history` here.
    """
    from zoneinfo import ZoneInfo

    from zparkd.cli.dial import own_host, unreachable

    config = load_config(file, as_json=as_json)
    host, port = own_host(config), config.listen.bus_port
    if reason := unreachable(host, port, _PATIENCE_S):
        message = (
            f"zparkd can't be reached at {host}, port {port}: {reason}."
            f" Start it with: systemctl start zparkd, or: zparkd -c {file}"
        )
        fail(Exit.UNREACHABLE, "daemon_unreachable", message, as_json=as_json, running=False)
    zone = ZoneInfo(config.timezone)
    try:
        if not as_json:
            click.echo(_line(_HEADERS))
        for event in _live(config):
            if as_json:
                print_json_line(said(event, zone))
            else:
                click.echo(_line(_words(said(event, zone))))
    except KeyboardInterrupt:
        pass
    except (OSError, ValueError) as fault:  # the key that it dials with
        fail(Exit.NO, "bad_key", str(fault), as_json=as_json)


def _live(config: Config) -> "Iterator[Event]":
    """The events that this central publishes from now on, for ever."""
    import zmq

    from zparkd.cli.dial import connected, endpoint, own_host
    from zparkd.core.errors import ProtocolError
    from zparkd.core.wire import TOPIC_EVENTS, read_body, read_message

    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    try:
        address = endpoint(own_host(config), config.listen.bus_port)
        socket = connected(context, zmq.SUB, address, config, None)
        socket.subscribe(TOPIC_EVENTS)
        while True:
            try:
                message = read_message(socket.recv_multipart()[1:])
                yield from read_body(message.body or b"[]")
            except ProtocolError as fault:
                click.echo(f"something that is no event: {printable(str(fault))}", err=True)
    finally:
        context.destroy(linger=0)


def said(event: "Event", zone: tzinfo) -> dict[str, Any]:
    """What an event says, for readers; what a kind does not say is null."""
    facts, personal = event.facts, event.personal
    return {
        "type": event.kind,
        "source_central": event.position.origin,
        "epoch": event.position.epoch,
        "seq": event.position.seq,
        "timestamp": event.timestamp,
        "time": _site_time(event.timestamp, zone),
        "event_id": event.event_id,
        "plate_id": personal.plate_id if personal is not None else None,
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
    }


def _site_time(ms: int, zone: tzinfo) -> str | None:
    try:
        return datetime.fromtimestamp(ms / 1000, zone).strftime("%Y-%m-%d %H:%M:%S")
    except (OverflowError, ValueError, OSError):
        return None  # no date has so many days


def _words(event: dict[str, Any]) -> tuple[str, ...]:
    fee = event["fee"]
    where = f"{event['source_central']}/{event['edge_id'] or NONE}"
    fields = (event["time"], event["type"], event["plate_id"], event["camera_type"], where)
    words = tuple(NONE if field is None else printable(str(field)) for field in fields)
    return (*words, NONE if fee is None else f"{fee:,}")


def _line(words: tuple[str, ...]) -> str:
    """Columns that are as wide whatever comes later."""
    padded = [word.ljust(width) for word, width in zip(words, _WIDTHS, strict=False)]
    return "  ".join([*padded, *words[len(_WIDTHS) :]])
