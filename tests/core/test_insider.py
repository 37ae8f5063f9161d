"""What a member of the site with a good key can't do to the others by what it says."""

from tests.core.centrals import HOUR_S, PLATE, Driven
from tests.core.insider import Insider, keyed
from zparkd.core import limits, wire
from zparkd.core.central import FromBus
from zparkd.core.events import Event

FAR_MS = limits.TIME_SHOWN_MS_MAX + 1


def tell(driven: Driven, insider: Insider, *events: Event) -> None:
    driven.step(insider.published(events))
    assert all(driven.store.event(event.position) is not None for event in events), "not taken in"


def test_a_stay_in_the_far_future_stops_nobody() -> None:
    driven = keyed("central-1", "central-2", "central-9")
    insider = Insider()
    entry = insider.enters(PLATE, order=FAR_MS)
    tell(driven, insider, entry, insider.lets_out(entry, order=FAR_MS))
    assert driven.open(direction="ENTRY")["success"]
    [row] = driven.history()
    assert (row["status"], row["source_central"]) == ("IN", "central-1")
    driven.wait(HOUR_S)
    assert driven.open(direction="EXIT", edge_id="edge-2")["fee"] == 25_000
    assert driven.central.counters.unreadable == 2


def test_an_exit_with_an_absurd_fee_ends_no_stay() -> None:
    driven = keyed("central-1", "central-9")
    driven.open(direction="ENTRY")
    [entry] = driven.events()
    insider = Insider()
    tell(driven, insider, insider.lets_out(entry, fee=limits.FEE_MAX + 1))
    assert [row["status"] for row in driven.history()] == ["IN"]


def test_a_heartbeat_lists_a_bounded_number_of_heads_whatever_was_invented() -> None:
    driven, other = keyed("central-1", "central-2"), keyed("central-2", "central-1")
    driven.open()
    for number in range(2_001):
        driven.store.append(Insider().enters(origin=f"aa{number}"))
    driven.store.commit()
    driven.central.proof.unsigned.clear()
    driven.wait(2)
    [beat] = [it for it in driven.step().published if it[0] == wire.TOPIC_HEARTBEAT]
    read = wire.read_message(beat[1:]).data
    assert isinstance(read, wire.Beat)
    assert len(read.heads) <= limits.HEADS_IN_HEARTBEAT
    assert ("central-1", 1, 1) in read.heads
    other.step(FromBus("central-1", beat))
    assert other.central.peers.states["central-1"].error is None
