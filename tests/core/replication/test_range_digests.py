"""Digests of ranges: equal where the bytes are, bounded, and refused to who is no peer."""

import msgspec
from hypothesis import given

from tests.support.centrals import Driven
from tests.support.examples import examples
from tests.support.vehicles import Book, event_sets
from zparkd.core.events.event import Event, Stream, digest
from zparkd.core.replication import limits, range_digests
from zparkd.core.replication.encoding import write_header
from zparkd.core.replication.range_digests import Of
from zparkd.core.replication.wire import Compare, Digests, read_message
from zparkd.core.turn import SyncRequest

EVERY = ("a", 1, 1, 400)


def holding(*events: Event) -> Driven:
    central = Driven("z", peers=["y"])
    for event in events:
        central.store.append(event)
    central.store.settle()
    central.store.commit()
    return central


def asked(central: Driven, of: str, *ranges: tuple[str, int, int, int], by: str = "y") -> Digests:
    """What a central answers, over the wire."""
    header = write_header(by, 0, Compare("lot-a", 7, of, list(ranges)))
    [frame] = central.central.serve(central.now, SyncRequest((b"",), [header]))
    said = read_message([frame]).data
    assert isinstance(said, Digests)
    assert said.id == 7
    return said


def test_a_digest_of_events_is_over_the_digests_of_their_parts() -> None:
    book = Book()
    first, second = book.entry("a", 0), book.exit("a", 9)
    said = asked(holding(first, second), Of.EVENTS, ("a", 1, 1, 2), ("a", 1, 2, 2))
    both = first.hash + digest(first.personal_part) + second.hash + digest(second.personal_part)
    assert said.digests == [digest(both.encode()), digest(both[128:].encode())]


def test_what_is_not_held_is_nothing() -> None:
    said = asked(holding(Book().entry("a", 0)), Of.EVENTS, ("a", 1, 2, 9), ("b", 1, 1, 9))
    assert said.digests == [digest(b"")] * 2
    assert asked(holding(), Of.STAYS, EVERY).digests == [digest(b"[]")]


def test_a_digest_of_stays_is_over_rows() -> None:
    book = Book()
    entry = book.entry("a", 0)
    book.exit("b", 60, names=entry)
    row = [1, "car", "29A12345", "view 1", "edge-1", 0.51, entry.timestamp, 0, "EXIT", "b"]
    row += ["edge-1", entry.timestamp + 60_000, 25_000, "VND", 60, None, None, None, 0]
    said = asked(holding(*book.events), Of.STAYS, EVERY, ("b", 1, 1, 9))
    assert said.digests == [digest(msgspec.json.encode([row])), digest(b"[]")]


@examples(15)
@given(event_sets())
def test_centrals_that_hold_the_same_events_show_the_same(events: list[Event]) -> None:
    streams = sorted({event.position.stream for event in events}, reverse=True)
    by_stream = [event for stream in streams for event in events if event.position.stream == stream]
    ranges = [(*stream, 1, 100) for stream in streams]
    one, other = holding(*events), holding(*by_stream)
    for of in Of:
        assert asked(one, of, *ranges) == asked(other, of, *ranges)


def test_the_answer_says_at_which_heads_it_was_taken() -> None:
    book = Book()
    central = holding(book.entry("a", 0))
    before = asked(central, Of.STAYS).held
    central.store.append(book.confirm("a", 5, book.events[0]))
    assert asked(central, Of.STAYS).held != before
    assert asked(holding(*book.events), Of.STAYS).held == asked(central, Of.STAYS).held


def test_an_answer_has_as_many_digests_as_one_turn_bears() -> None:
    half, most = limits.DIGEST_EVENTS // 2, limits.DIGEST_EVENTS
    central = holding()
    for of in Of:
        assert len(asked(central, of, *[("a", 1, 1, half)] * 3).digests) == 2
        assert len(asked(central, of, ("a", 1, 1, most), ("a", 1, 1, 1)).digests) == 1
        assert asked(central, of, ("a", 1, 1, most + 1)).digests == []
        assert len(asked(central, of, *[("a", 1, 2, 1)] * 9).digests) == 9, "an empty range"


def test_what_is_not_known_is_refused_by_name() -> None:
    assert asked(holding(), "COLOURS", EVERY).error == "knows no digests of COLOURS"
    assert asked(holding(), Of.EVENTS, EVERY, by="x").error == (
        "does not know x; add it to its peers.d"
    )


def test_an_unknown_stream_costs_nothing() -> None:
    central = holding(Book().entry("a", 0))
    assert list(central.store.between(Stream("z", 1), 1, 9)) == []
    assert range_digests.of_events([]) == digest(b"")
