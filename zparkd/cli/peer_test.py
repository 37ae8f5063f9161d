"""`zparkctl peer test`: dial a peer as this central would, and say what it answers.

It asks for nothing, so that the answer costs the peer nothing; it disturbs no daemon.
"""

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from zparkd.cli.reach import Exit, fail, load_config
from zparkd.cli.tables import NONE, print_json
from zparkd.core.site import Peer
from zparkd.daemon.config import Config

if TYPE_CHECKING:
    import zmq

    from zparkd.core.wire import Page

_PATIENCE_S = 3.0


class _NoUse(Exception):
    """The peer can't be used. `code` is what a script may look at, the text is for people."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


@click.command(epilog="Example: zparkctl peer test central-2")
@click.argument("peer_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def test(file: Path, peer_id: str, as_json: bool) -> None:
    """Dial the sync port of a peer, and print how long its answer takes.

    Exit status 1 where it can't be reached, or is of another site, or does not know this
    central. The daemon need not run here.
    """
    config = load_config(file, as_json=as_json)
    peer = next((peer for peer in config.peers if peer.id == peer_id), None)
    if peer is None:
        known = ", ".join(peer.id for peer in config.peers) or NONE
        message = f"{peer_id} is no configured peer; known are: {known}"
        fail(Exit.NO, "unknown_peer", message, as_json=as_json, peer_id=peer_id)
    where = f"{peer_id} at {peer.address}, port {peer.sync_port}"
    try:
        latency_ms = _dialled(config, peer)
    except _NoUse as fault:
        fail(Exit.NO, fault.code, f"{where}: {fault}", as_json=as_json, peer_id=peer_id)
    if as_json:
        print_json({"success": True, "peer_id": peer_id, "latency_ms": round(latency_ms, 2)})
    else:
        click.echo(f"{where}: answers in {latency_ms:.1f} ms, is of this site and knows us")


def _dialled(config: Config, peer: Peer) -> float:
    """How many milliseconds a question takes to the peer and back. Raises _NoUse."""
    import zmq

    from zparkd.cli.dial import connected, endpoint, unreachable

    if reason := unreachable(peer.address, peer.sync_port, _PATIENCE_S):
        raise _NoUse("unreachable", reason)
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    try:
        address = endpoint(peer.address, peer.sync_port)
        socket = connected(context, zmq.DEALER, address, config, peer.public_key)
        _judge(config, peer, _asked(config, socket, 1))  # also brings the connection up
        began = time.perf_counter()
        _asked(config, socket, 2)
        return (time.perf_counter() - began) * 1000
    except (OSError, ValueError) as fault:  # of this central's own key
        raise _NoUse("bad_key", str(fault)) from None
    except zmq.ZMQError as fault:
        raise _NoUse("unreachable", str(fault)) from None
    finally:
        context.destroy(linger=0)


def _asked(config: Config, socket: "zmq.Socket[bytes]", id: int) -> "tuple[str, Page]":
    """Who answers, and what, to a sync request for nothing. Raises _NoUse."""
    from zparkd.core.errors import ProtocolError
    from zparkd.core.wire import Ask, Page, read_message, write_header

    now_ms = time.time_ns() // 1_000_000
    socket.send(write_header(config.central_id, now_ms, Ask(config.site, id, [])))
    deadline = time.monotonic() + _PATIENCE_S
    while (left_s := deadline - time.monotonic()) > 0:
        if not socket.poll(max(1, round(left_s * 1000))):
            continue
        try:
            message = read_message(socket.recv_multipart())
        except ProtocolError as fault:
            raise _NoUse("no_central", f"what answers is no central: {fault}") from None
        if isinstance(message.data, Page) and message.data.id == id:
            return message.source, message.data
    raise _NoUse(
        "timeout",
        f"connected, but no answer in {_PATIENCE_S:g} s; is it the sync_port, and do the keys fit?",
    )


def _judge(config: Config, peer: Peer, answer: "tuple[str, Page]") -> None:
    source, page = answer
    if source != peer.id:
        raise _NoUse("another_central", f"answers as {source}; mend id or address in peers.d")
    if page.site != config.site:
        raise _NoUse("another_site", f"is of site {page.site}; this central is of {config.site}")
    if page.error is not None:
        raise _NoUse("refused", page.error)
