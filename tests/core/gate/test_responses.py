"""What an edge is told, as far as people read it."""

import pytest

from zparkd.core.gate.responses import duration_text


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
