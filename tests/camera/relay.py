"""A barrier's relay: a real HTTP server that notes each time it is closed."""

import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Relay:
    """Answers as a camera's relay does; `opened` holds the path of each request, in order.

    `status` is what it answers; `slow_s` how long that takes; with `user` it asks for Digest.
    """

    def __init__(self) -> None:
        self.opened: list[str] = []
        self.opened_s: list[float] = []
        self.bodies: list[bytes] = []
        self.authorized: list[str] = []
        self.status = 200
        self.slow_s = 0.0
        self.challenge: str | None = None
        self.answer = b"<ResponseStatus><statusCode>1</statusCode></ResponseStatus>"
        self.on_open: Callable[[str], None] = lambda path: None
        self.busy = 0
        self.most_busy = 0
        relay = self

        class Asked(BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                relay.asked(self)

            do_POST = do_GET = do_PUT

            def log_message(self, *_: object) -> None:
                pass

        self._over = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Asked)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def asked(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers.get("Content-Length", 0)))
        said = request.headers.get("Authorization")
        if self.challenge is not None and said is None:
            request.send_response(401)
            request.send_header("WWW-Authenticate", self.challenge)
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        self.busy += 1
        self.most_busy = max(self.most_busy, self.busy)
        if said is not None:
            self.authorized.append(said)
        if self.slow_s:
            self._over.wait(self.slow_s)
        self.opened.append(request.path)
        self.opened_s.append(time.monotonic())
        self.bodies.append(body)
        self.on_open(request.path)
        self.busy -= 1
        try:
            request.send_response(self.status)
            request.send_header("Content-Length", str(len(self.answer)))
            request.end_headers()
            request.wfile.write(self.answer)
        except OSError:
            pass  # it was asked by somebody who did not wait

    def close(self) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()
