"""When a stream that a peer could not continue is asked of it again."""

from hypothesis import given
from hypothesis import strategies as st

from zparkd.core.events.event import Stream
from zparkd.core.replication import limits
from zparkd.core.replication.refusals import Refusal, Refusals, Why

ONE, OTHER = Stream("central-1", 1), Stream("central-2", 1)
BROKEN = Refusal(Why.BROKEN, "sent no event")


@given(st.integers(1, 40))
def test_each_vain_try_doubles_the_pause_up_to_a_minute(tries: int) -> None:
    refusals = Refusals()
    at_ms = 0
    for number in range(tries):
        refusals.refuse(ONE, BROKEN, 7, at_ms)
        pause_ms = min(1_000 * 2**number, 60_000)
        assert refusals.put_off(ONE, at_ms + pause_ms - 1)
        assert not refusals.put_off(ONE, at_ms + pause_ms)
        at_ms += pause_ms
    assert not refusals.put_off(OTHER, 0)


def test_a_stream_that_went_on_meanwhile_is_put_off_for_a_moment_again() -> None:
    refusals = Refusals()
    for _ in range(9):
        refusals.refuse(ONE, BROKEN, 7, 0)
    refusals.refuse(ONE, BROKEN, 8, 0)
    assert not refusals.put_off(ONE, 1_000)


def test_what_a_peer_continues_is_forgotten_and_what_it_may_continue_is_asked_for() -> None:
    refusals = Refusals()
    refusals.refuse(ONE, BROKEN, 7, 0)
    refusals.refuse(OTHER, Refusal(Why.FORKED, "has another event"), 3, 0)
    refusals.ask_again()
    assert not refusals.put_off(ONE, 0)
    assert [stream for stream, _ in refusals] == [ONE, OTHER]
    assert refusals.forked == {OTHER}
    refusals.peer_is_back()
    assert refusals.forked == set()
    assert [stream for stream, _ in refusals] == [ONE]
    refusals.taken(ONE)
    assert list(refusals) == []


def test_what_a_peer_makes_us_remember_is_bounded() -> None:
    refusals = Refusals()
    for epoch in range(limits.REFUSALS_OF_A_PEER + 10):
        refusals.refuse(Stream("central-1", epoch), Refusal(Why.FORKED, "lies"), 0, 0)
    assert len(list(refusals)) == len(refusals.forked) == limits.REFUSALS_OF_A_PEER


@given(st.integers(1, 700), st.data())
def test_the_one_stream_that_makes_pages_unreadable_is_found(
    count: int, data: st.DataObject
) -> None:
    """As who asks: the first so many that are not put off; a page with the bad one fails."""
    streams = [Stream("central-1", epoch) for epoch in range(1, count + 1)]
    bad = data.draw(st.sampled_from(streams))
    refusals, missing = Refusals(), dict.fromkeys(streams, 0)
    for _ in range(60):
        wanted = [stream for stream in missing if not refusals.put_off(stream, 0)]
        if not wanted:
            break
        after = dict.fromkeys(wanted[: refusals.at_once], 0)
        if bad in after:
            refusals.unreadable(after, "sent no array of events", 0)
        else:
            refusals.readable()
            for stream in after:
                del missing[stream]
    assert list(missing) == [bad]
    assert [stream for stream, _ in refusals] == [bad]


def test_a_peer_that_sends_nothing_but_rubbish_rests_after_a_while() -> None:
    refusals = Refusals()
    went_on = [refusals.unreadable({ONE: 0}, "sent no array", 0) for _ in range(12)]
    assert went_on == [True] * limits.UNREADABLE_PAGES + [False] * 2
    refusals.readable()
    assert refusals.unreadable({ONE: 0}, "sent no array", 0)
