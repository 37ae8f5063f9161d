"""An external API on this machine that gives what a test says, as badly as it says."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.support.tariffs import AIRPORT

PASS = {
    "plate_id": "29A12345",
    "camera_type": "car",
    "valid_from": "2000-01-01",
    "valid_until": "2099-12-31",
    "holder": "A",
}
GOOD: dict[str, Any] = {
    "fee-config": AIRPORT,
    "subscriptions": [PASS],
    "staff": [{"staff_id": "nv01", "name": "B"}],
}
Answer = Callable[[BaseHTTPRequestHandler, str], None]


class ApiServer(ThreadingHTTPServer):
    """`documents` are what it gives; `answer`, where set, answers all requests instead."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.documents = dict(GOOD)
        self.answer: Answer | None = None
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.released = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/base"

    def count(self, name: str = "fee-config") -> int:
        """How often a document was asked for."""
        return sum(path.endswith(name) for path, _ in list(self.asked))


class _Handler(BaseHTTPRequestHandler):
    server: ApiServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.server.asked.append((self.path, dict(self.headers)))
        name = self.path.removeprefix("/base/")
        if self.server.answer is not None:
            self.server.answer(self, name)
            return
        body = json.dumps(self.server.documents[name]).encode()
        etag = f'"{hash(body)}"'
        if self.headers.get("If-None-Match") == etag:
            self.send_response(304)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        send(self, body, ETag=etag)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def send(request: BaseHTTPRequestHandler, body: bytes, status: int = 200, **headers: str) -> None:
    """A whole answer."""
    request.send_response(status)
    for name, value in {"Content-Length": str(len(body)), **headers}.items():
        request.send_header(name.replace("_", "-"), value)
    request.end_headers()
    request.wfile.write(body)


def stuck(request: BaseHTTPRequestHandler, name: str) -> None:
    """Never answer."""
    server = request.server
    assert isinstance(server, ApiServer)
    server.released.wait(60)
    request.close_connection = True


def dripping(begin: bytes) -> Answer:
    """Begin so, and then send a byte now and then for ever: never silent for long, never done."""

    def answer(request: BaseHTTPRequestHandler, name: str) -> None:
        server = request.server
        assert isinstance(server, ApiServer)
        try:
            request.wfile.write(begin)
            while not server.released.wait(0.05):
                request.wfile.write(b" ")
        except OSError:
            pass
        request.close_connection = True

    return answer


@contextmanager
def api_server() -> Iterator[ApiServer]:
    """A server that runs until the test is over."""
    server = ApiServer()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.released.set()
        server.shutdown()
        server.server_close()
        thread.join()
