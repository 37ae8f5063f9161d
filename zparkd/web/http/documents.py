"""Documents in a request: TOML, or JSON that begins with a brace, with the line of every fault."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any, TypeVar

from zparkd.core.tariff.fields import BadDocument, parse
from zparkd.core.tariff.line_map import Form, lines_of
from zparkd.web.http.answers import Problem, bad, said_no

_Read = TypeVar("_Read")


def text(body: bytes) -> str:
    """A body as text. Raises Problem where it is none."""
    try:
        return body.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as fault:
        raise bad(f"byte {fault.start} is not UTF-8") from None


def judged(text: str, judge: Callable[[object], _Read]) -> tuple[object, _Read]:
    """A document as it is written, and what `judge` makes of it.

    Raises Problem with all that is wrong.
    """
    form = Form.JSON if text.lstrip().startswith("{") else Form.TOML
    try:
        document = parse(text, form)
    except BadDocument as wrong:
        raise bad_document(wrong) from None
    try:
        return document, judge(document)
    except BadDocument as wrong:
        raise bad_document(wrong.located(lines_of(text, form))) from None


def refused(given: dict[str, Any]) -> Problem:
    """Why the daemon did not take a document."""
    no = said_no(given)
    no.more = {"faults": given.get("faults", [])}
    return no


def bad_document(wrong: BadDocument) -> Problem:
    """Why a document is none: every fault of it."""
    faults = [str(fault) for fault in wrong.faults]
    return Problem(
        HTTPStatus.UNPROCESSABLE_ENTITY, "bad_document", "\n".join(faults), faults=faults
    )
