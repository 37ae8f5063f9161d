"""Requests of edges that another program hands on over the control socket, such as the gateway.

The command is `edge`, its `request` what an edge would send, and `by` who asks for it. It goes
through the gate in the same turn and the same transaction as what comes in over the edge port, and
is answered like that: after the commit, by the same rules. The gate's answer is the `answer` of the
command's.
"""

from collections import deque
from collections.abc import Iterable

import orjson

from zparkd.core import limits
from zparkd.core.turn import FromEdge, Token
from zparkd.daemon.control.commands import Answer, CommandId, envelope, no, principal, read
from zparkd.transport.bus import Control

COMMAND = "edge"


class EdgeRequests:
    """The requests that were handed on and are not answered yet, at most so many."""

    def __init__(self) -> None:
        self._waiting: deque[FromEdge] = deque()
        self._askers: dict[Token, tuple[Token, CommandId]] = {}
        self._number = 0
        self._refused: list[tuple[Token, bytes]] = []

    def take(self, controls: Iterable[Control]) -> list[Control]:
        """Take up those commands that are an edge's request; the others."""
        others = []
        for control in controls:
            token, asked = control.token, read(control.body)
            if asked.name != COMMAND:
                others.append(control)
                continue
            request = _frame(asked.request.get("request"))
            if request is None:
                self._refuse(token, asked.id, no("bad_request", "request: must be an object"))
            elif len(self._askers) >= limits.HANDED_WAITING:
                self._refuse(token, asked.id, no("busy", "too many requests wait"))
            else:
                self._number += 1
                mine = (b"handed", b"%d" % self._number)
                self._askers[mine] = (token, asked.id)
                by = principal(asked.request, control.asker)
                self._waiting.append(FromEdge(mine, request, by=by))
        return others

    def due(self, edges: bool) -> list[FromEdge]:
        """The requests for this turn: none as long as edges are not answered."""
        if not edges or not self._waiting:
            return []
        waiting = list(self._waiting)
        self._waiting.clear()
        return waiting

    def answered(self, token: Token, body: bytes) -> tuple[Token, bytes] | None:
        """What to answer, and whom, for the gate's answer; None where it is none of these."""
        asker = self._askers.pop(token, None)
        if asker is None:
            return None
        return asker[0], envelope(asker[1], {"success": True, "answer": orjson.loads(body)})

    def refused(self) -> list[tuple[Token, bytes]]:
        """What to answer those that were not taken up, and whom."""
        refused, self._refused = self._refused, []
        return refused

    def _refuse(self, token: Token, id: CommandId, answer: Answer) -> None:
        self._refused.append((token, envelope(id, answer)))


def _frame(request: object) -> bytes | None:
    """What an edge would have sent; None where it is no object, or nests deeper than is written."""
    try:
        return orjson.dumps(request) if isinstance(request, dict) else None
    except orjson.JSONEncodeError:
        return None
