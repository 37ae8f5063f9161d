"""Real centrals and a real HTTP server that is well, slow, down, lying, huge or changing."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.api_server import PASS, ApiServer, api_server, dripping, send, stuck
from tests.support.harness import PATIENCE_S, QUICK, ask, enter, promised, wait_connected
from tests.support.tariffs import AIRPORT, CENTRE, flat
from zparkd.client.control import ControlClient
from zparkd.testbed.loopback import LoopbackCentral, LoopbackSite, wait_for

GATE_S = 1.5  # an answer on a busy machine; a look at the server takes longer or for ever


@pytest.fixture
def server() -> Iterator[ApiServer]:
    with api_server() as server:
        yield server


@pytest.fixture
def site(make_site: Any, server: ApiServer) -> LoopbackSite:
    """Two centrals that have the server configured, not started."""
    api = f'\n[external_api]\nurl = "{server.url}"\ninterval_s = 0.5\ntimeout_s = 0.7\n'
    two: LoopbackSite = make_site(2, more=QUICK + api)
    return two


def document(central: LoopbackCentral) -> Any:
    with ControlClient(central.folder / "control.sock", PATIENCE_S) as daemon:
        return daemon.call("tariff.show")["document"]


def wait_document(site: LoopbackSite, wanted: Any) -> None:
    for central in site.running():
        wait_for(f"the tariff at {central.id}", lambda c=central: document(c) == wanted, PATIENCE_S)


def fault(central: LoopbackCentral) -> str:
    """What status shows as the fault of the API; empty for none."""
    state = central.status()
    problems = [it["message"] for it in state["problems"] if it["code"] == "EXTERNAL_API"]
    said = state["external_api"]["last_fault"]
    assert [said is not None] == [bool(problems)]
    return said or ""


def test_one_of_them_fetches_what_counts_at_both(site: LoopbackSite, server: ApiServer) -> None:
    one, other = site.centrals
    site.start()
    wait_connected(one, other)
    wait_document(site, AIRPORT)
    site.wait_equal()
    enter(other, PASS["plate_id"])
    site.wait_equal()
    left = ask(one, "out", "BARRIER_OPEN", plate_id=PASS["plate_id"], direction="EXIT")
    assert (left["fee"], left["pass"]["holder"]) == (0, "A")
    states: list[Any] = []

    def one_fetches() -> bool:
        states[:] = [central.status() for central in site.centrals]
        return [state["external_api"]["fetches"] for state in states] == [True, False]

    wait_for("the first of them fetches", one_fetches, PATIENCE_S)
    for state in states:
        assert state["external_api"]["last_good"] is not None
        assert (state["reference"]["tariff_version"], state["reference"]["passes"]) == (1, 1)
    assert all("None" not in str(headers) for _, headers in server.asked)

    server.documents["fee-config"] = CENTRE  # it changes
    wait_document(site, CENTRE)
    one.kill()
    server.documents["fee-config"] = flat(7)  # and the one that fetched is not there any more
    wait_document(site, flat(7))


def test_another_steps_in_for_one_that_gets_nothing(site: LoopbackSite, server: ApiServer) -> None:
    one, other = site.centrals
    for central in site.centrals:
        token = central.folder / "token"
        text = central.config.read_text()
        central.config.write_text(f'{text}token_file = "token"\n')
        if central is other:
            token.write_text("secret")
    site.start()
    wait_connected(one, other)
    wait_document(site, AIRPORT)
    wait_for("the one without a token says so", lambda: "token_file" in fault(one), PATIENCE_S)
    wait_for("the other is well", lambda: fault(other) == "", PATIENCE_S)
    wait_for(
        "it knows how old the data is",
        lambda: one.status()["external_api"]["age_s"] is not None,
        PATIENCE_S,
    )
    assert {headers["Authorization"] for _, headers in server.asked} == {"Bearer secret"}
    assert "secret" not in one.log.read_text() + other.log.read_text()


def test_a_server_that_is_not_well_never_delays_a_gate_and_never_breaks_a_price(
    site: LoopbackSite, server: ApiServer
) -> None:
    central = site.centrals[0]
    central.start()
    wait_document(site, AIRPORT)
    wait_for("a look that found nothing new", lambda: server.count() >= 2, PATIENCE_S)

    def html(request: Any, name: str) -> None:
        send(request, b"<html>Log in to this network</html>")

    def free(request: Any, name: str) -> None:
        send(request, b'{"rate": [{"camera_type": "car", "step": [{"amount": -1}]}]}')

    def huge(request: Any, name: str) -> None:
        try:
            send(request, b"[" + b" " * 40_000_000 + b"]")
        except OSError:
            request.close_connection = True

    def down(request: Any, name: str) -> None:
        request.connection.close()
        request.close_connection = True

    drip = dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    for number, (answer, said) in enumerate(
        [
            (html, "is not JSON"),
            (free, "rate[0].step[0]"),
            (huge, "is longer than"),
            (down, ""),
            (drip, "no whole answer"),
            (stuck, "no whole answer"),
        ]
    ):
        before = server.count()
        server.answer = answer
        with central.edge("gate") as camera:
            plate = f"29A0000{number}"
            slowest = 0.0
            until = time.monotonic() + PATIENCE_S
            while server.count() == before or said not in fault(central):
                assert time.monotonic() < until, fault(central)
                for direction in ("ENTRY", "EXIT"):
                    began = time.monotonic()
                    told = camera.open_barrier(plate, direction=direction)
                    slowest = max(slowest, time.monotonic() - began)
                    assert told["success"], told
                    time.sleep(0.02)  # a camera may ask a hundred times a second
                assert told["fee"] == 0  # the airport's first ten minutes
        assert slowest < promised(GATE_S)
        assert document(central) == AIRPORT
        server.answer = None  # so that no pause grows from one of them to the next
        wait_for("it is well again", lambda: fault(central) == "", PATIENCE_S)
