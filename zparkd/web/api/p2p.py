"""`/api/p2p/…`: this central and its peers, as the earlier system's front end knows them."""

import hashlib
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

import msgspec
from msgspec import UNSET
from starlette.requests import Request
from starlette.responses import Response

from zparkd.config.load import Config
from zparkd.core.site import Peer
from zparkd.storage.readers import figures
from zparkd.web.backend.daemon import Daemon
from zparkd.web.backend.database import Database
from zparkd.web.backend.site import Site
from zparkd.web.forms.answers import (
    ConfigShown,
    Configuration,
    PeerCentral,
    SyncStates,
    ThisCentral,
)
from zparkd.web.http import asked
from zparkd.web.http.answers import Problem, answer, bad, said_no

_WRITE_S = 10.0  # some files, each to the disk
# The earlier system's words, and ours.
_OF_THIS = {"id": "id", "ip": "address", "p2p_port": "bus_port", "api_port": "api_port"}
_OF_PEER = {
    "id": "id",
    "ip": "address",
    "p2p_port": "bus_port",
    "sync_port": "sync_port",
    "public_key": "public_key",
}


def shown(config: Config, api_port: int) -> Configuration:
    """A configuration in the words of the earlier system."""
    return Configuration(
        this_central=ThisCentral(
            id=config.central_id,
            ip=config.listen.address,
            p2p_port=config.listen.bus_port,
            api_port=api_port,
        ),
        peer_centrals=[_peer(peer) for peer in config.peers],
    )


def _peer(peer: Peer) -> PeerCentral:
    """A peer; what the earlier system had no word for is there where it is set."""
    return PeerCentral(
        id=peer.id,
        ip=peer.address,
        p2p_port=peer.bus_port,
        sync_port=peer.sync_port if peer.sync_port != peer.bus_port + 1 else UNSET,
        public_key=peer.public_key if peer.public_key is not None else UNSET,
    )


async def read_config(request: Request) -> Response:
    """This central and its peers. The `ETag` is for a change that must not undo another's."""
    state = request.app.state
    return _config(shown(state.site.config, state.port))


async def write_config(request: Request) -> Response:
    """Have the daemon make this its configuration, with no restart; all of it, or nothing."""
    state = request.app.state
    fields = await asked.fields(request)
    if "this_central" not in fields and isinstance(fields.get("config"), dict):
        fields = fields["config"]
    site: Site = state.site
    site.look()
    running = shown(site.config, state.port)
    tag = request.headers.get("if-match")
    if tag not in (None, "*", _tag(running)):
        raise Problem(
            HTTPStatus.PRECONDITION_FAILED,
            "changed_meanwhile",
            "the configuration was changed meanwhile; read it again",
        )
    listen, peers = _read(fields, running.this_central)
    daemon: Daemon = state.daemon
    by = request.state.who.by
    given = await daemon.ask("peers.write", _WRITE_S, listen=listen, peers=peers, by=by)
    daemon.changed()
    if given.get("success") is not True:
        refused = said_no(given)
        if faults := [_said(fault) for fault in given.get("faults", [])]:
            refused = Problem(refused.status, refused.code, "\n".join(faults), faults=faults)
        raise refused
    site.look()
    return _config(shown(site.config, state.port))


def _config(config: Configuration) -> Response:
    return answer(ConfigShown(config=config), {"ETag": _tag(config)})


def _tag(config: Configuration) -> str:
    digest = hashlib.blake2b(msgspec.json.encode(config), digest_size=16)
    return f'"{digest.hexdigest()}"'


_Fields = dict[str, Any]


def _read(fields: _Fields, running: ThisCentral) -> tuple[_Fields, list[_Fields]]:
    """What is to be listened on, and the peers, in the daemon's words. Raises Problem."""
    _only(fields, ("this_central", "peer_centrals"), "")
    this = fields.get("this_central")
    if not isinstance(this, dict):
        raise bad("this_central: is missing or no object; it has id, ip, p2p_port and api_port")
    _only(this, _OF_THIS, "this_central.")
    if this.get("id") != running.id:
        raise Problem(
            HTTPStatus.CONFLICT,
            "another_central",
            f"this_central.id: this is {running.id}, and an id never changes while it runs;"
            " write that, or ask the other central",
        )
    if this.get("api_port", running.api_port) != running.api_port:
        raise bad(
            f"this_central.api_port: is where this gateway listens, {running.api_port};"
            " for another start it with --port"
        )
    centrals = fields.get("peer_centrals")
    if not isinstance(centrals, list):
        raise bad("peer_centrals: is missing or no list; [] stands for no peers")
    for number, central in enumerate(centrals):
        if not isinstance(central, dict):
            raise bad(f"peer_centrals[{number}]: is no object; it has id, ip and p2p_port")
        _only(central, _OF_PEER, f"peer_centrals[{number}].")
        for field in ("id", "ip"):
            if central.get(field) is None:
                raise bad(f"peer_centrals[{number}].{field}: is missing")
    listen = {_OF_THIS[field]: this[field] for field in ("ip", "p2p_port") if field in this}
    peers = [{_OF_PEER[field]: value for field, value in central.items()} for central in centrals]
    return listen, peers


def _only(fields: _Fields, known: Iterable[str], where: str) -> None:
    for field in fields:
        if field not in known:
            raise bad(f"{where}{field[:40]}: is not known; known are {', '.join(known)}")


def _said(fault: _Fields) -> str:
    """A fault in the words of the earlier system."""
    key, number = fault.get("key"), fault.get("peer")
    if key is None:
        return str(fault["text"])
    where, words = (
        ("this_central", _OF_THIS) if number is None else (f"peer_centrals[{number}]", _OF_PEER)
    )
    field = next((field for field, ours in words.items() if ours == key), key)
    return f"{where}.{field}: {fault['text']}"


async def status(request: Request) -> Response:
    """What `zparkctl status --json` says."""
    daemon: Daemon = request.app.state.daemon
    return answer(await daemon.status())


async def sync_state(request: Request) -> Response:
    """Up to when all that each peer had is held here."""
    database: Database = request.app.state.database
    return answer(SyncStates(sync_state=await database.read(figures.sync_state)))
