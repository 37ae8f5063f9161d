"""What tools on the same machine may ask over the control socket, and what they are told.

A request is a JSON object with `v`, `id`, `command` and the command's own fields; its answer
repeats `v` and `id` and says `success`. Each command is one entry of a table: a function from
the request to the answer, run inside the loop, so it must be quick.
"""

from collections.abc import Callable, Mapping
from typing import Any

import orjson

Request = Mapping[str, Any]
Answer = dict[str, Any]
Command = Callable[[Request], Answer]
PROTOCOL_VERSION = 1


def no(code: str, message: str) -> Answer:
    """The answer that says no."""
    return {"success": False, "error": {"code": code, "message": message}}


class Commands:
    """The table of commands. `run` calls one so that what it wrote is on the disk, or undone."""

    def __init__(
        self, table: Mapping[str, Command], run: Callable[[Callable[[], Answer]], Answer | None]
    ) -> None:
        self._table = table
        self._run = run

    def answer(self, body: bytes) -> bytes:
        """The answer to one request, whatever its bytes are."""
        id = None
        try:
            request = orjson.loads(body)
            if isinstance(request["id"], str | int):
                id = request["id"]
            name = request["command"]
        except (orjson.JSONDecodeError, KeyError, TypeError):
            answer = no("bad_request", "a command is a JSON object with v, id and command")
        else:
            command = self._table.get(name) if isinstance(name, str) else None
            if command is None:
                answer = no("unknown_command", f"command {name!r} is not known here")
            else:
                answer = self._run(lambda: command(request)) or no(
                    "failed", "the daemon's log says why"
                )
        return orjson.dumps({"v": PROTOCOL_VERSION, "id": id, **answer})
