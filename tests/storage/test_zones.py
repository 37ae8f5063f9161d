"""The offsets of a zone as rows are those that the tz database gives at any moment."""

from bisect import bisect_right
from datetime import datetime, timedelta, tzinfo
from functools import cache
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.support.examples import examples
from zparkd.storage.zones import offsets

ZONES = [
    "UTC",
    "Asia/Ho_Chi_Minh",
    "Europe/Paris",
    "America/New_York",
    "Australia/Lord_Howe",  # half an hour of DST
    "Africa/Casablanca",  # DST but for one month that moves
    "Africa/Monrovia",  # an offset of odd seconds until 1972
    "Pacific/Apia",  # a day left out
    "Asia/Kathmandu",
    "America/St_Johns",
    "America/Recife",  # DST of one week
]
BEGIN_S, END_S = 0, 4_102_444_800  # 1970 to 2100
rows_of = cache(offsets)


def offset_s(moment_s: int, zone: tzinfo) -> float:
    offset = datetime.fromtimestamp(moment_s, zone).utcoffset()
    assert offset is not None
    return offset.total_seconds()


def shown(moment_s: int, zone: tzinfo) -> int:
    rows = rows_of(zone)
    return rows[bisect_right(rows, (moment_s, 10**9)) - 1][1]


@examples(200)
@given(st.sampled_from(ZONES), st.integers(BEGIN_S, END_S))
@example("Europe/Paris", 1_743_296_399)
@example("Europe/Paris", 1_743_296_400)
@example("America/Recife", 971_233_200)
def test_the_offset_at_any_moment_is_that_of_the_zone(name: str, moment_s: int) -> None:
    zone = ZoneInfo(name)
    assert shown(moment_s, zone) == offset_s(moment_s, zone)


@pytest.mark.parametrize("name", ZONES)
def test_each_row_begins_at_the_very_second_of_a_change(name: str) -> None:
    zone = ZoneInfo(name)
    rows = offsets(zone)
    assert rows == sorted(rows)
    for (_, before_s), (at_s, after_s) in pairwise(rows):
        assert before_s != after_s
        assert (offset_s(at_s - 1, zone), offset_s(at_s, zone)) == (before_s, after_s)


def test_a_zone_that_never_changes_is_one_row_that_holds_for_ever() -> None:
    ((from_s, offset),) = offsets(ZoneInfo("UTC"))
    assert (from_s < -(10**15), offset) == (True, 0)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(available_timezones()))
def test_every_day_of_every_zone_is_right(name: str) -> None:
    zone = ZoneInfo(name)
    for moment_s in range(BEGIN_S, END_S, int(timedelta(days=1).total_seconds())):
        assert shown(moment_s, zone) == offset_s(moment_s, zone)
