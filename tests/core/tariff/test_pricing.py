"""What a stay costs, rule by rule; and what holds for every tariff, however odd."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from tests.support.tariffs import AIRPORT, CENTRE, DAY_AND_NIGHT, tariff
from zparkd.core import limits
from zparkd.core.tariff.pricing import BUILT_IN, Price, fee, price
from zparkd.core.tariff.time_windows import Window, first_touches

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
CAR, OTHER = 25_000, 5_000
SAIGON = ZoneInfo("Asia/Ho_Chi_Minh")
BERLIN = ZoneInfo("Europe/Berlin")
T0 = 1_764_646_200_123  # 2025-12-02 10:30:00 in Vietnam, and some ms


def quote(
    document: Any,
    minutes: float,
    entry_ms: int = T0,
    zone: ZoneInfo = SAIGON,
    camera_type: str = "car",
    lost_ticket: bool = False,
) -> Price:
    rate = tariff(document).rate(camera_type)
    exit_ms = entry_ms + round(minutes * MINUTE)
    return price(rate, entry_ms, exit_ms, zone, lost_ticket=lost_ticket)


def with_rules(document: Any, **rules: Any) -> Any:
    """The same tariff with other rules for its first type."""
    first, *others = document["rate"]
    return {"rate": [first | rules, *others]}


def at(text: str, zone: ZoneInfo) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp() * 1000)


def stay(document: Any, entered: str, left: str, zone: ZoneInfo = SAIGON) -> int:
    return price(tariff(document).rate("car"), at(entered, zone), at(left, zone), zone).fee


# --- the built-in tariff ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stay_ms", "hours"),
    [
        (0, 1),
        (1, 1),
        (HOUR - 1, 1),
        (HOUR, 1),
        (HOUR + 1, 2),
        (61 * MINUTE, 2),
        (2 * HOUR, 2),
        (25 * HOUR + 3 * MINUTE, 26),
        (-5 * HOUR, 1),
    ],
)
def test_each_started_hour_costs_and_a_stay_has_at_least_one(stay_ms: int, hours: int) -> None:
    assert fee("car", T0, T0 + stay_ms) == hours * CAR
    for camera_type in ("motorbike", "truck", "carriage"):
        assert fee(camera_type, T0, T0 + stay_ms) == hours * OTHER


def test_a_type_that_no_rate_names_pays_as_with_no_tariff() -> None:
    assert quote(AIRPORT, 61, camera_type="motorbike").fee == 2 * OTHER
    assert BUILT_IN.rate("car") == tariff(with_rules(AIRPORT, camera_type="bus")).rate("car")


# --- steps and free minutes ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("minutes", "wanted"),
    [
        (0, 0),
        (9, 0),
        (10, 0),
        (10.001, 15_000),
        (11, 15_000),
        (60, 15_000),
        (60.001, 20_000),
        (61, 20_000),
        (90, 20_000),
        (91, 25_000),
        (125, 30_000),
    ],
)
def test_the_airport(minutes: float, wanted: int) -> None:
    assert quote(AIRPORT, minutes).fee == wanted


@pytest.mark.parametrize(
    ("hours", "wanted"),
    [(1, 25_000), (2, 50_000), (3, 85_000), (4, 120_000), (5, 165_000), (8, 300_000)],
)
def test_the_city_centre(hours: int, wanted: int) -> None:
    assert quote(CENTRE, hours * 60).fee == wanted


def test_a_step_that_its_blocks_do_not_fill_is_paid_by_started_blocks() -> None:
    rules = [
        {"until_minutes": 50, "every_minutes": 20, "amount": 7},
        {"every_minutes": 60, "amount": 100},
    ]
    document = with_rules(CENTRE, step=rules)
    assert [quote(document, m).fee for m in (20, 21, 50, 51, 110, 111)] == [
        7,
        14,
        21,
        121,
        121,
        221,
    ]


# --- cap, rounding, lost ticket -------------------------------------------------------------------


def test_a_cap_bounds_each_24_hours_and_steps_go_on_counting() -> None:
    document = with_rules(CENTRE, cap_24h=200_000)
    assert quote(document, 5 * 60).fee == 165_000
    assert quote(document, 6 * 60).fee == 200_000
    assert quote(document, 24 * 60).fee == 200_000
    # The 25th hour is one of 45,000: the steps do not begin anew.
    assert quote(document, 24 * 60 + 1).fee == 245_000
    assert quote(document, 48 * 60).fee == 400_000


def test_a_block_that_lies_over_the_end_of_a_day_belongs_to_the_day_in_which_it_starts() -> None:
    step = [{"every_minutes": 1000, "amount": 100}]
    document = with_rules(CENTRE, step=step, cap_24h=150)
    # They start at 0, 1000 (the first day), 2000 (the second), 3000, 4000 (the third).
    assert quote(document, 1999).fee == 150
    assert quote(document, 2001).fee == 250
    assert quote(document, 4001).fee == 400


def test_the_sum_is_rounded_up_after_the_cap() -> None:
    document = with_rules(CENTRE, round_to=1000, cap_24h=200_500)
    assert quote(document, 60).fee == 25_000
    assert quote(document, 24 * 60).fee == 201_000


def test_a_lost_ticket_is_added_last_also_to_a_free_stay() -> None:
    document = with_rules(AIRPORT, lost_ticket=50_500, round_to=1000)
    assert quote(document, 61, lost_ticket=True).fee == 70_500
    assert quote(document, 9, lost_ticket=True).fee == 50_500
    assert quote(AIRPORT, 61, lost_ticket=True).fee == 20_000


def test_a_breakdown_says_how_a_fee_comes_about() -> None:
    document = with_rules(AIRPORT, round_to=10_000, lost_ticket=7, cap_24h=24_000)
    assert quote(document, 125, lost_ticket=True).breakdown == (
        {
            "rule": "step",
            "amount": 15_000,
            "from_minutes": 0,
            "every_minutes": 60,
            "blocks": 1,
            "each": 15_000,
        },
        {
            "rule": "step",
            "amount": 15_000,
            "from_minutes": 60,
            "every_minutes": 30,
            "blocks": 3,
            "each": 5_000,
        },
        {"rule": "cap", "amount": -6_000, "cap_24h": 24_000, "days": 1},
        {"rule": "round", "amount": 6_000, "round_to": 10_000},
        {"rule": "lost_ticket", "amount": 7},
    )


# --- windows --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entered", "left", "wanted"),
    [
        ("2025-12-02 10:30:00", "2025-12-02 11:31:00", 20_000),
        ("2025-12-02 23:00:00", "2025-12-03 05:59:59", 40_000),
        ("2025-12-02 10:30:00", "2025-12-02 22:00:01", 60_000),
        ("2025-12-02 10:30:00", "2025-12-03 06:00:01", 80_000),
        ("2025-12-02 05:00:00", "2025-12-02 23:00:00", 100_000),
        # The end of a window is not in it, and neither is the moment of leaving in a stay.
        ("2025-12-02 10:30:00", "2025-12-02 22:00:00", 20_000),
        ("2025-12-02 22:00:00", "2025-12-02 22:00:00", 40_000),
        ("2025-12-02 06:00:00", "2025-12-02 06:00:00", 20_000),
    ],
)
def test_each_window_that_a_stay_touches_costs_once(entered: str, left: str, wanted: int) -> None:
    assert stay(DAY_AND_NIGHT, entered, left) == wanted


def test_a_whole_day_may_be_one_window() -> None:
    window = [{"from": "00:00", "to": "24:00", "amount": 5}]
    document = with_rules(DAY_AND_NIGHT, window=window)
    assert stay(document, "2025-12-02 00:00:00", "2025-12-03 00:00:00") == 5
    assert stay(document, "2025-12-01 23:59:59", "2025-12-03 00:00:01") == 15


def test_windows_come_on_top_of_steps() -> None:
    night = [{"from": "22:00", "to": "06:00", "amount": 40_000}]
    document = with_rules(CENTRE, window=night)
    assert stay(document, "2025-12-02 21:00:00", "2025-12-02 22:30:00") == 2 * 25_000 + 40_000


def test_a_window_counts_in_the_24_hours_in_which_it_is_first_touched() -> None:
    window = [{"from": "08:00", "to": "10:00", "amount": 70}, {"from": "10:00", "to": "12:00"}]
    window[1] |= {"amount": 70}
    document = with_rules(DAY_AND_NIGHT, window=window, cap_24h=100)
    # 09:00 to 09:00: the morning of the second day begins before the 24 hours are over.
    assert stay(document, "2025-12-02 09:00:00", "2025-12-02 12:00:00") == 100
    assert stay(document, "2025-12-02 09:00:00", "2025-12-03 09:30:00") == 100
    assert stay(document, "2025-12-02 09:00:00", "2025-12-03 10:30:00") == 170


@pytest.mark.parametrize(
    ("entered", "left", "wanted"),
    [
        # The night in which clocks go from 02:00 to 03:00, and that from 03:00 to 02:00.
        ("2026-03-28 23:00:00", "2026-03-29 05:59:00", 40_000),
        ("2026-10-24 23:00:00", "2026-10-25 05:59:00", 40_000),
        ("2026-03-29 05:59:59", "2026-03-29 06:00:01", 60_000),
        ("2026-10-25 05:59:59", "2026-10-25 06:00:01", 60_000),
        ("2026-10-25 21:59:59", "2026-10-25 22:00:01", 60_000),
    ],
)
def test_windows_go_by_the_clock_on_the_wall_where_clocks_are_set(
    entered: str, left: str, wanted: int
) -> None:
    assert stay(DAY_AND_NIGHT, entered, left, BERLIN) == wanted


def test_durations_go_by_real_time_where_clocks_are_set() -> None:
    entered, left = "2026-10-25 00:30:00", "2026-10-25 03:30:00"  # four hours, three on the wall
    assert stay(CENTRE, entered, left, BERLIN) == 120_000
    assert stay(CENTRE, "2026-03-29 00:30:00", "2026-03-29 03:30:00", BERLIN) == 50_000


def utc(text: str) -> int:
    return at(text, ZoneInfo("UTC"))


@pytest.mark.parametrize(
    ("since", "to", "touched", "untouched"),
    [
        # Back: 02:30 to 03:00 is there twice, with half an hour between that is not in it.
        ("02:30", "03:00", ["00:30:00", "00:59:59", "01:30:00", "01:59:59"], ["01:00:00", "02:00"]),
        ("01:00", "02:30", ["23:00:00-1", "00:29:59", "01:00:00"], ["00:30:00", "01:30:00"]),
        ("02:00", "03:00", ["00:00:00", "01:59:59"], ["23:59:59-1", "02:00:00"]),
    ],
)
def test_a_window_in_the_hour_that_is_there_twice(
    since: str, to: str, touched: list[str], untouched: list[str]
) -> None:
    window = Window(since, to, 1)
    for texts, times in ((touched, 1), (untouched, 0)):
        for text in texts:
            clock, _, day_before = text.partition("-")
            at_ms = utc(f"2026-10-{24 if day_before else 25} {clock}")
            assert len(first_touches(window, at_ms, at_ms, BERLIN)) == times, text
    night = first_touches(window, utc("2026-10-24 20:00"), utc("2026-10-25 06:00"), BERLIN)
    assert len(night) == 1


@pytest.mark.parametrize(
    ("since", "to", "times"), [("02:10", "02:50", 0), ("02:30", "03:30", 1), ("01:30", "02:30", 1)]
)
def test_a_window_in_the_hour_that_is_not_there(since: str, to: str, times: int) -> None:
    night = utc("2026-03-28 20:00"), utc("2026-03-29 06:00")
    assert len(first_touches(Window(since, to, 1), *night, BERLIN)) == times


# --- every tariff --------------------------------------------------------------------------------

AMOUNT = st.integers(0, 100_000)
CLOCK = st.builds("{:02}:{:02}".format, st.integers(0, 23), st.sampled_from([0, 1, 30, 59]))


@st.composite
def rates(draw: st.DrawFn) -> dict[str, Any]:
    untils = sorted(draw(st.sets(st.integers(1, 3_000), max_size=3)))
    steps: list[dict[str, int]] = [
        {"every_minutes": draw(st.integers(1, 2_000)), "amount": draw(AMOUNT)}
        for _ in range(draw(st.sampled_from([0, 1])) and len(untils) + 1)
    ]
    for step, until in zip(steps, untils, strict=False):
        step["until_minutes"] = until
    windows = [
        {"from": since, "to": to, "amount": draw(AMOUNT)}
        for since, to in draw(st.lists(st.tuples(CLOCK, CLOCK), max_size=3))
        if since != to
    ]
    assume(steps or windows)
    optional = {
        "free_minutes": draw(st.none() | st.integers(0, 100)),
        "round_to": draw(st.none() | st.integers(1, 20_000)),
        "cap_24h": draw(st.none() | st.integers(1, 200_000)),
        "lost_ticket": draw(st.none() | AMOUNT),
    }
    rules = {name: value for name, value in optional.items() if value is not None}
    return {"rate": [{"camera_type": "car", "step": steps, "window": windows, **rules}]}


ENTRIES = st.one_of(
    st.integers(T0, T0 + 2 * 365 * DAY),
    st.integers(utc("2026-10-24 12:00"), utc("2026-10-25 12:00")),
    st.integers(utc("2026-03-28 12:00"), utc("2026-03-29 12:00")),
)
LENGTHS = st.one_of(st.integers(-DAY, 5 * DAY), st.integers(0, 72).map(lambda hours: hours * HOUR))
ZONES = st.sampled_from([SAIGON, BERLIN, ZoneInfo("America/St_Johns"), ZoneInfo("UTC")])


@given(rates(), ENTRIES, LENGTHS, LENGTHS, ZONES, st.booleans())
@example(DAY_AND_NIGHT, T0 + 12 * HOUR, -DAY, 0, SAIGON, False)
def test_a_fee_is_never_negative_and_never_falls_as_the_stay_grows(
    document: Any, entry_ms: int, one: int, other: int, zone: ZoneInfo, lost_ticket: bool
) -> None:
    rate = tariff(document).rate("car")
    shorter, longer = (
        price(rate, entry_ms, entry_ms + length, zone, lost_ticket=lost_ticket)
        for length in sorted((one, other))
    )
    assert 0 <= shorter.fee <= longer.fee
    for priced in (shorter, longer):
        assert sum(int(line["amount"]) for line in priced.breakdown) == priced.fee
        assert priced.minutes >= 1


@given(rates(), ENTRIES, st.integers(0, 4 * DAY), ZONES)
def test_a_cap_holds_for_each_24_hours(
    document: Any, entry_ms: int, length: int, zone: ZoneInfo
) -> None:
    rate = tariff(with_rules(document, cap_24h=10_000, round_to=1)).rate("car")
    days = length // DAY + 1
    assert price(rate, entry_ms, entry_ms + length, zone).fee <= days * 10_000


@given(rates(), st.integers(0, limits.TIME_SHOWN_MS_MAX), st.integers(0, 2**53 - 1), ZONES)
@example(DAY_AND_NIGHT, limits.TIME_SHOWN_MS_MAX, limits.TIME_SHOWN_MS_MAX, BERLIN)
def test_no_time_that_an_event_can_have_is_too_much(
    document: Any, entry_ms: int, exit_ms: int, zone: ZoneInfo
) -> None:
    assert 0 <= price(tariff(document).rate("car"), entry_ms, exit_ms, zone).fee <= limits.FEE_MAX


def test_no_fee_is_over_the_limit_whatever_a_tariff_says() -> None:
    document = {"rate": [{"camera_type": "car", "step": [{"every_minutes": 1, "amount": 10**9}]}]}
    priced = price(tariff(document).rate("car"), 0, 365 * DAY, SAIGON)
    assert priced.fee == limits.FEE_MAX
    over = 365 * 24 * 60 * 10**9 - limits.FEE_MAX
    assert priced.breakdown[-1] == {"rule": "limit", "amount": -over, "limit": limits.FEE_MAX}


@given(st.lists(st.tuples(CLOCK, CLOCK), min_size=1, max_size=1), ENTRIES, LENGTHS, ZONES)
def test_a_window_is_touched_where_a_clock_on_the_wall_shows_it(
    clocks: list[tuple[str, str]], entry_ms: int, length: int, zone: ZoneInfo
) -> None:
    [(since, to)] = clocks
    assume(since != to)
    length = min(max(length, 1), 2 * DAY)
    shows = []
    for ms in range(entry_ms, entry_ms + length, 5 * MINUTE):
        wall = f"{datetime.fromtimestamp(ms / 1000, zone):%H:%M}"
        inside = since <= wall < to if since < to else wall >= since or wall < to
        shows.append(inside)
    touched = first_touches(Window(since, to, 1), entry_ms, entry_ms + length, zone)
    assert bool(touched) or not any(shows)
    assert all(entry_ms <= ms < entry_ms + length for ms in touched)
    for ms in touched:
        wall = f"{datetime.fromtimestamp(ms / 1000, zone):%H:%M}"
        assert since <= wall < to if since < to else wall >= since or wall < to
