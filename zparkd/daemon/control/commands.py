"""What tools on the same machine may ask over the control socket, and what they are told.

A request is a JSON object with `v`, `id`, `command` and the command's own fields; its answer
repeats `v` and `id` and says `success`. Each command is one entry of a table: a function from
the request to the answer, run inside the loop, so it must be quick. One that changes something
does not do it: it says what it wants, and how what comes of that is told.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec
import orjson

from zparkd.core.principal import Principal
from zparkd.core.turn import Change
from zparkd.logs.messages import Message, say
from zparkd.transport.bus import Asker

Request = Mapping[str, Any]
Answer = dict[str, Any]
CommandId = str | int | None
PROTOCOL_VERSION = 1


class Wants(NamedTuple):
    """A change that is to be made in a turn, and what to answer to what it comes to."""

    change: Change
    answer: Callable[[Any], Answer]


class Reread(NamedTuple):
    """The configuration is to be read again; what to answer, or do, to what is wrong with it."""

    answer: "Callable[[list[str]], Answer | Reread]"


Found = Answer | Wants | Reread
Command = Callable[[Request], Found]


def principal(request: Request, asker: Asker) -> Principal:
    """Who acts: whom the gateway says that it knows (`by`), else the account that asks."""
    try:
        said = msgspec.convert(request.get("by"), Principal)
    except msgspec.ValidationError:
        said = Principal()
    return said if said != Principal() else Principal(uid=asker.uid)


def no(code: str, message: str) -> Answer:
    """The answer that says no."""
    return {"success": False, "error": {"code": code, "message": message}}


class Asked(NamedTuple):
    """A command as it came: its id and name, None where it has none, and all its fields."""

    id: CommandId
    name: str | None
    request: Request
    by: Principal = Principal()
    asker: Asker = Asker()


def read(body: bytes) -> Asked:
    """The command in a request, whatever its bytes are."""
    try:
        request = orjson.loads(body)
    except orjson.JSONDecodeError:
        request = None
    if not isinstance(request, dict):
        return Asked(None, None, {})
    id, name = request.get("id"), request.get("command")
    return Asked(
        id if isinstance(id, str | int) else None, name if isinstance(name, str) else None, request
    )


def envelope(id: CommandId, answer: Answer) -> bytes:
    """An answer as it is sent."""
    return orjson.dumps({"v": PROTOCOL_VERSION, "id": id, **answer})


# All others may change something, and so are logged with who asked.
READING = frozenset(
    {
        "status",
        "peer.test",
        "tariff.show",
        "policy.show",
        "pass.list",
        "staff.list",
        "member.list",
        "member.show",
    }
)
# Logged once, with what ends them; and what comes every few seconds.
_IN_PARTS = frozenset({"import.stays", "bundle.take", "uplink.report"})
FAILED = no("failed", "the daemon's log says why")


class Commands:
    """The table of commands: each is read, begun and ended."""

    def __init__(self, table: Mapping[str, Command]) -> None:
        self._table = table

    def read(self, body: bytes, asker: Asker) -> Asked:
        """The command in a request of this asker, whatever its bytes are."""
        asked = read(body)
        return asked._replace(by=principal(asked.request, asker), asker=asker)

    def begin(self, asked: Asked) -> Found:
        """The answer to a command, or what it wants done first."""
        if asked.name is None or asked.id is None:
            return no("bad_request", "a command is a JSON object with v, id and command")
        command = self._table.get(asked.name)
        if command is None:
            return no("unknown_command", f"command {asked.name!r} is not known here")
        return command({**asked.request, "by": asked.by})

    def end(self, asked: Asked, answer: Answer) -> bytes:
        """An answer as it is sent; one that may have changed something is logged."""
        known = asked.id is not None and asked.name in self._table
        if known and asked.name not in READING | _IN_PARTS:
            done = "done" if answer.get("success") is True else "refused"
            login = asked.by.login
            who = f"{login}, through {asked.asker}" if login is not None else asked.asker
            say(Message.COMMAND, command=asked.name, asker=who, outcome=done)
        return envelope(asked.id, answer)
