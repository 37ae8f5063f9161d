"""Requests of edges over the control socket: taken up, held until edges are served, answered."""

import orjson
import pytest

from zparkd.core import limits
from zparkd.core.principal import Principal
from zparkd.daemon.control.edge_requests import EdgeRequests
from zparkd.transport.bus import Asker, Control

TOKEN = (b"asker", b"")
ROOT = Asker(0, 1)


def command(**fields: object) -> bytes:
    return orjson.dumps({"v": 1, "id": "x", **fields})


def test_one_is_held_until_edges_are_served_and_then_answered_once() -> None:
    handed = EdgeRequests()
    request = {"type": "PING", "edge_id": "e"}
    assert handed.take([Control(TOKEN, command(command="edge", request=request), ROOT)]) == []
    assert handed.due(edges=False) == []
    [due] = handed.due(edges=True)
    assert orjson.loads(due.body) == request
    assert handed.due(edges=True) == []
    answered = handed.answered(due.token, b'{"success": false}')
    assert answered is not None
    assert answered[0] == TOKEN
    assert orjson.loads(answered[1]) == {
        "v": 1,
        "id": "x",
        "success": True,
        "answer": {"success": False},
    }
    assert handed.answered(due.token, b"{}") is None


def test_other_commands_and_garbage_are_passed_on() -> None:
    handed = EdgeRequests()
    bodies = [command(command="status"), b"\xff", b"[]"]
    others = [Control(TOKEN, body, ROOT) for body in bodies]
    assert handed.take(others) == others
    assert handed.answered((b"edge", b""), b"{}") is None


@pytest.mark.parametrize("request_", [None, 1, "PING", [], ["x"]])
def test_what_is_no_request_is_refused_at_once(request_: object) -> None:
    handed = EdgeRequests()
    handed.take([Control(TOKEN, command(command="edge", request=request_), ROOT)])
    assert handed.due(edges=True) == []
    [(token, answer)] = handed.refused()
    assert token == TOKEN
    assert orjson.loads(answer)["error"]["code"] == "bad_request"
    assert handed.refused() == []


def test_only_so_many_wait() -> None:
    handed = EdgeRequests()
    one = Control(TOKEN, command(command="edge", request={}), ROOT)
    handed.take([one] * (limits.HANDED_WAITING + 1))
    assert len(handed.due(edges=True)) == limits.HANDED_WAITING
    [(_, answer)] = handed.refused()
    assert orjson.loads(answer)["error"]["code"] == "busy"


@pytest.mark.parametrize(
    ("said", "by"),
    [
        ({"login": "lan"}, Principal(login="lan")),
        ({"uid": 1000}, Principal(uid=1000)),
        (None, Principal(uid=0)),
        ({}, Principal(uid=0)),
        ({"login": "a b"}, Principal(uid=0)),
        ("lan", Principal(uid=0)),
    ],
)
def test_who_acts_is_whom_the_gateway_knows_else_the_account(said: object, by: Principal) -> None:
    handed = EdgeRequests()
    handed.take([Control(TOKEN, command(command="edge", request={"type": "PING"}, by=said), ROOT)])
    [due] = handed.due(edges=True)
    assert due.by == by
