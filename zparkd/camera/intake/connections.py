"""Connections of the HTTP side, bounded so that nobody who holds some open keeps cameras out."""

import asyncio
from collections import Counter
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

FIRST_REQUEST_S = 10.0  # in which a connection must have made its first request
OF_ONE_ADDRESS = 32


def bounded() -> type[H11Protocol]:
    """The protocol of one server, which counts the connections of each address."""
    open_from: Counter[str] = Counter()

    class Bounded(H11Protocol):
        """One connection."""

        _address = ""

        def connection_made(self, transport: Any) -> None:
            """Take it in, or close it where its address has too many."""
            self._address = str((transport.get_extra_info("peername") or ("",))[0])
            open_from[self._address] += 1
            super().connection_made(transport)
            if open_from[self._address] > OF_ONE_ADDRESS:
                transport.abort()
                return
            asyncio.get_running_loop().call_later(FIRST_REQUEST_S, self._look)

        def connection_lost(self, exc: Exception | None) -> None:
            """Count it out."""
            open_from[self._address] -= 1
            if open_from[self._address] <= 0:
                del open_from[self._address]
            super().connection_lost(exc)

        def _look(self) -> None:
            if getattr(self, "cycle", None) is None and not self.transport.is_closing():
                self.transport.abort()

    return Bounded
