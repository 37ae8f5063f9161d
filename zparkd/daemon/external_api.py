"""One look at the external API: its three documents over HTTP, judged, in a thread of its own.

Nothing here touches the log or the loop. A server may be slow, down, lying or huge: each request
has one deadline for all of it, a bound of bytes, no redirects and no compression, and what comes
is read by the same rules as a file.
"""

import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import orjson
from urllib3 import BaseHTTPResponse, Timeout, connection_from_url
from urllib3.connectionpool import HTTPConnectionPool
from urllib3.exceptions import HTTPError
from urllib3.util import parse_url

from zparkd import __version__
from zparkd.config.load import ExternalApi
from zparkd.core import limits
from zparkd.core.reference.lists import read_passes, read_staff
from zparkd.core.tariff.document import read_tariff
from zparkd.core.tariff.fields import BadDocument
from zparkd.daemon.external_data import FEES, PASSES, STAFF, Document, Look

_OK, _NOT_MODIFIED = 200, 304
_CHUNK = 64 * 1024
_FAULTS_TOLD = 3  # of one document


def _tariff(document: object) -> object:
    read_tariff(document)
    return document


_READ: Mapping[str, tuple[Callable[[object], object], int]] = {
    FEES: (_tariff, limits.API_TARIFF_BYTES),
    PASSES: (read_passes, limits.API_LIST_BYTES),
    STAFF: (read_staff, limits.API_LIST_BYTES),
}


class _Useless(Exception):
    """An answer that can't be used. The text says why."""


def look(api: ExternalApi, known: Mapping[str, Document]) -> Look:
    """Fetch all documents; of those in `known` only if they changed. Never raises."""
    documents: dict[str, Document] = {}
    faults: list[str] = []
    try:
        headers = {"User-Agent": f"zparkd/{__version__}", "Accept": "application/json"}
        headers |= {"Accept-Encoding": "identity", **_authorization(api)}
        with _connected(api) as (pool, cut):
            for name in _READ:
                try:
                    documents[name] = _document(api, pool, cut, name, headers, known.get(name))
                except _Useless as fault:
                    faults.append(f"{api.url}/{name}: {fault}")
    except _Useless as fault:
        faults.append(str(fault))
    except Exception as fault:  # whatever a library makes of a broken server, it ends here
        faults.append(f"{api.url}: {_said(fault)}")
    return Look(documents, faults)


def _authorization(api: ExternalApi) -> dict[str, str]:
    if api.token_file is None:
        return {}
    try:
        token = api.token_file.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as fault:
        reason = fault.strerror if isinstance(fault, OSError) else "is no plain text"
        raise _Useless(f"token_file {api.token_file}: {reason}") from None
    if not token or not token.isprintable() or " " in token:
        raise _Useless(f"token_file {api.token_file}: holds no token of one line")
    return {"Authorization": f"Bearer {token}"}


@contextmanager
def _connected(api: ExternalApi) -> Iterator[tuple[HTTPConnectionPool, Callable[[], None]]]:
    """A pool of one connection to the server, and what cuts that off whatever it is doing."""
    sockets: list[socket.socket] = []

    def cut() -> None:
        for opened in sockets:
            with suppress(OSError):  # not that of TLS, which must not be used from two threads
                socket.socket.shutdown(opened, socket.SHUT_RDWR)

    timeout = Timeout(connect=api.timeout_s, read=api.timeout_s)
    pool = connection_from_url(api.url, maxsize=1, timeout=timeout, retries=False)
    base: Any = pool.ConnectionCls

    class Watched(base):  # type: ignore[misc]
        """A connection whose socket is known, so that a deadline can end it."""

        def connect(self) -> None:
            super().connect()
            sockets.append(self.sock)

    pool.ConnectionCls = Watched
    with pool:
        yield pool, cut


def _document(
    api: ExternalApi,
    pool: HTTPConnectionPool,
    cut: Callable[[], None],
    name: str,
    headers: Mapping[str, str],
    known: Document | None,
) -> Document:
    """One document, by its deadline. Raises _Useless."""
    read, most_bytes = _READ[name]
    asked = dict(headers)
    if known is not None and known.etag is not None:
        asked["If-None-Match"] = known.etag
    until = time.monotonic() + api.timeout_s
    deadline = threading.Timer(api.timeout_s, cut)
    deadline.daemon = True
    deadline.start()
    try:
        path = f"{parse_url(api.url).path or ''}/{name}"
        answer = pool.urlopen(
            "GET", path, headers=asked, redirect=False, preload_content=False, decode_content=False
        )
        if answer.status == _NOT_MODIFIED and known is not None:
            answer.release_conn()
            return known
        body = _body(answer, most_bytes)
        if time.monotonic() >= until:  # it was cut off, which may look like its end
            raise TimeoutError
        etag = answer.headers.get("ETag")
    except (HTTPError, OSError, ValueError) as fault:
        if time.monotonic() >= until:
            raise _Useless(f"no whole answer within {api.timeout_s:g} s") from None
        raise _Useless(_said(fault)) from None
    finally:
        deadline.cancel()
        deadline.join()  # one that is just cutting must not cut off the next document
    return Document(_judged(body, read), etag)


def _body(answer: BaseHTTPResponse, most_bytes: int) -> bytes:
    try:
        if answer.status != _OK:
            raise _Useless(f"HTTP {answer.status}")
        if answer.headers.get("Content-Encoding", "identity") != "identity":
            raise _Useless("is compressed, which was not asked for")
        body = b""
        while chunk := answer.read(_CHUNK):
            body += chunk
            if len(body) > most_bytes:
                raise _Useless(f"is longer than {most_bytes:,} bytes")
    except BaseException:
        answer.close()  # what is left of it is not wanted
        raise
    answer.release_conn()
    return body


def _judged(body: bytes, read: Callable[[object], object]) -> object:
    try:
        return read(orjson.loads(body))
    except orjson.JSONDecodeError as fault:
        raise _Useless(f"is not JSON: {fault}") from None
    except BadDocument as bad:
        told = [str(fault) for fault in bad.faults[:_FAULTS_TOLD]]
        more = len(bad.faults) - len(told)
        raise _Useless("; ".join([*told, *([f"and {more} more"] if more else [])])) from None


def _said(fault: BaseException) -> str:
    """The reason in what a library raises, in a line and without its addresses."""
    inner = fault
    while (below := inner.__cause__ or inner.__context__) is not None:
        inner = below
    text = (inner.strerror if isinstance(inner, OSError) else None) or str(inner)
    return text[:200] if text.isprintable() and text else type(inner).__name__
