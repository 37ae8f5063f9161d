"""What a member of the site with a good key can't do to the others by what it says."""

import pytest

from tests.core.centrals import HOUR_S, PLATE, T0_MS, Driven, meet
from tests.core.insider import Insider, keyed
from tests.core.tariffs import flat
from zparkd.core import limits, wire
from zparkd.core.central import FromBus
from zparkd.core.events import Event, Kind, Personal
from zparkd.core.reference import Staff, StaffChanged, TariffSet
from zparkd.core.reference_changes import NotCounting, Outranked

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


# --- the remedy ---------------------------------------------------------------------------------


def tariff_of(driven: Driven) -> int | None:
    held = driven.store.reference.tariff()
    return held.tariff.version if held is not None else None


def test_the_highest_version_of_a_tariff_is_healed_by_disowning_who_set_it() -> None:
    one = keyed("central-1", "central-2", "central-9")
    two = keyed("central-2", "central-1", "central-9")
    one.central.reference.set_tariff(one.now, flat(25_000))
    meet(one, two)
    insider = Insider()
    evil = TariffSet(limits.VERSION_MAX, flat(0))
    said = insider.says(Kind.TARIFF, evil, Personal(""), order=limits.TIME_SHOWN_MS_MAX)
    for driven in (one, two):
        tell(driven, insider, said)
        assert tariff_of(driven) == limits.VERSION_MAX
    one.central.members.disown(one.now, "central-9", since_ms=T0_MS)
    meet(one, two)
    assert [tariff_of(one), tariff_of(two)] == [1, 1]
    assert one.central.reference.set_tariff(one.now, flat(30_000)) == 2
    one.open(direction="ENTRY")
    one.wait(HOUR_S)
    assert one.open(direction="EXIT", edge_id="edge-2")["fee"] == 30_000


def test_the_highest_order_that_means_anything_is_healed_by_disowning_who_said_it() -> None:
    driven = keyed("central-1", "central-2", "central-9")
    insider = Insider()
    last = {"order": limits.TIME_SHOWN_MS_MAX}
    entry = insider.enters(PLATE, **last)
    tell(driven, insider, entry, insider.lets_out(entry, **last))
    driven.central.members.disown(driven.now, "central-9", since_ms=T0_MS)
    driven.step()
    assert driven.open(direction="ENTRY")["success"]
    driven.wait(HOUR_S)
    assert driven.open(direction="EXIT", edge_id="edge-2")["fee"] == 25_000
    assert [row["source_central"] for row in driven.history()] == ["central-1"]


def test_a_list_of_staff_that_an_insider_changed_is_healed_by_disowning_it() -> None:
    driven = keyed("central-1", "central-2", "central-9")
    driven.central.reference.import_staff(driven.now, [Staff("nv01", "An")])
    driven.step()
    insider = Insider()
    last = {"order": limits.TIME_SHOWN_MS_MAX}
    gone = insider.says(Kind.STAFF, StaffChanged(True), Personal("", staff_id="nv01"), **last)
    own = insider.says(Kind.STAFF, StaffChanged(), Personal("", staff_id="thief"), **last)
    tell(driven, insider, gone, own)
    assert driven.store.reference.staff() == [Staff("thief")]
    driven.central.members.disown(driven.now, "central-9", since_ms=T0_MS)
    driven.step()
    assert driven.store.reference.staff() == [Staff("nv01", "An")]


def test_a_disowned_central_is_heard_and_relayed_and_means_nothing() -> None:
    one = keyed("central-1", "central-2", "central-9")
    two = keyed("central-2", "central-1", "central-9")
    insider = Insider()
    tell(one, insider, insider.enters(PLATE))
    one.central.members.disown(one.now, "central-9")
    one.step()
    tell(one, insider, insider.enters("30F99999"))
    assert [row["plate_id"] for row in one.history()] == [PLATE]
    meet(one, two)
    assert two.store.heads == one.store.heads
    assert [row["plate_id"] for row in two.history()] == [PLATE]


# --- nothing is set in vain without a word ------------------------------------------------------


def test_a_tariff_that_would_not_count_is_refused_with_who_outranks_it() -> None:
    driven = keyed("central-1", "central-9")
    insider = Insider()
    evil = TariffSet(limits.VERSION_MAX, flat(0))
    last = limits.TIME_SHOWN_MS_MAX
    tell(driven, insider, insider.says(Kind.TARIFF, evil, Personal(""), order=last))
    with pytest.raises(NotCounting) as refused:
        driven.central.reference.set_tariff(driven.now, flat(25_000))
    lost = refused.value.outranked
    assert lost == Outranked("the tariff", "central-9", last, limits.VERSION_MAX)
    driven.step()
    assert driven.kinds() == [Kind.TARIFF], "nothing was recorded"


def test_an_import_changes_what_it_can_and_names_what_outranks_the_rest() -> None:
    driven = keyed("central-1", "central-9")
    insider = Insider()
    last = limits.TIME_SHOWN_MS_MAX
    own = insider.says(Kind.STAFF, StaffChanged(), Personal("", staff_id="thief"), order=last)
    tell(driven, insider, own)
    done = driven.central.reference.import_staff(driven.now, [Staff("nv01", "An")])
    assert (done.added, done.removed, done.left) == (1, 0, 0)
    assert done.outranked == (Outranked("staff thief", "central-9", last),)
    assert "central-9" in str(done.outranked[0])


def test_a_central_that_is_disowned_itself_sets_nothing() -> None:
    one, two = keyed("central-1", "central-2"), keyed("central-2", "central-1")
    one.open()
    meet(one, two)
    two.central.members.disown(two.now, "central-1")
    meet(one, two)
    with pytest.raises(NotCounting, match="this central is disowned"):
        one.central.reference.set_tariff(one.now, flat(25_000))
    done = one.central.reference.import_staff(one.now, [Staff("nv01", "An")])
    assert done.outranked == (Outranked("staff nv01"),)
