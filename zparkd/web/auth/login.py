"""`/api/session`, `/api/login`, `/api/logout`: people come and go.

Passwords are checked one at a time, off the event loop, and seldom enough that guessing is no
way in; a name that is not known takes as long as one that is.
"""

import asyncio
import functools
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import Response

from zparkd.core import limits
from zparkd.web import limits as web_limits
from zparkd.web.auth.access import COOKIE, Access, check_csrf
from zparkd.web.auth.credentials import Role, fits, hashed, is_old
from zparkd.web.auth.sessions import Attempts
from zparkd.web.forms.answers import Language, LoggedIn, Session, Yes
from zparkd.web.http import asked
from zparkd.web.http.answers import Problem, answer, bad

_LOG = logging.getLogger("zparkd.web")
_LANGUAGES: tuple[Language, ...] = ("vi", "en")
_Result = TypeVar("_Result")


class Logins:
    """Checks passwords one at a time, and counts the failures of each address and name."""

    def __init__(self) -> None:
        self.by_address = Attempts(web_limits.LOGINS_A_MINUTE)
        self.by_name = Attempts(web_limits.LOGINS_OF_A_NAME_A_MINUTE)
        self._thread = ThreadPoolExecutor(1, "password")
        self._waiting = 0

    async def fits(self, password: str, kept: str, *, also_old: bool) -> bool:
        """Whether this is the password. Raises Problem where too many are tried at once."""
        return await self._apart(functools.partial(fits, password, kept, also_old=also_old))

    async def hashed(self, password: str) -> str:
        """What is to be kept of it. Raises Problem likewise."""
        return await self._apart(functools.partial(hashed, password))

    async def _apart(self, work: Callable[[], _Result]) -> _Result:
        if self._waiting >= web_limits.LOGINS_WAITING:
            raise _too_often(5)
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._thread, work)
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """Try no more."""
        self._thread.shutdown(wait=False, cancel_futures=True)


async def session(request: Request) -> Response:
    """Who is asking, and what a page needs to ask on."""
    access: Access = request.app.state.access
    who = access.who(request)
    config = request.app.state.site.config
    return answer(
        Session(
            login_required=access.required or who is None,
            first_login=None if access.required else access.first_login,
            user=who.name if who is not None else None,
            role=who.role if who is not None else Role.VIEWER,
            staff_id=who.staff_id if who is not None else None,
            csrf=who.session.csrf if who is not None and who.session is not None else "",
            central=config.central_id,
            site=config.site,
            timezone=config.timezone,
            language=_language(request.headers.get("accept-language", "")),
        )
    )


async def login(request: Request) -> Response:
    """Begin a session."""
    state = request.app.state
    access: Access = state.access
    logins: Logins = state.logins
    fields = await asked.fields(request)
    name, password = fields.get("user"), fields.get("password")
    if not isinstance(name, str) or not isinstance(password, str):
        raise bad("user, password: must both be there, as strings")
    address = request.client.host if request.client is not None else ""
    name = name[: limits.TEXT_CHARACTERS]
    wait_s = max(logins.by_address.wait_s(address), logins.by_name.wait_s(name))
    if wait_s:
        raise _too_often(wait_s)
    user = access.known.user(name)
    # Counted before it is tried: many at once are no way around.
    logins.by_address.failed(address)
    logins.by_name.failed(name)
    kept = user.password if user is not None else ""
    right = await logins.fits(password, kept, also_old=access.known.some_old)
    if user is None or not right:
        _LOG.warning("login refused: %a from %s", name, address)
        raise Problem(HTTPStatus.UNAUTHORIZED, "bad_login", "no such user, or another password")
    logins.by_address.passed(address)
    logins.by_name.passed(name)
    _LOG.info("login: %s from %s", name, address)
    if is_old(user.password):
        user = access.renew(user, await logins.hashed(password))
    secret, opened = access.sessions.begin(user.name, user.password)
    response = answer(LoggedIn(user=user.name, role=user.role, csrf=opened.csrf))
    response.set_cookie(
        COOKIE,
        secret,
        max_age=web_limits.SESSION_S,
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    return response


async def logout(request: Request) -> Response:
    """End the session."""
    access: Access = request.app.state.access
    who = access.who(request)
    if who is not None:
        check_csrf(request, who)
    if cookie := request.cookies.get(COOKIE):
        access.sessions.end(cookie)
    response = answer(Yes())
    response.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return response


def _too_often(wait_s: int) -> Problem:
    refused = Problem(
        HTTPStatus.TOO_MANY_REQUESTS, "rate_limited", f"too many logins; try again in {wait_s} s"
    )
    refused.headers["Retry-After"] = str(wait_s)
    return refused


def _language(accepted: str) -> Language:
    """The first of our languages that a browser asks for."""
    for part in accepted.split(",")[:20]:
        language = part.partition(";")[0].strip().lower().partition("-")[0]
        for ours in _LANGUAGES:
            if language == ours:
                return ours
    return _LANGUAGES[0]
