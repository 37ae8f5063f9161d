"""How the words and scales of cameras become ours."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zparkd.camera.read import (
    At,
    Travel,
    Unreadable,
    confidence_of,
    read_of,
    time_of,
    travel_of_degrees,
)

NOON_MS = 1_795_237_200_000  # 2026-11-21 12:00 in Vietnam
VIETNAM = At(ZoneInfo("Asia/Ho_Chi_Minh"), NOON_MS)


@pytest.mark.parametrize(
    "said",
    [
        "2026-11-21T12:00:00+07:00",
        "2026-11-21T05:00:00Z",
        "2026-11-21 12:00:00",
        "20261121T120000",
        NOON_MS,
        NOON_MS // 1000,
        NOON_MS / 1000,
    ],
)
def test_one_moment_however_it_is_written(said: object) -> None:
    assert time_of(said, VIETNAM) == NOON_MS


@pytest.mark.parametrize(
    "said", [None, "", "noon", "2026-13-01", "0001-01-01", -1, 0, 1e300, True, [], "9" * 400]
)
def test_no_time_is_no_moment(said: object) -> None:
    with pytest.raises(Unreadable, match="time"):
        time_of(said, VIETNAM)


@pytest.mark.parametrize(("now_hour", "hour"), [(0, 0), (1, 1)])
def test_an_hour_that_comes_twice_is_the_one_nearer_to_now(now_hour: int, hour: int) -> None:
    paris = ZoneInfo("Europe/Paris")
    now = datetime(2026, 10, 25, now_hour, 35, tzinfo=UTC)  # 02:35 by the clock there, twice
    at = At(paris, round(now.timestamp() * 1000))
    wanted = datetime(2026, 10, 25, hour, 30, tzinfo=UTC)
    assert time_of("2026-10-25 02:30:00", at) == round(wanted.timestamp() * 1000)


@given(st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)), st.timezones())
def test_a_time_with_a_zone_needs_no_other(moment: datetime, zone: ZoneInfo) -> None:
    said = moment.replace(tzinfo=UTC)
    try:
        text = said.astimezone(zone).isoformat()
    except OverflowError:
        return
    if ":" in text[-3:]:  # offsets with seconds are of long ago
        assert time_of(text, VIETNAM) == round(said.timestamp() * 1000)


@pytest.mark.parametrize(
    ("said", "top", "is_"),
    [
        (97, 100, 0.97),
        ("97.5", 100, 0.975),
        (0.8, 1, 0.8),
        (0, 1, 0.0),
        (160, 100, None),
        (-1, 100, None),
        (True, 1, None),
        ("high", 100, None),
        (None, 1, None),
        (float("nan"), 1, None),
    ],
)
def test_confidence_is_from_0_to_1(said: object, top: float, is_: float | None) -> None:
    assert confidence_of(said, top) == is_


@pytest.mark.parametrize(
    ("degrees", "way"),
    [
        (180, Travel.FORWARD),
        (176.4, Travel.FORWARD),
        (0, Travel.REVERSE),
        (359, Travel.REVERSE),
        (90, Travel.UNKNOWN),
        (270, Travel.UNKNOWN),
        (540, Travel.FORWARD),
        ("", Travel.UNKNOWN),
        (float("inf"), Travel.UNKNOWN),
        (True, Travel.UNKNOWN),
    ],
)
def test_down_the_picture_is_towards_the_camera(degrees: object, way: Travel) -> None:
    assert travel_of_degrees(degrees) is way


@pytest.mark.parametrize("plate", ["unknown", "", "无车牌", "A1", "ABCDEFGHIJKLM", None, 7])
def test_what_is_no_plate_is_a_read_without_one(plate: object) -> None:
    assert read_of(plate, captured_ms=1, raw={}).plate is None
