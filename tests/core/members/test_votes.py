"""Who is disowned: what the words of centrals about each other come to."""

import random

from hypothesis import given
from hypothesis import strategies as st

from zparkd.core import limits
from zparkd.core.events.event import Position, Stream
from zparkd.core.members import limits as member_limits
from zparkd.core.members.votes import Verdicts, Words
from zparkd.core.members.words import (
    MemberAdmitted,
    MemberDisowned,
    MemberRestored,
    MemberSaid,
    cut_at,
)

Said = tuple[Position, MemberSaid]


def verdicts(*said: Said) -> Verdicts:
    words = Words()
    for position, what in said:
        words.add(position, what)
    return words.verdicts()


def disowned(*said: Said) -> list[str]:
    return sorted(verdicts(*said).disowned)


def no(voice: str, member: str, *heads: tuple[int, int], at: int = 5, epoch: int = 1) -> Said:
    return Position(voice, epoch, at), MemberDisowned(member, heads)


def yes(voice: str, member: str, at: int = 5, epoch: int = 1) -> Said:
    return Position(voice, epoch, at), MemberRestored(member)


def test_one_voice_that_nobody_denies_disowns() -> None:
    assert disowned(no("a", "x")) == ["x"]


def test_as_many_against_as_for_it_disown_nobody() -> None:
    assert disowned(no("a", "x"), yes("b", "x")) == []
    assert disowned(no("a", "x"), yes("b", "x"), no("c", "x")) == ["x"]


def test_the_last_word_of_a_central_counts_by_its_own_position() -> None:
    assert disowned(no("a", "x", at=1), yes("a", "x", at=2)) == []
    assert disowned(yes("a", "x", at=2, epoch=1), no("a", "x", at=1, epoch=2)) == ["x"]


def test_what_a_central_says_of_itself_does_not_count() -> None:
    assert disowned(no("a", "x"), yes("x", "x")) == ["x"]
    assert disowned(no("x", "x")) == []


def test_up_to_the_greatest_heads_of_those_who_say_so_its_events_count() -> None:
    found = verdicts(no("a", "x", (1, 3), (2, 9)), no("b", "x", (1, 7)), yes("c", "x"))
    reach = [found.up_to(Stream("x", epoch)) for epoch in (1, 2, 3)]
    assert reach == [7, 9, 0]
    assert found.counts(Position("x", 1, 7))
    assert not found.counts(Position("x", 1, 8))
    assert found.counts(Position("a", 1, 8))


def test_heads_of_who_denies_it_do_not_count() -> None:
    said = (no("a", "x", (1, 3)), no("b", "x", (1, 9), at=1), yes("b", "x", at=2), no("c", "x"))
    assert verdicts(*said).up_to(Stream("x", 1)) == 3


def test_streams_of_older_epochs_than_a_vote_can_list_count_whole() -> None:
    heads = {epoch: 10 + epoch for epoch in range(1, member_limits.HEADS_OF_A_MEMBER + 4)}
    listed, whole_before = cut_at(heads)
    assert (len(listed), whole_before) == (member_limits.HEADS_OF_A_MEMBER, 4)
    found = verdicts((Position("a", 1, 1), MemberDisowned("x", listed, whole_before)))
    assert found.up_to(Stream("x", 3)) == limits.SEQ_MAX
    assert found.up_to(Stream("x", 4)) == 14
    assert found.up_to(Stream("x", len(heads) + 1)) == 0


# --- insiders -----------------------------------------------------------------------------------


def test_one_word_against_an_insider_takes_all_its_words_from_it() -> None:
    evil = [no("x", member) for member in "abc"]
    assert disowned(*evil) == ["a", "b", "c"]
    assert disowned(*evil, no("a", "x")) == []


def test_two_words_against_an_insider_disown_it_whatever_it_says() -> None:
    evil = [no("x", member) for member in "abc"]
    assert disowned(*evil, no("a", "x"), no("b", "x")) == ["x"]


def test_words_that_were_said_within_the_heads_go_on_counting() -> None:
    assert disowned(no("x", "a", at=2), no("b", "x", (1, 2)), no("c", "x", (1, 1))) == ["a", "x"]
    assert disowned(no("x", "a", at=3), no("b", "x", (1, 2)), no("c", "x", (1, 1))) == ["x"]


def test_the_word_before_counts_where_the_last_is_beyond_the_heads() -> None:
    changed = (yes("x", "a", at=1), no("x", "a", at=2))
    against = (no("b", "x", (1, 1)), no("c", "x"), no("d", "x"))
    assert disowned(*changed, *against, no("y", "a")) == ["x"]


@given(
    st.sets(st.sampled_from("abcdef"), min_size=3),
    st.sets(st.sampled_from("uvwxyz")),
    st.randoms(use_true_random=False),
)
def test_more_honest_than_insiders_who_all_say_so_always_win(
    honest: set[str], insiders: set[str], chance: random.Random
) -> None:
    insiders = set(sorted(insiders)[: len(honest) - 1])
    said = [no(voice, evil, at=9) for voice in honest for evil in insiders]
    said += [yes(voice, good, at=9) for voice in honest for good in honest]
    for voice in insiders:
        for member in honest | insiders:
            said.append(chance.choice([no, yes])(voice, member, at=chance.randint(1, 20)))
    chance.shuffle(said)
    assert disowned(*said) == sorted(insiders)


# --- an oracle, written from the page -----------------------------------------------------------

_WORDS = st.lists(
    st.tuples(
        st.sampled_from("abcd"),
        st.sampled_from([1, 2]),
        st.sampled_from("abcd"),
        st.booleans(),
        st.dictionaries(st.sampled_from([1, 2]), st.integers(1, 4), max_size=2),
    ),
    max_size=12,
)


def said_of(rows: list[tuple[str, int, str, bool, dict[int, int]]]) -> list[Said]:
    heads: dict[tuple[str, int], int] = {}
    found: list[Said] = []
    for voice, epoch, member, against, cut in rows:
        seq = heads[voice, epoch] = heads.get((voice, epoch), 0) + 1
        what = MemberDisowned(member, tuple(cut.items())) if against else MemberRestored(member)
        found.append((Position(voice, epoch, seq), what))
    return found


def by_the_page(said: list[Said]) -> dict[str, dict[int, int]]:
    """Who is disowned, and up to where, as docs/protocol.md says it."""
    gone: dict[str, dict[int, int]] = {}
    out: dict[str, dict[int, int]] = {}
    open_ = {what.member for _, what in said}

    def last(member: str, gone: dict[str, dict[int, int]]) -> dict[str, MemberSaid]:
        words: dict[str, MemberSaid] = {}
        for at, what in sorted(said, key=lambda word: word[0]):
            within = at.origin not in gone or at.seq <= gone[at.origin].get(at.epoch, 0)
            if what.member == member and at.origin != member and within:
                words[at.origin] = what
        return words

    def excess(words: dict[str, MemberSaid]) -> int:
        against = [what for what in words.values() if isinstance(what, MemberDisowned)]
        return 2 * len(against) - len(words)

    def reach(words: dict[str, MemberSaid]) -> dict[int, int]:
        found: dict[int, int] = {}
        for what in words.values():
            for epoch, seq in what.heads if isinstance(what, MemberDisowned) else ():
                found[epoch] = max(seq, found.get(epoch, 0))
        return found

    while open_:
        most = max(excess(last(member, gone)) for member in open_)
        if most < 1:
            return out
        first = [m for m in open_ if excess(last(m, gone)) == most]
        cuts = {m: reach(last(m, gone)) for m in first}
        sure = [
            m
            for m in first
            if excess(last(m, gone | {o: cut for o, cut in cuts.items() if o != m})) > 0
        ]
        for member in sure or first:
            gone[member] = cuts[member]
            open_.remove(member)
        out |= {member: cuts[member] for member in sure}
    return out


@given(_WORDS, st.randoms(use_true_random=False))
def test_who_is_disowned_is_as_the_page_says_in_any_order(
    rows: list[tuple[str, int, str, bool, dict[int, int]]], chance: random.Random
) -> None:
    said = said_of(rows)
    wanted = by_the_page(said)
    for _ in range(2):
        found = verdicts(*said, *said[:1])
        assert {member: dict(cut.heads) for member, cut in found.disowned.items()} == wanted
        chance.shuffle(said)


# --- admitted -----------------------------------------------------------------------------------


def test_an_admission_counts_for_who_says_it_alone() -> None:
    words = Words()
    words.add(Position("a", 1, 1), MemberAdmitted("z"))
    assert words.admits("a", "z")
    assert not words.admits("b", "z")
    assert words.verdicts().disowned == {}


def test_all_words_of_one_voice_are_kept_in_the_order_of_positions() -> None:
    said = [no("a", "x", at=1), yes("a", "x", at=2), no("a", "x", at=3)]
    assert [disowned(*said[:count]) for count in (1, 2, 3)] == [["x"], [], ["x"]]
