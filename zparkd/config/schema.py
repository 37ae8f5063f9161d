"""What the files of a configuration may say: `SECTIONS`, `PEER_KEYS` and `EDGE_KEYS`.

Tables only: every key with the checker of its value and what counts where it is not written.
What keys must not say together is not known here: see `config`.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from zparkd.config.values import (
    as_address,
    as_flag,
    as_known_keys,
    as_listen_address,
    as_path,
    as_port,
    as_public_key,
    as_rate,
    as_seconds,
    as_servers,
    as_timezone,
    as_url,
    matching,
    one_of,
)
from zparkd.core.site import CAMERA_TYPE, CENTRAL_ID, EDGE_ID, Direction, Told

STREAM_NAME = re.compile("[A-Za-z0-9_-]{1,64}")


class SecurityMode(StrEnum):
    """How centrals and edges prove who they are: by CURVE keys, or not at all."""

    CURVE = "curve"
    PLAIN = "plain"


@dataclass(frozen=True, slots=True)
class Key:
    """What may stand at one key: how it is read, and what counts where it is not written.

    `parse` returns the value or raises ValueError with "what is wrong; what to write". A key
    with an `example` is required, and the example is what its absence asks for.
    """

    parse: Callable[[object], Any]
    default: Any = None
    example: str = ""


SECTIONS: Mapping[str, Mapping[str, Key]] = {
    "central": {
        "id": Key(matching(CENTRAL_ID, "central-1"), example="central-1"),
        "site": Key(matching(CENTRAL_ID, "lot-a"), example="lot-a"),
        "timezone": Key(as_timezone, "Asia/Ho_Chi_Minh"),
    },
    "listen": {
        "address": Key(as_listen_address, "127.0.0.1"),
        "bus_port": Key(as_port, 9000),
        "sync_port": Key(as_port),
        "edge_port": Key(as_port),
        "control": Key(as_path, Path("/run/zparkd/control.sock")),
    },
    "storage": {"path": Key(as_path, Path("/var/lib/zparkd/zparkd.db"))},
    "bus": {"heartbeat_s": Key(as_seconds, 1.0), "peer_timeout_s": Key(as_seconds, 3.0)},
    "limits": {"edge_requests_per_s": Key(as_rate, 100.0)},
    "security": {
        "mode": Key(one_of(SecurityMode), SecurityMode.CURVE),
        "allow_insecure": Key(as_flag, False),
        "secret_key_file": Key(as_path),
        "known_keys": Key(as_known_keys, {}),
    },
    "external_api": {
        "url": Key(as_url),
        "interval_s": Key(as_seconds, 300.0),
        "timeout_s": Key(as_seconds, 10.0),
        "token_file": Key(as_path),
    },
    "uplink": {
        "servers": Key(as_servers, ()),
        "stream": Key(matching(STREAM_NAME, "zparkd"), "zparkd"),
        "credentials_file": Key(as_path),
        "ca_file": Key(as_path),
        "personal": Key(one_of(Told), Told.FULL),
        "personal_key_file": Key(as_path),
    },
}
PEER_KEYS: Mapping[str, Key] = {
    "id": Key(matching(CENTRAL_ID, "central-2"), example="central-2"),
    "address": Key(as_address, example="192.168.1.102"),
    "bus_port": Key(as_port, 9000),
    "sync_port": Key(as_port),
    "public_key": Key(as_public_key),
    "next_public_key": Key(as_public_key),
}
EDGE_KEYS: Mapping[str, Key] = {
    "id": Key(matching(EDGE_ID, "edge-1"), example="edge-1"),
    "public_key": Key(as_public_key),
    "next_public_key": Key(as_public_key),
    "direction": Key(one_of(Direction)),
    "camera_type": Key(matching(CAMERA_TYPE, "car")),
    "reports_close": Key(as_flag, False),
}
