"""`zparkctl peer test`: dial a peer as this central would, and say what it answers.

It asks for nothing, so that the answer costs the peer nothing; it disturbs no daemon.
"""

import time
from pathlib import Path

import click

from zparkd.cli.context import Exit, fail, load_config
from zparkd.cli.output import NONE, print_json
from zparkd.config.load import Config
from zparkd.core.site import Peer
from zparkd.verify.peer_query import NoUse, line_to


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
    except NoUse as fault:
        fail(Exit.NO, fault.code, f"{where}: {fault}", as_json=as_json, peer_id=peer_id)
    if as_json:
        print_json({"success": True, "peer_id": peer_id, "latency_ms": round(latency_ms, 2)})
    else:
        click.echo(f"{where}: answers in {latency_ms:.1f} ms, is of this site and knows us")


def _dialled(config: Config, peer: Peer) -> float:
    """How many milliseconds a question takes to the peer and back. Raises NoUse."""
    with line_to(config, peer) as line:
        line.ping()  # also brings the connection up
        began = time.perf_counter()
        line.ping()
        return (time.perf_counter() - began) * 1000
