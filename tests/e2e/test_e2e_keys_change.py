"""Keys that come, go and change while all runs: who is let in, who is cut off, and for how long."""

import threading
from collections.abc import Callable
from time import monotonic

import pytest
import zmq

from tests.e2e.conftest import MakeSite
from tests.support.harness import alive, peer_row, promised, wait_connected, zparkctl
from tests.support.recipe import Machines, recipe
from tests.support.stranger import BUS, EDGE, SYNC, Caller, calling, new_secret, secret_in
from zparkd.config.load import SecurityMode
from zparkd.core.keys import fingerprint
from zparkd.testbed.loopback import LoopbackCentral, LoopbackSite, new_key, wait_for

ADMITTED_WITHIN_S = 2.0


@pytest.fixture
def pair(make_site: MakeSite) -> LoopbackSite:
    """Two centrals with keys, connected; gate-1 and gate-2 are cameras of the first."""
    site = make_site(2, mode=SecurityMode.CURVE)
    site.centrals[0].admits("gate-1", "gate-2")
    site.start()
    wait_connected(*site.centrals)
    return site


def cut_off(caller: Caller) -> None:
    """Wait until the connection is closed and the next try turned away; nothing comes after."""
    wait_for("cut", lambda: zmq.EVENT_DISCONNECTED in caller.look())
    caller.wait_refused()
    caller.drain()
    caller.wait_refused(times=2)
    assert caller.answer(timeout_s=0) is None


def test_an_added_key_is_let_in_within_two_seconds(make_central: Callable[..., LoopbackCentral]):
    central = make_central(mode=SecurityMode.CURVE)
    central.start()
    took = []
    for number in range(2):  # the machine may be busy at one of them
        public_key = new_key(central.key_of(f"gate-{number}"))
        with calling(central, EDGE, secret_in(central.key_of(f"gate-{number}"))) as caller:
            caller.wait_refused()
            began = monotonic()
            central.edge_file(f"gate-{number}").write_text(
                f'id = "gate-{number}"\npublic_key = "{public_key}"\n'
            )
            assert caller.answer() is not None
            took.append(monotonic() - began)
    assert min(took) < promised(ADMITTED_WITHIN_S), took


@pytest.mark.parametrize("change", ["removed", "changed"])
def test_a_camera_whose_key_is_taken_away_is_cut_off(pair: LoopbackSite, change: str) -> None:
    one = pair.centrals[0]
    with calling(one, EDGE, secret_in(one.key_of("gate-1"))) as caller:
        assert caller.answer() is not None
        if change == "removed":
            one.edge_file("gate-1").unlink()
        else:
            one.key_of("gate-1").unlink()
            one.admits("gate-1")
        cut_off(caller)
    with one.edge("gate-2") as other:
        assert other.ping()["success"] is True


def test_a_peer_whose_key_is_taken_away_hears_nothing_more(pair: LoopbackSite) -> None:
    one, two = pair.centrals
    stolen = secret_in(two.folder / "central.key")
    with calling(one, BUS, stolen) as listener, calling(one, SYNC, stolen) as asker:
        assert listener.answer() is not None
        assert asker.answer() is not None
        assert zparkctl(one.config, "peer", "remove", "central-2").returncode == 0
        cut_off(asker)
        cut_off(listener)


class Knocking(threading.Thread):
    """A camera that asks all the time, and notes the longest it had to wait."""

    def __init__(self, central: LoopbackCentral, edge_id: str) -> None:
        super().__init__(daemon=True)
        self.central, self.edge_id = central, edge_id
        self.over = threading.Event()
        self.longest_s = 0.0
        self.answers = 0

    def run(self) -> None:
        with self.central.edge(self.edge_id, timeout_s=0.5, attempts=20) as camera:
            while not self.over.wait(0.01):
                began = monotonic()
                assert camera.ping()["success"] is True
                self.longest_s = max(self.longest_s, monotonic() - began)
                self.answers += 1


def test_the_others_wait_no_longer_than_a_reconnect_takes(pair: LoopbackSite) -> None:
    one = pair.centrals[0]
    knocking = Knocking(one, "gate-2")
    knocking.start()
    wait_for("it asks", lambda: knocking.answers > 10)
    with calling(one, EDGE, secret_in(one.key_of("gate-1"))) as caller:
        assert caller.answer() is not None
        one.edge_file("gate-1").unlink()
        cut_off(caller)
    since = knocking.answers
    wait_for("it goes on", lambda: knocking.answers > since + 10)
    knocking.over.set()
    knocking.join(20)
    assert knocking.longest_s < 2.0
    wait_connected(*pair.centrals)


def test_a_peer_that_has_the_wrong_key_of_us_is_named(pair: LoopbackSite) -> None:
    one, two = pair.centrals
    wrong = zmq.curve_public(new_secret()).decode()
    file = two.peer_file(one.id)
    file.write_text(file.read_text().replace(one.public_key, wrong))
    wait_for("said", lambda: peer_row(two, one.id)["error"] == "key refused")
    wait_for("said there", lambda: peer_row(one, two.id)["error"] == "key refused")
    file.write_text(file.read_text().replace(wrong, one.public_key))
    wait_connected(one, two)
    for here, there in ((one, two), (two, one)):
        wait_for("mended", lambda h=here, t=there: peer_row(h, t.id)["error"] is None)
    assert alive(one, two)


def test_two_fresh_centrals_become_a_pair_by_one_command_each(
    make_central: Callable[..., LoopbackCentral],
) -> None:
    one, two = (make_central(id, mode=SecurityMode.CURVE) for id in ("central-1", "central-2"))
    for here, there in ((one, two), (two, one)):
        add = ["peer", "add", there.id, "127.0.0.1", "--bus-port", str(there.ports[0])]
        add += ["--sync-port", str(there.ports[1])]
        refused = zparkctl(here.config, *add)
        assert refused.returncode == 78
        assert "public_key: is missing, and mode is curve" in refused.stderr
        done = zparkctl(here.config, *add, "--public-key", str(there.public_key))
        assert fingerprint(str(there.public_key)) in done.stdout
        here.start()
    wait_connected(one, two)


@pytest.fixture
def machines(pair: LoopbackSite) -> Machines:
    return Machines({central.id: central for central in pair.centrals})


def assert_one_site(one: LoopbackCentral, two: LoopbackCentral, number: int) -> None:
    """What happens at one gets to the other, and back: after each step of a recipe."""
    with one.edge("gate-1", timeout_s=1, attempts=5) as camera:
        assert camera.open_barrier(f"29A{number:05d}", direction="ENTRY")["success"] is True
    wait_for("the other has it", lambda: two.status()["events"] == number)
    wait_connected(one, two)


def test_a_central_changes_its_key_by_the_recipe(pair: LoopbackSite, machines: Machines) -> None:
    one, two = pair.centrals
    old = secret_in(one.folder / "central.key")
    for number, step in enumerate(recipe("A new key for a central"), 1):
        machines.run(step)
        if "sed" in step.command and step.machine == one.id:
            one.public_key = machines.new_key
        assert_one_site(one, two, number)
    with calling(two, BUS, old) as caller:
        caller.wait_refused()
        assert not caller.admitted


def test_a_camera_changes_its_key_by_the_recipe(pair: LoopbackSite, machines: Machines) -> None:
    one = pair.centrals[0]
    old = secret_in(one.key_of("gate-1"))
    for step in recipe("A new key for a camera"):
        machines.run(step)
    with calling(one, EDGE, old) as caller:
        caller.wait_refused()
        assert not caller.admitted


def test_a_stolen_camera_is_cut_off_by_the_recipe(pair: LoopbackSite, machines: Machines) -> None:
    one = pair.centrals[0]
    with calling(one, EDGE, secret_in(one.key_of("gate-1"))) as thief:
        assert thief.answer() is not None
        for step in recipe("A stolen camera"):
            machines.run(step)
        cut_off(thief)


def test_nothing_of_a_stolen_central_is_taken_after_the_recipe(
    pair: LoopbackSite, machines: Machines
) -> None:
    stolen, two = pair.centrals
    for step in recipe("A stolen central"):
        machines.run(step)
    with stolen.edge("gate-1") as camera:
        assert camera.open_barrier("66X66666", direction="ENTRY")["success"] is True
    with calling(two, SYNC, secret_in(stolen.folder / "central.key")) as thief:
        thief.wait_refused()
        assert not thief.admitted
    assert two.status()["events"] == 0
