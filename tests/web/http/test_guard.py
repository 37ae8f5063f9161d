"""Whom a request is meant for, where it comes from, and what a browser may do with the answer."""

import shutil
import signal
import socket
import ssl
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.support.gateway import Gateway, zparkd_web
from zparkd.testbed.loopback import wait_for

OPEN = {"edge_id": "e", "plate_id": "29A12345"}


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:80", 200),
        ("localhost", 200),
        ("LOCALHOST:8000", 200),
        ("192.168.1.101:8000", 200),
        ("[::1]:8000", 200),
        (socket.gethostname(), 200),
        ("evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("evil.example:8000", 421),
        ("localhost.evil.example", 421),
        ("user@127.0.0.1", 200),
        ("", 421),
        ("[::1", 421),
    ],
)
def test_a_name_that_is_not_ours_is_refused(gateway: Gateway, host: str, status: int) -> None:
    answer = gateway.http.get("/api/p2p/status", headers={"Host": host})
    assert answer.status_code == status


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({}, True),
        ({"Origin": "{own}"}, True),
        ({"Origin": "http://evil.example"}, False),
        ({"Origin": "null"}, False),
        ({"Origin": "http://127.0.0.1:1"}, False),
        ({"Sec-Fetch-Site": "same-origin"}, True),
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "same-site"}, False),
    ],
)
def test_a_page_of_another_origin_changes_nothing(
    gateway: Gateway, headers: dict[str, str], allowed: bool
) -> None:
    sent = {name: value.replace("{own}", gateway.url) for name, value in headers.items()}
    for method, path in (("POST", "/api/edge/detection"), ("PUT", "/api/p2p/config")):
        answer = gateway.http.request(method, path, json=OPEN, headers=sent)
        assert (answer.status_code != 403) is allowed
    assert gateway.http.post("/api/login", json={}, headers=sent).status_code == (
        400 if allowed else 403
    )
    assert gateway.http.get("/api/p2p/status", headers=sent).status_code == 200


def test_a_page_that_was_named_may(gateway: Gateway) -> None:
    origin = {"Origin": "http://192.168.1.101:5173"}
    with Gateway(gateway.central, "--allow-origin", "http://192.168.1.101:5173/") as open_to:
        ask = {**origin, "Access-Control-Request-Method": "PUT"}
        preflight = open_to.http.options("/api/p2p/config", headers=ask)
        assert preflight.status_code == 204
        assert "PUT" in preflight.headers["access-control-allow-methods"]
        assert "Content-Type" in preflight.headers["access-control-allow-headers"]
        answer = open_to.http.post("/api/edge/detection", json=OPEN, headers=origin)
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == origin["Origin"]
        other = open_to.http.get("/api/p2p/status", headers={"Origin": "http://evil.example"})
        assert "access-control-allow-origin" not in other.headers
    assert gateway.http.options("/api/p2p/config", headers=ask).status_code == 405


def test_a_name_that_was_given_is_ours(gateway: Gateway) -> None:
    with Gateway(gateway.central, "--name", "Gate.example") as named:
        asked = {"Host": "gate.example:8000"}
        assert named.http.get("/api/p2p/status", headers=asked).status_code == 200


@pytest.mark.parametrize(
    "path", ["/api/p2p/status", "/api/stream", "/nothing", "/static/nothing.js", "/api/p2p/config"]
)
def test_no_answer_runs_frames_or_keeps_what_is_not_ours(gateway: Gateway, path: str) -> None:
    with gateway.http.stream("GET", path) as answer:
        headers = answer.headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert "server" not in headers
    if path.startswith("/api/"):
        assert headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "path",
    [
        "/static/../main.py",
        "/static/..%2fmain.py",
        "/static/%2e%2e/main.py",
        "/static//etc/passwd",
        "/static/%00",
        "/static/" + "x" * 3000,
        "//evil.example/",
        "/%ff%fe",
    ],
)
def test_no_other_file_is_served(gateway: Gateway, path: str) -> None:
    with socket.create_connection(("127.0.0.1", gateway.port), 10) as line:
        line.sendall(
            f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
        )
        answer = b"".join(iter(lambda: line.recv(4096), b""))
    assert b" 404 " in answer.splitlines()[0]


@pytest.mark.parametrize(
    "raw",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET /" + b"a" * 100_000,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"x" * 200,
        b"POST /api/edge/detection HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"POST /api/edge/detection HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nabc",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * 20_000 + b"\r\n",
    ],
)
def test_garbage_harms_nobody(gateway: Gateway, raw: bytes) -> None:
    with socket.create_connection(("127.0.0.1", gateway.port), 10) as line:
        line.settimeout(10)
        try:
            line.sendall(raw)
            line.shutdown(socket.SHUT_WR)
            answer = line.recv(4096)
        except ConnectionError:
            answer = b""
    assert b" 200 " not in answer.partition(b"\r\n")[0]
    assert b" 500 " not in answer.partition(b"\r\n")[0]
    assert gateway.get("/api/p2p/status").status_code == 200


def test_a_port_that_is_taken_and_a_configuration_at_fault_are_said(gateway: Gateway) -> None:
    taken = zparkd_web(gateway.central, "--port", str(gateway.port))
    assert (taken.returncode, "choose another --port" in taken.stderr) == (1, True)
    text = gateway.central.config.read_text()
    try:
        gateway.central.config.write_text("[central]\n")
        bad = zparkd_web(gateway.central, "--port", "0")
    finally:
        gateway.central.config.write_text(text)
    assert bad.returncode == 78
    assert "central.id: is missing" in bad.stderr


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is missing")
def test_https_with_a_certificate_and_a_cookie_for_https_alone(
    gateway: Gateway, tmp_path: Path
) -> None:
    chain, key = tmp_path / "gate.pem", tmp_path / "gate.key"
    made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    made += ["-nodes", "-days", "1", "-subj", "/CN=localhost", "-keyout", key, "-out", chain]
    subprocess.run(
        [*made, "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True
    )
    with Gateway(gateway.central, "--certificate", str(chain), "--key", str(key)) as secure:
        assert secure.url.startswith("https://")
        trusting = ssl.create_default_context(cafile=str(chain))
        with httpx.Client(base_url=secure.url, verify=trusting, trust_env=False) as browser:
            assert browser.get("/healthz").status_code == 200
            origin = {"Origin": secure.url}
            asked = browser.post("/api/edge/detection", json=OPEN, headers=origin)
            assert asked.status_code == 200
    alone = zparkd_web(gateway.central, "--certificate", str(chain))
    assert alone.returncode == 2


def test_a_head_of_the_stream_ends(gateway: Gateway) -> None:
    assert gateway.http.head("/api/stream").status_code == 200


@pytest.mark.slow
def test_a_daemon_that_hangs_holds_nobody_up_for_long(gateway: Gateway) -> None:
    gateway.central.signal(signal.SIGSTOP)
    try:
        with ThreadPoolExecutor(24) as threads:
            began = time.monotonic()
            calls = [threads.submit(gateway.get, "/api/p2p/status") for _ in range(8)]
            calls += [
                threads.submit(gateway.http.post, "/api/edge/detection", json=OPEN)
                for _ in range(16)
            ]
            assert {call.result().status_code for call in calls} == {503}
            assert time.monotonic() - began < 15
            assert gateway.get("/api/parking/history").status_code == 200
    finally:
        gateway.central.signal(signal.SIGCONT)
    wait_for("it answers again", lambda: gateway.get("/api/p2p/status").status_code == 200)
