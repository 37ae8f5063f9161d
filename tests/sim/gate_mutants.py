"""Rules of the gate broken on purpose: what an edge would see, and the simulator must."""

from contextlib import AbstractContextManager, ExitStack
from typing import Any
from unittest.mock import patch

from msgspec.structs import replace

import zparkd.core.gate.gate
import zparkd.core.gate.recording
import zparkd.core.gate.resolve
import zparkd.core.gate.responses
import zparkd.core.stays.fold
import zparkd.storage.projection.refold
import zparkd.storage.projection.usual
from tests.sim.mutant import Mutant, cuts, office, refusals, restarts, short_retries
from zparkd.core.central import Central
from zparkd.core.clock import Now
from zparkd.core.events.event import Kind
from zparkd.core.gate.charges import charge
from zparkd.core.gate.edge_state import EdgeStates
from zparkd.core.gate.gate import Answer, Record
from zparkd.core.gate.resolve import Resolved, Resolver
from zparkd.core.gate.untaken import Untaken
from zparkd.core.replication.peers import Peers
from zparkd.core.site import DEFAULT_CAMERA_TYPE, Direction
from zparkd.core.stays.fold import Fold
from zparkd.core.tariff.pricing import BUILT_IN
from zparkd.storage.projection.projector import Projection
from zparkd.storage.projection.reference_tables import ReferenceTables
from zparkd.storage.store import Store

Planted = AbstractContextManager[Any]


# --- what is inside ------------------------------------------------------------------------------


def blind_to_stays_begun_elsewhere() -> Planted:
    inside = Store.inside
    return patch.object(
        Store,
        "inside",
        lambda self, plate: [
            it for it in inside(self, plate) if it.stay.entry.origin == self.machine.id
        ],
    )


def one_type_is_as_good_as_another() -> Planted:
    right = Resolver._vehicle

    def vehicle(self: Any, found: Resolved) -> Any:
        key, _ = right(self, found)
        return key, next(iter(self._log.inside(key.plate_id)), None)

    return patch.object(Resolver, "_vehicle", vehicle)


def every_vehicle_is_a_car() -> Planted:
    """Where nobody says a type, what is inside is not asked."""

    right = Resolver._vehicle

    def vehicle(self: Any, found: Resolved) -> Any:
        type = zparkd.core.gate.resolve._camera_type(found)
        said = replace(found.request, camera_type=type or DEFAULT_CAMERA_TYPE)
        return right(self, replace(found, request=said))

    return patch.object(Resolver, "_vehicle", vehicle)


def let_in_twice() -> Planted:
    enter = zparkd.core.gate.gate._enter
    return patch.object(
        zparkd.core.gate.gate, "_enter", lambda found: enter(replace(found, held=None))
    )


def let_out_what_is_not_in() -> Planted:
    def leave(found: Resolved) -> Record:
        stay = found.held.stay if found.held is not None else None
        return Record(Kind.EXIT, stay, found.request.force)

    return patch.object(zparkd.core.gate.gate, "_leave", leave)


def a_force_calls_nothing_stale() -> Planted:
    """A forced entry names no stay, so the one that is open goes on."""

    right = zparkd.core.gate.gate._enter

    def enter(found: Resolved) -> Any:
        decision = right(found)
        return decision._replace(stay=None) if isinstance(decision, Record) else decision

    return patch.object(zparkd.core.gate.gate, "_enter", enter)


def anybody_may_force() -> Planted:
    return patch.object(zparkd.core.gate.gate, "_check_staff", lambda found: None)


def open_for_what_was_seen_long_ago() -> Planted:
    return patch.object(zparkd.core.gate.gate, "_too_late", lambda found: None)


def speak_for_any_edge() -> Planted:
    resolve = Resolver.resolve

    def believed(self: Any, now: Any, request: Any) -> Resolved:
        return resolve(self, now, replace(request, speaker=None))

    return patch.object(Resolver, "resolve", believed)


# --- what a request leaves out -------------------------------------------------------------------


def forget_detections() -> Planted:
    return patch.object(EdgeStates, "detection", lambda self, *_: None)


def always_an_entry() -> Planted:
    def direction(found: Resolved, held: Any) -> Direction:
        return found.request.direction or Direction.ENTRY

    return patch.object(zparkd.core.gate.resolve, "_direction", direction)


def drop_what_a_detection_saw() -> Planted:
    """Neither view nor confidence of a detection come to be in the event."""

    def as_said(found: Resolved) -> Any:
        return found.request.plate_view, found.request.confidence

    return patch.object(zparkd.core.gate.recording, "_as_seen", as_said)


# --- retries -------------------------------------------------------------------------------------


def retry_of_the_newest_record() -> Planted:
    recorded = Resolver._recorded

    def newest(self: Any, acts: Any) -> Any:
        return recorded(self, [it for it in acts if it.kind != Kind.SEEN][-1:])

    return patch.object(Resolver, "_recorded", newest)


def a_used_request_id_is_good() -> Planted:
    """Whatever is asked by the name of an old request is taken for it."""

    return patch.object(zparkd.core.gate.gate, "_repeat", lambda found, event: Answer(event))


def never_an_unnamed_retry() -> Planted:
    return patch.object(EdgeStates, "opened_lately", lambda self, *_: None)


def an_unnamed_retry_for_ever() -> Planted:
    lately = EdgeStates.opened_lately

    def ever(self: Any, edge_id: str, plate_id: str, camera_type: Any, mono_ms: int) -> Any:
        return lately(self, edge_id, plate_id, camera_type, -1)

    return patch.object(EdgeStates, "opened_lately", ever)


def a_close_leaves_unnamed_opens() -> Planted:
    closed = EdgeStates.closed

    def keeping(self: Any, edge_id: str) -> None:
        opens = dict(self._edges[edge_id].opens)
        closed(self, edge_id)
        self._edges[edge_id].opens.update(opens)

    return patch.object(EdgeStates, "closed", keeping)


def unnamed_opens_survive_a_rollback() -> Planted:
    return patch.object(EdgeStates, "forget_opens", lambda self, *_: None)


# --- closes --------------------------------------------------------------------------------------


def a_close_says_nothing() -> Planted:
    return patch.object(zparkd.core.gate.gate, "_close", lambda found: Answer())


def a_close_confirms_nothing() -> Planted:
    """It is recorded, and the stay is not confirmed."""
    usual = zparkd.storage.projection.usual.advanced
    planted = ExitStack()

    def advanced(vehicle: Any, current: Any, event: Any) -> Any:
        return current if event.kind == Kind.CONFIRM else usual(vehicle, current, event)

    class All:
        def __enter__(self) -> None:
            for patched in (
                patch.object(Fold, "_confirm", lambda self, event: None),
                patch.object(Projection, "_confirm", lambda self, *_: None),
                patch.object(zparkd.storage.projection.usual, "advanced", advanced),
            ):
                planted.enter_context(patched)

        def __exit__(self, *_: object) -> None:
            planted.close()

    return All()


def a_close_after_an_exit_confirms() -> Planted:
    """What an edge opened before its last exit is still waiting for its close."""

    def own_unconfirmed(self: Any, edge_id: str, last_open: Any) -> Any:
        for event in self._log.opens_of(edge_id, 64):
            held = self._log.stay_of(event.position) if event.kind == Kind.ENTRY else None
            if held is not None and not held.stay.confirmed:
                return held
        return None

    return patch.object(Resolver, "_own_unconfirmed", own_unconfirmed)


def a_superseded_id_is_dead() -> Planted:
    stay_of = Store.stay_of

    def own_only(self: Any, entry: Any) -> Any:
        held = stay_of(self, entry)
        return held if held is not None and held.stay.entry == entry else None

    return patch.object(Store, "stay_of", own_only)


# --- what an exit costs --------------------------------------------------------------------------


def fee_lost_when_an_exit_names_another_entry() -> Planted:
    closed = zparkd.core.stays.fold._closed

    def unpaid(stay: Any, by: Any, closer: Any, *more: Any) -> Any:
        ended = closed(stay, by, closer, *more)
        return ended if closer.names == stay.entry else replace(ended, fee=None, currency=None)

    return patch.object(zparkd.core.stays.fold, "_closed", unpaid)


def passes_are_ignored() -> Planted:
    return patch.object(Resolver, "_pass", lambda self, *_: None)


def a_pass_is_for_ever() -> Planted:
    def any_day(self: Any, plate_id: str, camera_type: str, day: str) -> Any:
        held = [it for it in self.passes() if it.key[:2] == (plate_id, camera_type)]
        return max(held, key=lambda it: it.valid_until, default=None)

    return patch.object(ReferenceTables, "pass_of", any_day)


def misreads_are_taken_whatever_is_missing() -> Planted:
    right = Resolver._misread

    def misread(self: Any, now: Any, found: Resolved) -> Any:
        with patch.object(Peers, "incomplete", lambda *_: []):
            return right(self, now, found)

    return patch.object(Resolver, "_misread", misread)


def of_two_that_look_alike_any_leaves() -> Planted:
    def any_of(found: Any) -> Any:
        return next((it.held for it in found if it.strong), None)

    return patch.object(zparkd.core.gate.resolve, "the_strong_one", any_of)


def what_was_read_is_forgotten() -> Planted:
    return patch.object(zparkd.core.gate.recording, "_plate_read", lambda found, kind: None)


def a_stay_that_ended_can_be_named() -> Planted:
    right = Resolver._of_exit_by_name

    def by_name(self: Any, now: Now, found: Resolved, acts: Any) -> Resolved:
        resolved = right(self, now, found, acts)
        entry = self._log.find(*found.request.event)
        held = self._log.stay_of(entry.position) if entry is not None else None
        return resolved if held is None else replace(resolved, held=held)

    return patch.object(Resolver, "_of_exit_by_name", by_name)


def what_was_taken_is_not_believed() -> Planted:
    def taken(fee: int, *rest: Any) -> Any:
        return right(0, *rest)

    right = zparkd.core.gate.recording.taken
    return patch.object(zparkd.core.gate.recording, "taken", taken)


def nobody_is_asked_when_it_entered() -> Planted:
    return patch.object(Resolver, "_told_entry_ms", lambda self, found: None)


def nobody_fails_to_drive_in() -> Planted:
    return patch.object(Untaken, "turn", lambda self, now: None)


def everybody_fails_to_drive_in_at_once() -> Planted:
    return patch.object(Untaken, "_after_s", lambda self: 0)


def who_was_not_taken_never_leaves() -> Planted:
    return patch.object(Resolver, "_not_taken", lambda *_, **__: None)


def never_full() -> Planted:
    return patch.object(Resolver, "_full_from", lambda self, policy, vehicle, held: None)


def full_by_one_too_early() -> Planted:
    right = Store.vehicles_inside
    return patch.object(Store, "vehicles_inside", lambda self, *kind: right(self, *kind) + 1)


def plates_are_not_looked_out_for() -> Planted:
    right = Resolver._of_detection
    return patch.object(
        Resolver,
        "_of_detection",
        lambda self, found: replace(right(self, found), watch=None),
    )


def a_car_leaves_where_nobody_says_which() -> Planted:
    return patch.object(Resolver, "_types_inside", lambda self, found: ())


def always_the_built_in_tariff() -> Planted:
    return patch.object(Resolver, "_tariff", lambda self: BUILT_IN)


def what_was_quoted_is_forgotten() -> Planted:
    return patch.object(EdgeStates, "quote", lambda self, *_: None)


def lost_tickets_are_free() -> Planted:
    def lenient(*given: Any, lost_ticket: bool = False) -> Any:
        return charge(*given)

    return patch.object(zparkd.core.gate.recording, "charge", lenient)


def unmatched_exits_pay() -> Planted:
    def paid(quote: Any, vehicle: Any, stay: Any, *rest: Any, **more: Any) -> Any:
        due = charge(quote, vehicle, stay, *rest, **more)
        return due._replace(fee=5_000) if stay is None else due

    return patch.object(zparkd.core.gate.recording, "charge", paid)


# --- ids -----------------------------------------------------------------------------------------


def ids_renumbered_at_a_refold() -> Planted:
    return patch.object(zparkd.storage.projection.refold, "_kept_ids", lambda *_: {})


def two_events_of_one_name() -> Planted:
    """A time stamp that another event of the plate has is not raised."""
    return patch.object(Store, "free_stamp", lambda self, plate_id, from_ms: from_ms)


# --- what a central knows that it does not know --------------------------------------------------


def never_incomplete() -> Planted:
    return patch.object(Peers, "incomplete", lambda self, *_: [])


def incomplete_is_who_is_silent() -> Planted:
    """A peer that is heard is taken to have told all."""

    def silent(self: Any, ours: Any, mono_ms: int) -> list[str]:
        return [it.id for it in self.states.values() if not self.fresh(it, mono_ms)]

    return patch.object(Peers, "incomplete", silent)


def always_incomplete() -> Planted:
    return patch.object(Peers, "incomplete", lambda self, *_: sorted(self.states))


def edges_answered_without_catching_up() -> Planted:
    return patch.object(Central, "serves_edges", lambda self, now: True)


def refusals_are_not_named() -> Planted:
    refusal = zparkd.core.gate.responses.refusal

    def nameless(no: Any, request_id: Any, *rest: Any) -> Any:
        return refusal(no, None, *rest)

    return patch.object(zparkd.core.gate.responses, "refusal", nameless)


GATE_MUTANTS = (
    Mutant(blind_to_stays_begun_elsewhere, "gate: "),
    Mutant(one_type_is_as_good_as_another, "gate: "),
    Mutant(every_vehicle_is_a_car, "gate: "),
    Mutant(let_in_twice, "gate: "),
    Mutant(let_out_what_is_not_in, "gate: "),
    Mutant(a_force_calls_nothing_stale, "gate: recorded names"),
    Mutant(anybody_may_force, "gate: ", office),
    Mutant(open_for_what_was_seen_long_ago, "gate: "),
    Mutant(speak_for_any_edge, "gate: .*forbidden|gate: recorded"),
    Mutant(forget_detections, "gate: "),
    Mutant(always_an_entry, "gate: "),
    Mutant(drop_what_a_detection_saw, "gate: recorded plate_view"),
    Mutant(retry_of_the_newest_record, "gate: |answers differ", cuts),
    Mutant(a_used_request_id_is_good, "gate: .*bad_request"),
    Mutant(never_an_unnamed_retry, "gate: "),
    Mutant(an_unnamed_retry_for_ever, "gate: ", short_retries),
    Mutant(a_close_leaves_unnamed_opens, "gate: "),
    Mutant(unnamed_opens_survive_a_rollback, "gate: |a turn failed", refusals),
    Mutant(a_close_says_nothing, "gate: recorded"),
    Mutant(a_close_confirms_nothing, "stays differ|histories differ|gate: "),
    Mutant(a_close_after_an_exit_confirms, "gate: recorded"),
    Mutant(a_superseded_id_is_dead, "gate: "),
    Mutant(fee_lost_when_an_exit_names_another_entry, "stays differ|histories differ"),
    Mutant(passes_are_ignored, "gate: ", office),
    Mutant(a_pass_is_for_ever, "gate: ", office),
    Mutant(misreads_are_taken_whatever_is_missing, "gate: ", office),
    Mutant(of_two_that_look_alike_any_leaves, "gate: ", office),
    Mutant(what_was_read_is_forgotten, "gate: ", office),
    Mutant(a_stay_that_ended_can_be_named, "gate: ", office),
    Mutant(what_was_taken_is_not_believed, "gate: ", office),
    Mutant(nobody_is_asked_when_it_entered, "gate: ", office),
    Mutant(nobody_fails_to_drive_in, "not taken: ", office),
    Mutant(everybody_fails_to_drive_in_at_once, "not taken: ", office),
    Mutant(who_was_not_taken_never_leaves, "gate: ", office),
    Mutant(never_full, "gate: ", office),
    Mutant(full_by_one_too_early, "gate: ", office),
    Mutant(plates_are_not_looked_out_for, "gate: ", office),
    Mutant(a_car_leaves_where_nobody_says_which, "gate: "),
    Mutant(always_the_built_in_tariff, "gate: ", office),
    Mutant(what_was_quoted_is_forgotten, "gate: recorded"),
    Mutant(lost_tickets_are_free, "gate: ", office),
    Mutant(unmatched_exits_pay, "gate: recorded fee"),
    Mutant(ids_renumbered_at_a_refold, "id changed|id reused"),
    Mutant(two_events_of_one_name, "gate: recorded timestamp"),
    Mutant(never_incomplete, "gate: incomplete", cuts),
    Mutant(incomplete_is_who_is_silent, "gate: incomplete"),
    Mutant(always_incomplete, "gate: incomplete"),
    Mutant(edges_answered_without_catching_up, "before it asked its peers", restarts),
    Mutant(refusals_are_not_named, "gate: answers another request"),
)
