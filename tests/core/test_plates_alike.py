"""The ladder of look-alikes, and the index that finds what stands on it."""

import random
import string
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zparkd.core.events.event import VehicleKey
from zparkd.core.plates import FORMS, LOOK_ALIKES, NEAR_ALIKES, likeness, looks_near
from zparkd.core.stays.plates_inside import PlatesInside

CHARS = string.ascii_uppercase + string.digits
PLATES = st.text(st.sampled_from(CHARS), min_size=3, max_size=12)
FEW = st.text(st.sampled_from("0OD1I2Z8B3"), min_size=3, max_size=5)
TRUE_PLATES = st.from_regex(r"[0-9]{2}[A-HKLM][0-9]{5}", fullmatch=True)


def misread(plate: str, changes: dict[int, str]) -> str:
    return "".join(changes.get(at, char) for at, char in enumerate(plate))


@st.composite
def look_alikes(draw: st.DrawFn) -> tuple[str, str, int]:
    """A plate, a misreading of it in which only look-alikes differ, and how many do."""
    plate = draw(PLATES)
    changes = {}
    for at, char in enumerate(plate):
        group = next((group for group in LOOK_ALIKES if char in group), "")
        others = [other for other in group if other != char]
        if others and draw(st.booleans()):
            changes[at] = draw(st.sampled_from(others))
    return plate, misread(plate, changes), len(changes)


def test_no_character_stands_in_two_groups() -> None:
    assert all(not set(one) & set(other) for one, other in combinations(LOOK_ALIKES, 2))
    assert all(group[0].isdecimal() and set(group) <= set(CHARS) for group in LOOK_ALIKES)
    assert all(len(pair) == 2 and pair <= set(CHARS) for pair in NEAR_ALIKES)
    assert all(not pair <= set(group) for pair in NEAR_ALIKES for group in LOOK_ALIKES)
    assert all(set(form) <= set("LDX") for form in FORMS)


@given(PLATES)
def test_a_plate_is_most_like_itself(plate: str) -> None:
    assert likeness(plate, plate) == (1.0, True)


@given(look_alikes())
def test_it_is_strong_where_only_look_alikes_differ_and_at_most_three(
    case: tuple[str, str, int],
) -> None:
    plate, read, changed = case
    like = likeness(read, plate)
    assert like is not None
    assert like.strong is (changed <= 3)
    assert 0 < like.match <= 1


@given(PLATES, st.data())
def test_one_character_lost_added_or_swapped_is_a_candidate_and_not_strong(
    plate: str, data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(plate) - 1))
    char = data.draw(st.sampled_from(CHARS))
    edited = {
        plate[:at] + plate[at + 1 :],
        plate[:at] + char + plate[at:],
        misread(plate, {at: char}),
        plate[:at] + plate[at + 1 : at + 2] + plate[at] + plate[at + 2 :],
    }
    for read in edited:
        like = likeness(read, plate)
        assert like is not None, read
        if len(read) != len(plate):
            assert not like.strong


@given(PLATES, PLATES)
def test_whatever_is_strong_is_above_whatever_is_not(one: str, other: str) -> None:
    like = likeness(one, other)
    if like is not None:
        assert (like.match >= 0.625) is like.strong or like.match == 0.625
        assert like.strong is (likeness(other, one) or like).strong, "both ways"


@pytest.mark.parametrize(
    ("read", "better", "worse"),
    [
        ("2QA12345", "29A12345", "30A12345"),  # Q no digit: it is the 0 of no 29
        ("29A12345", "29A12345", "29A12346"),
        ("29A12346", "29A1234G", "29A12345"),  # a look-alike before a near one
        ("29A12345", "29A12346", "29A12342"),  # a near one before a stranger
        ("Z9A12345", "29A12345", "29A12346"),
        ("294123AS", "29A12345", "29A12346"),
    ],
)
def test_who_looks_more_alike_is_first(read: str, better: str, worse: str) -> None:
    best, other = likeness(read, better), likeness(read, worse)
    if best is None or other is None:
        assert other is None
        return
    assert best.match > other.match


def test_what_can_stand_nowhere_there_was_misread_more_surely() -> None:
    sure, maybe = likeness("Z9A12345", "29A12345"), likeness("29AI2345", "29A12345")
    assert sure is not None
    assert maybe is not None
    assert sure.match > maybe.match, "a fourth character may be a letter, a first one never is"


@pytest.mark.parametrize(
    ("read", "plate"),
    [
        ("29A12345", "30A12346"),
        ("29A12345", "29A1234567"),
        ("29A12345", "29A21435"),
        ("ABC", "XYZ"),
    ],
)
def test_two_strangers_are_nothing_alike(read: str, plate: str) -> None:
    assert likeness(read, plate) is None


@given(PLATES | FEW, PLATES | FEW)
def test_what_is_alike_is_among_the_looks_near(read: str, plate: str) -> None:
    index = PlatesInside([(1, VehicleKey("car", plate))])
    assert bool(index.alike(read)) is (likeness(read, plate) is not None)


def test_few_looks_are_near_so_that_an_answer_is_quick() -> None:
    assert len(set(looks_near("ABCDEF123456"))) < 700


# --- the index --------------------------------------------------------------------------------

KEYS = st.builds(VehicleKey, st.sampled_from(["car", "motorbike"]), FEW)


@settings(max_examples=200)
@given(
    st.lists(st.tuples(st.integers(1, 6), st.none() | KEYS), max_size=25),
    FEW,
)
def test_the_index_holds_what_is_open_whatever_was_told_in_between(
    told: list[tuple[int, VehicleKey | None]], read: str
) -> None:
    index, held = PlatesInside(), dict[int, VehicleKey]()
    for id, vehicle in told:
        if vehicle is None:
            index.closed(id)
            held.pop(id, None)
        else:
            index.opened(id, vehicle)
            held[id] = vehicle
    again = PlatesInside(held.items())
    wanted = {it for it in held.values() if likeness(read, it.plate_id) is not None}
    for kept in (index, again):
        assert kept.alike(read) == wanted
        for camera_type in ("car", "motorbike", "truck"):
            assert kept.count(camera_type) == [it.camera_type for it in held.values()].count(
                camera_type
            )


def test_of_many_plates_it_finds_those_that_a_look_at_all_finds() -> None:
    chance = random.Random(7)
    plates = [f"{chance.choice('235')}9A{chance.randrange(100000):05}" for _ in range(3000)]
    index = PlatesInside(enumerate(VehicleKey("car", plate) for plate in plates))
    for _ in range(30):
        read = list(chance.choice(plates))
        read[chance.randrange(len(read))] = chance.choice(CHARS)
        text = "".join(read)
        wanted = {VehicleKey("car", it) for it in plates if likeness(text, it) is not None}
        assert index.alike(text) == wanted
