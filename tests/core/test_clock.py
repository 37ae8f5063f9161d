"""What time an event is stamped with, whatever the wall clock does."""

from datetime import UTC
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.support.centrals import PLATE, T0_MS, Driven, meet
from tests.support.examples import examples
from zparkd.core.clock import RELEASE_MS, Clock, Now, Stamp, site_time

BOUND = 10_000
DAY = 86_400_000


def now(wall_ms: int, mono_ms: int = 0) -> Now:
    return Now(wall_ms, mono_ms)


def trusted(ms: int) -> Stamp:
    return Stamp(ms, marked=False, earliest_ms=ms)


def guessed(ms: int, earliest_ms: int | None = None) -> Stamp:
    return Stamp(ms, marked=True, earliest_ms=ms if earliest_ms is None else earliest_ms)


@pytest.fixture
def clock() -> Clock:
    """A clock whose last event was at T0, a moment before the start at mono 0."""
    return Clock(T0_MS, now(T0_MS))


# --- one clock alone --------------------------------------------------------------------------


def test_a_wall_clock_that_nothing_speaks_against_is_used(clock: Clock) -> None:
    assert clock.read(now(T0_MS + 5, 5)) == trusted(T0_MS + 5)


def test_a_wall_clock_that_steps_ahead_is_believed_where_nobody_knows_better(
    clock: Clock,
) -> None:
    assert clock.read(now(T0_MS + DAY, 5)) == trusted(T0_MS + DAY)


def test_a_wall_clock_at_1970_is_the_last_event_plus_the_time_elapsed_and_marked(
    clock: Clock,
) -> None:
    assert clock.read(now(0, 7_000)) == guessed(T0_MS + 7_000)
    assert clock.read(now(-5, 8_000)) == guessed(T0_MS + 8_000)


def test_a_wall_clock_at_1970_with_no_event_yet_counts_from_the_release() -> None:
    clock = Clock(0, now(0))
    assert clock.read(now(3_000, 3_000)) == guessed(RELEASE_MS + 3_000)
    assert clock.read(now(RELEASE_MS - 1, 9)) == guessed(RELEASE_MS + 9)
    assert clock.read(now(RELEASE_MS, 9)) == trusted(RELEASE_MS)


def test_a_wall_clock_beyond_all_calendars_is_not_used_either(clock: Clock) -> None:
    assert clock.read(now(10**15, 7_000)) == guessed(T0_MS + 7_000)


def test_a_wall_clock_before_the_last_event_is_not_used_and_time_goes_on(clock: Clock) -> None:
    clock.stamped(T0_MS + 60_000, now(T0_MS + 60_000, 60_000))
    back = T0_MS - 3_600_000
    assert clock.read(now(back, 61_000)) == guessed(T0_MS + 61_000, back)
    assert clock.read(now(back + 9_000, 70_000)) == guessed(T0_MS + 70_000, back + 9_000)


def test_a_wall_clock_that_is_right_again_is_used_again(clock: Clock) -> None:
    clock.read(now(0, 1_000))
    assert clock.read(now(T0_MS + 2_000, 2_000)) == trusted(T0_MS + 2_000)


def test_a_wall_clock_a_moment_behind_the_last_event_goes_back_unmarked(clock: Clock) -> None:
    clock.stamped(T0_MS + 1_000, now(T0_MS + 1_000, 0))
    assert clock.read(now(T0_MS, 10)) == trusted(T0_MS)
    assert clock.read(now(T0_MS - 1, 10)) == guessed(T0_MS + 1_010, T0_MS - 1)


# --- three clocks and more --------------------------------------------------------------------


def test_a_clock_off_by_more_than_the_bound_from_the_median_of_three_stamps_with_it(
    clock: Clock,
) -> None:
    clock.learn(now(T0_MS, 0), [-BOUND - 1, -BOUND - 1])
    assert clock.corrected
    assert clock.read(now(T0_MS + 5, 5)) == trusted(T0_MS + 5 - BOUND - 1)


def test_a_clock_within_the_bound_of_the_median_is_left_alone(clock: Clock) -> None:
    clock.learn(now(T0_MS, 0), [BOUND, BOUND])
    assert not clock.corrected
    assert clock.read(now(T0_MS + 5, 5)) == trusted(T0_MS + 5)


def test_one_wrong_clock_of_three_moves_none_that_is_right(clock: Clock) -> None:
    clock.learn(now(T0_MS, 0), [20, DAY])
    clock.learn(now(T0_MS, 0), [-DAY, 20])
    assert not clock.corrected


def test_with_one_peer_nobody_can_know_who_is_right(clock: Clock) -> None:
    clock.learn(now(T0_MS, 0), [DAY])
    clock.learn(now(T0_MS, 0), [])
    assert not clock.corrected
    assert clock.read(now(T0_MS, 0)) == trusted(T0_MS)


def test_what_was_learned_is_kept_while_cut_off_whatever_the_wall_clock_does(
    clock: Clock,
) -> None:
    clock.learn(now(T0_MS, 0), [DAY, DAY])
    clock.learn(now(T0_MS, 1_000), [])
    clock.learn(now(T0_MS, 1_000), [5])
    for wall_ms in (0, T0_MS + 2_000, T0_MS + 9 * DAY):
        assert clock.read(now(wall_ms, 2_000)) == trusted(T0_MS + DAY + 2_000)


def test_a_clock_that_was_set_right_is_used_again(clock: Clock) -> None:
    clock.learn(now(T0_MS, 0), [DAY, DAY])
    clock.learn(now(T0_MS + DAY, 0), [3, -3])
    assert not clock.corrected
    assert clock.read(now(T0_MS + DAY + 5, 5)) == trusted(T0_MS + DAY + 5)


def test_time_may_go_back_to_what_the_others_say(clock: Clock) -> None:
    clock.stamped(T0_MS + DAY, now(T0_MS + DAY, 0))
    clock.learn(now(T0_MS + DAY, 0), [-DAY, -DAY])
    assert clock.read(now(T0_MS + DAY + 1_000, 1_000)) == trusted(T0_MS + 1_000)


def test_a_wall_clock_before_the_last_event_that_others_bear_out_is_used(clock: Clock) -> None:
    clock.stamped(T0_MS + DAY, now(T0_MS + DAY, 0))
    assert clock.read(now(T0_MS, 1_000)).marked
    clock.learn(now(T0_MS, 1_000), [15, -15])
    assert clock.read(now(T0_MS + 500, 1_500)) == trusted(T0_MS + 500)
    assert clock.read(now(T0_MS - DAY, 3_000)) == guessed(T0_MS + 2_000, T0_MS - DAY)


def test_three_clocks_at_1970_do_not_make_it_1970(clock: Clock) -> None:
    clock.learn(now(60_000, 1_000), [0, 0])
    assert clock.read(now(60_000, 1_000)) == guessed(T0_MS + 1_000)
    clock.learn(now(T0_MS, 2_000), [60_000 - T0_MS, 60_000 - T0_MS])
    assert clock.read(now(T0_MS + 2_000, 2_000)) == trusted(T0_MS + 2_000)


def test_of_an_even_number_of_clocks_the_lower_middle_one_counts(clock: Clock) -> None:
    clock.learn(now(T0_MS, 0), [-DAY, DAY, DAY])
    assert not clock.corrected
    clock.learn(now(T0_MS, 0), [-DAY, -DAY, DAY])
    assert clock.read(now(T0_MS, 0)) == trusted(T0_MS - DAY)


# --- in a central -----------------------------------------------------------------------------


def three(*wall_ms: int) -> list[Driven]:
    names = [f"central-{i}" for i in (1, 2, 3)]
    return [
        Driven(name, peers=[peer for peer in names if peer != name], wall_ms=wall)
        for name, wall in zip(names, wall_ms, strict=True)
    ]


def test_of_three_centrals_the_one_whose_clock_is_wrong_stamps_with_the_others_time() -> None:
    centrals = three(T0_MS, T0_MS + DAY, T0_MS + 2_000)
    meet(*centrals)
    times = [driven.ask("PING")["time_ms"] - driven.mono_ms for driven in centrals]
    assert max(times) - min(times) <= 2_100
    assert [driven.central.clock.corrected for driven in centrals] == [False, True, False]


def test_a_central_that_learned_the_time_keeps_it_while_cut_off_until_it_starts_again() -> None:
    centrals = three(T0_MS, T0_MS + DAY, T0_MS)
    meet(*centrals)
    wrong = centrals[1]
    wrong.wait(3_600)
    wrong.open()
    assert wrong.last().timestamp < T0_MS + DAY
    assert wrong.history()[0]["remarks"] is None
    wrong.start()
    assert not wrong.central.clock.corrected
    wrong.open(plate_id="30F99999")
    assert wrong.last().timestamp > T0_MS + DAY


@examples(12)
@example(BOUND + 101, [(1_000, BOUND + 101)] * 6)
@example(0, [(1_000, 0)] * 4 + [(1_000, BOUND + 101)])
@given(
    st.integers(-DAY, DAY),
    st.lists(st.tuples(st.integers(0, 4_000), st.integers(-DAY, DAY)), max_size=6),
)
def test_while_two_right_clocks_are_heard_no_setting_of_our_own_makes_a_stamp_wrong(
    ahead_ms: int, settings_of_clock: list[tuple[int, int]]
) -> None:
    ours, *others = three(T0_MS + ahead_ms, T0_MS, T0_MS)
    meet(ours, *others)
    since_ms = 0
    for wait_ms, then_ahead_ms in settings_of_clock:
        for driven in (ours, *others):
            driven.wait(wait_ms / 1000)
        ours.wall_ms = others[0].wall_ms + then_ahead_ms
        since_ms += wait_ms
        if since_ms > 1_000:  # else they are heard still
            meet(ours, *others)
            since_ms = 0
        assert abs(ours.ask("PING")["time_ms"] - others[0].wall_ms) <= BOUND + 100


def test_no_events_time_moves_another_centrals_clock() -> None:
    one, two = (Driven(f"central-{i}", peers=[f"central-{3 - i}"]) for i in (1, 2))
    two.wall_ms += DAY
    two.open()
    meet(one, two)
    assert abs(one.ask("PING")["time_ms"] - T0_MS) < 60_000
    one.open("edge-1", plate_id="30F99999")
    assert one.last().timestamp == one.wall_ms


def test_a_stay_stamped_at_1970_is_marked() -> None:
    central = Driven(wall_ms=0)
    entry = central.open()
    assert entry["event_id"] == f"central-1_{RELEASE_MS}_{PLATE}"
    central.wait(600)
    assert central.open("edge-2")["duration_s"] == 600
    assert central.history()[0]["remarks"] == "MARKED_TIME"


def test_after_a_restart_at_1970_time_goes_on_from_the_last_event() -> None:
    central = Driven()
    central.open()
    central.wall_ms = 0
    central.start()
    central.wait(60)
    left = central.open("edge-2")
    assert (left["action"], left["duration_s"]) == ("EXIT", 60)
    assert central.history()[0]["remarks"] == "MARKED_TIME"


def test_a_clock_that_steps_back_during_a_stay_does_not_make_it_endless_or_negative() -> None:
    central = Driven()
    central.open()
    central.mono_ms += 1_800_000
    central.wall_ms -= DAY
    left = central.open("edge-2")
    assert (left["duration_s"], left["fee"]) == (1_800, 25_000)


def test_the_stamps_of_one_plate_never_collide_while_the_clock_stands_still() -> None:
    central = Driven(wall_ms=0)
    ids = {central.open(f"edge-{i}")["event_id"] for i in range(20)}
    assert len(ids) == 10  # an exit answers with the id of its entry
    assert len({event.timestamp for event in central.events()}) == 20


# --- how it is shown --------------------------------------------------------------------------


def test_times_are_shown_as_the_site_reads_them() -> None:
    assert site_time(T0_MS + 999, ZoneInfo("Asia/Ho_Chi_Minh")) == "2025-12-02 10:30:00"
    assert site_time(0, UTC) == "1970-01-01 00:00:00"


def test_the_hour_that_comes_twice_is_shown_twice() -> None:
    zone = ZoneInfo("Europe/Berlin")
    first_ms = 1_761_438_600_000  # 2025-10-26 00:30 UTC
    assert site_time(first_ms, zone) == site_time(first_ms + 3_600_000, zone)
