"""`/api/edge/…`: a camera over HTTP gets what it would get over the edge port."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.gateway import Gateway
from tests.support.harness import PATIENCE_S, ask, rows
from tests.web.conftest import MakeSite
from zparkd.core.gate.requests import Code
from zparkd.testbed.loopback import wait_for
from zparkd.web.http.answers import STATUS_OF


def post(gateway: Gateway, path: str, body: object, **headers: str):
    content = body if isinstance(body, bytes | str) else json.dumps(body)
    return gateway.http.post(f"/api/edge/{path}", content=content, headers=headers)


def test_a_vehicle_comes_and_goes(gateway: Gateway) -> None:
    camera = {"edge_id": "edge-1", "plate_id": "29A-123.45"}
    seen = post(gateway, "detection", {**camera, "camera_type": "car", "confidence": 0.95})
    assert seen.json()["vehicle_info"] == {"already_inside": False, "plate_id": "29A12345"}
    entry = post(gateway, "barrier/open", {**camera, "action": "open"}).json()
    assert entry["success"] is True
    assert entry["action"] == "ENTRY"
    assert entry["event_id"].endswith("_29A12345")
    assert entry["history_id"] > 0
    closed = post(gateway, "barrier/close", {"edge_id": "edge-1"}).json()
    assert (closed["action"], closed["event_id"]) == ("ENTRY_CONFIRMED", entry["event_id"])
    left = post(gateway, "barrier/open", {**camera, "edge_id": "edge-8"}).json()
    assert (left["action"], left["event_id"]) == ("EXIT", entry["event_id"])
    assert (left["fee"], left["currency"], left["duration"]) == (25000, "VND", "0 phút")


def test_it_is_committed_before_it_is_answered(gateway: Gateway) -> None:
    opened = post(gateway, "barrier/open", {"edge_id": "e", "plate_id": "29A22222"}).json()
    assert opened["event_id"] in {row["event_id"] for row in rows(gateway.central)}


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"edge_id": "e", "plate_id": "!"}, 400, "bad_request"),
        ({"plate_id": "29A11111"}, 400, "bad_request"),
        ({"edge_id": "e", "plate_id": "29A33333", "direction": "EXIT"}, 409, "not_inside"),
        ({"edge_id": "e", "plate_id": "29A33333", "captured_ms": 0}, 409, "too_late"),
        ({"edge_id": "e" * 99, "plate_id": "29A33333"}, 400, "bad_request"),
        ("", 400, "bad_request"),
        ("[]", 400, "bad_request"),
        ("{", 400, "bad_request"),
        (b"\xff", 400, "bad_request"),
        ('{"a":' * 900 + "1" + "}" * 900, 400, "bad_request"),
        ('{"x": "' + "y" * 70_000 + '"}', 413, "too_large"),
    ],
)
def test_a_refusal_is_a_problem_with_its_code(
    gateway: Gateway, body: object, status: int, code: str
) -> None:
    answer = post(gateway, "barrier/open", body)
    assert (answer.status_code, answer.headers["content-type"]) == (
        status,
        "application/problem+json",
    )
    said = answer.json()
    assert said["success"] is False
    assert said["error"]["code"] == code
    assert said["status"] == status


def test_no_other_type_is_smuggled_in(gateway: Gateway) -> None:
    body = {"type": "BARRIER_OPEN", "edge_id": "e", "plate_id": "29A44444"}
    assert "vehicle_info" in post(gateway, "detection", body).json()


def test_a_call_repeated_with_its_idempotency_key_has_no_second_effect(gateway: Gateway) -> None:
    body = {"edge_id": "edge-1", "plate_id": "29A55555"}
    key = {"Idempotency-Key": "press-1"}
    first = post(gateway, "barrier/open", body, **key).json()
    assert first["request_id"] == "press-1"
    assert post(gateway, "barrier/open", body, **key).json() == first
    other = post(gateway, "barrier/open", {**body, "request_id": "press-2"}, **key)
    assert other.status_code == 400
    port = ask(gateway.central, "edge-1", "BARRIER_OPEN", plate_id="29A55555", request_id="press-1")
    assert port["event_id"] == first["event_id"]


def test_one_vehicle_at_many_gates_at_once_enters_once(gateway: Gateway) -> None:
    def enter(number: int):
        body = {"edge_id": f"edge-{number}", "plate_id": "29A66666", "direction": "ENTRY"}
        return post(gateway, "barrier/open", body).status_code

    with ThreadPoolExecutor(16) as threads:
        answers = sorted(threads.map(enter, range(32)))
    assert answers == [200] + [409] * 31


def test_the_rate_of_an_edge_is_bounded_here_too(make_site: MakeSite) -> None:
    (central,) = make_site(1, more="\n[limits]\nedge_requests_per_s = 0.01\n").centrals
    central.start()
    with Gateway(central) as gateway:

        def code() -> int:
            asked = {"edge_id": "eager", "plate_id": "29A77777"}
            return int(post(gateway, "detection", asked).status_code)

        assert code() == 200
        wait_for("it is bounded", lambda: code() == 429, PATIENCE_S)


def test_each_refusal_of_the_gate_has_a_status() -> None:
    assert set(STATUS_OF) == set(Code)
