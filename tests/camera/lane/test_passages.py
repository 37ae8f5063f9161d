"""Which reads of a lane are one vehicle, and what is done about each."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zparkd.camera.lane.passages import (
    AGAIN_MS,
    AHEAD_MS,
    FRESH_MS,
    STANDING_MS,
    Passage,
    Passages,
    State,
    Step,
    Timing,
    alike,
    request_id_of,
    timing,
)
from zparkd.camera.read import Read, Travel

START_MS = 1_795_231_805_000
WINDOW_MS, HOLD_MS, SURE = 6_000, 1_000, 0.85


def read(plate: str, after_ms: int = 0, confidence: float | None = 0.95) -> Read:
    return Read(plate, plate, confidence, Travel.UNKNOWN, START_MS + after_ms)


class Lane:
    """Passages, and what was asked of them; every ask comes to `answer`."""

    def __init__(self, answer: State = State.OPENED, hold_ms: int = HOLD_MS) -> None:
        self.answer = answer
        self.passages = Passages("edge-1", WINDOW_MS, SURE, hold_ms)
        self.asked: list[tuple[str, str]] = []
        self.steps: list[Step] = []
        self.now_ms = START_MS

    def sees(self, seen: Read) -> Step:
        self.now_ms = seen.captured_ms
        passage, step = self.passages.take(seen, self.now_ms)
        self.steps.append(step)
        if step is Step.ASK:
            self.asks(passage)
        return step

    def asks(self, passage: Passage) -> None:
        self.asked.append((passage.plate, passage.request_id))
        passage.state = self.answer
        passage.settled_ms = self.now_ms

    def waits(self, after_ms: int) -> None:
        for passage in self.passages.due(START_MS + after_ms):
            self.asks(passage)

    @property
    def plates(self) -> list[str]:
        return [plate for plate, _ in self.asked]


@given(st.lists(st.integers(0, STANDING_MS), min_size=1, max_size=30))
def test_a_plate_read_again_and_again_is_asked_for_once(gaps_ms: list[int]) -> None:
    lane, after_ms = Lane(), 0
    for gap_ms in gaps_ms:
        after_ms += gap_ms
        lane.sees(read("29A12345", after_ms))
    assert lane.plates == ["29A12345"]


@given(st.permutations(range(8)))
def test_reads_out_of_order_are_still_one_vehicle(order: list[int]) -> None:
    lane = Lane()
    for number in order:
        lane.sees(read("29A12345", number * 2_000))
    assert lane.plates == ["29A12345"]


@given(st.lists(st.integers(100, 999), min_size=2, max_size=12, unique=True))
def test_unlike_plates_that_are_sure_are_vehicles_of_their_own(numbers: list[int]) -> None:
    plates = [f"{number}ABCDEF{number}"[:12] for number in numbers]
    lane = Lane()
    for place, plate in enumerate(plates):
        lane.sees(read(plate, place * (WINDOW_MS + 1)))
    assert lane.plates == plates


def test_a_plate_comes_back_after_a_while() -> None:
    lane = Lane()
    lane.sees(read("29A12345"))
    lane.sees(read("29A12345", STANDING_MS + 1))
    assert lane.plates == ["29A12345"] * 2
    assert lane.asked[0] != lane.asked[1]


def test_two_vehicles_that_the_camera_sees_by_turns_are_asked_for_once_each() -> None:
    lane = Lane()
    for after_ms in range(0, 10_000, 500):
        lane.sees(read("29A12345" if after_ms % 1000 else "30F99999", after_ms))
    assert sorted(lane.plates) == ["29A12345", "30F99999"]


def test_an_unsure_read_waits_and_a_better_one_is_asked_for() -> None:
    lane = Lane()
    assert lane.sees(read("29A1234S", confidence=0.4)) is Step.WAIT
    assert lane.sees(read("29A12345", 300, 0.7)) is Step.WAIT
    assert lane.sees(read("29A12345", 600, 0.97)) is Step.ASK
    assert lane.plates == ["29A12345"]


def test_an_unsure_read_that_none_betters_is_asked_for_in_the_end() -> None:
    lane = Lane()
    lane.sees(read("29A12345", confidence=0.4))
    lane.sees(read("Z9A12345", 100, confidence=0.3))
    assert lane.passages.next_due_ms() == START_MS + HOLD_MS
    lane.waits(HOLD_MS - 1)
    assert lane.plates == []
    lane.waits(HOLD_MS)
    lane.waits(HOLD_MS + 1)
    assert lane.plates == ["29A12345"]
    assert lane.passages.next_due_ms() is None


def test_two_unsure_reads_that_agree_are_asked_for_at_once() -> None:
    lane = Lane()
    lane.sees(read("29A12345", confidence=0.4))
    assert lane.sees(read("29A12345", 200, 0.5)) is Step.ASK


def test_without_a_hold_even_an_unsure_read_is_asked_for_at_once() -> None:
    assert Lane(hold_ms=0).sees(read("29A12345", confidence=0.1)) is Step.ASK


def test_a_read_without_confidence_is_asked_for_at_once() -> None:
    assert Lane().sees(read("29A12345", confidence=None)) is Step.ASK


def test_reads_that_the_camera_gives_one_name_are_one_vehicle_however_unlike() -> None:
    lane = Lane()
    one, other = read("29A12345"), read("AD888", 5_000, 0.99)
    assert lane.sees(replace(one, uid="track-7")) is Step.ASK
    assert lane.sees(replace(other, uid="track-7")) is Step.CORRECT
    assert lane.sees(replace(other, plate="XY999", uid="track-8")) is Step.ASK


def test_a_better_read_of_who_was_let_through_is_a_correction_once() -> None:
    lane = Lane()
    lane.sees(read("29A1234S", confidence=0.9))
    assert lane.sees(read("29A12345", 300, 0.99)) is Step.CORRECT
    assert lane.sees(read("29A12345", 600, 0.99)) is Step.NOTHING
    assert lane.sees(read("29A1234S", 900, 0.9)) is Step.NOTHING
    assert lane.plates == ["29A1234S"]


def test_a_worse_read_tells_nothing() -> None:
    lane = Lane()
    lane.sees(read("29A12345", confidence=0.99))
    assert lane.sees(read("29A1234S", 300, 0.9)) is Step.NOTHING
    assert lane.sees(read("XX1", 500, 0.2)) is Step.NOTHING


@pytest.mark.parametrize("answer", [State.REFUSED, State.UNANSWERED])
def test_a_better_read_of_who_was_not_let_through_is_asked_for(answer: State) -> None:
    lane = Lane(answer)
    lane.sees(read("29A1234S", confidence=0.9))
    assert lane.sees(read("29A12345", 300, 0.99)) is Step.ASK
    assert lane.plates == ["29A1234S", "29A12345"]
    assert lane.asked[0][1] != lane.asked[1][1]


@pytest.mark.parametrize("answer", [State.REFUSED, State.GRANTED])
def test_who_still_stands_there_is_asked_for_again_under_the_same_name(answer: State) -> None:
    lane = Lane(answer)
    lane.sees(read("29A12345"))
    assert lane.sees(read("29A12345", AGAIN_MS - 1)) is Step.NOTHING
    assert lane.sees(read("29A12345", AGAIN_MS)) is Step.ASK
    assert lane.asked[0] == lane.asked[1]


@pytest.mark.parametrize("answer", [State.REFUSED, State.UNANSWERED, State.GRANTED])
def test_a_read_that_came_while_the_barrier_moved_moves_it_no_second_time(answer: State) -> None:
    lane = Lane(answer)
    passage, _ = lane.passages.take(read("29A12345"), START_MS)
    passage.state, passage.settled_ms = answer, START_MS + 5_000
    for after_ms in (600, 1_200, 4_999):
        again = read("29A12345", after_ms)
        assert lane.passages.take(again, again.captured_ms) == (passage, Step.NOTHING)
    again = read("29A12345", 5_000 + AGAIN_MS)
    assert lane.passages.take(again, again.captured_ms) == (passage, Step.ASK)


def test_who_nobody_answered_for_is_asked_for_again_with_the_next_read() -> None:
    lane = Lane(State.UNANSWERED)
    lane.sees(read("29A12345"))
    assert lane.sees(read("29A12345", 1)) is Step.ASK


def test_a_passage_of_an_earlier_run_goes_on() -> None:
    before, after = Lane(State.UNANSWERED), Lane()
    passage, _ = before.passages.take(read("29A12345"), START_MS)
    passage.state = State.OPENED
    after.passages.remember(passage)
    assert after.sees(read("29A12345", 4_000)) is Step.NOTHING


PLATES = st.text("ABC129", min_size=3, max_size=9)


@given(PLATES, PLATES)
def test_likeness_is_mutual(one: str, other: str) -> None:
    assert alike(one, other) == alike(other, one)
    assert alike(one, one)


@given(PLATES, st.integers(0, 8), st.sampled_from("XYZ"))
def test_one_character_more_less_or_other_is_alike(plate: str, at: int, char: str) -> None:
    at %= len(plate)
    assert alike(plate, plate[:at] + char + plate[at + 1 :])
    assert alike(plate, plate[:at] + char + plate[at:])
    assert alike(plate, plate[:at] + plate[at + 1 :])


def test_three_characters_apart_are_not_alike() -> None:
    assert not alike("29A12345", "29A12678")
    assert not alike("29A12345", "29A12")


@given(st.integers(-10 * FRESH_MS, 10 * FRESH_MS))
def test_only_what_was_seen_just_now_may_open(age_ms: int) -> None:
    seen = read("29A12345")
    judged = timing(seen, START_MS + age_ms)
    assert (judged is Timing.FRESH) == (-AHEAD_MS <= age_ms <= FRESH_MS)
    assert timing(replace(seen, repeated=True), START_MS + age_ms) is Timing.REPEATED


def test_the_same_read_has_the_same_name_and_no_other_has_it() -> None:
    one = request_id_of("edge-1", read("29A12345"))
    assert one == request_id_of("edge-1", read("29A12345", confidence=0.1))
    others = [
        request_id_of("edge-2", read("29A12345")),
        request_id_of("edge-1", read("29A12346")),
        request_id_of("edge-1", read("29A12345", 1)),
    ]
    assert len({one, *others}) == 4
