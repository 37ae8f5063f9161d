"""`POST /api/p2p/test-connection?peer_id=`: is a peer there, and is it who we think?

Whether its port can be reached is tried here, since that tells why it can't. Who answers there,
the daemon finds out: it alone has the keys for it.
"""

import asyncio
import socket
import time
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response

from zparkd.core.site import Peer
from zparkd.web.backend.daemon import Daemon
from zparkd.web.forms.answers import Reached
from zparkd.web.http import asked
from zparkd.web.http.answers import Problem, answer, bad, said_no

_CONNECT_S = 2.0
_ANSWER_S = 3.5  # a question to it that is under way is waited for, and then asked again
_PAUSE_S = 0.02


async def test_connection(request: Request) -> Response:
    """How long the way to a peer and back takes, in ms; or why there is no answer."""
    peer_id = asked.text(request, "peer_id")
    if peer_id is None:
        raise bad("peer_id: is missing; name a peer, such as ?peer_id=central-2")
    peers = request.app.state.site.config.peers
    peer = next((peer for peer in peers if peer.id == peer_id), None)
    if peer is None:
        known = ", ".join(peer.id for peer in peers) or "none"
        message = f"{peer_id} is no configured peer; known are: {known}"
        raise Problem(HTTPStatus.NOT_FOUND, "unknown_peer", message, peer_id=peer_id)
    connected_ms = await asyncio.get_running_loop().run_in_executor(None, _connected, peer)
    round_trip_ms = await _answered(request.app.state.daemon, peer)
    latency_ms = round(max(connected_ms, round_trip_ms), 2)
    return answer(Reached(peer_id=peer_id, latency_ms=latency_ms))


def _connected(peer: Peer) -> float:
    """How many ms a connection to its port takes. Raises Problem."""
    port = peer.sync_port
    began = time.perf_counter()
    try:
        socket.create_connection((peer.address, port), _CONNECT_S).close()
    except TimeoutError:
        reason = f"no connection in {_CONNECT_S:g} s; is it on, and port {port} open in firewalls?"
    except ConnectionRefusedError:
        reason = f"connection refused; nothing listens on port {port} there"
    except socket.gaierror as fault:
        reason = f"the name can't be resolved: {fault.strerror}"
    except OSError as fault:
        reason = (fault.strerror or str(fault)).lower()
    else:
        return (time.perf_counter() - began) * 1000
    raise _no(peer, HTTPStatus.BAD_GATEWAY, "unreachable", reason)


async def _answered(daemon: Daemon, peer: Peer) -> int:
    """How many ms a question takes to it and back, as the daemon asks it. Raises Problem."""
    until_s = time.monotonic() + _ANSWER_S
    since_ms = None
    while True:
        given = await daemon.ask("peer.test", peer_id=peer.id, since_ms=since_ms)
        if given.get("success") is not True:
            raise said_no(given)
        since_ms = given["asked_ms"]
        if given["answered"]:
            break
        if time.monotonic() > until_s:
            reason = (
                f"connected, but no answer in {_ANSWER_S:g} s; is it the sync_port, and do the"
                " keys fit?"
            )
            raise _no(peer, HTTPStatus.GATEWAY_TIMEOUT, "timeout", reason)
        await asyncio.sleep(_PAUSE_S)
    if given["error"] is not None:
        raise _no(peer, HTTPStatus.BAD_GATEWAY, "refused", given["error"])
    return int(given["round_trip_ms"])


def _no(peer: Peer, status: HTTPStatus, code: str, reason: str) -> Problem:
    message = f"{peer.id} at {peer.address}, port {peer.sync_port}: {reason}"
    return Problem(status, code, message, peer_id=peer.id)
