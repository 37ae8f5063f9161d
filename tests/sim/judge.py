"""Watches one run of one central and says, of each answer to an edge, whether it had to be that.

What it holds is followed event by event, as bytes; what peers told it, message by message. The
rules are those of `tests.sim.oracle`.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import orjson

from tests.sim.oracle.events import (
    ENTRY,
    NOT_TAKEN,
    OF_GATES,
    PASS,
    STAFF,
    TARIFF,
    Said,
    read,
)
from tests.sim.oracle.gate import Bounds, Gate, Time
from tests.sim.oracle.held import Held
from zparkd.core.events.event import Stream

if TYPE_CHECKING:
    from tests.sim.world import World

PEER_TIMEOUT_BEATS = 3
CATCH_UP_MS = 2_000  # longest time a starting central answers no edges
OF_ONE_MESSAGE = 4  # events that come with the one that uses up a quota
OF_AN_IMPORT = 12  # the same where lists are imported
LOST_MS = 250  # a request that is older may have been given up
HELLO_MS = 500  # time a peer has to answer the first request of a start

NOT_TAKEN_EARLY_MS = 300  # a turn reads its clock after it took in what came
NOT_TAKEN_LATE_MS = 1_500
CHANGE_NO_WAIT = {*OF_GATES, TARIFF, PASS, STAFF}

Wired = tuple[bytes, bytes]


class Reader:
    """Reads each event once, however many centrals hold it."""

    def __init__(self) -> None:
        self._known: dict[Wired, Said] = {}

    def __call__(self, skeleton: bytes, sealed: bytes) -> Said:
        found = self._known.get((skeleton, sealed))
        if found is None:
            found = self._known[skeleton, sealed] = read(skeleton, sealed)
        return found


class Judge:
    """Of one machine, from one start to its end. It says what is wrong to the ledger."""

    def __init__(
        self,
        world: "World",
        name: str,
        own: tuple[str, int],
        mono_ms: int,
        held: Iterable[Wired],
    ) -> None:
        """`own` is the stream of this run; `held` what is on the disk, in the order it came."""
        self._world = world
        self._name = name
        self._own = own
        self._read = world.read
        older = world.machines[name].older
        self._unknown = older.unknown if older is not None else frozenset()
        self._on_disk = [self._meant(*event) for event in held]
        self.held = Held(self._on_disk)
        limits = world.plan.bounds
        bounds = Bounds(
            limits.get("EDGES_REMEMBERED", 1_024),
            limits.get("DETECTIONS_PER_EDGE", 32),
            limits.get("UNNAMED_RETRY_MS", 10_000),
        )
        self.gate = Gate(own, self.held, ZoneInfo(world.timezone), bounds)
        self._started_ms = mono_ms
        self._reporting = world.machines[name].reporting
        self._entered_ms: dict[Any, int] = {}  # its own entries of this run
        self._changed_ms = mono_ms  # when something came last that may change what counts
        self._peers: set[str] = set()
        self._heard_ms: dict[str, int] = {}
        self._beats: dict[str, list[Any]] = {}  # the heads in a peer's last heartbeat
        self._vectors: dict[str, list[Any] | None] = {}  # of peers that answered, if told whole
        self._asked: dict[str, tuple[int, int]] = {}  # the last request to each: id, and when
        self._now_ms = mono_ms
        self._turns = 0
        self._paged: dict[str, int] = {}  # in which turn the last page of a peer came
        self._ready = False
        self._taken: Counter[str] = Counter()  # events of each origin, in this run
        self._undone: Counter[str] = Counter()  # of them those that a failed commit took back
        self._approved: dict[bytes, Said | None] = {}  # what its gate said in this turn
        self._new: list[Said] = []  # of the transaction under way

    def breaks(self, what: str) -> None:
        """A rule was broken here; of a disk that rots nothing can be expected."""
        if self._world.machines[self._name].rotten:
            return
        self._world.ledger.breaks(f"{self._name}: {what}")

    def _meant(self, skeleton: bytes, sealed: bytes) -> Said:
        """An event as the version of this machine reads it."""
        event = self._read(skeleton, sealed)
        return event._replace(data=None, personal=None) if event.kind in self._unknown else event

    # --- what it holds ---------------------------------------------------------------------------

    def appended(self, skeleton: bytes, sealed: bytes) -> None:
        """An event comes to be held, if the transaction ends well."""
        event = self._meant(skeleton, sealed)
        if event.kind == NOT_TAKEN and event.at[:2] == self._own and event.data is not None:
            self._says_not_taken(event)
        self.held.add(event)
        if event.kind == ENTRY and event.at[:2] == self._own:
            self._entered_ms[event.at] = self._now_ms
        self._new.append(event)
        self._taken[event.origin] += 1
        self._within_its_quota(event.origin)

    def _within_its_quota(self, origin: str) -> None:
        """So much of one origin and not more is taken in, where the plan bounds that."""
        bounds = self._world.plan.bounds
        if "QUOTA_EVENTS_PER_H" not in bounds or origin == self._own[0]:
            return
        elapsed_h = (self._now_ms - self._started_ms) / 3_600_000
        hours = bounds["QUOTA_CREDIT_H_MAX"] + elapsed_h
        over = OF_AN_IMPORT if self._world.plan.changes else OF_ONE_MESSAGE
        most = bounds["QUOTA_EVENTS_PER_H"] * hours + over
        taken = self._taken[origin] - self._undone[origin]
        if taken > most:
            self.breaks(f"quota: took {taken} events of {origin}, not {most:.0f}")

    def _may_wait(self, origin: str) -> bool:
        """Whether the quota of an origin may be used up, or its new key not be known here."""
        author = self._world.machines.get(origin)
        if author is not None and author.generation:
            return True
        bounds = self._world.plan.bounds
        burst = bounds.get("QUOTA_BURST_H", 1) * bounds.get("QUOTA_EVENTS_PER_H", 2**40)
        return self._taken[origin] >= burst

    def _not_taken_after_ms(self) -> int:
        policy = self.held.policy
        entry = policy.data["document"].get("entry", {}) if policy is not None else {}
        return int(entry.get("not_taken_after_s", 120)) * 1000

    def _says_not_taken(self, event: Said) -> None:
        """It ends a stay by itself: one of its own lanes that waited for so long for a close."""
        entry = self.held.events.get(event.names)
        waits = self.held.unconfirmed(self._own[0], self._reporting)
        since_ms = self._entered_ms.get(event.names, self._started_ms)
        if entry is None or entry.at not in [it.at for it in waits]:
            self.breaks(f"not taken: {event.at} names {event.names}, which does not wait")
        elif self._now_ms - since_ms < self._not_taken_after_ms() - NOT_TAKEN_EARLY_MS:
            self.breaks(f"not taken: {event.at} after {self._now_ms - since_ms} ms")

    def _waits_too_long(self) -> None:
        """What waited for a close for too long is ended by now, but for a disk that refuses."""
        if any(kind.name.startswith("DISK") for kind in self._world.plan.kinds):
            return
        most_ms = self._not_taken_after_ms() + NOT_TAKEN_LATE_MS
        for entry in self.held.unconfirmed(self._own[0], self._reporting):
            if not self.held.is_alone(entry):
                continue  # it may have come to wait only lately
            since_ms = self._entered_ms.get(entry.at, self._started_ms)
            if self.held.is_called_not_taken(entry.at):
                continue  # it was ended in time, by a central whose word counts no more
            if self._now_ms - max(since_ms, self._changed_ms) > most_ms:
                self.breaks(f"not taken: {entry.at} waits since {self._now_ms - since_ms} ms")

    def committed(self) -> None:
        """All of it is on the disk."""
        if any(event.kind not in CHANGE_NO_WAIT for event in self._new):
            self._changed_ms = self._now_ms
        self._waits_too_long()
        self._on_disk += self._new
        self._new = []

    def rolled_back(self) -> None:
        """None of it is, and what was asked for is given up."""
        self._beats.clear()
        self._asked.clear()
        if self._new:
            self._undone.update(event.origin for event in self._new)
            self._new = []
            self.held.clear()
            for event in self._on_disk:
                self.held.add(event)
            self.gate.undone()

    # --- what peers told it ----------------------------------------------------------------------

    def asks(self, peer: str, header: bytes) -> None:
        """It asks a peer for what is missing."""
        self._asked[peer] = (orjson.loads(header)["data"]["id"], self._now_ms)

    def configured(self, peers: set[str]) -> None:
        """Its peers are these from now on."""
        for gone in self._peers - peers:
            self._heard_ms.pop(gone, None)
            self._beats.pop(gone, None)
            self._vectors.pop(gone, None)
        self._peers = {peer for peer in peers if peer in self._world.machines}

    def turns(self, mono_ms: int) -> None:
        """What happens next in it happens now."""
        self._now_ms = mono_ms

    def drained(self, told: Iterable[tuple[str, bytes, bool]], mono_ms: int) -> None:
        """It takes in what peers sent: each with its header, and whether that is of a page."""
        self.turns(mono_ms)
        self._approved.clear()
        self._ready = self._ready or self._may_answer(mono_ms)
        told = list(told)
        for peer, header, _ in told:
            if peer in self._peers:
                self._told(peer, orjson.loads(header), mono_ms)
        # What came lately may be taken in another order, and later: a page may be the last word.
        self._turns += 1
        self._paged |= {peer: self._turns for peer, _, page in told if page}
        for peer in [it for it in self._beats if self._turns - self._paged.get(it, -9) < 3]:
            del self._beats[peer]

    def _told(self, peer: str, header: dict[str, Any], mono_ms: int) -> None:
        data = header["data"]
        if header["source_central"] != peer:
            return
        if header["type"] == "HEARTBEAT":
            self._heard_ms[peer] = mono_ms
            self._beats[peer] = data["heads"]
            # One that was on its way for longer than a page says less, and is believed (7.2).
            said = {tuple(stream): head for *stream, head in data["heads"]}
            if self._vectors.get(peer) is not None:
                self._vectors[peer] = [
                    [*stream, min(head, said.get(tuple(stream), head))]
                    for *stream, head in self._vectors[peer] or ()
                ]
        elif header["type"] == "SYNC_RESPONSE":
            self._beats.pop(peer, None)
            heads = data.get("heads")
            whole = heads is not None and not data.get("more")
            id, asked_ms = self._asked.get(peer, (None, 0))
            counts = whole and id == data["id"] and mono_ms - asked_ms <= LOST_MS
            self._vectors[peer] = heads if counts else self._vectors.get(peer)

    def _ahead(self, heads: Iterable[Any]) -> bool:
        """Whether these say more than is held, of streams that its peers write or it wrote."""
        held = self.held.heads
        return any(
            head > held.get((origin, epoch), 0) and (origin, epoch) != self._own
            for origin, epoch, head in heads
            if (origin, epoch) not in self._world.ledger.forks
            and (origin in self._peers or origin == self._own[0])  # others may not be taken in
        )

    def _missing(self, mono_ms: int) -> tuple[set[str], set[str]]:
        """The peers whose events surely may be missing here, and all of whom that may be said."""
        timeout_ms = PEER_TIMEOUT_BEATS * self._world.plan.heartbeat_ms
        surely = {
            peer
            for peer in self._peers
            if mono_ms - self._heard_ms.get(peer, -(2**60)) > timeout_ms
            or self._ahead(self._beats.get(peer, ()))
        }
        if self._world.settled:
            return surely, surely | {"rogue"}
        return surely, self._peers | {"rogue"}

    def _may_answer(self, mono_ms: int) -> bool:
        """Whether edges may be answered: those peers that are there were asked what it missed."""
        up_ms = mono_ms - self._started_ms
        if up_ms >= CATCH_UP_MS:
            return True
        if up_ms < HELLO_MS and self._peers - self._vectors.keys():
            return False
        return not any(self._ahead(self._to_be_had(peer)) for peer in self._vectors)

    def _to_be_had(self, peer: str) -> list[Any]:
        """What a peer told of, and has still: its disk may be another one since."""
        on_disk = self._world.ledger.held.get(peer, {})
        return [
            (origin, epoch, min(head, on_disk.get(Stream(origin, epoch), 0)))
            for origin, epoch, head in self._vectors[peer] or ()
            if not self._may_wait(origin)
        ]

    # --- what it answers -------------------------------------------------------------------------

    def answers(
        self, answer: Callable[[], bytes], body: bytes, speaker: str | None, now: Time
    ) -> bytes:
        """Have it answer, and judge that."""
        if not self._ready:
            self.breaks("answers an edge before it asked its peers what it missed")
        missing = self._missing(now.mono_ms)
        expected = self.gate.expect(body, speaker, now, missing[0])
        cautious = self.gate.expect(body, speaker, now, missing[1]) if expected.guess else expected
        before = len(self._new)
        answered = answer()
        recorded = self._new[before:]
        if not any("plate_read" in (it.personal or {}) for it in recorded):
            expected = cautious
        told = orjson.loads(answered)
        wrong = self.gate.verdict(expected, body, told, recorded, missing, now.mono_ms)
        if wrong is not None:
            self.breaks(f"gate: {wrong} when asked {body[:300].decode(errors='replace')}")
        self._approved[answered] = (recorded or [expected.repeats])[0]
        return answered

    def sends(self, body: bytes) -> None:
        """An answer leaves; its gate said it in this turn, or nothing could be recorded."""
        told = orjson.loads(body)
        if body not in self._approved:
            if told["success"] or told["error"]["code"] != "storage_unavailable":
                self.breaks(f"sends {told}, which its gate did not say")
            return
        event, id = self._approved[body], told.get("history_id")
        if event is not None and event.kind == ENTRY and id is not None:
            stay = self.held.stay_of(event.at)
            counts = stay is not None and stay.entry.at == event.at
            older = self.held.before(event) if counts else None
            corrected = self.held.corrected()
            self._world.ledger.id_told(self._name, id, event, older, corrected)
