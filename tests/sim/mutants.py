"""Rules broken on purpose, one at a time: what the simulator must notice.

A mutant replaces one function of the daemon while it is planted. `says` is what the judge then
says, `meets` which plans can meet the fault at all: others are not tried. A new one is a function
here that yields while its patch holds, and a line in `MUTANTS`; `bin/sim --mutants` says on which
seed each is caught. Those that concern what edges see are in `tests.sim.gate_mutants`.
"""

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from unittest.mock import patch

from msgspec import structs

import zparkd.core.replication.ingest
import zparkd.core.replication.limits
import zparkd.core.replication.serving
import zparkd.core.stays.corrections
import zparkd.daemon.main
import zparkd.storage.database_file
from tests.sim.disk_mutants import DISK_MUTANTS
from tests.sim.erase_mutants import ERASE_MUTANTS
from tests.sim.gate_mutants import GATE_MUTANTS
from tests.sim.machine import Disk
from tests.sim.member_mutants import MEMBER_MUTANTS
from tests.sim.mutant import Mutant, bad_disks, few_heads, liars, lost_disks, office, wrong_clocks
from tests.sim.roster_mutants import ROSTER_MUTANTS
from zparkd.core.clock import Clock
from zparkd.core.events.event import Event, Stream
from zparkd.core.events.heads import HeadVector
from zparkd.core.events.payloads import PolicySet
from zparkd.core.gate.edge_state import EdgeStates
from zparkd.core.gate.recording import Recorder
from zparkd.core.gate.resolve import Resolver
from zparkd.core.replication.ingest import Intake
from zparkd.core.replication.peers import Peers
from zparkd.core.replication.signatures import Signatures
from zparkd.core.stays.fold import Fold, _opened
from zparkd.daemon.reactor import Reactor
from zparkd.storage.projection.projector import Projection
from zparkd.storage.projection.reference_tables import ReferenceTables
from zparkd.storage.store import Store


def _sent_before_commit(what: str) -> AbstractContextManager[Any]:
    turn = Reactor._turn

    def early(self: Any, batch: Any) -> None:
        step = self._central.step

        def step_and_send(now: Any, messages: Any, **how: Any) -> Any:
            output = step(now, messages, **how)
            if what == "replies":
                for token, body in output.replies:
                    self._bus.answer_edge(token, body)
            else:
                for frames in output.published:
                    self._bus.publish(frames)
            getattr(output, what).clear()
            return output

        with patch.object(self._central, "step", step_and_send):
            turn(self, batch)

    return patch.object(Reactor, "_turn", early)


def reply_before_commit() -> AbstractContextManager[Any]:
    return _sent_before_commit("replies")


def publish_before_commit() -> AbstractContextManager[Any]:
    return _sent_before_commit("published")


def reuse_an_epoch() -> AbstractContextManager[Any]:
    def last_one(central_id: str, store: Any, *_: Any) -> Stream:
        ours = [stream.epoch for stream in store.heads if stream.origin == central_id]
        return Stream(central_id, max(ours, default=1))

    return patch.object(zparkd.daemon.main, "new_stream", last_one)


def skip_a_page() -> AbstractContextManager[Any]:
    """The head moves on, and the event was not stored."""
    append = Store.append

    def forgetful(self: Any, event: Any, **more: Any) -> None:
        own = event.position.origin == self.machine.id
        if own or event.position.seq % 5:
            append(self, event, **more)
        else:
            self._begin()
            self._streams.advance(event.position, event.hash)

    return patch.object(Store, "append", forgetful)


def newest_wins() -> AbstractContextManager[Any]:
    def entry(self: Any, event: Any) -> None:
        current = self._open
        if current is not None:
            del self.stays[current]
            self.superseded[current] = event.position
        self.stays[event.position] = _opened(self.vehicle, event, None)
        self._open = event.position

    return patch.object(Fold, "_entry", entry)


@contextmanager
def dedup_only_in_memory() -> Iterator[None]:
    def acts(self: Any, request: Any) -> list[Any]:
        known = self._edges.__dict__.get("acts", {})
        found = [self._log.event(it) for it in known.get((request.edge_id, request.request_id), [])]
        return [event for event in found if event is not None]

    append = Recorder._append

    def remembered(self: Any, now: Any, found: Any, what: Any) -> Any:
        event, request = append(self, now, found, what), found.request
        if request.request_id is not None:
            known = self._edges.__dict__.setdefault("acts", {})
            known.setdefault((request.edge_id, request.request_id), []).append(event.position)
        return event

    with (
        patch.object(Resolver, "_acts", acts),
        patch.object(Recorder, "_append", remembered),
        patch.object(zparkd.core.stays.corrections, "repeated", lambda events: {}),
        patch.object(Projection, "_repeats", lambda self, event, number: None),
    ):
        yield


def timestamp_as_cursor() -> AbstractContextManager[Any]:
    """What is not newer than the newest of its origin was surely had before."""
    take = Intake.take

    def newer(self: Any, peer: Any, told: Any, *rest: Any, **how: Any) -> Any:
        cursor = self.__dict__.setdefault("cursor", {})
        fresh = []
        for event in told.events:
            if event.timestamp > cursor.get(event.position.origin, -1):
                cursor[event.position.origin] = event.timestamp
                fresh.append(event)
        return take(self, peer, structs.replace(told, events=fresh), *rest, **how)

    return patch.object(Intake, "take", newer)


def trust_a_wrong_clock() -> AbstractContextManager[Any]:
    return patch.object(Clock, "learn", lambda self, now, offsets_ms: None)


def follow_the_fastest_clock() -> AbstractContextManager[Any]:
    def learn(self: Any, now: Any, offsets_ms: Any) -> None:
        if offsets_ms and max(offsets_ms) > 10_000:
            self._truth_minus_mono_ms = now.wall_ms + max(offsets_ms) - now.mono_ms

    return patch.object(Clock, "learn", learn)


def no_chain_check() -> AbstractContextManager[Any]:
    def sort(self: Any, event: Any, run: Any, taken: Any) -> None:
        held = self._log.heads.get(event.position.stream, 0) + len(run.events)
        if event.position.seq == held + 1:
            run.events.append(event)

    return patch.object(Intake, "_sort", sort)


def forget_what_waits() -> AbstractContextManager[Any]:
    return patch.object(Projection, "_release", lambda self, entry: None)


def remember_what_was_undone() -> AbstractContextManager[Any]:
    """After a rollback, memory goes on as if nothing were."""

    def rollback(self: Any) -> None:
        if self._connection.in_transaction:
            self._run("ROLLBACK")

    return patch.object(Store, "rollback", rollback)


def order_is_the_clock() -> AbstractContextManager[Any]:
    stamp = Recorder._stamp

    def flat(self: Any, now: Any, vehicle: Any) -> Any:
        made, _ = stamp(self, now, vehicle)
        return made, made.ms

    return patch.object(Recorder, "_stamp", flat)


def answer_retries_afresh() -> AbstractContextManager[Any]:
    return patch.object(Resolver, "_recorded", lambda self, acts: None)


def serve_only_own_events() -> AbstractContextManager[Any]:
    contents = zparkd.core.replication.serving.contents

    def own(log: Any, ask: Any, *, signed: bool) -> Any:
        if not isinstance(log, Disk):
            return contents(log, ask, signed=signed)  # for a bundle, which a person carries
        after = [head for head in ask.after if head[0] == log.machine.id]
        return contents(log, type(ask)(ask.site, ask.id, after, ask.vector), signed=signed)

    return patch.object(zparkd.core.replication.serving, "contents", own)


def never_ask_for_the_vector() -> AbstractContextManager[Any]:
    beat = Peers.beat

    def listed_only(self: Any, peer: Any, *rest: Any) -> None:
        beat(self, peer, *rest)
        peer.sync.heads = peer.sync.heads if peer.sync.heads is not None else HeadVector()
        peer.sync.wants_vector = False

    return patch.object(Peers, "beat", listed_only)


def ask_all_the_time() -> AbstractContextManager[Any]:
    return patch.object(zparkd.core.replication.limits, "PROBE_EVERY_MS", 0)


def call_all_copied() -> AbstractContextManager[Any]:
    """Status says that each event is on another central too."""
    return patch.object(Peers, "only_here", lambda self, ours, forks=None: 0)


class _Unbounded(OrderedDict[Any, Any]):
    def popitem(self, last: bool = True) -> Any:
        return None


def remember_every_edge() -> AbstractContextManager[Any]:
    made = EdgeStates.__init__

    def init(self: Any) -> None:
        made(self)
        self._edges = _Unbounded()

    return patch.object(EdgeStates, "__init__", init)


def exits_end_the_stay_they_name() -> AbstractContextManager[Any]:
    """By name: a vehicle that came in again elsewhere stays inside for ever."""

    def by_name(self: Any, event: Any) -> None:
        if self._open is None or self.stay_of(event.names) != self._open:
            self.ended_nothing.append(event.position)
        else:
            exit_(self, event)

    exit_ = Fold._exit
    return patch.object(Fold, "_exit", by_name)


def last_to_arrive_counts() -> AbstractContextManager[Any]:
    """A change of a pass or of staff counts because it came, not because it is later."""
    return patch.object(ReferenceTables, "_is_last", lambda self, event, held: True)


def first_tariff_stays() -> AbstractContextManager[Any]:
    """A tariff that was met once is not looked for again."""
    tariff = ReferenceTables.tariff

    def remembered(self: Any) -> Any:
        self._tariff_known = self._tariff is not None
        return tariff(self)

    return patch.object(ReferenceTables, "tariff", remembered)


def first_policy_stays() -> AbstractContextManager[Any]:
    """A policy that was met once is not looked for again."""
    add = ReferenceTables._add_policy

    def once(self: ReferenceTables, event: Event, data: PolicySet) -> None:
        if self.policy() is None:
            add(self, event, data)

    return patch.object(ReferenceTables, "_add_policy", once)


@contextmanager
def trust_everybody() -> Iterator[None]:
    """What bears a signature is believed, whoever made it."""
    with (
        patch.object(zparkd.core.replication.ingest, "is_signed", lambda *_: True),
        patch.object(Signatures, "_judge", lambda self, certificate: None),
    ):
        yield


def commit_without_sync() -> AbstractContextManager[Any]:
    """What is committed is in the memory of the machine, and on the disk some day."""
    lazy = tuple(it.replace("= FULL", "= OFF") for it in zparkd.storage.database_file._PRAGMAS)
    return patch.object(zparkd.storage.database_file, "_PRAGMAS", lazy)


MUTANTS = {
    mutant.name: mutant
    for mutant in (
        Mutant(reply_before_commit, "told too early"),
        Mutant(publish_before_commit, "published too early"),
        Mutant(reuse_an_epoch, "epoch reused|position reused"),
        Mutant(skip_a_page, "gap|gate: |differ"),
        Mutant(newest_wins, "the newer won|gate: |stays differ|verdicts differ"),
        Mutant(dedup_only_in_memory, "recorded twice|counts twice|gate: recorded"),
        Mutant(timestamp_as_cursor, "heads differ"),
        Mutant(trust_a_wrong_clock, "wrong clock", lambda plan: plan.wrong_from_start),
        Mutant(follow_the_fastest_clock, "dragged", wrong_clocks),
        Mutant(no_chain_check, "chain broken|has another event", lambda plan: plan.rogue),
        Mutant(forget_what_waits, "stays differ|verdicts differ|gate: "),
        Mutant(remember_what_was_undone, "a turn failed|gap|differ|gate: ", bad_disks),
        Mutant(order_is_the_clock, "order falls|gate: recorded order"),
        Mutant(answer_retries_afresh, "recorded twice|gate: "),
        Mutant(serve_only_own_events, "heads differ"),
        Mutant(never_ask_for_the_vector, "heads differ", few_heads),
        Mutant(ask_all_the_time, "storm"),
        Mutant(call_all_copied, "lost more than said", lost_disks),
        Mutant(remember_every_edge, "memory grows", lambda it: "EDGES_REMEMBERED" in it.bounds),
        Mutant(last_to_arrive_counts, "passes differ|staff differ|gate: ", office),
        Mutant(first_policy_stays, "policies differ|gate: ", office),
        Mutant(first_tariff_stays, "tariffs differ|gate: ", office),
        Mutant(exits_end_the_stay_they_name, "ended nothing|stays differ|gate: "),
        Mutant(trust_everybody, "invented|position reused|bytes differ|heads differ", liars),
        Mutant(commit_without_sync, "not on the disk|that were committed", lambda plan: plan.files),
        *GATE_MUTANTS,
        *MEMBER_MUTANTS,
        *ROSTER_MUTANTS,
        *ERASE_MUTANTS,
        *DISK_MUTANTS,
    )
}
