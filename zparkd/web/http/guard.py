"""What stands before every route: whom a request is meant for, where it comes from, and how a
browser is to treat the answer.

- `Host` must be an address, this machine's name, or one that was named: a page elsewhere can make
  its own name resolve to this machine, but can't make a browser say another name.
- What changes something must not come from a page of another origin, but for those named.
- No answer runs, frames or keeps what is not ours.

Starlette's own middleware is not enough: TrustedHostMiddleware knows names and `*.name` and can't
admit every address while it refuses every foreign name, which is what keeps such a page out; and
CORSMiddleware tells browsers what they may read, but lets a request through that changes something.
"""

import ipaddress
import socket
from collections.abc import Collection
from http import HTTPStatus
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from zparkd.web.auth.access import SAFE
from zparkd.web.http.answers import Problem, refusal

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
        " connect-src 'self'; font-src 'self'; manifest-src 'self'; base-uri 'none';"
        " form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
_SAME = ("same-origin", "none")  # what Sec-Fetch-Site says of our own page, and of a typed address
_CORS_HEADERS = (
    "Authorization, Content-Type, Idempotency-Key, If-Match, Last-Event-ID, X-CSRF-Token"
)


class Guard:
    """The gateway behind its guard."""

    def __init__(self, app: ASGIApp, names: Collection[str], origins: Collection[str]) -> None:
        """`names` this gateway may be called by; `origins` of other pages that may use it."""
        self._app = app
        self._names = {name.lower() for name in names} | {"localhost", socket.gethostname().lower()}
        self._origins = {origin.lower().rstrip("/") for origin in origins}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        asked = Headers(scope=scope)
        origin = asked.get("origin", "").lower()
        ours = {**_HEADERS, "Cross-Origin-Resource-Policy": "same-origin"}
        if origin in self._origins:
            ours |= {
                "Access-Control-Allow-Origin": origin,
                "Access-Control-Expose-Headers": "ETag",
                "Cross-Origin-Resource-Policy": "cross-origin",
            }
        if self._origins:
            ours["Vary"] = "Origin"

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(ours)
            await send(message)

        refused = self._refused(scope["method"], asked, origin)
        if refused is not None:
            await refusal(refused)(scope, receive, guarded)
        elif scope["method"] == "OPTIONS" and origin in self._origins:
            await _preflight()(scope, receive, guarded)
        else:
            await self._app(scope, receive, guarded)

    def _refused(self, method: str, asked: Headers, origin: str) -> Problem | None:
        host = asked.get("host", "").lower()
        if not self._known(host):
            return Problem(
                HTTPStatus.MISDIRECTED_REQUEST,
                "unknown_host",
                f"{host[:80]!r} is no name of this gateway; use its address, or start it with"
                " --name",
            )
        if method in SAFE or origin in self._origins:
            return None
        if origin:
            foreign = urlsplit(origin).netloc != host
        else:
            foreign = asked.get("sec-fetch-site", "none") not in _SAME
        if foreign:
            return Problem(
                HTTPStatus.FORBIDDEN,
                "foreign_origin",
                f"a page of {origin[:80] or 'another origin'} may not do this; if it is yours,"
                " start with --allow-origin",
            )
        return None

    def _known(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        if name in self._names:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True


def _preflight() -> Response:
    """What a browser asks before a page of another origin may change something."""
    return Response(
        status_code=HTTPStatus.NO_CONTENT,
        headers={
            "Access-Control-Allow-Methods": "GET, POST, PUT",
            "Access-Control-Allow-Headers": _CORS_HEADERS,
            "Access-Control-Max-Age": "600",
        },
    )
