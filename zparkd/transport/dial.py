"""How a command reaches a central over the network: addresses, and sockets with its keys.

What is said over them is not known here.
"""

import socket as plain_socket

import zmq

from zparkd.client.dial import CurveKeys, connect, reached_at
from zparkd.config.load import Config, ConfigError, secret_key


def own_host(config: Config) -> str:
    """Where this central's own ports are reached from this machine."""
    return reached_at(config.listen.address)


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
    Raises ValueError where this central's own key can't be had.
    """
    secret = own_secret(config)
    made = context.socket(kind)
    made.linger = 0
    keys = None
    if secret is not None:
        own = zmq.curve_public(secret)
        keys = CurveKeys(own, secret, server_key.encode() if server_key is not None else own)
    connect(made, address, keys)
    return made


def own_secret(config: Config) -> bytes | None:
    """This central's own key; None in plain mode. Raises ValueError where it can't be had."""
    try:
        return secret_key(config)
    except ConfigError as fault:
        raise ValueError("; ".join(one.text for one in fault.faults)) from None


def own_public_key(config: Config) -> str | None:
    """This central's own public key; None in plain mode. Raises ValueError likewise."""
    secret = own_secret(config)
    return zmq.curve_public(secret).decode() if secret is not None else None
