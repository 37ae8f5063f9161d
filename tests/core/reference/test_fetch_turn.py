"""Of the connected centrals that have an external API one fetches, and another steps in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zparkd.core.reference.fetch_turn import Fetcher, is_our_turn

INTERVAL = 300_000


def turns(since: dict[str, int], now_ms: int) -> list[str]:
    """Who fetches, of centrals that all see the same."""
    return [
        us
        for us in since
        if is_our_turn(
            us, [Fetcher(id, ms) for id, ms in since.items() if id != us], INTERVAL, now_ms
        )
    ]


def test_the_lowest_id_fetches() -> None:
    assert turns({"central-1": 0, "central-2": 0, "central-3": 0}, 1) == ["central-1"]
    assert turns({"central-2": 0, "central-3": 0}, 1) == ["central-2"]
    assert is_our_turn("central-3", [], INTERVAL, 0)


@pytest.mark.parametrize(
    ("intervals", "who"),
    [
        (2, ["central-1"]),
        (2.01, ["central-1", "central-2"]),
        (4, ["central-1", "central-2"]),
        (4.01, ["central-1", "central-2", "central-3"]),
    ],
)
def test_the_next_steps_in_after_two_silent_intervals(intervals: float, who: list[str]) -> None:
    since = {"central-1": 0, "central-2": 0, "central-3": 0}
    assert turns(since, round(intervals * INTERVAL)) == who


def test_who_stepped_in_keeps_the_next_from_it_and_the_first_takes_over_again() -> None:
    now_ms = 10 * INTERVAL
    since = {"central-1": 0, "central-2": now_ms - INTERVAL, "central-3": 0}
    assert turns(since, now_ms) == ["central-1", "central-2"]
    assert turns(since | {"central-1": now_ms}, now_ms) == ["central-1"]


@given(st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 20 * INTERVAL), min_size=1))
def test_somebody_always_fetches(since: dict[str, int]) -> None:
    assert min(since) in turns(since, 20 * INTERVAL)
