"""A camera with a key that sends frames without end is cut off by name, and nobody else is."""

import socket
from time import monotonic

import psutil
import pytest

from tests.e2e.conftest import MakeSite
from tests.e2e.curve import CurveClient
from tests.support.harness import answered_meanwhile
from tests.support.stranger import secret_in
from zparkd.config.load import SecurityMode
from zparkd.testbed.loopback import LoopbackCentral, wait_for
from zparkd.transport.inflow import connections, cut

MEBIBYTE = 1024 * 1024
WITHIN = 400 * MEBIBYTE  # of memory; the unit has 512 MiB
EVIL = "gate-9"


def dial(central: LoopbackCentral, edge: str) -> CurveClient:
    return CurveClient(central.ports[2], secret_in(central.key_of(edge)), central.public_key or "")


def flood(central: LoopbackCentral, evil: CurveClient, frame: bytes) -> None:
    """Send frames of one message until the connection ends; memory must stay in bounds."""
    assert central.process is not None
    process = psutil.Process(central.process.pid)
    until = monotonic() + 60
    sent = looked_at = 0
    try:
        while monotonic() < until:
            evil.send_frame(frame, more=True)
            sent += len(frame)
            if sent - looked_at > MEBIBYTE:
                looked_at = sent
                assert process.memory_info().rss < WITHIN, f"after {sent} bytes"
    except (ConnectionError, TimeoutError):
        assert evil.ended
        return
    raise AssertionError(f"still connected after {sent} bytes")


@pytest.mark.parametrize("size", [60_000, 1000])
def test_frames_without_end_cut_off_the_one_who_sends_them(make_site: MakeSite, size: int) -> None:
    site = make_site(1, mode=SecurityMode.CURVE)
    [central] = site.centrals
    central.admits(EVIL, "gate-2", "honest")
    site.start()
    idle = dial(central, "gate-2")
    with answered_meanwhile(central):
        evil = dial(central, EVIL)
        flood(central, evil, bytes(size))
        evil.close()

        def told() -> list[str]:
            problems = central.status()["problems"]
            return [it["message"] for it in problems if it["code"] == "EDGE_FLOODS"]

        wait_for("it is told", lambda: len(told()) == 1)
        assert f"{EVIL}, from 127.0.0.1, sent frames without end" in told()[0]
        # Its key opens nothing now; the others have theirs.
        with pytest.raises((ConnectionError, TimeoutError, AssertionError)):
            dial(central, EVIL)
    assert not idle.ended
    assert f"{EVIL}, from 127.0.0.1" in central.log.read_text()
    idle.close()


def test_a_camera_that_is_just_busy_is_not_cut_off(make_site: MakeSite) -> None:
    site = make_site(1, mode=SecurityMode.CURVE)
    [central] = site.centrals
    central.admits("gate-2", "honest")
    site.start()
    busy = dial(central, "gate-2")
    with answered_meanwhile(central):
        for _ in range(1000):  # 60 MB in whole messages, each refused
            busy.send_frame(b"", more=True)
            busy.send_frame(bytes(60_000), more=False)
    assert not busy.ended
    assert not [it for it in central.status()["problems"] if it["code"] == "EDGE_FLOODS"]
    busy.close()


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_the_kernel_says_what_came_in_over_each_connection_and_one_can_be_cut(address: str) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server((address, 0), family=family) as port:
        number = port.getsockname()[1]
        ones = [socket.create_connection((address, number)) for _ in range(2)]
        ours = [port.accept()[0] for _ in ones]
        ones[0].sendall(bytes(1000))
        ones[1].sendall(bytes(7))

        def received() -> dict[int, int]:
            return {it.port: it.received_bytes for it in connections(number, ipv6=":" in address)}

        ends = [one.getsockname()[1] for one in ones]
        wait_for("it is counted", lambda: received() == {ends[0]: 1000, ends[1]: 7})
        [first] = [it for it in connections(number, ipv6=":" in address) if it.port == ends[0]]
        assert first.address == address
        assert cut(first)
        ours[0].recv(1000)
        assert ours[0].recv(1) == b""
        ones[1].sendall(b"x")
        assert ours[1].recv(8).startswith(bytes(7))
        for one in (*ones, *ours):
            one.close()
        assert not cut(first)
