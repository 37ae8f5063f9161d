"""Silence, and whoever sends or takes slowly, keeps nobody else out."""

import socket
import ssl
import subprocess
import time
from pathlib import Path

import httpx
import pytest

from tests.support.gateway import Gateway
from tests.web.conftest import MakeSite
from zparkd.testbed.loopback import wait_for
from zparkd.web import limits
from zparkd.web.http.connections import network

HEAD = b"POST /api/login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 60000\r\n"


def dial(gateway: Gateway, said: bytes = b"", host: str = "127.0.0.1") -> socket.socket:
    dialled = socket.create_connection(("127.0.0.1", gateway.port), source_address=(host, 0))
    if said:
        dialled.sendall(said)
    return dialled


def is_closed(dialled: socket.socket) -> bool:
    dialled.setblocking(False)
    try:
        return dialled.recv(65536, socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def test_a_thousand_silent_connections_keep_nobody_out(gateway: Gateway) -> None:
    silent = [
        dial(gateway, HEAD if number % 2 else b"", f"127.0.0.{2 + number % 8}")
        for number in range(limits.CONNECTIONS + 6)
    ]
    try:
        assert gateway.get("/healthz").status_code == 200
    finally:
        for one in silent:
            one.close()


def test_many_of_one_address_make_way_for_each_other(gateway: Gateway) -> None:
    most = limits.CONNECTIONS_OF_ADDRESS
    other = dial(gateway, host="127.0.0.9")
    silent = [dial(gateway) for _ in range(most + 4)]
    try:
        wait_for("the first made way", lambda: all(map(is_closed, silent[:4])))
        assert not any(map(is_closed, silent[-most // 2 :]))
        assert not is_closed(other)
        assert gateway.get("/healthz").status_code == 200
    finally:
        for one in (*silent, other):
            one.close()


@pytest.mark.slow
def test_a_request_that_is_not_whole_in_ten_seconds_ends(gateway: Gateway) -> None:
    began = time.monotonic()
    slow = {
        "silent": dial(gateway),
        "half a header": dial(gateway, HEAD),
        "half a body": dial(gateway, HEAD + b"\r\n{"),
        "drops": dial(gateway, b"GET /healthz HTTP/1.1\r\n"),
        "a second one": dial(gateway, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\nGET /"),
    }
    with (
        httpx.Client(base_url=gateway.url, trust_env=False, timeout=30) as page,
        page.stream("GET", "/api/stream") as stream,
    ):
        told = (line for line in stream.iter_lines() if line.startswith("event: status"))
        next(told)  # and again each five seconds
        slow["drops"].send(b"A: b\r\n")
        next(told)
        slow["drops"].send(b"C: d\r\n")
        assert time.monotonic() - began < limits.SLOW_S, "this machine is too slow for the test"
        assert not is_closed(slow["half a body"])
        for what, one in slow.items():
            wait_for(f"{what} is ended", lambda one=one: ended(one), 10)
        assert time.monotonic() - began >= limits.SLOW_S - 1
        next(told)  # a page that only listens stays
        next(told)


def ended(dialled: socket.socket) -> bool:
    """Whether a connection is closed, behind what it was still sent."""
    dialled.setblocking(False)
    try:
        while dialled.recv(65536):
            pass
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True


@pytest.mark.slow
def test_a_tls_handshake_is_not_waited_for_longer(make_site: MakeSite, tmp_path: Path) -> None:
    [central] = make_site(1).centrals
    chain, key = certificate(tmp_path)
    options = ("--certificate", str(chain), "--key", str(key))
    with Gateway(central, *options) as gateway:
        silent = dial(gateway)
        wait_for("it is ended", lambda: ended(silent), limits.SLOW_S + 5)


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for this machine, and its key; skipped where nothing can make one."""
    chain, key = folder / "chain.pem", folder / "key.pem"
    try:
        subprocess.run(
            [
                *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
                *("-subj", "/CN=localhost", "-keyout", str(key), "-out", str(chain)),
            ],
            check=True,
            capture_output=True,
        )
    except FileNotFoundError:
        pytest.skip("no openssl on this machine")
    assert ssl.create_default_context(cafile=chain)
    return chain, key


@pytest.mark.parametrize(
    ("address", "counts_as"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
    ],
)
def test_what_counts_as_one_address(address: str, counts_as: str) -> None:
    assert network(address) == counts_as
