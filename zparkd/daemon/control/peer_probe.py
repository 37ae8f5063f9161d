"""Is a peer there, and is it who we think? The daemon is asked: it alone has the keys.

The command `peer.test` has the peer asked at once; told when that was, it says what came back.
"""

from zparkd.core.central import Central
from zparkd.core.clock import Now
from zparkd.core.turn import Probe
from zparkd.core.view import View
from zparkd.daemon.control.commands import Answer, Request, Wants, no


def peer_test(request: Request, central: Central, now: Now) -> Answer | Wants:
    """`since_ms` is None to ask, and then the `asked_ms` of that answer to hear what came of it.

    The answer has `answered`; once that is true, `round_trip_ms`, and `error`, which is what is
    wrong with what the peer answers, or None.
    """
    peer_id, since_ms = request.get("peer_id"), request.get("since_ms")
    peers = View(central, now).peers
    peer = peers.get(peer_id) if isinstance(peer_id, str) else None
    if peer is None:
        known = ", ".join(peers) or "none"
        return no("unknown_peer", f"{peer_id} is no configured peer; known are: {known}")
    if since_ms is None:
        asked = {"success": True, "asked_ms": now.mono_ms, "answered": False}
        return Wants(Probe(peer.id), lambda _: asked)
    if not isinstance(since_ms, int):
        return no("bad_request", "since_ms: must be what asked_ms was")
    answered = peer.answered(since_ms)
    return {
        "success": True,
        "asked_ms": since_ms,
        "answered": answered,
        "round_trip_ms": peer.round_trip_ms if answered else None,
        "error": peer.error if answered else None,
    }
