"""Where nobody has credentials, only root and the account of the gateway may use it."""

import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.gateway import Gateway
from tests.support.harness import QUICK
from zparkd.testbed.loopback import LoopbackSite
from zparkd.web.auth.caller import account_of

OTHER = 65_533  # an account that is nobody's here

# What another account runs: it asks once, and prints status and body. It changes its account by
# itself, since that account may not read this Python.
ASK = """
import encodings.idna, http.client, json, os, sys, urllib.error, urllib.request
url, headers, uid = sys.argv[1], json.loads(sys.argv[2]), json.loads(sys.argv[3])
if uid is not None:
    os.setgroups([])
    os.setgid(uid)
    os.setuid(uid)
open_ = urllib.request.build_opener(urllib.request.ProxyHandler({})).open
try:
    answer = open_(urllib.request.Request(url, headers=headers), timeout=20)
except urllib.error.HTTPError as refused:
    answer = refused
print(json.dumps([answer.status, answer.read().decode()]))
"""

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="takes root to be another account")


def ask(url: str, uid: int | None, **headers: str) -> tuple[int, dict[str, object]]:
    done = subprocess.run(
        [sys.executable, "-I", "-c", ASK, url, json.dumps(headers), json.dumps(uid)],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    status, body = json.loads(done.stdout)
    return status, json.loads(body) if body.startswith("{") else {}


@pytest.fixture(scope="module", params=["127.0.0.1", "::1", "::ffff:127.0.0.1"])
def open_gateway(request: pytest.FixtureRequest) -> Iterator[Gateway]:
    with (
        tempfile.TemporaryDirectory(prefix="zp-") as name,
        LoopbackSite(Path(name), 1, more=QUICK) as site,
    ):
        site.start()
        with Gateway(site.centrals[0], "--host", request.param) as gateway:
            yield gateway


def addresses(gateway: Gateway) -> list[str]:
    """All ways to write where it listens."""
    if "ffff" in gateway.url:
        return [gateway.url, f"http://127.0.0.1:{gateway.port}"]
    return [gateway.url]


@needs_root
def test_another_account_of_the_machine_is_asked_to_log_in(open_gateway: Gateway) -> None:
    for url in addresses(open_gateway):
        status, body = ask(f"{url}/api/p2p/status", OTHER)
        error = body["error"]
        assert isinstance(error, dict)
        assert (status, error["code"]) == (401, "login_required")
        command = f"zparkd-web -c {open_gateway.central.config} user add NAME --role admin"
        assert command in error["message"]
        status, session = ask(f"{url}/api/session", OTHER)
        assert (status, session["login_required"], session["first_login"]) == (200, True, command)


def test_the_account_that_runs_it_needs_no_login(open_gateway: Gateway) -> None:
    for url in addresses(open_gateway):
        assert ask(f"{url}/api/p2p/status", None)[0] == 200
        status, session = ask(f"{url}/api/session", None)
        assert (status, session["login_required"]) == (200, False)


@pytest.mark.parametrize(
    "header", ["Forwarded", "X-Forwarded-For", "X-Forwarded-Proto", "x-forwarded-host"]
)
def test_what_a_proxy_passes_on_is_nobodys(open_gateway: Gateway, header: str) -> None:
    for path in ("/api/p2p/status", "/api/session"):
        status, body = ask(f"{open_gateway.url}{path}", None, **{header: "x"})
        error = body["error"]
        assert isinstance(error, dict)
        assert (status, error["code"]) == (403, "forwarded")
        assert "user add NAME --role admin" in error["message"]


@pytest.mark.parametrize(
    ("family", "listens", "dials"),
    [
        (socket.AF_INET, "127.0.0.1", "127.0.0.1"),
        (socket.AF_INET6, "::1", "::1"),
        (socket.AF_INET6, "::ffff:127.0.0.1", "::ffff:127.0.0.1"),
        (socket.AF_INET6, "::ffff:127.0.0.1", "127.0.0.1"),
    ],
)
def test_the_kernel_says_whose_a_connection_is_until_it_is_closed(
    family: socket.AddressFamily, listens: str, dials: str
) -> None:
    mapped = "." in listens and family is socket.AF_INET6
    with socket.create_server((listens, 0), family=family, dualstack_ipv6=mapped) as port:
        client = socket.socket(socket.AF_INET6 if ":" in dials else socket.AF_INET)
        client.connect((dials, port.getsockname()[1]))
        ours, _ = port.accept()
        with ours:
            client_end, our_end = ours.getpeername()[:2], ours.getsockname()[:2]
            assert account_of(client_end, our_end) == os.geteuid()
            assert account_of(our_end, (our_end[0], 1)) is None
            client.shutdown(socket.SHUT_WR)
            assert account_of(client_end, our_end) == os.geteuid()
            client.close()
            # The kernel shows what is left of it as a socket of root.
            assert account_of(client_end, our_end) is None
