"""What goes back over HTTP: JSON, and "no" as `application/problem+json` with `"success": false`.

A refusal is raised as `Problem` wherever a rule says it, and becomes a response in one place.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from zparkd.core.gate.requests import Code

PROBLEM = "application/problem+json"

# The HTTP status of each refusal of the edge protocol.
STATUS_OF = {
    Code.BAD_REQUEST: HTTPStatus.BAD_REQUEST,
    Code.UNSUPPORTED_TYPE: HTTPStatus.BAD_REQUEST,
    Code.TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    Code.FORBIDDEN: HTTPStatus.FORBIDDEN,
    Code.ALREADY_INSIDE: HTTPStatus.CONFLICT,
    Code.NOT_INSIDE: HTTPStatus.CONFLICT,
    Code.FULL: HTTPStatus.CONFLICT,
    Code.TOO_LATE: HTTPStatus.CONFLICT,
    Code.RATE_LIMITED: HTTPStatus.TOO_MANY_REQUESTS,
    Code.STORAGE_UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
}

# That of each "no" of the daemon to a command.
STATUS_OF_COMMAND = {
    "bad_request": HTTPStatus.BAD_REQUEST,
    "bad_config": HTTPStatus.UNPROCESSABLE_ENTITY,
    "bad_document": HTTPStatus.UNPROCESSABLE_ENTITY,
    "unwritable": HTTPStatus.FORBIDDEN,
    "unknown_peer": HTTPStatus.NOT_FOUND,
    "unknown_member": HTTPStatus.NOT_FOUND,
    "unknown_event": HTTPStatus.NOT_FOUND,
    "unknown_plate": HTTPStatus.NOT_FOUND,
    "inside": HTTPStatus.CONFLICT,
    "not_staff": HTTPStatus.FORBIDDEN,
    "already_inside": HTTPStatus.CONFLICT,
    "no_change": HTTPStatus.CONFLICT,
    "no_stay": HTTPStatus.CONFLICT,
    "not_an_entry": HTTPStatus.CONFLICT,
    "not_an_exit": HTTPStatus.CONFLICT,
    "not_open": HTTPStatus.CONFLICT,
    "not_over": HTTPStatus.CONFLICT,
    "outranked": HTTPStatus.CONFLICT,
    "void": HTTPStatus.CONFLICT,
    "unknown_conflict": HTTPStatus.NOT_FOUND,
    "member": HTTPStatus.CONFLICT,
    "exists": HTTPStatus.CONFLICT,
    "own": HTTPStatus.CONFLICT,
    "plain": HTTPStatus.CONFLICT,
    "removed": HTTPStatus.CONFLICT,
    "id_taken": HTTPStatus.CONFLICT,
    "too_many": HTTPStatus.TOO_MANY_REQUESTS,
    "no_address": HTTPStatus.UNPROCESSABLE_ENTITY,
}


class Problem(Exception):
    """A "no" over HTTP: its status, a stable code, a message for people, and more members."""

    def __init__(self, status: int, code: str, message: str, **more: object) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.more: Mapping[str, object] = more
        self.error: Mapping[str, object] = {"code": code, "message": message}
        self.headers: dict[str, str] = {}


def bad(message: str, **more: object) -> Problem:
    """The refusal of a request that is not of the form it must have."""
    return Problem(HTTPStatus.BAD_REQUEST, "bad_request", message, **more)


def said_no(given: Mapping[str, Any]) -> Problem:
    """The daemon's own "no" to a command."""
    error = given.get("error") or {}
    code = str(error.get("code", "failed"))
    return Problem(
        STATUS_OF_COMMAND.get(code, HTTPStatus.SERVICE_UNAVAILABLE),
        code,
        str(error.get("message", "the daemon says no")),
    )


def answer(
    body: msgspec.Struct | Mapping[str, Any], headers: Mapping[str, str] | None = None
) -> Response:
    """A JSON answer that nobody keeps: one of `forms.answers`, or what the daemon says as it is."""
    return Response(
        msgspec.json.encode(body),
        media_type="application/json",
        headers={"Cache-Control": "no-store", **(headers or {})},
    )


def refusal(problem: Problem) -> Response:
    """The response that says no."""
    body = {
        "type": "about:blank",
        "title": HTTPStatus(problem.status).phrase,
        "status": int(problem.status),
        "detail": problem.message,
        "success": False,
        "error": problem.error,
        **problem.more,
    }
    return Response(
        msgspec.json.encode(body),
        status_code=problem.status,
        media_type=PROBLEM,
        headers={"Cache-Control": "no-store", **problem.headers},
    )


def refuse(_request: Request, problem: Exception) -> Response:
    """Make a raised Problem the response."""
    assert isinstance(problem, Problem)
    return refusal(problem)
