"""In whose name events are said: who signed once has to sign, and nobody else speaks for it."""

from collections.abc import Iterator

import pytest

from tests.fleet.sites import Fleet, Signer, message
from tests.support.vehicles import CAR, Book
from zparkd.core.events.event import Event, Stream

STREAM = Stream("a", 1)


@pytest.fixture
def fleet(database: str) -> Iterator[Fleet]:
    made = Fleet(database)
    yield made
    made.close()


def some(book: Book, count: int) -> list[Event]:
    return [book.entry("a", n, of=CAR._replace(plate_id=f"29A0000{n}")) for n in range(count)]


def test_a_signature_covers_all_before_it_and_what_comes_after_waits_for_the_next(
    fleet: Fleet,
) -> None:
    signer, events = Signer(fleet.site, "a"), some(Book(), 5)
    first = [message(fleet.site, event) for event in events[:2]]
    signed = message(fleet.site, events[2], proof=signer.proof(events[2]))
    rest = message(fleet.site, events[3])
    assert fleet.takes([*first, signed, rest]) == 3
    assert (fleet.heads, fleet.waiting) == ({STREAM: 3}, 1)
    fleet.restart()
    assert fleet.take(events[4], proof=signer.proof(events[4])) == 2
    assert (fleet.heads, fleet.waiting) == ({STREAM: 5}, 0)


def test_once_a_site_has_signed_nothing_unsigned_is_taken(fleet: Fleet) -> None:
    book = Book()
    signed = book.entry("a", 1)
    assert fleet.take(signed, proof=Signer(fleet.site, "a").proof(signed)) == 1
    fleet.restart()
    assert fleet.take(book.entry("b", 2), book.exit("a", 3)) == 0
    assert (fleet.heads, fleet.waiting) == ({STREAM: 1}, 2)


def test_nobody_else_signs_for_an_origin_whose_key_was_met(fleet: Fleet) -> None:
    book = Book()
    mine = book.entry("a", 1)
    fleet.take(mine, proof=Signer(fleet.site, "a").proof(mine))
    other = Book().entry(Stream("a", 2), 9)
    fleet.take(other, proof=Signer(fleet.site, "thief").proof(other))
    assert fleet.heads == {STREAM: 1}
    [(problem,)] = fleet.rows("SELECT problem FROM sites WHERE site = %s")
    assert "is signed by a key that is not one of a" in problem


def test_a_signature_of_another_site_or_of_other_bytes_is_none(fleet: Fleet) -> None:
    book = Book()
    event, next = book.entry("a", 1), book.exit("a", 2)
    fleet.take(event, proof=Signer("elsewhere", "a").proof(event))
    fleet.take(event, proof=Signer(fleet.site, "a").proof(next))
    assert fleet.heads == {}
    assert len(fleet.aside) == 2
    fleet.take(event, proof=Signer(fleet.site, "a").proof(event))
    assert fleet.heads == {STREAM: 1}


def test_keys_that_are_named_count_and_no_other(database: str) -> None:
    good = Signer("any", "a").identity.public
    fleet = Fleet(database, {"site": {"a": frozenset([good])}})
    event = Book().entry("a", 1)
    assert fleet.take(event, proof=Signer(fleet.site, "first met").proof(event)) == 0
    assert fleet.take(event, proof=Signer(fleet.site, "a").proof(event)) == 1
    fleet.close()


def test_what_an_unknown_key_signed_is_taken_once_the_key_is_named(database: str) -> None:
    fleet = Fleet(database, {"site": {"a": frozenset([b"another".ljust(32)])}})
    event = Book().entry("a", 1)
    signer = Signer(fleet.site, "a")
    assert fleet.take(event, proof=signer.proof(event)) == 0
    assert (fleet.waiting, fleet.aside) == (1, [])
    fleet.keys = {fleet.site: {"a": frozenset([signer.identity.public])}}
    fleet.restart()
    assert fleet.turns.resume(fleet.site) == 1
    assert (fleet.heads, fleet.waiting) == ({STREAM: 1}, 0)
    fleet.close()
