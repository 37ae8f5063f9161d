"""A camera that speaks ZMTP with CURVE by itself, since ZeroMQ sends no message that has no end.

As in the RFCs 23 (ZMTP) and 26 (CurveZMQ). No test lives here.
"""

import os
import socket
import struct
from contextlib import suppress

import zmq
from nacl.bindings import (
    crypto_box,
    crypto_box_afternm,
    crypto_box_beforenm,
    crypto_box_keypair,
    crypto_box_open,
)
from zmq.utils import z85

_MORE = b"\x01"


class CurveClient:
    """A connection that has proved who it is; `send_frame` sends one frame of a message."""

    def __init__(
        self, port: int, secret: bytes, server_key: str, source: str = "127.0.0.1"
    ) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), 3, (source, 0))
        self._nonce = 0
        self._key = self._handshake(
            z85.decode(secret), z85.decode(zmq.curve_public(secret)), z85.decode(server_key)
        )

    def _next(self) -> bytes:
        self._nonce += 1
        return struct.pack(">Q", self._nonce)

    def _handshake(self, secret: bytes, public: bytes, server: bytes) -> bytes:
        greeting = b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"CURVE".ljust(20, b"\0") + bytes(32)
        self.socket.sendall(greeting)
        self._read(64)
        short_public, short_secret = crypto_box_keypair()
        nonce = self._next()
        box = crypto_box(bytes(64), b"CurveZMQHELLO---" + nonce, server, short_secret)
        self._command(b"\x05HELLO\x01\x00" + bytes(72) + short_public + nonce + box)
        welcome = self._read_command()
        assert welcome.startswith(b"\x07WELCOME"), welcome
        opened = crypto_box_open(welcome[24:], b"WELCOME-" + welcome[8:24], server, short_secret)
        short_server, cookie = opened[:32], opened[32:]
        vouch_nonce = os.urandom(16)
        vouch = crypto_box(short_public + server, b"VOUCH---" + vouch_nonce, short_server, secret)
        said = b"\x0bSocket-Type" + struct.pack(">I", 6) + b"DEALER"
        nonce = self._next()
        box = crypto_box(
            public + vouch_nonce + vouch + said,
            b"CurveZMQINITIATE" + nonce,
            short_server,
            short_secret,
        )
        self._command(b"\x08INITIATE" + cookie + nonce + box)
        ready = self._read_command()
        assert ready.startswith(b"\x05READY"), ready
        return crypto_box_beforenm(short_server, short_secret)

    def send_frame(self, data: bytes, *, more: bool) -> None:
        nonce = self._next()
        flags = _MORE if more else b"\0"
        box = crypto_box_afternm(flags + data, b"CurveZMQMESSAGEC" + nonce, self._key)
        body = b"\x07MESSAGE" + nonce + box
        self.socket.sendall(b"\x02" + struct.pack(">Q", len(body)) + body)

    @property
    def ended(self) -> bool:
        """Whether the other side has cut it."""
        self.socket.setblocking(False)
        with suppress(BlockingIOError):
            try:
                return self.socket.recv(65536) == b""
            except ConnectionError:
                return True
        return False

    def close(self) -> None:
        self.socket.close()

    def _command(self, body: bytes) -> None:
        short = len(body) < 256
        head = bytes([4, len(body)]) if short else b"\x06" + struct.pack(">Q", len(body))
        self.socket.sendall(head + body)

    def _read_command(self) -> bytes:
        flags = self._read(1)[0]
        size = struct.unpack(">Q", self._read(8))[0] if flags & 2 else self._read(1)[0]
        return self._read(size)

    def _read(self, size: int) -> bytes:
        read = b""
        while len(read) < size:
            part = self.socket.recv(size - len(read))
            if not part:
                raise ConnectionError("the other side hung up")
            read += part
        return read
