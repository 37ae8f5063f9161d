"""One lane: its reads in order, one request at a time, one movement of the barrier at a time."""

import logging
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from zparkd.camera.barriers import Barrier, BarrierFault, barrier_of
from zparkd.camera.config import LaneConfig
from zparkd.camera.lane.album import Album
from zparkd.camera.lane.asking import DEADLINE_S, Centrals, NoAnswer
from zparkd.camera.lane.figures import Figures
from zparkd.camera.lane.ledger import Ledger
from zparkd.camera.lane.passages import (
    Passage,
    Passages,
    State,
    Step,
    Timing,
    request_id_of,
    timing,
)
from zparkd.camera.read import At, Message, Picture, Read, Travel, Unreadable
from zparkd.core.site import Direction

READS_WAITING = 256
NOTHING_RECORDED = ("rate_limited", "storage_unavailable")  # refusals that may be asked again
_log = logging.getLogger("zparkd.camera")


class Busy(Exception):
    """Too many reads of this lane wait; the camera is to send again."""


@dataclass(frozen=True, slots=True)
class _Taken:
    """A read on its way to the lane's thread; `came_s` is of the monotonic clock."""

    number: int
    read: Read
    pictures: tuple[Picture, ...]
    came_s: float


def now_ms() -> int:
    """What the time is here, ms since 1970 UTC."""
    return time.time_ns() // 1_000_000


def _mono_ms() -> int:
    """A time that only goes on, in ms."""
    return time.monotonic_ns() // 1_000_000


class Lane:
    """What happens at one lane. `take` may be called by any thread."""

    def __init__(
        self,
        config: LaneConfig,
        ledger: Ledger,
        album: Album,
        barrier: Barrier | None = None,
        clock: Callable[[], int] = now_ms,
    ) -> None:
        """Nothing moves before `start`."""
        self.config = config
        self.figures = Figures()
        self._ledger = ledger
        self._album = album
        self._barrier = barrier or barrier_of(config.barrier)
        self._clock = clock
        self._passages = Passages(
            config.edge_id,
            round(config.window_s * 1000),
            config.sure,
            round(config.hold_s * 1000),
        )
        self._waiting: queue.Queue[_Taken | None] = queue.Queue(READS_WAITING)
        self._thread = threading.Thread(target=self._run, name=f"lane {config.name}", daemon=True)
        self._started_ms = clock()

    # --- from outside

    def start(self) -> None:
        """Take up what an earlier run left, and begin."""
        for passage in self._ledger.recent(self.config.name):
            if passage.state in (State.HELD, State.ASKED):
                passage.state = State.UNANSWERED
            self._passages.remember(passage)
        for passage in self._ledger.unfinished(self.config.name):
            passage.state = State.UNANSWERED
            self._ledger.keep(self.config.name, passage)
            self._as_seen(passage.read, passage.request_id)
        for number, read in self._ledger.taken(self.config.name):
            try:
                self._waiting.put_nowait(_Taken(number, read, (), time.monotonic()))
            except queue.Full:
                self._ledger.done(number)
        self._thread.start()

    def stop(self, timeout_s: float = 5.0) -> None:
        """Finish the read under way, and end."""
        if self._thread.is_alive():
            self._waiting.put(None, timeout=timeout_s)
            self._thread.join(timeout_s)

    def decode(self, body: bytes, content_type: str) -> Message:
        """What a message says. Raises Unreadable."""
        return self.config.decode(body, content_type, At(self.config.zone, self._clock()))

    def take(self, body: bytes, content_type: str) -> Message:
        """Take in a message; its reads are on the disk when this returns.

        Raises Unreadable, and Busy.
        """
        came_s = time.monotonic()
        self.figures.count("messages")
        try:
            message = self.decode(body, content_type)
        except Unreadable as fault:
            self.figures.count("unreadable")
            self.figures.note("last_fault", str(fault))
            raise
        self.take_reads(message, came_s)
        return message

    def take_reads(self, message: Message, came_s: float) -> None:
        """Take in what a message says. Raises Busy."""
        if not message.reads:
            return
        self.figures.note("last_event_ms", self._clock())
        for read in message.reads:
            if read.plate is None:
                self.figures.count("misreads")
                continue
            if self._waiting.full():
                self.figures.count("busy")
                raise Busy
            self.figures.count("reads")
            number = self._ledger.take(self.config.name, self._clock(), read)
            self._waiting.put(_Taken(number, read, message.pictures, came_s))

    def shown(self) -> dict[str, Any]:
        """What `status` shows of the lane."""
        shown = self.figures.shown()
        since_ms = shown["last_event_ms"] or self._started_ms
        silent = self._clock() - since_ms > self.config.silent_after_s * 1000
        return {
            "lane": self.config.name,
            "edge_id": self.config.edge_id,
            "source": str(self.config.source),
            "barrier": str(self.config.barrier.kind),
            "dry_run": self.config.dry_run,
            "silent": silent,
            "waiting": self._ledger.waiting(self.config.name),
            "ledger_fault": self._ledger.fault,
            "lost": self._ledger.counts(self.config.name).get("lost", 0),
            **shown,
        }

    # --- the lane's own thread

    def _run(self) -> None:
        self._centrals = Centrals(self.config)
        try:
            while True:
                due_ms = self._passages.next_due_ms()
                wait_s = None if due_ms is None else max(0, due_ms - _mono_ms()) / 1000
                try:
                    taken = self._waiting.get(timeout=wait_s)
                except queue.Empty:
                    taken = None
                else:
                    if taken is None:
                        return
                try:
                    if taken is not None:
                        self._judge(taken)
                        self._ledger.done(taken.number)
                    for passage in self._passages.due(_mono_ms()):
                        self._ask_for(passage)
                except Exception:
                    # One read that can't be dealt with must not end the lane.
                    _log.exception("%s: a read could not be dealt with", self.config.name)
                    self.figures.note("last_fault", "a read could not be dealt with; see the log")
        finally:
            self._centrals.close()

    def _judge(self, taken: _Taken) -> None:
        read = taken.read
        when = self._timing(read)
        if when is not Timing.FRESH:
            margin_ms = round(self.config.window_s * 1000)
            if not self._ledger.knows(
                self.config.name, read.plate or "", read.captured_ms, margin_ms
            ):
                request_id = request_id_of(self.config.edge_id, read)
                self._as_seen(read, request_id, taken.pictures)
            self.figures.count(str(when))
            return
        passage, step = self._passages.take(read, round(taken.came_s * 1000))
        if passage.read is read:
            passage.carried = taken
        match step:
            case Step.ASK:
                self._ask_for(passage)
            case Step.WAIT:
                self._ledger.keep(self.config.name, passage)
            case Step.CORRECT:
                self._correct(read, taken.pictures)

    def _timing(self, read: Read) -> Timing:
        """What the read's time says of it, by our clock; by a central's where ours says no.

        A controller without a clock of its own starts anywhere, and its cameras are right.
        """
        now = self._clock()
        when = timing(read, now)
        if when is Timing.REPEATED:
            return when
        self.figures.note("clock_offset_ms", read.captured_ms - now)
        if when is Timing.FRESH:
            return when
        try:
            by_central_ms = self._centrals.time_ms()
        except NoAnswer:
            return when
        self.figures.note("own_clock_offset_ms", self._clock() - by_central_ms)
        return timing(read, by_central_ms)

    def _ask_for(self, passage: Passage) -> None:
        """Ask for a passage, and note when it was known what came of it."""
        try:
            self._ask(passage)
        finally:
            passage.settled_ms = _mono_ms()

    def _ask(self, passage: Passage) -> None:
        """Ask for a passage, and open for it where a central says so in time."""
        name, request_id = self.config.name, passage.request_id
        carried, passage.carried = passage.carried, None
        pictures, came_s = (
            (carried.pictures, carried.came_s)
            if isinstance(carried, _Taken)
            else ((), time.monotonic())
        )
        image = self._album.reference(name, request_id, pictures, passage.read.captured_ms)
        fields = self._fields(passage.read, request_id, image)
        self.figures.count("passages")
        if self.config.dry_run:
            self._rehearse(passage, fields)
            return
        self._ledger.keep(name, passage)
        asked_s = time.monotonic()
        try:
            answer = self._centrals.ask("BARRIER_OPEN", fields)
        except NoAnswer as fault:
            self._unanswered(passage, fields, str(fault))
            self._album.keep(image, pictures)
            return
        if _code(answer) in NOTHING_RECORDED:
            self._unanswered(passage, fields, _message(answer))
            self._album.keep(image, pictures)
            return
        if answer.get("success") is not True:
            self._refused(passage, answer)
        elif time.monotonic() - asked_s > DEADLINE_S + 0.5:
            passage.state = State.GRANTED
            self.figures.note("last_fault", "the answer came too late to open")
        else:
            self._open(passage, came_s)
        self._ledger.keep(name, passage, str(answer.get("event_id") or _code(answer)))
        self._ledger.told(request_id)
        self._album.keep(image, pictures)

    def _open(self, passage: Passage, came_s: float) -> None:
        """Move the barrier, once: it is written down before that it was."""
        passage.state = State.OPENED
        self._ledger.keep(self.config.name, passage)
        try:
            self._barrier.open()
        except BarrierFault as fault:
            passage.state = State.GRANTED
            self.figures.note("barrier_fault", str(fault))
            self.figures.count("barrier_faults")
            _log.warning("%s: the barrier did not open: %s", self.config.name, fault)
            return
        self.figures.opened(time.monotonic() - came_s)

    def _unanswered(self, passage: Passage, fields: dict[str, Any], why: str) -> None:
        """No central has it, as far as is known: into the outbox, to be told as seen."""
        passage.state = State.UNANSWERED
        self._put(passage.read, fields)
        self._ledger.keep(self.config.name, passage)
        self.figures.note("last_fault", why)
        self.figures.count("unanswered")

    def _refused(self, passage: Passage, answer: dict[str, Any]) -> None:
        passage.state = State.REFUSED
        self.figures.note("last_fault", _message(answer))
        self.figures.refused(_code(answer))

    def _rehearse(self, passage: Passage, fields: dict[str, Any]) -> None:
        """Ask what is known of the vehicle; record nothing and move nothing."""
        passage.state = State.OPENED
        try:
            answer = self._centrals.ask("DETECTION", fields)
        except NoAnswer as fault:
            self.figures.count("unanswered")
            self.figures.note("last_fault", str(fault))
            return
        if answer.get("success") is not True:
            self._refused(passage, answer)

    def _correct(self, read: Read, pictures: tuple[Picture, ...]) -> None:
        """Tell of a better read of a vehicle that was let through: at once, and as seen."""
        request_id = request_id_of(self.config.edge_id, read)
        self._as_seen(read, request_id, pictures)
        self.figures.count("corrected")
        fields = self._fields(read, request_id, None)
        try:
            self._centrals.ask("DETECTION", fields)
        except NoAnswer as fault:
            self.figures.note("last_fault", str(fault))

    def _as_seen(self, read: Read, request_id: str, pictures: tuple[Picture, ...] = ()) -> None:
        """Have a read recorded as seen, later; nothing will open for it."""
        if self.config.dry_run:
            return
        image = self._album.reference(self.config.name, request_id, pictures, read.captured_ms)
        self._put(read, self._fields(read, request_id, image))
        self._album.keep(image, pictures)

    def _put(self, read: Read, fields: dict[str, Any]) -> None:
        """Into the outbox; what a wrong clock put into the future was seen now."""
        captured_ms = min(read.captured_ms, self._clock())
        self._ledger.put(self.config.name, captured_ms, {**fields, "captured_ms": captured_ms})
        self.figures.count("seen")

    def _fields(self, read: Read, request_id: str, image: str | None) -> dict[str, Any]:
        said = {
            "request_id": request_id,
            "plate_id": read.plate,
            "plate_view": read.view,
            "confidence": read.confidence,
            "captured_ms": read.captured_ms,
            "camera_type": self.config.camera_type,
            "direction": self._direction(read.travel),
            "image": image,
        }
        return {name: value for name, value in said.items() if value is not None}

    def _direction(self, travel: Travel) -> str | None:
        way = self.config.direction
        if way is None or isinstance(way, Direction):
            return way
        return way.get(travel)


def _message(answer: dict[str, Any]) -> str:
    error = answer.get("error")
    return f"{_code(answer)}: {error.get('message') if isinstance(error, dict) else None}"


def _code(answer: dict[str, Any]) -> str:
    error = answer.get("error")
    code = error.get("code") if isinstance(error, dict) else None
    return code if isinstance(code, str) else "opened"
