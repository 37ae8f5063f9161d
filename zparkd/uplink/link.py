"""How either side connects to NATS: until it is there, and again whenever it was gone."""

import logging
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nats
from nats.aio.client import Client

_log = logging.getLogger("zparkd.nats")
_PING_S = 5
_RECONNECT_S = 1


@dataclass(frozen=True, slots=True)
class LinkOptions:
    """Which servers, and how to be known to them."""

    servers: Sequence[str]
    credentials_file: Path | None = None
    ca_file: Path | None = None


async def connect(options: LinkOptions, name: str) -> Client:
    """A connection that lasts as long as the process; waits until there is a server."""
    more: dict[str, Any] = {}
    if options.credentials_file is not None:
        more["user_credentials"] = str(options.credentials_file)
    if options.ca_file is not None:
        more["tls"] = ssl.create_default_context(cafile=str(options.ca_file))
    said = [""]

    async def failed(fault: Exception) -> None:
        if str(fault) != said[0]:
            said[0] = str(fault)
            _log.warning("NATS: %s", fault or type(fault).__name__)

    async def again() -> None:
        said[0] = ""
        _log.warning("NATS is back")

    return await nats.connect(
        servers=list(options.servers),
        name=name,
        max_reconnect_attempts=-1,
        reconnect_time_wait=_RECONNECT_S,
        ping_interval=_PING_S,
        max_outstanding_pings=2,
        error_cb=failed,
        reconnected_cb=again,
        **more,
    )
