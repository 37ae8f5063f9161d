"""Who belongs is let in, and nobody else: every key at every port, raw TCP, and false names."""

import socket
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import orjson
import pytest

from tests.support.harness import QUICK, problems, run, wait_connected
from tests.support.stranger import (
    BUS,
    EDGE,
    SYNC,
    calling,
    new_secret,
    said,
    secret_in,
)
from zparkd.client.edge import EdgeClient, NoAnswer
from zparkd.config.load import SecurityMode
from zparkd.testbed.loopback import LoopbackSite, wait_for

PORTS = (BUS, SYNC, EDGE)


@pytest.fixture(scope="module")
def site() -> Iterator[LoopbackSite]:
    """Two centrals that have keys and are connected; gate-1 and gate-2 are cameras of the first."""
    with (
        tempfile.TemporaryDirectory(prefix="zp-") as name,
        LoopbackSite(Path(name), 2, more=QUICK, mode=SecurityMode.CURVE) as site,
    ):
        site.centrals[0].admits("gate-1", "gate-2")
        site.start()
        wait_connected(*site.centrals)
        yield site


def key(site: LoopbackSite, whose: str) -> bytes | None:
    one, two = site.centrals
    match whose:
        case "nobody":
            return None
        case "stranger":
            return new_secret()
        case "peer":
            return secret_in(two.folder / "central.key")
        case _:
            return secret_in(one.key_of(whose))


@pytest.mark.parametrize(
    ("port", "whose"), [(BUS, "peer"), (SYNC, "peer"), (EDGE, "gate-1")], ids=str
)
def test_who_belongs_is_answered(site: LoopbackSite, port: int, whose: str) -> None:
    with calling(site.centrals[0], port, key(site, whose)) as caller:
        assert caller.answer() is not None


def test_who_does_not_belong_gets_nothing_at_any_port(site: LoopbackSite) -> None:
    strangers = [(port, whose) for port in PORTS for whose in ("nobody", "stranger")]
    strangers += [(BUS, "gate-1"), (SYNC, "gate-1"), (EDGE, "peer")]
    with ExitStack() as all_:
        callers = [
            all_.enter_context(calling(site.centrals[0], port, key(site, whose)))
            for port, whose in strangers
        ]
        for caller in callers:
            caller.wait_refused()
        got = [(caller.admitted, caller.answer(timeout_s=0)) for caller in callers]
    assert got == [(False, None)] * len(strangers)


def test_a_raw_connection_gets_a_greeting_at_most_and_is_closed(site: LoopbackSite) -> None:
    with ExitStack() as all_:
        connections = [
            all_.enter_context(socket.create_connection(("127.0.0.1", port), 10))
            for port in site.centrals[0].ports
        ]
        for connection in connections:
            connection.settimeout(10)
            got = b""
            while part := connection.recv(4096):
                got += part
            assert len(got) <= 64, "a greeting of ZMTP has 64 bytes, and no more may come"


def test_with_the_wrong_key_of_the_central_nobody_is_served(site: LoopbackSite) -> None:
    wrong = site.centrals[1].public_key
    with ExitStack() as all_:
        callers = [
            all_.enter_context(calling(site.centrals[0], port, key(site, whose), wrong))
            for port, whose in ((BUS, "peer"), (SYNC, "peer"), (EDGE, "gate-1"))
        ]
        for caller in callers:
            caller.wait_refused()
            assert not caller.admitted


def test_an_edge_can_speak_for_no_other(site: LoopbackSite) -> None:
    with calling(site.centrals[0], EDGE, key(site, "gate-1"), body=said(EDGE, "gate-2")) as caller:
        (answer,) = caller.answer() or (b"{}",)
    refused = orjson.loads(answer)
    assert refused["success"] is False
    assert refused["error"]["code"] == "forbidden"
    assert "gate-1" in refused["error"]["message"]


def test_a_central_can_ask_under_no_other_name(site: LoopbackSite) -> None:
    with calling(site.centrals[0], SYNC, key(site, "peer"), body=said(SYNC, "central-9")) as caller:
        (page,) = caller.answer() or (b"{}",)
    data = orjson.loads(page)["data"]
    assert data["error"] == "comes with the key of central-2, and says it is central-9"
    assert data.get("heads") is None


def test_a_refused_key_shows_with_its_fingerprint_and_where_it_came(site: LoopbackSite) -> None:
    with calling(site.centrals[0], SYNC, new_secret()) as caller:
        caller.wait_refused()
    found = [p for p in site.centrals[0].status()["problems"] if p["code"] == "KEY_REFUSED"]
    assert any("127.0.0.1 came to the sync port" in problem["message"] for problem in found)
    assert "turned away" in site.centrals[0].log.read_text()


def test_a_camera_with_the_wrong_key_of_the_central_asks_nobody(site: LoopbackSite) -> None:
    one, two = site.centrals
    camera = EdgeClient(
        "gate-1",
        [one.endpoint],
        timeout_s=1,
        attempts=1,
        secret_key_file=one.key_of("gate-1"),
        public_keys=[two.public_key],
    )
    with camera, pytest.raises(NoAnswer):
        camera.ping()


def test_a_camera_with_its_key_passes_a_vehicle(site: LoopbackSite) -> None:
    with site.centrals[0].edge("gate-1") as camera:
        assert camera.open_barrier("29A11111", direction="ENTRY")["action"] == "ENTRY"
        assert camera.close_barrier()["action"] == "ENTRY_CONFIRMED"
    wait_for("the peer has it", lambda: len(site.centrals[1].history()) == 1)


def test_no_secret_key_is_in_any_log(site: LoopbackSite) -> None:
    for central in site.centrals:
        log = central.log.read_bytes()
        for file in central.folder.glob("*.key"):
            assert secret_in(file) not in log


def test_status_names_the_fingerprint_that_keygen_shows(site: LoopbackSite) -> None:
    one = site.centrals[0]
    shown = run("zparkd.cli.main", "keygen", "--public", one.folder / "central.key", "--json")
    assert one.status()["fingerprint"] == orjson.loads(shown.stdout)["fingerprint"]
    assert one.status()["security_mode"] == "curve"
    assert "INSECURE" not in problems(one)
