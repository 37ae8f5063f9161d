"""`zparkctl edge`: requests as a camera makes them, to a ROUTER at the configured port."""

import socket

import orjson
import pytest

from tests.cli.conftest import Central
from tests.support.scripted import Asked, Scripted, accepted, agree, dead_end, refused


def port_of(endpoint: str) -> int:
    return int(endpoint.rpartition(":")[2])


@pytest.mark.parametrize(
    ("arguments", "sent"),
    [
        (
            "detect --edge edge-1 --plate 29A-123.45 --direction entry --camera-type car",
            {
                "type": "DETECTION",
                "plate_id": "29A-123.45",
                "direction": "ENTRY",
                "camera_type": "car",
            },
        ),
        (
            "open --edge edge-1 --plate 29A12345 --direction EXIT",
            {"type": "BARRIER_OPEN", "plate_id": "29A12345", "direction": "EXIT"},
        ),
        (
            "open --edge edge-1 --force --reason ambulance",
            {"type": "BARRIER_OPEN", "force": True, "reason": "ambulance"},
        ),
        ("close --edge edge-1", {"type": "BARRIER_CLOSE"}),
        ("close --edge edge-1 --plate 29A12345", {"type": "BARRIER_CLOSE", "plate_id": "29A12345"}),
        ("close --edge edge-1 --event e_1_A", {"type": "BARRIER_CLOSE", "event_id": "e_1_A"}),
    ],
)
def test_what_is_typed_is_what_is_sent(
    central: Central, arguments: str, sent: dict[str, object]
) -> None:
    with Scripted(agree) as ingress:
        central.write(edge_port=port_of(ingress.endpoint))
        result = central.run("edge", *arguments.split())
    assert result.exit_code == 0, result.output
    (request,) = ingress.requests
    printed = orjson.loads(result.stdout)
    assert printed["request_id"] == request.pop("request_id")
    assert printed["success"] is True
    assert request == {"edge_id": "edge-1", **sent}


def test_a_request_id_can_be_repeated(central: Central) -> None:
    with Scripted(agree) as ingress:
        central.write(edge_port=port_of(ingress.endpoint))
        central.run("edge", "open", "--edge", "edge-1", "--plate", "29A12345", "--request-id", "r")
    assert ingress.requests[0]["request_id"] == "r"


def test_a_refusal_is_printed_and_exits_1(central: Central) -> None:
    def script(asked: Asked, earlier: list[Asked]) -> None:
        asked.reply(refused(asked, "already_inside"))

    with Scripted(script) as ingress:
        central.write(edge_port=port_of(ingress.endpoint))
        done = central.spawn("edge", "open", "--edge", "edge-1", "--plate", "29A12345", "--json")
    assert done.returncode == 1
    assert orjson.loads(done.stdout)["error"]["code"] == "already_inside"


def test_no_answer_exits_69_and_says_how_to_start_the_daemon(central: Central) -> None:
    with dead_end() as nowhere:
        central.write(edge_port=port_of(nowhere))
        done = central.spawn("edge", "close", "--edge", "edge-1")
    assert done.returncode == 69
    assert nowhere in done.stderr
    assert f"zparkd -c {central.file}" in done.stderr
    printed = orjson.loads(done.stdout)
    assert (printed["success"], printed["running"]) == (False, False)
    assert printed["error"]["code"] == "no_answer"


@pytest.mark.parametrize(
    ("address", "bound"), [("0.0.0.0", "tcp://127.0.0.1:0"), ("::", "tcp://[::1]:0")]
)
def test_a_central_that_listens_everywhere_is_reached_here(
    central: Central, address: str, bound: str
) -> None:
    if "::" in bound and not _has_ipv6():
        pytest.skip("no IPv6 on this machine")

    def script(asked: Asked, earlier: list[Asked]) -> None:
        asked.reply(accepted(asked))

    with Scripted(script, bound, ipv6="::" in bound) as ingress:
        central.write(address=address, edge_port=port_of(ingress.endpoint))
        result = central.run("edge", "close", "--edge", "edge-1")
    assert result.exit_code == 0, result.output


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.parametrize(
    "arguments",
    [
        "open --plate 29A12345",
        "open --edge gate/1 --plate 29A12345",
        "open --edge edge-1 --plate 29A12345 --direction SIDEWAYS",
        "detect --edge edge-1",
        "close --edge edge-1 --force",
        "fly",
    ],
)
def test_a_wrong_command_line_exits_2(central: Central, arguments: str) -> None:
    assert central.run("edge", *arguments.split()).exit_code == 2
