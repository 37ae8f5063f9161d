"""What `status` is told of peers."""

from tests.core.centrals import Driven
from zparkd.core.central import FromBus
from zparkd.core.wire import TOPIC_HEARTBEAT, Beat, write_header
from zparkd.daemon.status import Faults, status


def state_of_peer(central: Driven) -> tuple[str, bool]:
    told = status(central.central, central.store, central.now, central.now, Faults())
    return told["peers"][0]["state"], told["peers"][0]["connected"]


def beat(central: Driven, *hears: str) -> None:
    said = Beat("lot-a", "Asia/Ho_Chi_Minh", "0.1.0", central.wall_ms, list(hears), [], "")
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
