"""What a site and its fleet say to each other."""

from hypothesis import given
from hypothesis import strategies as st

from tests.support.vehicles import CAR, Book
from zparkd.core.events.event import ERASED, Position
from zparkd.core.fleet import (
    Proof,
    StayDigest,
    event_subject,
    message_id,
    pseudonym,
    read_event,
    told_of,
    write_event,
)
from zparkd.core.plates import PLATE_ID
from zparkd.core.site import Told

KEY = b"k" * 40


def test_events_at_one_position_of_two_sites_are_two_messages() -> None:
    at = Position("central-1", 7, 1)
    assert message_id("lot-a", at) != message_id("lot-b", at)
    assert message_id("lot-a", at) == "lot-a/central-1/7/1"


def test_a_message_has_the_bytes_of_the_event_and_its_proof() -> None:
    event = Book().entry("a", 1)
    proof = Proof(b"s" * 64, b"k" * 32, b"i" * 32, b"c" * 64)
    sent = read_event(write_event(event.skeleton, event.personal_part, Told.FULL, proof))
    assert (sent.event, sent.told, sent.proof) == (event, Told.FULL, proof)


def test_a_kind_that_is_no_word_of_a_subject_is_published_as_other() -> None:
    assert event_subject("lot-a", "c", "VEHICLE_EXIT") == "zparkd.lot-a.c.VEHICLE_EXIT"
    for kind in ("a.b", ">", "*", "a b", "\u0110"):
        assert event_subject("lot-a", "c", kind) == "zparkd.lot-a.c.OTHER"


@given(st.from_regex(PLATE_ID, fullmatch=True), st.from_regex(PLATE_ID, fullmatch=True))
def test_a_pseudonym_is_a_plate_in_form_the_same_for_the_same_plate_and_key(
    one: str, other: str
) -> None:
    assert PLATE_ID.fullmatch(pseudonym(one, KEY))
    assert (pseudonym(one, KEY) == pseudonym(other, KEY)) == (one == other)
    assert pseudonym(one, KEY) != pseudonym(one, b"another key")


def test_what_is_told_of_a_personal_part_is_no_more_than_was_asked_for() -> None:
    sealed = Book().entry("a", 1).personal_part
    assert told_of(sealed, Told.FULL, KEY) == sealed
    assert told_of(sealed, Told.NONE, KEY) == ERASED
    told = told_of(sealed, Told.PSEUDONYM, KEY)
    assert CAR.plate_id.encode() not in told
    assert b"view" not in told


@given(st.lists(st.tuples(st.text(), st.integers(), st.none() | st.floats(0, 1)), unique=True))
def test_the_sum_of_stays_is_the_same_in_any_order_and_another_without_one(
    rows: list[tuple[str | int | float | None, ...]],
) -> None:
    def digest(of: list[tuple[str | int | float | None, ...]]) -> tuple[int, str]:
        made = StayDigest()
        for row in of:
            made.add(row)
        return made.count, made.hex()

    assert digest(rows) == digest(rows[::-1])
    if rows:
        assert digest(rows) != digest(rows[1:])
