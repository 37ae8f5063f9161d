"""Events of a few vehicles, as real centrals come to make them and nastier. No test lives here.

`Book` writes events one by one, for tests that spell out what happened. `lived()` gives what
centrals record that hear each other now and then; `made_up()` what no honest central makes, but
a projection must bear; `event_sets()` either. All events are as read from bytes.
"""

from enum import StrEnum
from typing import Any, NamedTuple, TypeVar

from hypothesis import strategies as st

from zparkd.core.events.event import (
    Event,
    Facts,
    Kind,
    Personal,
    Position,
    Stream,
    VehicleKey,
    read,
    write,
)
from zparkd.core.events.payloads import Reference
from zparkd.core.stays.corrections import CORRECTIONS
from zparkd.core.stays.fold import Judgement, Projection, Stay, Verdict, project

T = TypeVar("T")

T0_MS = 1_733_140_800_000  # 2024-12-02 12:00:00 UTC
DAY_S = 24 * 3600
FEE = 25_000

CAR = VehicleKey("car", "29A12345")
BIKE = VehicleKey("motorbike", "29A12345")
OTHER = VehicleKey("car", "30F99999")


class LaterKind(StrEnum):
    """What this version knows nothing of."""

    TOWED = "VEHICLE_TOWED"


AnyKind = Kind | LaterKind
Act = tuple[str, str | None]  # edge_id and request_id


class Book:
    """What some centrals wrote: each stream a chain. Times in seconds since T0_MS."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._heads: dict[Stream, Event] = {}

    def write(
        self,
        origin: str | Stream,
        kind: AnyKind,
        at: float,
        *,
        shown: float | None = None,
        of: VehicleKey | None = CAR,
        names: Event | Position | None = None,
        act: Act = ("edge-1", None),
        fee: int | None = None,
        forced: bool = False,
        marked: bool = False,
        **more: Any,
    ) -> Event:
        """Append an event with `order` at `at`, and `timestamp` at `shown` where it differs.

        `more` are other facts, or what was read.
        """
        plate_read = more.pop("plate_read", None)
        stream = Stream(origin, 1) if isinstance(origin, str) else origin
        head = self._heads.get(stream)
        seq = head.position.seq + 1 if head is not None else 1
        written = write(
            Position(*stream, seq),
            kind,  # type: ignore[arg-type]
            timestamp=T0_MS + round((at if shown is None else shown) * 1000),
            order=T0_MS + round(at * 1000),
            prev=head.hash if head is not None else "",
            facts=Facts(
                edge_id=act[0],
                request_id=act[1],
                camera_type=of.camera_type if of is not None else None,
                confidence=0.5 + seq % 50 / 100,
                names=names.position if isinstance(names, Event) else names,
                entry_ms=T0_MS if names is not None else None,
                fee=fee,
                currency="VND" if fee is not None or "amount" in more else None,
                forced=forced,
                marked=marked,
                **more,
            ),
            personal=Personal(
                salt=f"{stream.origin}{stream.epoch}.{seq}",
                plate_id=of.plate_id if of is not None else None,
                plate_view=f"view {seq}",
                reason="because" if forced else None,
                plate_read=plate_read,
            ),
        )
        event = read(written.skeleton, written.personal_part)
        self._heads[stream] = event
        self.events.append(event)
        return event

    def say(self, stream: Stream, kind: Kind, what: Reference, personal: Personal) -> Event:
        """Append what is no event of a gate."""
        head = self._heads.get(stream)
        seq = head.position.seq + 1 if head is not None else 1
        written = write(
            Position(*stream, seq),
            kind,
            timestamp=T0_MS,
            order=T0_MS + seq,
            prev=head.hash if head is not None else "",
            facts=what,
            personal=personal,
        )
        event = self._heads[stream] = read(written.skeleton, written.personal_part)
        self.events.append(event)
        return event

    def entry(self, origin: str, at: float, **more: object) -> Event:
        """An entry; with `forced` and `names` one that calls a stay stale."""
        return self.write(origin, Kind.ENTRY, at, **more)  # type: ignore[arg-type]

    def exit(self, origin: str, at: float, **more: object) -> Event:
        """An exit, of FEE where no other is given."""
        return self.write(origin, Kind.EXIT, at, **{"fee": FEE, **more})  # type: ignore[arg-type]

    def confirm(self, origin: str, at: float, names: Event | Position, **more: object) -> Event:
        """The close of an entry."""
        return self.write(origin, Kind.CONFIRM, at, names=names, **more)  # type: ignore[arg-type]

    def not_taken(self, origin: str, at: float, names: Event, **more: object) -> Event:
        """The barrier opened for an entry and never closed behind it."""
        return self.write(origin, Kind.NOT_TAKEN, at, names=names, **more)  # type: ignore[arg-type]

    def close(self, origin: str, at: float, names: Event, **more: object) -> Event:
        """A person says that the stay of an entry is over."""
        return self.write(origin, Kind.CLOSED, at, names=names, **more)  # type: ignore[arg-type]

    def correct(self, origin: str, at: float, names: Event, of: VehicleKey) -> Event:
        """A person says that an event was of this vehicle."""
        return self.write(origin, Kind.CORRECTED, at, names=names, of=of)

    def void(self, origin: str, at: float, names: Event | Position) -> Event:
        """A person says that an event never happened."""
        return self.write(origin, Kind.VOIDED, at, names=names)

    def charge(self, origin: str, at: float, names: Event, amount: int) -> Event:
        """Money taken for a stay afterwards, or given back."""
        return self.write(origin, Kind.CHARGED, at, names=names, amount=amount)

    def outcome(self) -> Projection:
        """What all that was written comes to."""
        return project(self.events)

    def stay(self) -> Stay:
        """The only stay that it comes to."""
        (stay,) = self.outcome().stays.values()
        return stay

    def fate(self, event: Event) -> Judgement | None:
        """What became of an event that neither opened, confirmed nor ended a stay."""
        return self.outcome().judged.get(event.position)

    def next_position(self, origin: str) -> Position:
        """Where the next event of this central will stand."""
        head = self._heads.get(Stream(origin, 1))
        return Position(origin, 1, head.position.seq + 1 if head is not None else 1)


def superseded_by(entry: Event) -> Judgement:
    """The fate of an entry beside an open stay."""
    return Judgement(Verdict.SUPERSEDED, entry.position)


def repeats(event: Event) -> Judgement:
    """The fate of an act that was recorded before."""
    return Judgement(Verdict.REPEATED, event.position)


ENDED_NOTHING = Judgement(Verdict.ENDED_NOTHING, None)
WAITING = Judgement(Verdict.WAITING, None)


# --- made up: whatever bytes can say ----------------------------------------------------------

_STREAMS = [Stream("a", 1), Stream("b", 1), Stream("c", 1), Stream("a", 2), Stream("c", 3)]
_KINDS: list[tuple[AnyKind, bool]] = [
    *[(Kind.ENTRY, False)] * 6,
    *[(Kind.EXIT, False)] * 5,
    *[(Kind.CONFIRM, False)] * 2,
    *[(Kind.ENTRY, True)] * 3,
    *[(Kind.EXIT, True)] * 2,
    (Kind.SEEN, False),
    (Kind.MANUAL, True),
    (LaterKind.TOWED, False),
]
_SAID: list[tuple[AnyKind, bool]] = [
    *[(Kind.ENTRY, False)] * 6,
    *[(Kind.EXIT, False)] * 5,
    *[(Kind.CONFIRM, False)] * 2,
    *[(Kind.ENTRY, True)] * 2,
    *[(Kind.NOT_TAKEN, False)] * 3,
    *[(Kind.CLOSED, False)] * 3,
    *[(Kind.CORRECTED, False)] * 3,
    *[(Kind.VOIDED, False)] * 3,
    *[(Kind.CHARGED, False)] * 2,
]


class Naming(StrEnum):
    """What an event names."""

    ENTRY = "ENTRY"
    NOTHING = "NOTHING"
    ANY = "ANY"
    ABSENT = "ABSENT"


class _Idea(NamedTuple):
    """One made-up event, before it has a position."""

    stream: Stream
    kind: tuple[AnyKind, bool]
    of: VehicleKey | None
    at_s: int
    shown_before_s: float
    naming: Naming
    which: int
    act: Act
    fee: int | None
    marked: bool


def _ideas(kinds: list[tuple[AnyKind, bool]], naming: list[Naming]) -> st.SearchStrategy[_Idea]:
    return st.builds(
        _Idea,
        stream=st.sampled_from(_STREAMS),
        kind=st.sampled_from(kinds),
        of=st.sampled_from([*[CAR] * 16, BIKE, BIKE, OTHER, OTHER, None]),
        at_s=st.integers(0, 9),
        shown_before_s=st.sampled_from([0, 0, 0, 0.25, 3, 100 * DAY_S]),
        naming=st.sampled_from(naming),
        which=st.integers(0, 11),
        act=st.sampled_from(
            [
                ("edge-1", None),
                ("edge-2", None),
                ("edge-1", "r1"),
                ("edge-1", "r2"),
                ("edge-2", "r1"),
            ]
        ),
        fee=st.sampled_from([0, 5_000, FEE, FEE, FEE, None]),
        marked=st.sampled_from([False, False, False, True]),
    )


def _written(ideas: list[_Idea]) -> list[Event]:
    heads: dict[Stream, int] = {}
    positions = []
    for idea in ideas:
        heads[idea.stream] = heads.get(idea.stream, 0) + 1
        positions.append(Position(*idea.stream, heads[idea.stream]))
    entries = [at for at, idea in zip(positions, ideas, strict=True) if idea.kind[0] is Kind.ENTRY]
    nameable = {
        Naming.ENTRY: entries,
        Naming.NOTHING: [None],
        Naming.ANY: positions,
        Naming.ABSENT: [Position("a", 1, 999), Position("z", 9, 1)],
    }
    book = Book()
    for idea in ideas:
        choice = nameable[idea.naming] or [None]
        of, at_s = idea.of if idea.kind[0] is not Kind.MANUAL else None, idea.at_s
        if idea.kind[0] in CORRECTIONS and of is not None:  # as a rule later, and of another
            of, at_s = (CAR, OTHER, BIKE)[idea.which % 3], at_s + 4
        book.write(
            idea.stream,
            idea.kind[0],
            at_s,
            shown=at_s - idea.shown_before_s,
            of=of,
            names=choice[idea.which % len(choice)],
            act=idea.act,
            fee=idea.fee if idea.kind[0] in (Kind.EXIT, Kind.CLOSED) else None,
            **({"amount": idea.fee or -1} if idea.kind[0] is Kind.CHARGED else {}),
            forced=idea.kind[1],
            marked=idea.marked,
        )
    return book.events


def made_up() -> st.SearchStrategy[list[Event]]:
    """Events that name and repeat each other at will, in few moments so that many tie."""
    naming = [*[Naming.ENTRY] * 5, *list(Naming)[1:]]
    return _few_or_many(_ideas(_KINDS, naming), 6, 18).map(_written)


def corrected() -> st.SearchStrategy[list[Event]]:
    """The same with entries that were not taken, and with what people say of any of them."""
    naming = [*[Naming.ENTRY] * 5, *[Naming.ANY] * 5, Naming.NOTHING, Naming.ABSENT]
    return _few_or_many(_ideas(_SAID, naming), 6, 18).map(_written)


def _few_or_many(elements: st.SearchStrategy[T], few: int, many: int) -> st.SearchStrategy[list[T]]:
    return st.one_of(
        st.lists(elements, min_size=1, max_size=few),
        st.lists(elements, min_size=few, max_size=many),
    )


# --- lived: what centrals record that know only what they heard --------------------------------


class Deed(StrEnum):
    """What can happen at a central."""

    OPEN = "OPEN"
    RETRY = "RETRY"
    FORCE_IN = "FORCE_IN"
    FORCE_OUT = "FORCE_OUT"
    CLOSE = "CLOSE"
    HEAR = "HEAR"
    RESTART = "RESTART"


class _Step(NamedTuple):
    deed: Deed
    who: int
    whom: int
    of: VehicleKey
    later_s: int


_STEPS = st.builds(
    _Step,
    deed=st.sampled_from([*[Deed.OPEN] * 6, *[Deed.HEAR] * 4, *list(Deed)]),
    who=st.integers(0, 2),
    whom=st.integers(0, 7),
    of=st.sampled_from([CAR, CAR, CAR, BIKE, OTHER]),
    later_s=st.sampled_from([0, 1, 60, 3600]),
)
_SKEWS_S = st.tuples(*[st.sampled_from([0, 0, 0.4, -40, 7200, -100 * DAY_S])] * 3)


class _Central:
    """One central of a lived site, as far as it writes events."""

    def __init__(self, id: str, skew_s: float, book: Book) -> None:
        self.id = id
        self.epoch = 1
        self.held: dict[Position, Event] = {}
        self._skew_s = skew_s
        self._book = book

    def _record(self, kind: Kind, now_s: float, of: VehicleKey, **more: object) -> None:
        at_s = now_s + self._skew_s
        own = [e.order for e in self.held.values() if e.vehicle == of]
        order_s = max([at_s, *((order + 1 - T0_MS) / 1000 for order in own)])
        event = self._book.write(
            Stream(self.id, self.epoch),
            kind,
            order_s,
            shown=at_s,
            of=of,
            **more,  # type: ignore[arg-type]
        )
        self.held[event.position] = event

    def do(self, deed: Deed, now_s: float, of: VehicleKey, act: Act) -> None:
        """Answer an edge as a gate does."""
        facts = [event.facts for event in self.held.values() if event.facts is not None]
        if any((fact.edge_id, fact.request_id) == act for fact in facts):
            return
        stays = project(self.held.values()).stays.values()
        inside = [stay.entry for stay in stays if stay.vehicle == of and stay.closed_by is None]
        stay = inside[0] if inside else None
        forced = deed in (Deed.FORCE_IN, Deed.FORCE_OUT)
        if deed is Deed.CLOSE:
            if stay is not None:
                self._record(Kind.CONFIRM, now_s, of, names=stay, act=act)
        elif deed is Deed.FORCE_IN or (stay is None and deed is not Deed.FORCE_OUT):
            self._record(Kind.ENTRY, now_s, of, names=stay, act=act, forced=forced)
        else:
            self._record(Kind.EXIT, now_s, of, names=stay, act=act, forced=forced, fee=FEE)


def _lived(steps: list[_Step], skews_s: tuple[float, ...]) -> list[Event]:
    book = Book()
    centrals = [_Central(id, skew, book) for id, skew in zip("abc", skews_s, strict=True)]
    acts: list[tuple[VehicleKey, Act]] = []
    now_s = 0
    for number, step in enumerate(steps):
        now_s += step.later_s
        central = centrals[step.who]
        if step.deed is Deed.HEAR:
            central.held |= centrals[step.whom % 3].held
        elif step.deed is Deed.RESTART:
            central.epoch += 1
        elif step.deed is Deed.RETRY and acts:
            of, act = acts[step.whom % len(acts)]
            central.do(Deed.OPEN, now_s, of, act)
        else:
            act = (f"edge-{step.whom % 2}", f"r{number}")
            acts.append((step.of, act))
            central.do(step.deed, now_s, step.of, act)
    return book.events


def lived() -> st.SearchStrategy[list[Event]]:
    """What three centrals record, whose clocks differ and who hear each other now and then."""
    return st.builds(_lived, _few_or_many(_STEPS, 12, 40), _SKEWS_S)


def event_sets() -> st.SearchStrategy[list[Event]]:
    """Sets of events of either sort, as lists that keep the order of each stream."""
    return st.one_of(made_up(), lived())


def any_sets() -> st.SearchStrategy[list[Event]]:
    """Sets of events of whatever sort."""
    return st.one_of(event_sets(), corrected())
