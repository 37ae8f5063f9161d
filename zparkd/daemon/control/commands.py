"""What tools on the same machine may ask over the control socket, and what they are told.

A request is a JSON object with `v`, `id`, `command` and the command's own fields; its answer
repeats `v` and `id` and says `success`. Each command is one entry of a table: a function from
the request to the answer, run inside the loop, so it must be quick.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec
import orjson

from zparkd.core.principal import Principal
from zparkd.logs.messages import Message, say
from zparkd.transport.bus import Asker

Request = Mapping[str, Any]
Answer = dict[str, Any]
Command = Callable[[Request], Answer]
CommandId = str | int | None
PROTOCOL_VERSION = 1


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


_NOBODY = Asker()
# All others may change something, and so are logged with who asked.
READING = frozenset(
    {"status", "peer.test", "tariff.show", "pass.list", "staff.list", "member.list", "member.show"}
)
_IN_PARTS = frozenset({"import.stays"})  # logged once, with what ends them


class Commands:
    """The table of commands. `run` calls one so that what it wrote is on the disk, or undone."""

    def __init__(
        self, table: Mapping[str, Command], run: Callable[[Callable[[], Answer]], Answer | None]
    ) -> None:
        self._table = table
        self._run = run

    def answer(self, body: bytes, asker: Asker = _NOBODY) -> bytes:
        """The answer to one request, whatever its bytes are; `asker` is who sent it."""
        asked = read(body)
        by = principal(asked.request, asker)
        command = self._table.get(asked.name) if asked.name is not None else None
        if asked.name is None or asked.id is None:
            answer = no("bad_request", "a command is a JSON object with v, id and command")
        elif command is None:
            answer = no("unknown_command", f"command {asked.name!r} is not known here")
        else:
            known = command
            answer = self._run(lambda: known({**asked.request, "by": by})) or no(
                "failed", "the daemon's log says why"
            )
            if asked.name not in READING | _IN_PARTS:
                done = "done" if answer.get("success") is True else "refused"
                who = f"{by.login}, through {asker}" if by.login is not None else asker
                say(Message.COMMAND, command=asked.name, asker=who, outcome=done)
        return envelope(asked.id, answer)
