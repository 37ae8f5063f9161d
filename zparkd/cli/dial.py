"""How a command reaches a central over the network: addresses, and sockets with its keys.

What is said over them is not known here.
"""

import socket as plain_socket
from pathlib import Path

import zmq

from zparkd.daemon.config import Config, SecurityMode

_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # to listen on, but not to connect to


def own_host(config: Config) -> str:
    """Where this central's own ports are reached from this machine."""
    return _ANYWHERE.get(config.listen.address, config.listen.address)


def endpoint(host: str, port: int) -> str:
    """The address of a port as ZeroMQ writes it."""
    return f"tcp://[{host}]:{port}" if ":" in host else f"tcp://{host}:{port}"


def unreachable(host: str, port: int, timeout_s: float) -> str | None:
    """Why a port can't be connected to, which ZeroMQ would never say; None where it can."""
    try:
        plain_socket.create_connection((host, port), timeout_s).close()
    except TimeoutError:
        return f"no connection in {timeout_s:g} s; is it on, and port {port} open in firewalls?"
    except ConnectionRefusedError:
        return f"connection refused; nothing listens on port {port} there"
    except plain_socket.gaierror as fault:
        return f"the name can't be resolved: {fault.strerror}"
    except OSError as fault:
        return (fault.strerror or str(fault)).lower()
    return None


def connected(
    context: "zmq.Context[zmq.Socket[bytes]]",
    kind: int,
    address: str,
    config: Config,
    server_key: str | None,
) -> "zmq.Socket[bytes]":
    """A socket of this kind that connects to `address` as this central.

    With keys in use, who listens must have `server_key`; None stands for this central's own.
    """
    made = context.socket(kind)
    made.linger = 0
    made.ipv6 = "[" in address
    secret_key_file = config.security.secret_key_file
    if config.security.mode is SecurityMode.CURVE and secret_key_file is not None:
        secret = read_key(secret_key_file)
        own = zmq.curve_public(secret)
        made.curve_secretkey = secret
        made.curve_publickey = own
        made.curve_serverkey = server_key.encode() if server_key is not None else own
    made.connect(address)
    return made


def read_key(file: Path) -> bytes:
    """The secret key in a file. Raises OSError, or ValueError where there is none in it."""
    with file.open("rb") as opened:
        key = opened.read(1024).strip()
    try:
        zmq.curve_public(key)
    except (ValueError, zmq.ZMQError):
        raise ValueError(f"{file}: no secret key; one is a line of 40 characters (Z85)") from None
    return key
