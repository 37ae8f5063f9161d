"""The loop with real parts: what happens to a message that blows up, and to those beside it."""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import orjson
import pytest
import zmq

from zparkd.client import ControlClient
from zparkd.config.load import Config, Fault, load
from zparkd.config.schema import SecurityMode
from zparkd.core.central import Central
from zparkd.core.clock import Now
from zparkd.core.events.event import Stream
from zparkd.core.turn import FromEdge
from zparkd.daemon.main import central_of
from zparkd.daemon.reactor import Reactor, read_clocks, security_keys, settings_of
from zparkd.storage.store import Store
from zparkd.testbed.loopback import LoopbackCentral, wait_for
from zparkd.transport.bus import Bus
from zparkd.transport.zap import identity_of

POISON = "66X66666"


class Running:
    """A reactor in a thread of the test, with its parts within reach."""

    def __init__(self, folder: Path) -> None:
        self.files = LoopbackCentral(folder / "central-1", "central-1")
        config = load(self.files.config)
        self.store_path = config.storage_path
        self.ready = threading.Event()
        self.thread = threading.Thread(target=self._run, args=(config,))
        self.thread.start()
        assert self.ready.wait(20)

    def _run(self, config) -> None:
        store = Store(config.storage_path, config.central_id, config.site, config.timezone)
        bus = Bus(config.listen, config.peers)
        stream = Stream("central-1", 7)
        settings = settings_of(config)
        self.central = Central(settings, store, stream, b"s" * 32, 0, read_clocks())
        self.central.answer = self._explode_on_poison(self.central.answer)
        self.reactor = Reactor(config, store, bus, self.central)
        self.ready.set()
        try:
            self.reactor.run()
        finally:
            bus.close()
            store.close()

    @staticmethod
    def _explode_on_poison(answer):
        def explode(now: Now, asked: FromEdge) -> bytes:
            given = answer(now, asked)
            assert POISON.encode() not in asked.body, "a rule is broken"
            return given

        return explode

    def ask_together(self, *plates: str) -> list[dict[str, object]]:
        """Opens for all these plates, sent at once so that they share turns."""
        context = zmq.Context()
        sockets = []
        for plate in plates:
            made = context.socket(zmq.REQ)
            made.connect(self.files.endpoint)
            body = {"type": "BARRIER_OPEN", "edge_id": f"edge-{plate}", "plate_id": plate}
            made.send(orjson.dumps(body))
            sockets.append(made)
        answers = []
        for made in sockets:
            assert made.poll(10_000)
            answers.append(orjson.loads(made.recv()))
        context.destroy(linger=0)
        return answers

    def stop(self) -> None:
        self.reactor.stop()
        self.thread.join(20)
        assert not self.thread.is_alive()


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    running = Running(tmp_path)
    yield running
    running.stop()


@pytest.mark.programs
def test_only_the_message_that_blows_up_is_refused_and_the_rest_of_its_batch_recorded(
    running: Running,
) -> None:
    plates = [f"29A{number:05d}" for number in range(10)]
    answers = running.ask_together(*plates[:5], POISON, *plates[5:])
    refused = answers.pop(5)
    assert refused["success"] is False
    assert refused["error"]["code"] == "storage_unavailable"
    assert all(answer["success"] for answer in answers)
    inside = {row["plate_id"] for row in running.files.history()}
    assert inside == set(plates)


def test_a_message_that_blows_up_is_set_aside_and_shown(running: Running) -> None:
    running.ask_together(POISON)
    with ControlClient(running.files.folder / "control.sock") as daemon:
        problems = [problem["code"] for problem in daemon.call("status")["problems"]]
    assert problems == ["SET_ASIDE"]


def test_a_command_that_is_not_known_is_refused_by_name(running: Running) -> None:
    with ControlClient(running.files.folder / "control.sock") as daemon:
        answer = daemon.call("fly")
    assert answer["success"] is False
    assert "'fly'" in answer["error"]["message"]


def test_garbage_on_the_control_socket_is_answered_and_harms_nobody(running: Running) -> None:
    context = zmq.Context()
    dealer = context.socket(zmq.DEALER)
    dealer.connect(f"ipc://{running.files.folder / 'control.sock'}")
    for body in (b"", b"[1]", b"{}", b"\xff", b'{"command":[],"id":{}}'):
        dealer.send_multipart([b"", body])
        assert dealer.poll(10_000)
        assert orjson.loads(dealer.recv_multipart()[1])["success"] is False
    context.destroy(linger=0)
    wait_for("status is answered", lambda: running.files.status()["running"])


# --- a configuration that can't be written down --------------------------------------------------


@pytest.fixture
def at_rest(tmp_path: Path) -> Iterator[tuple[Reactor, Store, Config]]:
    """A daemon with keys that does not turn, its database, and another configuration for it."""
    files = LoopbackCentral(tmp_path / "central-1", "central-1", mode=SecurityMode.CURVE)
    config = load(files.config)
    files.knows(LoopbackCentral(tmp_path / "central-2", "central-2", mode=SecurityMode.CURVE))
    keys = security_keys(config)
    store = Store(config.storage_path, config.central_id, config.site, config.timezone)
    bus = Bus(config.listen, config.peers, keys)
    central = central_of(config, store, read_clocks(), lambda bits: 1, identity_of(keys))
    try:
        yield Reactor(config, store, bus, central), store, load(files.config)
    finally:
        bus.close()
        store.close()


def tried(reactor: Reactor, store: Store, wanted: Config) -> Sequence[Fault]:
    """What is wrong with it while nothing can be written."""
    store.connection.execute("PRAGMA query_only = 1")
    try:
        return reactor.apply(wanted, security_keys(wanted))
    finally:
        store.connection.execute("PRAGMA query_only = 0")


@pytest.mark.parametrize("timezone", ["Asia/Ho_Chi_Minh", "Europe/Berlin"])
def test_a_configuration_that_can_not_be_written_is_a_fault_and_is_applied_later(
    at_rest: tuple[Reactor, Store, Config], timezone: str
) -> None:
    reactor, store, wanted = at_rest
    wanted = replace(wanted, timezone=timezone)
    [fault] = tried(reactor, store, wanted)
    assert "could not be written to the database: attempt to write a readonly" in fault.text
    assert reactor.apply(wanted, security_keys(wanted)) == ()
    assert store.signed.removed() == frozenset()
    assert reactor.apply(replace(wanted, peers=()), security_keys(wanted)) == ()
    assert store.signed.removed() == {"central-2"}, "it was written down who was configured"
