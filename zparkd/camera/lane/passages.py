"""Which reads of a lane are one vehicle, and what is to be done about each read.

The rules of one lane, pure: reads and times in, steps out. Whether the step was done, and what
came of it, is told back by setting the passage's `state`.
"""

from collections import deque
from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b

from zparkd.camera.read import Read

FRESH_MS = 10_000  # a read older than this opens nothing
AHEAD_MS = 10_000  # nor does one from so far in the future: the camera's clock is wrong
STANDING_MS = 20_000  # a plate read again within this is the vehicle that still stands there
AGAIN_MS = 1_000  # before what was refused, or did not open, is asked for again
REMEMBERED = 16  # passages of a lane; a camera sees the vehicles that wait behind, too
_ALIKE = 2  # characters that may differ between two reads of one plate


class Timing(StrEnum):
    """What a read's time says of it."""

    FRESH = "fresh"
    LATE = "late"  # seen too long ago
    AHEAD = "ahead"  # in the future: a wrong clock or zone
    REPEATED = "repeated"  # the camera itself says that it sends it again


class State(StrEnum):
    """How far a passage has come."""

    HELD = "held"  # not asked for yet: a surer read may follow
    ASKED = "asked"  # what came of it is not known
    UNANSWERED = "unanswered"  # no central answered in time
    REFUSED = "refused"
    GRANTED = "granted"  # a central said yes, and the barrier did not open
    OPENED = "opened"


# From when it was known until a vehicle that still stands there is asked for again.
_PAUSE_MS = {
    State.ASKED: 0,
    State.UNANSWERED: 0,
    State.REFUSED: AGAIN_MS,
    State.GRANTED: AGAIN_MS,
}


class Step(StrEnum):
    """What is to be done about a read."""

    ASK = "ask"  # ask for the passage's read now
    WAIT = "wait"  # for a surer read
    NOTHING = "nothing"  # it tells nothing new
    CORRECT = "correct"  # a better read of a vehicle that was let through under another plate


@dataclass(slots=True)
class Passage:
    """One vehicle at the barrier: `read` is what is asked for, under `request_id`.

    `first_ms` and `last_ms` are when the camera saw it first and last. `settled_ms` is when it was
    known what came of asking for it, `due_ms` until when a held one is held; both of the clock of
    `take`.
    `carried` is what came with the read; nothing here looks at it.
    """

    request_id: str
    read: Read
    first_ms: int
    last_ms: int
    state: State = State.HELD
    settled_ms: int = 0
    due_ms: int = 0
    corrected: str | None = None
    carried: object = None

    @property
    def plate(self) -> str:
        """The plate that it is asked for under."""
        assert self.read.plate is not None
        return self.read.plate


def timing(read: Read, now_ms: int) -> Timing:
    """What the time of a read says of it, by our clock."""
    if read.repeated:
        return Timing.REPEATED
    age_ms = now_ms - read.captured_ms
    if age_ms > FRESH_MS:
        return Timing.LATE
    return Timing.AHEAD if age_ms < -AHEAD_MS else Timing.FRESH


def request_id_of(edge_id: str, read: Read) -> str:
    """The name of the act that a read asks for: the same whenever the same read comes again."""
    text = f"{edge_id}|{read.plate}|{read.captured_ms}"
    return blake2b(text.encode(), digest_size=16).hexdigest()


class Passages:
    """The vehicles that are, or were a moment ago, at one lane's barrier."""

    def __init__(self, edge_id: str, window_ms: int, sure: float, hold_ms: int) -> None:
        """`sure` is the confidence from which a read is asked for at once; others wait `hold_ms`
        for a surer one. Within `window_ms` unlike reads may be one vehicle."""
        self._edge_id = edge_id
        self._window_ms = window_ms
        self._sure = sure
        self._hold_ms = hold_ms
        self._recent: deque[Passage] = deque(maxlen=REMEMBERED)

    def remember(self, passage: Passage) -> None:
        """Take in a passage of an earlier run, the oldest first."""
        self._recent.append(passage)

    def take(self, read: Read, came_ms: int) -> tuple[Passage, Step]:
        """What a fresh read with a plate is: of which passage, and what is to be done.

        `came_ms` is when it came in, by a clock that only goes on.
        """
        same = self._standing(read)
        if same is not None:
            return same, self._again(same, read, came_ms)
        other = self._other_reading(read)
        if other is not None:
            return other, self._better(other, read)
        passage = Passage(
            request_id_of(self._edge_id, read), read, read.captured_ms, read.captured_ms
        )
        self._recent.append(passage)
        if self._is_sure(read) or not self._hold_ms:
            return passage, _ask(passage)
        passage.due_ms = came_ms + self._hold_ms
        return passage, Step.WAIT

    def due(self, now_ms: int) -> list[Passage]:
        """Held passages that have waited long enough; they are to be asked for now."""
        found = [it for it in self._recent if it.state is State.HELD and it.due_ms <= now_ms]
        for passage in found:
            _ask(passage)
        return found

    def next_due_ms(self) -> int | None:
        """When the next held passage is due."""
        return min((it.due_ms for it in self._recent if it.state is State.HELD), default=None)

    def _is_sure(self, read: Read) -> bool:
        return read.confidence is None or read.confidence >= self._sure

    def _standing(self, read: Read) -> Passage | None:
        """The vehicle that stood there a moment ago under this very plate."""
        for passage in reversed(self._recent):
            if read.plate in (passage.plate, passage.corrected) and (
                passage.first_ms - STANDING_MS <= read.captured_ms <= passage.last_ms + STANDING_MS
            ):
                return passage
        return None

    def _other_reading(self, read: Read) -> Passage | None:
        """The vehicle of which this is another reading: by the camera's own name for it, or near
        in time and alike, or one of the two unsure."""
        for passage in reversed(self._recent):
            if read.uid is not None and read.uid == passage.read.uid:
                return passage
            apart_ms = abs(read.captured_ms - passage.first_ms)
            if apart_ms > self._window_ms and passage.state is not State.HELD:
                continue
            doubtful = not (self._is_sure(read) and self._is_sure(passage.read))
            if doubtful or alike(passage.plate, read.plate or ""):
                return passage
        return None

    def _again(self, passage: Passage, read: Read, came_ms: int) -> Step:
        """The same plate once more."""
        passage.last_ms = max(passage.last_ms, read.captured_ms)
        if read.plate == passage.corrected:
            return Step.NOTHING
        match passage.state:
            case State.HELD:
                # Two reads that agree are as good as one that is sure.
                passage.read = max(passage.read, read, key=_rank)
                return _ask(passage)
            case State.OPENED:
                return Step.NOTHING
        # A read that came before it was settled does not say that somebody still stands there.
        if came_ms - passage.settled_ms < _PAUSE_MS[passage.state]:
            return Step.NOTHING
        passage.read = read
        return _ask(passage)

    def _better(self, passage: Passage, read: Read) -> Step:
        """Another plate of the same vehicle."""
        passage.last_ms = max(passage.last_ms, read.captured_ms)
        if _rank(read) <= _rank(passage.read):
            return Step.NOTHING
        if passage.state in (State.OPENED, State.GRANTED):
            passage.corrected = read.plate
            return Step.CORRECT
        passage.read = read
        passage.request_id = request_id_of(self._edge_id, read)
        if passage.state is State.HELD and not self._is_sure(read):
            return Step.WAIT
        return _ask(passage)


def alike(one: str, other: str) -> bool:
    """Whether two plates may be two readings of one: at most two characters apart.

    A character is changed, lost or added; so "29A1234" and "29A12345" are one apart.
    """
    if abs(len(one) - len(other)) > _ALIKE:
        return False
    above = list(range(len(other) + 1))
    for row, char in enumerate(one, 1):
        line = [row]
        for column, against in enumerate(other, 1):
            line.append(min(above[column] + 1, line[-1] + 1, above[column - 1] + (char != against)))
        above = line
    return above[-1] <= _ALIKE


def _ask(passage: Passage) -> Step:
    passage.state = State.ASKED
    return Step.ASK


def _rank(read: Read) -> tuple[float, int]:
    """The better of two reads is the surer, then the longer."""
    sure = read.confidence if read.confidence is not None else 1.0
    return sure, len(read.plate or "")
