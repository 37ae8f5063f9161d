"""Which account of this machine is at the other end of a connection, as the kernel says.

Read from the kernel's tables of TCP sockets. One that its process has closed stands there for a
while as one of root, with no inode: it is nobody's.
"""

import ipaddress
import sys
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

TABLES = (Path("/proc/self/net/tcp"), Path("/proc/self/net/tcp6"))
IN_SCOPE = "zparkd.caller"  # of a request
_HERE, _THERE, _UID, _INODE = 1, 2, 7, 9  # the columns

Place = tuple[str, int]  # an address as text, and a port


class Caller:
    """Who is at the other end of a connection from `client` to `server`."""

    def __init__(self, client: Place | None, server: tuple[str, int | None] | None) -> None:
        self._client = client
        self._server = server

    @cached_property
    def uid(self) -> int | None:
        """The account that holds the other end; None where it is not on this machine, or gone."""
        if self._client is None or self._server is None or self._server[1] is None:
            return None
        return account_of(self._client, (self._server[0], self._server[1]))


def plain_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """An address; an IPv4 one that is written as one of IPv6 as what it is. Raises ValueError."""
    found = ipaddress.ip_address(text.partition("%")[0])
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found


def account_of(client: Place, server: Place) -> int | None:
    """The uid whose socket is connected from `client` to `server`.

    None where this machine has no such socket, or not any more.
    """
    wanted = set(zip(_written(*client), _written(*server), strict=True))
    for table in TABLES:
        for row in _rows(table):
            if (row[_HERE], row[_THERE]) in wanted and row[_INODE] != "0":
                return int(row[_UID])
    return None


def _rows(table: Path) -> Iterator[list[str]]:
    """The sockets in a table; none where the kernel has no such table."""
    try:
        text = table.read_text("ascii")
    except OSError:
        return
    for line in text.splitlines()[1:]:
        yield line.split()


def _written(address: str, port: int) -> tuple[str, str]:
    """An address and port as the two tables have them; an IPv4 one may be in either."""
    found = plain_address(address)
    six = found.packed if found.version == 6 else bytes(10) + b"\xff\xff" + found.packed
    return _hex(found.packed, port), _hex(six, port)


def _hex(packed: bytes, port: int) -> str:
    """Words of 32 bits, each as this machine's number of the bytes as they are on the wire."""
    words = (packed[at : at + 4] for at in range(0, len(packed), 4))
    return "".join(f"{int.from_bytes(it, sys.byteorder):08X}" for it in words) + f":{port:04X}"
