"""A bucket of tokens: never more than fit, never more than time brought."""

from hypothesis import given
from hypothesis import strategies as st

from zparkd.core.token_bucket import TokenBucket

rates = st.floats(0, 1000)
sizes = st.floats(1, 1000)
times = st.lists(st.integers(0, 10_000), max_size=30).map(sorted)


def test_a_bucket_fills_with_time_and_no_further_than_is_allowed() -> None:
    bucket = TokenBucket(0, 1_000)
    assert bucket.fill(1_500, 2, 10) == 1
    assert bucket.fill(60_000, 2, 10) == 10


def test_what_is_allowed_less_of_counts_at_once() -> None:
    assert TokenBucket(10, 0).fill(0, 2, 4) == 4


def test_what_was_put_back_is_there_again() -> None:
    bucket = TokenBucket(5, 0)
    bucket.take()
    bucket.take(-1)
    assert bucket.fill(0, 1, 10) == 5


@given(rates, sizes, times)
def test_no_more_is_taken_than_was_there_and_came(
    per_s: float, most: float, times: list[int]
) -> None:
    bucket, taken = TokenBucket(most, 0), 0
    for at_ms in times:
        if bucket.fill(at_ms, per_s, most) >= 1:
            bucket.take()
            taken += 1
        assert taken <= most + per_s * at_ms / 1000 + 1e-6


@given(rates, sizes, times)
def test_looking_at_it_often_brings_no_more_and_no_less(
    per_s: float, most: float, times: list[int]
) -> None:
    often, once = TokenBucket(0, 0), TokenBucket(0, 0)
    for at_ms in [*times, 10_000]:
        tokens = often.fill(at_ms, per_s, most)
    assert abs(tokens - once.fill(10_000, per_s, most)) < 1e-6
