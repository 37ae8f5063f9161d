"""`zparkctl peer test`, with real daemons: what answers, what refuses, and what is silent."""

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson
import pytest
import zmq
from click.testing import CliRunner, Result

from zparkd.cli.main import main
from zparkd.testbed.loopback import LoopbackCentral, LoopbackSite
from zparkd.verify import peer_query


class Site:
    """central-1, which runs not; a peer that knows it, one that doesn't, and another site's."""

    def __init__(self, folder: Path) -> None:
        self.own = LoopbackCentral(folder / "own", "central-1")
        self.friend = LoopbackCentral(folder / "friend", "central-2")
        self.stranger = LoopbackCentral(folder / "stranger", "central-3")
        self.foreign = LoopbackCentral(folder / "foreign", "central-4", site="lot-b")
        self.friend.knows(self.own)
        self.foreign.knows(self.own)
        self.known = (self.friend, self.stranger, self.foreign)
        for other in self.known:
            self.own.knows(other)

    def test(self, peer_id: str, *more: str) -> Result:
        return CliRunner().invoke(
            main, ["-c", str(self.own.config), "peer", "test", peer_id, *more]
        )

    def test_port(self, port: int, *more: str) -> Result:
        """Test a peer that listens on this port."""
        self.own.peer_file("central-9").write_text(
            f'id = "central-9"\naddress = "localhost"\nbus_port = 1\nsync_port = {port}\n'
        )
        return self.test("central-9", *more)


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with TemporaryDirectory(prefix="zp-") as folder, LoopbackSite(Path(folder) / "site", 0) as all:
        site = Site(Path(folder))
        all.centrals.extend(site.known)
        all.start()
        yield site


def test_a_peer_that_knows_us_answers_with_its_latency(site: Site) -> None:
    result = site.test("central-2")
    assert result.exit_code == 0, result.stderr
    assert re.fullmatch(
        rf"central-2 at 127\.0\.0\.1, port {site.friend.ports[1]}: answers in \d+\.\d ms,"
        r" is of this site and knows us\n",
        result.stdout,
    )
    printed = orjson.loads(site.test("central-2", "--json").stdout)
    assert printed.keys() == {"success", "peer_id", "latency_ms"}
    assert printed["success"] is True
    assert 0 < printed["latency_ms"] < 5000


@pytest.mark.parametrize(
    ("peer_id", "code", "said"),
    [
        ("central-3", "refused", "does not know central-1; add it to its peers.d"),
        ("central-4", "another_site", "is of site lot-b; this central is of lot-a"),
    ],
)
def test_a_no_of_the_peer_exits_1_with_its_reason(
    site: Site, peer_id: str, code: str, said: str
) -> None:
    result = site.test(peer_id, "--json")
    assert result.exit_code == 1
    assert said in result.stderr
    printed = orjson.loads(result.stdout)
    assert printed["success"] is False
    assert printed["peer_id"] == peer_id
    assert printed["error"]["code"] == code


def test_another_central_than_the_one_named_is_told(site: Site) -> None:
    result = site.test_port(site.friend.ports[1], "--json")
    assert result.exit_code == 1
    assert "answers as central-2" in result.stderr
    assert orjson.loads(result.stdout)["error"]["code"] == "another_central"


def test_nobody_there_is_a_refused_connection(site: Site) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        result = site.test_port(held.getsockname()[1])
    assert result.exit_code == 1
    assert "connection refused" in result.stderr


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peer_query, "_PATIENCE_S", 0.3)


@pytest.mark.usefixtures("impatient")
def test_the_wrong_port_of_a_peer_gives_no_answer(site: Site) -> None:
    result = site.test_port(site.friend.ports[0], "--json")
    assert result.exit_code == 1
    assert "connected, but no answer in 0.3 s; is it the sync_port" in result.stderr
    assert orjson.loads(result.stdout)["error"]["code"] == "timeout"


@contextmanager
def answering(frames: list[bytes]) -> Iterator[int]:
    """The port of something that answers the first message with these frames."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    router = context.socket(zmq.ROUTER)
    port = router.bind_to_random_port("tcp://127.0.0.1")

    def answer() -> None:
        router.send_multipart([router.recv_multipart()[0], *frames])

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        yield port
    finally:
        thread.join(20)
        context.destroy(linger=0)


@pytest.mark.parametrize("frames", [[b"hello"], [b"{}"], [b"1", b"2", b"3"]])
def test_what_speaks_another_language_is_no_central(site: Site, frames: list[bytes]) -> None:
    with answering(frames) as port:
        result = site.test_port(port, "--json")
    assert result.exit_code == 1
    assert "what answers is no central" in result.stderr
    assert orjson.loads(result.stdout)["error"]["code"] == "no_central"


def test_a_peer_that_is_not_configured_is_told_from_those_that_are(site: Site) -> None:
    result = site.test("central-7")
    assert result.exit_code == 1
    assert "central-7 is no configured peer; known are: central-2, central-3" in result.stderr
