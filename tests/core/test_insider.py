"""What a member of the site with a good key can't do to the others by what it says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.centrals import HOUR_S, PLATE, T0_MS, Driven, identity, meet
from tests.support.insider import Insider, keyed
from tests.support.tariffs import flat
from zparkd.core import limits
from zparkd.core.clock import Now
from zparkd.core.events.event import Event, Kind, Personal, Stream
from zparkd.core.events.payloads import Staff, StaffChanged, TariffSet
from zparkd.core.members import limits as member_limits
from zparkd.core.members.quotas import Quotas
from zparkd.core.members.words import MemberDisowned
from zparkd.core.reference.changes import NotCounting, Outranked
from zparkd.core.replication import wire
from zparkd.core.turn import Admit, Disown, FromBus, Restore
from zparkd.daemon.problems import problems_of_events, problems_of_quotas

IDS = ("central-1", "central-2")
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
    driven.central.signatures.unsigned.clear()
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


@pytest.mark.parametrize("before_end_ms", [0, 1, 1_000])
def test_a_vehicle_put_at_the_end_of_time_is_named_and_healed_also_of_what_came_meanwhile(
    before_end_ms: int,
) -> None:
    gates = one, two = [keyed(id, *{"central-1", "central-2", "central-9"} - {id}) for id in IDS]
    insider = Insider()
    last = {"order": limits.TIME_SHOWN_MS_MAX - before_end_ms}
    entry = insider.enters(PLATE, **last)
    evil = [entry, insider.lets_out(entry, **last)]
    for driven in gates:
        tell(driven, insider, *evil)
        assert codes(driven) == []
    for _ in range(2):
        for driven, direction in ((one, "ENTRY"), (two, "EXIT")):
            force = {"force": True, "reason": "the barrier is up"}
            assert driven.open(direction=direction, **force)["success"]
            driven.wait(HOUR_S)
            assert codes(driven) == ["OUTRANKED"]
            [said] = [it for it in problems_of_events(driven.view) if it["code"] == "OUTRANKED"]
            assert "central-9/1/1" in said["message"]
            assert "member disown central-9" in said["hint"]
            meet(one, two)
    one.central.members.disown(one.now, "central-9", since_ms=T0_MS)
    meet(one, two)
    for driven in gates:
        assert codes(driven) == []
        assert driven.open(direction="ENTRY")["success"] is (driven is one)
        meet(one, two)
    one.wait(HOUR_S)
    two.wait(HOUR_S)
    assert two.open(direction="EXIT")["fee"] > 0
    meet(one, two)
    assert [(row["source_central"], row["status"]) for row in two.history()] == [
        ("central-1", "OUT")
    ] * 3
    assert max(event.order for event in two.events() if event.position.origin != "central-9") < (
        T0_MS + 24 * HOUR_S * 1000
    )


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


def test_what_a_disowned_central_records_in_one_moment_has_ids_of_its_own_once_it_counts() -> None:
    one, two = (Driven(IDS[i], peers=[IDS[1 - i]]) for i in (0, 1))
    two.step(Disown(one.id))
    meet(one, two)
    for _ in range(2):  # nothing that it records is inside for it
        assert one.open(direction="ENTRY")["success"]
        assert one.open(direction="EXIT", force=True, reason="no ticket")["success"]
    two.step(Restore(one.id))
    meet(one, two)
    rows = one.history()
    assert len(rows) == 2
    assert len({row["event_id"] for row in rows}) == 2


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


# --- who is taken in ----------------------------------------------------------------------------


def without(driven: Driven, peer_id: str) -> None:
    """Remove a peer file."""
    peers = tuple(peer for peer in driven.settings.peers if peer.id != peer_id)
    driven.configure(peers=peers)


def talk(*centrals: Driven) -> None:
    """Let centrals hear each other for a while; they do not come to hold the same."""
    with pytest.raises(AssertionError, match="did not come together"):
        meet(*centrals, turns=60)


def origins(driven: Driven) -> set[str]:
    return {stream.origin for stream in driven.store.heads}


def codes(driven: Driven) -> list[str]:
    problems = [*problems_of_events(driven.view)]
    return [it["code"] for it in (*problems, *problems_of_quotas(driven.view))]


@pytest.mark.parametrize("key", [None, "central-1"])
def test_of_origins_that_are_not_configured_so_many_are_taken_in(key: str | None) -> None:
    driven = Driven("central-1", peers=["central-9"], key=key)
    insider = Insider()
    invented = [insider.enters(f"29A{number:05}", origin=f"z{number}") for number in range(100)]
    for event in invented:
        driven.step(insider.published([event]))
    assert len(origins(driven)) == member_limits.STRANGERS
    assert codes(driven) == ["NOT_TAKEN_IN"]
    waiting = driven.central.admission.waiting
    assert len(waiting) == 100 - member_limits.STRANGERS
    driven.step(Admit(waiting[0]))
    driven.step(insider.published([event for event in invented if event.position[0] == waiting[0]]))
    assert waiting[0] in origins(driven)
    driven.start()
    driven.step(insider.published(invented))
    assert len(origins(driven) - {"central-1"}) == member_limits.STRANGERS + 1


def test_what_is_not_taken_in_is_not_missed() -> None:
    one = keyed("central-1", "central-2")
    two = keyed("central-2", "central-1", "central-9")
    insider = Insider()
    for number in range(member_limits.STRANGERS):
        event = insider.enters(f"29A{number:05}", origin=f"y{number}")
        one.store.append(event)
    one.store.commit()
    one.start()
    tell(two, insider, insider.enters(origin="z1"))
    talk(one, two)
    peer = one.central.peers.states["central-2"]
    assert "z1" not in origins(one)
    assert one.central.peers.behind(peer, one.store.heads) == 0
    assert one.central.admission.waiting == ["z1"]


def test_an_invented_origin_has_no_voice_before_it_is_admitted() -> None:
    driven = keyed("central-1", "central-2", "central-9")
    insider = Insider()
    evil = MemberDisowned("central-2", ())
    word = insider.says(Kind.DISOWNED, evil, Personal(""), origin="z1")
    driven.step(insider.published([word]))
    assert not driven.store.members.verdicts.disowned
    assert codes(driven) == ["NOT_TAKEN_IN"]
    driven.step(Admit("z1"))
    driven.step(insider.published([word]))
    assert set(driven.store.members.verdicts.disowned) == {"central-2"}


def test_the_stolen_key_of_a_removed_central_is_worth_nothing_beyond_what_was_held() -> None:
    victim, thief = (
        keyed("central-2", "central-1", "central-9"),
        keyed("central-1", "central-2", "central-9"),
    )
    relay = keyed("central-9", "central-1", "central-2")
    thief.open(plate_id="29A11111")
    meet(thief, victim)
    without(victim, "central-1")
    thief.open(plate_id="29A66666")
    meet(thief, relay)
    talk(relay, victim)
    assert [row["plate_id"] for row in victim.history()] == ["29A11111"]
    assert codes(victim) == ["NOT_TAKEN_IN"]
    victim.start()
    talk(relay, victim)
    assert [row["plate_id"] for row in victim.history()] == ["29A11111"]


def test_nobody_else_speaks_for_a_removed_central() -> None:
    victim, one = keyed("central-2", "central-1", "central-9"), keyed("central-1", "central-2")
    one.open(plate_id="29A11111")
    meet(one, victim)
    without(victim, "central-1")
    insider = Insider()
    for epoch in (1, 2):
        forged = insider.enters("66X66666", origin="central-1", epoch=epoch)
        victim.step(insider.published([forged]))
    stream = Stream("central-1", 1)
    certificate = victim.store.signed.certificate(stream)
    assert certificate is not None
    assert certificate.identity_key == identity("central-1").public
    assert victim.store.heads[stream] == 1
    assert Stream("central-1", 2) not in victim.store.heads


def test_a_removed_central_that_is_admitted_is_believed_by_its_own_key_again() -> None:
    victim = keyed("central-2", "central-1", "central-9")
    one = keyed("central-1", "central-2", "central-9")
    relay = keyed("central-9", "central-1", "central-2")
    one.open(plate_id="29A11111")
    meet(one, victim)
    without(victim, "central-1")
    one.open(plate_id="29A22222")
    meet(one, relay)
    talk(relay, victim)
    victim.step(Admit("central-1"))
    victim.step()
    meet(relay, victim)
    assert sorted(row["plate_id"] for row in victim.history()) == ["29A11111", "29A22222"]


# --- quotas -------------------------------------------------------------------------------------


def test_who_records_without_end_waits_and_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(member_limits, "QUOTA_EVENTS_PER_H", 10)
    monkeypatch.setattr(member_limits, "QUOTA_BURST_H", 1)
    driven = keyed("central-1", "central-2", "central-9")
    insider = Insider()
    tell(driven, insider, insider.enters())
    driven.start()  # what is held is new, so nothing was missed meanwhile
    flood = [insider.enters(f"29A{number:05}", timestamp=T0_MS + number) for number in range(30)]
    for event in flood:
        driven.step(insider.published([event]))
    assert driven.store.heads[Stream("central-9", 1)] == 1 + 10
    assert codes(driven) == ["QUOTA"]
    driven.wait(HOUR_S)
    driven.step(insider.published(flood[10:]))
    assert driven.store.heads[Stream("central-9", 1)] == 31
    driven.wait(HOUR_S)
    assert codes(driven) == []


def test_the_past_of_years_meets_no_quota(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(member_limits, "QUOTA_EVENTS_PER_H", 1)
    driven = keyed("central-1", "central-9")
    insider = Insider()
    past = [insider.enters(f"29A{number:05}") for number in range(500)]
    driven.step(insider.published(past))
    assert driven.store.heads[Stream("central-9", 1)] == 500
    driven.start()
    driven.wait(200 * HOUR_S)
    more = [insider.enters(f"30A{number:05}") for number in range(150)]
    driven.step(insider.published(more[:1]))
    driven.step(insider.published(more[1:]))
    assert driven.store.heads[Stream("central-9", 1)] == 650


@given(
    st.lists(st.tuples(st.integers(0, 3 * 3_600_000), st.integers(0, 400_000)), max_size=30),
    st.integers(0, 100),
)
def test_no_more_than_the_quota_and_a_page_is_taken_in(
    waits: list[tuple[int, int]], away_h: int
) -> None:
    quotas = Quotas()
    mono_ms = 0
    quotas.meet("x", T0_MS - away_h * 3_600_000, Now(T0_MS, mono_ms))
    taken = 0
    for wait_ms, count in waits:
        mono_ms += wait_ms
        if quotas.allows("x", Now(T0_MS + mono_ms, mono_ms)):
            quotas.takes("x", streams=0, events=count, size=0)
            taken += count
    hours = max(member_limits.QUOTA_BURST_H, away_h) + mono_ms / 3_600_000
    assert taken <= hours * member_limits.QUOTA_EVENTS_PER_H + 400_000
