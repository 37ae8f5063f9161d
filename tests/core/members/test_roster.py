"""The roster is a pure function of the set of events, whatever their order and the cuts between."""

import random
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from zparkd.core import limits
from zparkd.core.events.event import Event, Kind, Personal, Position, Stream, read, write
from zparkd.core.events.payloads import Reference
from zparkd.core.keys import key_text
from zparkd.core.members.roster import Roster, RosterState
from zparkd.core.members.roster_words import Changed, EdgeRemoved, Invited, Joined, Role
from zparkd.core.members.votes import Words, counting
from zparkd.core.members.words import MemberDisowned, MemberRemoved, MemberRestored

KINDS: dict[type, Kind] = {
    Invited: Kind.INVITED,
    Joined: Kind.JOINED,
    Changed: Kind.CHANGED,
    EdgeRemoved: Kind.EDGE_REMOVED,
    MemberRemoved: Kind.REMOVED,
    MemberDisowned: Kind.DISOWNED,
    MemberRestored: Kind.RESTORED,
}
C, E = Role.CENTRAL, Role.EDGE


def key(number: int) -> str:
    return key_text(bytes([number]) * 32)


def event(origin: str, seq: int, order: int, said: Reference, epoch: int = 1) -> Event:
    written = write(
        Position(origin, epoch, seq),
        KINDS[type(said)],
        timestamp=order,
        order=order,
        prev="",
        facts=said,
        personal=Personal("s"),
    )
    again = read(written.skeleton, written.personal_part)
    assert again.reference == said  # what is recorded is what others read
    return again


def joined(id: str, number: int = 1, of_key: int = 1, address: str = "10.0.0.7") -> Joined:
    return Joined(C, id, number, key(of_key), address, 9000, 9001, 9002)


def state(events: Sequence[Event]) -> RosterState:
    roster, words = Roster(), Words()
    for one in events:
        roster.add(one)
        words.hear(one)
    return roster.state(words.verdicts())


def active(events: Sequence[Event], role: Role = C) -> dict[str, str]:
    return {member.id: member.public_key for member in state(events).active(role)}


# --- the rules one by one ---------------------------------------------------------------------


def test_of_two_joins_with_one_number_the_older_counts_and_the_other_has_lost() -> None:
    older = event("a", 1, 1_000, joined("x", of_key=1))
    newer = event("b", 1, 2_000, joined("x", of_key=2))
    for order in ((older, newer), (newer, older)):
        assert active(order) == {"x": key(1)}
        assert state(order).lost == {(C, "x", key(2))}
        assert state(order).keys["x"] == {key(1), key(2)}  # what both recorded counts


def test_the_same_join_told_twice_loses_nothing() -> None:
    twice = [event("a", 1, 1_000, joined("x")), event("b", 1, 2_000, joined("x"))]
    assert state(twice).lost == frozenset()


def test_a_removal_ends_its_number_whatever_came_before_or_after() -> None:
    first = event("a", 1, 1_000, joined("x"))
    gone = event("a", 2, 2_000, MemberRemoved("x", 1, ()))
    moved = event("b", 1, 3_000, Changed(C, "x", 1, address="10.0.0.8"))
    for order in ((first, gone, moved), (moved, gone, first), (gone, moved, first)):
        assert active(order) == {}
        assert state(order).removed(C) == {"x"}


def test_a_later_number_is_a_member_though_the_one_before_was_removed() -> None:
    told = [
        event("a", 1, 1_000, joined("x", of_key=1)),
        event("a", 2, 2_000, MemberRemoved("x", 1, ())),
        event("b", 1, 1_500, joined("x", number=2, of_key=2)),
    ]
    assert active(told) == {"x": key(2)}
    assert state(told).next_number(C, "x") == 3


def test_a_removal_holds_while_more_say_so_than_deny_it() -> None:
    told = [event("a", 1, 1_000, joined("x")), event("a", 2, 2_000, MemberRemoved("x", 1, ()))]
    denied = event("b", 1, 3_000, MemberRestored("x"))
    again = event("c", 1, 4_000, MemberRemoved("x", 1, ()))
    assert active([*told, denied]) == {"x": key(1)}
    assert active([*told, denied, again]) == {}


def test_an_edge_is_removed_by_anybody_and_joins_anew_under_a_higher_number() -> None:
    first = event("a", 1, 1_000, Joined(E, "cam", 1, key(1)))
    gone = event("b", 1, 2_000, EdgeRemoved("cam", 1))
    anew = event("b", 2, 3_000, Joined(E, "cam", 2, key(2)))
    assert active([first, gone], E) == active([gone, first], E) == {}
    assert active([anew, gone, first], E) == {"cam": key(2)}


def test_of_two_changes_the_later_counts_and_none_of_another_membership() -> None:
    told = [
        event("a", 1, 1_000, joined("x")),
        event("b", 1, 3_000, Changed(C, "x", 1, address="10.0.0.3")),
        event("c", 1, 2_000, Changed(C, "x", 1, address="10.0.0.2", next_public_key=key(9))),
        event("c", 2, 9_000, Changed(C, "x", 2, address="10.0.0.9")),
    ]
    (member,) = state(told).active(C)
    assert (member.address, member.next_public_key) == ("10.0.0.3", key(9))
    rotated = Changed(C, "x", 1, public_key=key(9), next_public_key="")
    (member,) = state([*told, event("x", 1, 4_000, rotated)]).active(C)
    assert member.public_keys == (key(9),)


def test_what_a_disowned_central_says_of_the_roster_beyond_its_heads_is_void() -> None:
    told = [
        event("evil", 1, 1_000, joined("x", of_key=1)),
        event("evil", 2, 2_000, joined("y", of_key=2, address="10.0.0.9")),
        event("a", 1, 3_000, MemberDisowned("evil", ((1, 1),))),
    ]
    assert active(told) == {"x": key(1)}


def test_what_a_removed_central_records_in_a_later_membership_counts_and_no_more() -> None:
    told = [
        event("a", 1, 1_000, joined("x", of_key=1)),
        event("x", 3, 1_100, MemberRestored("q"), epoch=5),
        event("x", 4, 1_200, MemberRestored("q"), epoch=5),
        event("a", 2, 2_000, MemberRemoved("x", 1, ((5, 3),))),
        event("x", 1, 5_000, MemberRestored("q"), epoch=90),
    ]
    anew = Joined(C, "x", 2, key(2), "10.0.0.7", 9000, 9001, from_epoch=50)
    of_x = [Position("x", 5, 3), Position("x", 90, 1)]
    without = [one.position for one in counting(told) if one.position.origin == "x"]
    assert without == of_x[:1]
    told.append(event("a", 3, 3_000, anew))
    assert [one.position for one in counting(told) if one.position.origin == "x"] == of_x
    own = [*told[:-1], event("x", 2, 6_000, anew, epoch=90)]  # nobody readmits itself
    assert [one.position for one in counting(own) if one.position.origin == "x"] == of_x[:1]


# --- any set, in any order --------------------------------------------------------------------

IDS = st.sampled_from(["a", "b", "x", "y"])
NUMBERS = st.integers(1, 3)
SMALL = st.integers(1, 4)
SAID: st.SearchStrategy[Reference] = st.one_of(
    st.builds(joined, id=IDS, number=NUMBERS, of_key=SMALL),
    st.builds(
        Joined,
        role=st.just(E),
        member=IDS,
        number=NUMBERS,
        public_key=SMALL.map(key),
        invitation=st.none() | st.tuples(IDS, st.just(1), SMALL),
    ),
    st.builds(
        Invited,
        role=st.sampled_from(Role),
        member=IDS,
        number=NUMBERS,
        key=SMALL.map(key),
        expires_ms=st.integers(0, 9_000),
    ),
    st.builds(
        Changed,
        role=st.sampled_from(Role),
        member=IDS,
        number=NUMBERS,
        address=st.none() | st.just("10.0.0.5"),
        public_key=st.none() | SMALL.map(key),
        next_public_key=st.none() | st.just("") | SMALL.map(key),
    ),
    st.builds(EdgeRemoved, member=IDS, number=NUMBERS),
    st.builds(MemberRemoved, member=IDS, number=NUMBERS, heads=st.just(((1, 2),))),
    st.builds(MemberDisowned, member=IDS, heads=st.just(((1, 3),))),
    st.builds(MemberRestored, member=IDS),
)


@st.composite
def logs(draw: st.DrawFn) -> list[Event]:
    """What four centrals recorded, each in its own order, with clocks that differ."""
    told = []
    for origin in ("a", "b", "x", "y"):
        for seq, said in enumerate(draw(st.lists(SAID, max_size=6)), 1):
            told.append(event(origin, seq, draw(st.integers(1, 20)), said))
    return told


@given(told=logs(), chance=st.randoms(use_true_random=False))
def test_centrals_that_hold_the_same_events_have_the_same_roster(
    told: list[Event], chance: random.Random
) -> None:
    wanted = state(told)
    shuffled = told * 2
    chance.shuffle(shuffled)
    assert state(shuffled) == wanted


@given(told=logs())
def test_no_member_has_another_key_than_one_that_an_event_gave_it(told: list[Event]) -> None:
    for (role, id), member in state(told).members.items():
        given_keys = {
            said_key
            for one in told
            if isinstance(said := one.reference, Joined | Changed)
            and (said.role, said.member, said.number) == (role, id, member.number)
            for said_key in (said.public_key, getattr(said, "next_public_key", None))
        }
        assert set(member.public_keys) <= given_keys


@given(told=logs(), number=NUMBERS)
def test_an_edge_that_was_removed_is_no_member_whatever_else_was_said(
    told: list[Event], number: int
) -> None:
    honest = [one for one in told if not isinstance(one.reference, MemberDisowned | MemberRemoved)]
    gone = event("z", 1, 1, EdgeRemoved("x", number))
    for member in state([*honest, gone]).active(E):
        assert member.id != "x" or member.number > number


def test_an_epoch_at_the_end_of_the_numbers_is_of_no_later_membership() -> None:
    told = [event("a", 2, 2_000, MemberRemoved("x", 1, ()))]
    words = Words()
    words.hear(told[0])
    assert words.verdicts().up_to(Stream("x", limits.EPOCH_MAX)) == 0
