"""What `status` is told of peers."""

from tests.core.centrals import Driven
from zparkd.core.central import FromBus
from zparkd.core.heads import digest
from zparkd.core.wire import TOPIC_HEARTBEAT, Beat, write_header
from zparkd.daemon.status import Faults, status


def peer_of(central: Driven, catching_up: dict[str, int]) -> dict[str, object]:
    told = status(
        central.central,
        central.store,
        central.now,
        central.now,
        Faults(),
        catching_up=catching_up,
    )
    peer: dict[str, object] = told["peers"][0]
    return peer


def state_of_peer(central: Driven) -> tuple[str, bool]:
    told = status(central.central, central.store, central.now, central.now, Faults())
    return told["peers"][0]["state"], told["peers"][0]["connected"]


def beat(central: Driven, *hears: str, held: int = 0) -> None:
    heads = [("central-2", 1, held)] if held else []
    older = digest({}, ())
    said = Beat("lot-a", "Asia/Ho_Chi_Minh", "0.1.0", central.wall_ms, list(hears), heads, older)
    header = write_header("central-2", central.wall_ms, said)
    central.step(FromBus("central-2", [TOPIC_HEARTBEAT, header]))


def test_how_it_is_with_a_peer_is_told_in_words() -> None:
    central = Driven("central-1", peers=["central-2"])
    assert state_of_peer(central) == ("never heard", False)
    beat(central)
    assert state_of_peer(central) == ("does not hear us", False)
    beat(central, "central-1")
    assert state_of_peer(central) == ("connected", True)
    central.wait(5)
    assert state_of_peer(central) == ("not heard", False)


def test_how_far_catching_up_has_come_is_told_while_events_are_missing() -> None:
    central = Driven("central-1", peers=["central-2"])
    beat(central, "central-1", held=60)
    peer = peer_of(central, {"central-2": 80})
    assert peer["behind"] == 60
    assert peer["catching_up"] == {"missing": 60, "of": 80}
    assert peer["state"] == "catching up, 25 %"
    assert peer_of(central, {})["catching_up"] is None
    central.wait(5)
    lost = peer_of(central, {"central-2": 80})
    assert (lost["catching_up"], lost["state"]) == (None, "not heard")
