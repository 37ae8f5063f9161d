"""What a stay costs where the site has set no tariff, and how long it is called."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zparkd.core.tariff import duration_text, fee

MINUTE = 60_000
HOUR = 60 * MINUTE
CAR, OTHER = 25_000, 5_000


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
    entry_ms = 1_764_646_200_123
    assert fee("car", entry_ms, entry_ms + stay_ms) == hours * CAR
    for camera_type in ("motorbike", "truck", "carriage"):
        assert fee(camera_type, entry_ms, entry_ms + stay_ms) == hours * OTHER


@given(st.integers(0, 2**47), st.integers(0, 2**47), st.integers(0, 10**10))
def test_a_longer_stay_never_costs_less(entry_ms: int, exit_ms: int, longer_ms: int) -> None:
    assert fee("car", entry_ms, exit_ms + longer_ms) >= fee("car", entry_ms, exit_ms) >= CAR


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 phút"),
        (59, "0 phút"),
        (60, "1 phút"),
        (5 * 60, "5 phút"),
        (3599, "59 phút"),
        (3600, "1 giờ 0 phút"),
        (3659, "1 giờ 0 phút"),
        (25 * 3600 + 3 * 60 + 59, "25 giờ 3 phút"),
    ],
)
def test_a_duration_is_whole_minutes_rounded_down_in_vietnamese(seconds: int, text: str) -> None:
    assert duration_text(seconds) == text
