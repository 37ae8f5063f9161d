"""Signatures between real daemons: a liar in a peer's place, and a site that begins to use keys."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import zmq

from tests.e2e.conftest import MakeSite
from tests.support.harness import enter, leave, problems, wait_connected, wait_equal, wait_events
from tests.support.stranger import secret_in
from zparkd.config.load import SecurityMode
from zparkd.core.events.event import Facts, Kind, Personal, Position, write
from zparkd.core.replication.encoding import write_body, write_header
from zparkd.core.replication.wire import TOPIC_EVENTS, Live
from zparkd.testbed.loopback import LoopbackCentral, LoopbackSite, new_key, wait_for


@contextmanager
def in_the_place_of(central: LoopbackCentral) -> Iterator[zmq.Socket]:
    """A publisher that has the key of a central, and listens where its bus is."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    made = context.socket(zmq.PUB)
    made.linger = 0
    made.curve_secretkey = secret_in(central.folder / "central.key")
    made.curve_server = True
    made.bind(f"tcp://127.0.0.1:{central.ports[0]}")
    yield made
    context.destroy(linger=0)


def invented(origin: str) -> list[bytes]:
    """A message of central-2 with an event in the name of somebody."""
    event = write(
        Position(origin, 7, 1),
        Kind.ENTRY,
        timestamp=1_764_646_200_000,
        order=1_764_646_200_000,
        prev="",
        facts=Facts("gate-1", camera_type="car"),
        personal=Personal("salt", "66X66666"),
    )
    body = write_body([(event.skeleton, event.personal_part)])
    return [TOPIC_EVENTS, write_header("central-2", 0, Live("lot-a")), body]


def test_what_a_peer_invents_is_refused_and_named(make_site: MakeSite) -> None:
    site = make_site(3, mode=SecurityMode.CURVE)
    one, two, _ = site.centrals
    with in_the_place_of(two) as liar:
        one.start()

        def named() -> bool:
            for origin in ("central-1", "central-2", "central-3", "central-9"):
                liar.send_multipart(invented(origin))
            return "FORGED" in problems(one)

        wait_for("the liar is named", named)
    assert one.status()["events"] == 0
    (forged,) = [each for each in one.status()["problems"] if each["code"] == "FORGED"]
    assert "central-2 at 127.0.0.1 sent events of central-" in forged["message"]


def use_keys(site: LoopbackSite) -> None:
    """Have a plain site use keys, as its operators would: write keys down, then the mode."""
    for central in site.centrals:
        central.public_key = new_key(central.folder / "central.key")
    for central in site.centrals:
        for other in site.centrals:
            if other is not central:
                central.knows(other)
        central.admits("in-1", "out-1")
        text = central.config.read_text()
        new = 'mode = "curve"\nsecret_key_file = "central.key"'
        central.config.write_text(text.replace('mode = "plain"', new))


def test_a_plain_site_begins_to_use_keys_while_it_runs(
    make_site: MakeSite, make_central: Callable[..., LoopbackCentral]
) -> None:
    site = make_site(2)
    one, two = site.centrals
    site.start()
    wait_connected(one, two)
    enter(one, "29A11111")
    enter(two, "29A22222")
    wait_events([one, two], 4)
    use_keys(site)
    wait_for("keys are in use", lambda: one.status()["security_mode"] == "curve")
    wait_for("keys are in use", lambda: two.status()["security_mode"] == "curve")
    wait_connected(one, two)
    leave(two, "29A11111")
    leave(one, "29A22222")
    wait_equal([one, two], when=lambda rows: all(row["status"] == "OUT" for row in rows))
    late = make_central("central-3", mode=SecurityMode.CURVE)
    for other in (one, two):
        late.knows(other)
        other.knows(late)
    late.start()
    wait_equal([one, two, late])
    assert not problems(late) & {"FORGED", "UNSIGNED_PAST"}
