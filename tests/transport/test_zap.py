"""The ZAP handler and the self-test: what ZeroMQ would let in by itself, and what may be asked."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import zmq
from loguru import logger

from zparkd.config.load import Listen, load
from zparkd.core import limits
from zparkd.core.keys import fingerprint, key_bytes
from zparkd.core.site import Lane, Peer
from zparkd.core.turn import FromEdge
from zparkd.testbed.loopback import LoopbackCentral, wait_for
from zparkd.transport import listeners
from zparkd.transport.bus import Bus
from zparkd.transport.socket_options import Domain, KeyPair, Socket
from zparkd.transport.zap import Keys, SelfTestFailed, Zap, keys_of


def pair() -> KeyPair:
    return KeyPair(*zmq.curve_keypair())


OWN, PEER, GATE, OTHER = (pair() for _ in range(4))


def keys(*, peers: bool = True, gates: tuple[KeyPair, ...] = (GATE,)) -> Keys:
    known = (Peer("central-2", "127.0.0.1", 9000, 9001, PEER.public.decode()),) if peers else ()
    lanes = tuple(Lane(f"gate-{n}", gate.public.decode()) for n, gate in enumerate(gates, 1))
    return keys_of(OWN.secret, "central-1", known, lanes)


@pytest.fixture
def context() -> Iterator[zmq.Context]:
    context = zmq.Context()
    yield context
    context.destroy(linger=0)


@pytest.fixture
def listen(tmp_path: Path) -> Listen:
    return load(LoopbackCentral(tmp_path / "a", "central-1").config).listen


@pytest.fixture
def open_bus(listen: Listen) -> Iterator[Callable[..., Bus]]:
    buses: list[Bus] = []

    def make(keys_: Keys) -> Bus:
        buses.append(Bus(listen, (), keys_))
        return buses[-1]

    yield make
    for bus in buses:
        bus.close()


# --- the self-test -----------------------------------------------------------------------------


def test_a_port_that_turns_strangers_away_passes(open_bus: Callable[..., Bus]) -> None:
    open_bus(keys()).self_test()


def test_a_port_that_asks_nobody_is_found_out(
    open_bus: Callable[..., Bus], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a domain and with enforcing, ZeroMQ asks nobody, and lets everybody in."""

    def careless(made: Socket, domain: Domain, own: KeyPair | None) -> None:
        if own is not None and domain is not Domain.CONTROL:
            made.curve_secretkey, made.curve_publickey = own.secret, own.public
            made.curve_server = True
            made.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)

    monkeypatch.setattr(listeners, "guard", careless)
    with pytest.raises(SelfTestFailed, match="let in a key that nobody has"):
        open_bus(keys()).self_test()


def test_a_handler_that_does_not_answer_is_found_out(
    open_bus: Callable[..., Bus], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SELF_TEST_MS", 200)
    monkeypatch.setattr(Zap, "answer", lambda self: self.socket.recv_multipart())
    with pytest.raises(SelfTestFailed, match="did not turn away"):
        open_bus(keys()).self_test()


def test_without_keys_there_is_nothing_to_test(open_bus: Callable[..., Bus]) -> None:
    open_bus(Keys()).self_test()


# --- the handler -------------------------------------------------------------------------------


def ask(context: zmq.Context, zap: Zap, *frames: bytes) -> list[bytes]:
    """What the handler answers to this."""
    asking = context.socket(zmq.DEALER)
    asking.connect("inproc://zeromq.zap.01")
    asking.send_multipart([b"", *frames])
    assert zap.socket.poll(5_000)
    zap.answer()
    assert asking.poll(5_000)
    answer = asking.recv_multipart()
    asking.close(linger=0)
    return answer


def request(domain: bytes, key: bytes, mechanism: bytes = b"CURVE") -> tuple[bytes, ...]:
    return (b"1.0", b"7", domain, b"::ffff:10.0.0.9", b"", mechanism, key)


@pytest.mark.parametrize(
    ("domain", "whose", "who"),
    [
        (b"bus", PEER, b"central-2"),
        (b"sync", PEER, b"central-2"),
        (b"bus", OWN, b"central-1"),
        (b"edge", GATE, b"gate-1"),
    ],
)
def test_a_key_opens_its_ports_and_says_who_it_is(
    context: zmq.Context, domain: bytes, whose: KeyPair, who: bytes
) -> None:
    answer = ask(context, Zap(context, keys()), *request(domain, key_bytes(whose.public.decode())))
    assert answer == [b"", b"1.0", b"7", b"200", b"", who, b""]


@pytest.mark.parametrize(
    ("domain", "whose"),
    [
        *((domain, GATE) for domain in (b"bus", b"sync")),
        *((b"edge", whose) for whose in (PEER, OWN)),
        *((domain, OTHER) for domain in (b"bus", b"sync", b"edge", b"control", b"\xff")),
        (b"", PEER),
    ],
)
def test_a_key_opens_no_other_port_and_may_try_again(
    context: zmq.Context, domain: bytes, whose: KeyPair
) -> None:
    answer = ask(context, Zap(context, keys()), *request(domain, key_bytes(whose.public.decode())))
    assert answer[3:] == [b"300", b"", b"", b""]


@pytest.mark.parametrize(
    "frames",
    [
        (),
        (b"1.0",),
        (b"2.0", b"7", b"bus", b"", b"", b"CURVE", key_bytes(PEER.public.decode())),
        request(b"bus", b"", b"NULL"),
        request(b"bus", b"user", b"PLAIN"),
        request(b"bus", b""),
        request(b"bus", b"x" * 31),
        request(b"\xff\xfe", b"\xff" * 32, b"\xff"),
        (*request(b"bus", b"x" * 32), *(b"more",) * 50),
    ],
)
def test_whatever_is_asked_the_handler_says_not_now_and_lives_on(
    context: zmq.Context, frames: tuple[bytes, ...]
) -> None:
    zap = Zap(context, keys())
    assert ask(context, zap, *frames)[3] == b"300"
    good = request(b"bus", key_bytes(PEER.public.decode()))
    assert ask(context, zap, *good)[3] == b"200"


def test_who_is_turned_away_is_remembered_up_to_a_limit_and_told_with_measure(
    context: zmq.Context,
) -> None:
    lines: list[str] = []
    sink = logger.add(lambda line: lines.append(str(line)), format="{message}")
    zap = Zap(context, keys())
    for number in range(3 * limits.REFUSALS_REMEMBERED):
        ask(context, zap, *request(b"edge", number.to_bytes(32, "little")))
    ask(context, zap, *request(b"edge", key_bytes(PEER.public.decode())))
    logger.remove(sink)
    told = list(zap.refused(0))
    assert len(told) == limits.REFUSALS_REMEMBERED
    assert str(told[0]) == (
        "10.0.0.9 came to the edge port with the key of central-2, which opens other ports"
    )
    stranger = (3 * limits.REFUSALS_REMEMBERED - 1).to_bytes(32, "little")
    assert fingerprint(stranger) in str(told[1])
    assert len(lines) == limits.REFUSAL_LINES_PER_MINUTE


def test_connections_are_cut_only_where_somebody_is_not_admitted_any_more() -> None:
    before = keys()
    more = keys(gates=(GATE, OTHER))
    assert not any(more.cuts(before, domain) for domain in Domain)
    assert [domain for domain in Domain if before.cuts(more, domain)] == [Domain.EDGE]
    alone = keys(peers=False)
    assert [d for d in Domain if alone.cuts(before, d)] == [Domain.BUS, Domain.SYNC]
    renamed = keys(gates=(OTHER, GATE))
    assert renamed.cuts(more, Domain.EDGE)


def test_no_secret_is_in_what_python_prints() -> None:
    assert OWN.secret.decode() not in repr(keys())


# --- who speaks --------------------------------------------------------------------------------


def camera(context: zmq.Context, listen: Listen, whose: KeyPair, routing_id: bytes) -> Socket:
    made: Socket = context.socket(zmq.DEALER)
    made.linger = 0
    made.routing_id = routing_id
    made.curve_secretkey, made.curve_publickey = whose.secret, whose.public
    made.curve_serverkey = OWN.public
    made.connect(f"tcp://127.0.0.1:{listen.edge_port}")
    return made


def heard(bus: Bus) -> list[FromEdge]:
    bus.poll(20, edges=True)
    return [message for message in bus.drain().messages if isinstance(message, FromEdge)]


def test_who_speaks_is_by_the_key_and_a_routing_id_can_t_be_stolen(
    open_bus: Callable[..., Bus], listen: Listen, context: zmq.Context
) -> None:
    bus = open_bus(keys(gates=(GATE, OTHER)))
    first = camera(context, listen, GATE, b"me")
    first.send_multipart([b"", b"one"])
    got: list[FromEdge] = []

    def first_heard() -> bool:
        got.extend(heard(bus))
        return bool(got)

    wait_for("the first", first_heard)
    thief = camera(context, listen, OTHER, b"me")
    thief.send_multipart([b"", b"two"])
    thief_in = thief.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED)

    def thief_connected() -> bool:
        got.extend(heard(bus))
        return bool(thief_in.poll(0))

    wait_for("the thief is in", thief_connected)
    bus.answer_edge(got[0].token, b"for the first")
    assert first.poll(5_000)
    assert first.recv_multipart() == [b"", b"for the first"]
    assert not thief.poll(0)
    assert {message.speaker for message in got} == {"gate-1"}
    thief_in.close()


def test_what_a_key_sent_just_before_it_was_taken_away_is_not_read(
    open_bus: Callable[..., Bus],
    listen: Listen,
    context: zmq.Context,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bus = open_bus(keys(gates=(GATE, OTHER)))
    sent = camera(context, listen, OTHER, b"other")
    monitor = sent.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED)

    def connected() -> bool:
        heard(bus)
        return bool(monitor.poll(0))

    wait_for("it is in", connected)
    sent.send_multipart([b"", b"open"])
    bus.poll(5_000, edges=True)  # now it is here, and nobody has read it
    monkeypatch.setattr(Keys, "cuts", lambda *_: False)  # as if the port were not cut
    bus.reconfigure(listen, (), keys())
    assert heard(bus) == []
    monitor.close()
