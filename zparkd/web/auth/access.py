"""Who asks, and whether they may: sessions of people, tokens of machines, roles.

On loopback, and where nobody was ever given credentials, the account that runs the gateway is
admin, and root: the kernel says whose a connection is. What came through a proxy is anybody's. As
soon as the file of credentials names anybody, everyone has to be somebody.
"""

import functools
import hmac
import logging
import os
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from zparkd.web.auth.caller import IN_SCOPE, Caller
from zparkd.web.auth.credentials import Credentials, CredentialsError, Role, User, read, write
from zparkd.web.auth.sessions import Session, Sessions
from zparkd.web.http.answers import Problem

_LOG = logging.getLogger("zparkd.web")
COOKIE = "zparkd_session"
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_FORWARDED = re.compile("(x-)?forwarded(-|$)", re.IGNORECASE)
_EVERY_S = 1.0  # how often the file is looked at

Endpoint = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Who:
    """Who asks: `session` for a person at a browser; `uid` alone where nobody has credentials.

    `staff_id` is that of a person who is logged in; machines and local accounts have none.
    """

    role: Role
    name: str | None = None
    session: Session | None = None
    uid: int | None = None
    staff_id: str | None = None

    @property
    def by(self) -> dict[str, object]:
        """As the daemon is told, for the event, its log and the audit."""
        return {"login": self.name} if self.name is not None else {"uid": self.uid}

    def __str__(self) -> str:
        """As the log has it."""
        return self.name or f"uid {self.uid}"


class Access:
    """The credentials in `file`, and the sessions that were opened with them."""

    def __init__(self, file: Path, loopback: bool, first_login: str) -> None:
        """`loopback` says that only this machine can ask; `first_login` is the command for one.

        Raises CredentialsError.
        """
        self.sessions = Sessions()
        self.first_login = first_login
        self._file = file
        self._known = read(file)
        self.required = bool(self._known) or not loopback
        self._stamp = self._stamped()
        self._looked_s = time.monotonic()

    @property
    def known(self) -> Credentials:
        """The credentials as the file has them; nobody's where it can't be used any more."""
        now_s = time.monotonic()
        if now_s - self._looked_s >= _EVERY_S:
            self._looked_s = now_s
            stamp = self._stamped()
            if stamp != self._stamp:
                self._stamp = stamp
                try:
                    self._known = read(self._file)
                except CredentialsError:
                    self._known = Credentials()
                    self.required = True
                self.required = self.required or bool(self._known)
        return self._known

    def renew(self, user: User, kept: str) -> User:
        """Keep the same password in another form; that person's sessions go on.

        Where the gateway may not write the file, or it says something else by now, nothing changes.
        """
        fresh = msgspec.structs.replace(user, password=kept)
        try:
            known = read(self._file)
            if known.user(user.name) != user:
                return user
            write(self._file, known.with_user(fresh))
        except (CredentialsError, OSError):
            return user
        self._known, self._stamp = known.with_user(fresh), self._stamped()
        self.sessions.renew(user.name, user.password, kept)
        return fresh

    def _stamped(self) -> tuple[int, int, int] | None:
        try:
            found = self._file.stat()
        except OSError:
            return None
        return found.st_ino, found.st_ctime_ns, found.st_mode

    def who(self, request: Request) -> Who | None:
        """Who asks; None where nobody can tell. Raises Problem for what a proxy passed on."""
        known = self.known
        if not self.required:
            return self._of_this_machine(request)
        scheme, _, secret = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            token = known.token(secret.strip())
            return Who(token.role, token.name) if token is not None else None
        cookie = request.cookies.get(COOKIE)
        session = self.sessions.find(cookie) if cookie else None
        if session is not None:
            user = known.user(session.user)
            if user is not None and user.password == session.password:
                staff_id = user.staff_id or user.name
                return Who(user.role, user.name, session, staff_id=staff_id)
        return None

    def _of_this_machine(self, request: Request) -> Who | None:
        """Who asks where nobody has credentials: an account of this machine that may."""
        passed_on = next((name for name in request.headers if _FORWARDED.match(name)), None)
        if passed_on is not None:
            raise Problem(
                HTTPStatus.FORBIDDEN,
                "forwarded",
                f"{passed_on}: this came through a proxy, so anybody may have sent it, and nobody"
                f" has a login yet; make the first: {self.first_login}",
            )
        caller: Caller | None = request.scope.get(IN_SCOPE)
        uid = caller.uid if caller is not None else None
        return Who(Role.ADMIN, uid=uid) if uid is not None and uid in (0, os.geteuid()) else None

    def refusal(self) -> Problem:
        """What is said to those who are nobody."""
        message = "log in, or send a token"
        if not self.required:
            message = (
                f"nobody has a login yet, so only root and uid {os.geteuid()}, which runs this, may"
                f" use it; make the first login: {self.first_login}"
            )
        refused = Problem(HTTPStatus.UNAUTHORIZED, "login_required", message)
        refused.headers["WWW-Authenticate"] = 'Bearer realm="zparkd"'
        return refused


def needs(role: Role, endpoint: Endpoint) -> Endpoint:
    """The endpoint, for those who have this role."""

    @functools.wraps(endpoint)
    async def guarded(request: Request) -> Response:
        access: Access = request.app.state.access
        who = access.who(request)
        if who is None:
            raise access.refusal()
        check_csrf(request, who)
        if not who.role.covers(role):
            raise Problem(
                HTTPStatus.FORBIDDEN,
                "forbidden",
                f"this takes the role {role}, and {who} has {who.role}",
            )
        request.state.who = who
        response = await endpoint(request)
        if role is Role.ADMIN:
            _LOG.info("%s %s: by %s", request.method, request.url.path, who)
        return response

    return guarded


def check_csrf(request: Request, who: Who) -> None:
    """Refuse a change that a browser may have been tricked into. Raises Problem."""
    if who.session is None or request.method in SAFE:
        return
    said = request.headers.get("x-csrf-token", "")
    if not hmac.compare_digest(said.encode(), who.session.csrf.encode()):
        raise Problem(
            HTTPStatus.FORBIDDEN, "csrf", "X-CSRF-Token: is not that of /api/session; load it anew"
        )
