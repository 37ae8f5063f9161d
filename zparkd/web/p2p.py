"""`/api/p2p/…`: this central and its peers, as the earlier system's front end knows them."""

import sqlite3
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from zparkd.core.site import Peer
from zparkd.daemon.config import Config
from zparkd.web.answers import answer
from zparkd.web.daemon import Daemon
from zparkd.web.database import Database

_SYNC_STATE = ("peer_central_id", "last_sync_timestamp", "last_sync_time", "updated_at")


def shown(config: Config, api_port: int) -> dict[str, Any]:
    """A configuration in the words of the earlier system."""
    return {
        "this_central": {
            "id": config.central_id,
            "ip": config.listen.address,
            "p2p_port": config.listen.bus_port,
            "api_port": api_port,
        },
        "peer_centrals": [_peer(peer) for peer in config.peers],
    }


def _peer(peer: Peer) -> dict[str, Any]:
    """A peer; what the earlier system had no word for is there where it is set."""
    said: dict[str, Any] = {"id": peer.id, "ip": peer.address, "p2p_port": peer.bus_port}
    if peer.sync_port != peer.bus_port + 1:
        said["sync_port"] = peer.sync_port
    if peer.public_key is not None:
        said["public_key"] = peer.public_key
    return said


async def read_config(request: Request) -> Response:
    """This central and its peers."""
    state = request.app.state
    return answer({"success": True, "config": shown(state.site.config, state.port)})


async def status(request: Request) -> Response:
    """What `zparkctl status --json` says."""
    daemon: Daemon = request.app.state.daemon
    return answer(await daemon.status())


async def sync_state(request: Request) -> Response:
    """Up to when all that each peer had is held here."""
    database: Database = request.app.state.database

    def read(connection: sqlite3.Connection) -> list[dict[str, Any]]:
        query = f"SELECT {', '.join(_SYNC_STATE)} FROM p2p_sync_state ORDER BY peer_central_id"
        return [dict(row) for row in connection.execute(query)]

    return answer({"success": True, "sync_state": await database.read(read)})
