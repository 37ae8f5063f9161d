"""The connections of a port, and how much came in over each, as the kernel says.

Asked over NETLINK_SOCK_DIAG, for what ZeroMQ has taken in but not handed over is seen nowhere else.
One connection can be cut here, which ZeroMQ can't.
"""

import os
import socket
import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

_NETLINK_SOCK_DIAG = 4
_BY_FAMILY = 20  # SOCK_DIAG_BY_FAMILY
_ERROR, _DONE = 2, 3  # NLMSG_ERROR, NLMSG_DONE
_DUMP = 0x301  # NLM_F_REQUEST, NLM_F_ROOT, NLM_F_MATCH
_INFO = 2  # INET_DIAG_INFO
_STANDING = 1 << 1  # ESTABLISHED
_HEADER = struct.Struct("=IHHII")
_ASKED = struct.Struct("=BBBxI2s2s16s16sIII")
_SAID = struct.Struct("=BBBB2s2s16s16sIIIIIIII")
_ATTRIBUTE = struct.Struct("=HH")
_BYTES_RECEIVED_AT = 128  # in struct tcp_info, since Linux 4.1
_NO_COOKIE = 0xFFFFFFFF
_STATM = Path("/proc/self/statm")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Connection(NamedTuple):
    """One accepted connection; `inode` is its number for as long as it stands."""

    inode: int
    address: str
    port: int
    received_bytes: int


def memory_bytes() -> int:
    """How much memory this process takes. Raises OSError."""
    return int(_STATM.read_bytes().split()[1]) * _PAGE_BYTES


def connections(port: int, *, ipv6: bool) -> list[Connection]:
    """All that stand at a port that this process listens on. Raises OSError."""
    family = socket.AF_INET6 if ipv6 else socket.AF_INET
    kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC
    with socket.socket(socket.AF_NETLINK, kind, _NETLINK_SOCK_DIAG) as kernel:
        body = _ASKED.pack(
            *(family, socket.IPPROTO_TCP, 1 << (_INFO - 1), _STANDING),
            *(port.to_bytes(2, "big"), bytes(2), bytes(16), bytes(16)),
            *(0, _NO_COOKIE, _NO_COOKIE),
        )
        kernel.send(_HEADER.pack(_HEADER.size + len(body), _BY_FAMILY, _DUMP, 1, 0) + body)
        return list(_answers(kernel))


def _answers(kernel: socket.socket) -> Iterator[Connection]:
    while True:
        data = kernel.recv(1 << 17)
        at = 0
        while at < len(data):
            length, kind, *_ = _HEADER.unpack_from(data, at)
            if kind == _DONE:
                return
            if kind == _ERROR:
                code = -int.from_bytes(data[at + 16 : at + 20], "little", signed=True)
                raise OSError(code, os.strerror(code))
            yield _read(data[at + _HEADER.size : at + length])
            at += (length + 3) & ~3


def _read(message: bytes) -> Connection:
    said = _SAID.unpack_from(message)
    family, there, address, inode = said[0], said[5], said[7], said[-1]
    text = socket.inet_ntop(family, address[: 16 if family == socket.AF_INET6 else 4])
    at = _SAID.size
    received = 0
    while at + _ATTRIBUTE.size <= len(message):
        length, kind = _ATTRIBUTE.unpack_from(message, at)
        start = at + _ATTRIBUTE.size + _BYTES_RECEIVED_AT
        if kind == _INFO and start + 8 <= at + length:
            received = int.from_bytes(message[start : start + 8], "little")
        at += max(4, (length + 3) & ~3)
    return Connection(inode, text.removeprefix("::ffff:"), int.from_bytes(there, "big"), received)


def cut(connection: Connection) -> bool:
    """End one connection of this process; False where it is gone already. Raises OSError.

    ZeroMQ, which has it, finds it ended by the other side, and gives back what it took in.
    """
    wanted = f"socket:[{connection.inode}]"
    for entry in os.scandir("/proc/self/fd"):
        with suppress(OSError):
            if os.readlink(entry.path) != wanted:
                continue
            # A copy, since the number may be another's by now.
            with socket.socket(fileno=os.dup(int(entry.name))) as copy:
                if os.fstat(copy.fileno()).st_ino == connection.inode:
                    copy.shutdown(socket.SHUT_RDWR)
                    return True
    return False
