"""Ranges that differ, narrowed down by asking for parts of them."""

from hypothesis import given
from hypothesis import strategies as st

from zparkd.core.events.event import Stream
from zparkd.core.replication import limits
from zparkd.verify.ranges import Difference, Range, chunks, merged, named

HEAD = 3 * limits.DIGEST_EVENTS + 7
A = Stream("a", 1)


def asked(wrong: set[int]) -> tuple[list[Range], int]:
    """What is named where these seqs of one stream are wrong, and after how many questions."""
    questions = 0

    def differs(one: Range) -> bool:
        nonlocal questions
        questions += 1
        return any(one.first <= seq <= one.last for seq in wrong)

    ranges = [one for one in chunks({A: HEAD}) if differs(one)]
    questions = 0
    return named(ranges, differs), questions


def test_all_positions_are_in_one_range_each() -> None:
    ranges = chunks({A: HEAD, Stream("b", 1): 1})
    assert [one.last - one.first + 1 for one in ranges] == [limits.DIGEST_EVENTS] * 3 + [7, 1]
    assert chunks({A: HEAD + 1})[:3] == ranges[:3], "the same whatever the head"
    assert chunks({}) == []


@given(st.sets(st.integers(1, HEAD), min_size=1, max_size=5))
def test_what_is_named_begins_and_ends_where_it_differs(wrong: set[int]) -> None:
    found, questions = asked(wrong)
    for one in found:
        assert {one.first, one.last} <= wrong
    assert all(any(one.first <= seq <= one.last for one in found) for seq in wrong)
    assert questions <= 20 * len(found)


def test_a_single_position_and_a_tail_are_named_exactly() -> None:
    assert asked({600})[0] == [Range("a", 1, 600, 600)]
    assert asked(set(range(700, HEAD + 1)))[0] == [Range("a", 1, 700, HEAD)]


def test_of_very_many_runs_the_later_are_not_asked_about() -> None:
    every_other = [Range("a", 1, n, n + 9) for n in range(1, 2000, 20)]
    questions = []

    def differs(one: Range) -> bool:
        questions.append(one)
        return True

    found = named(every_other, differs)
    assert len(found) == len(every_other)
    assert found[-1] == every_other[-1]
    assert len(questions) < 200


def test_differences_of_one_sort_that_follow_each_other_are_one() -> None:
    one, two = Difference("a", 1, 1, 1, "missing"), Difference("a", 1, 2, 4, "missing")
    elsewhere = Difference("a", 2, 5, 5, "missing")
    at_a_peer = Difference("a", 1, 5, 5, "missing", "central-2")
    assert merged([at_a_peer, two, elsewhere, one]) == [
        Difference("a", 1, 1, 4, "missing"),
        elsewhere,
        at_a_peer,
    ]
