"""How a ZeroMQ socket reaches somebody: the address, and the keys of both sides.

For whoever connects: a camera, a central, a command. What is said over it is not known here.
"""

from typing import NamedTuple

import zmq

_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # to listen on, but not to connect to


class CurveKeys(NamedTuple):
    """Our own CURVE key pair, and the public key that who listens must have; all as Z85."""

    public: bytes
    secret: bytes
    server: bytes

    def __repr__(self) -> str:
        """Whose they are; the secret part is in no line of any log."""
        return f"CurveKeys({self.public.decode()} to {self.server.decode()})"


def tcp_endpoint(host: str, port: int) -> str:
    """The address of a port as ZeroMQ writes it."""
    return f"tcp://[{host}]:{port}" if ":" in host else f"tcp://{host}:{port}"


def reached_at(host: str) -> str:
    """Where this machine reaches what listens on a host: on all addresses is on its own."""
    return _ANYWHERE.get(host, host)


def connect(socket: "zmq.Socket[bytes]", address: str, keys: CurveKeys | None) -> None:
    """Connect to an endpoint; with keys, to nobody but who has the right one."""
    socket.ipv6 = "[" in address
    if keys is not None:
        socket.curve_secretkey, socket.curve_publickey = keys.secret, keys.public
        socket.curve_serverkey = keys.server
    socket.connect(address)
