"""The fold and the one that was written from the protocol alone say the same of any events."""

from typing import Any

from hypothesis import given

from tests.sim.oracle import events as oracle
from tests.sim.oracle.held import Held
from tests.support.examples import examples
from tests.support.vehicles import any_sets
from zparkd.core.events.event import Event, Position
from zparkd.core.stays.fold import project


def at(position: Position | None) -> tuple[Any, ...] | None:
    return tuple(position) if position is not None else None


@examples(300)
@given(any_sets())
def test_two_readings_of_the_protocol_come_to_the_same(events: list[Event]) -> None:
    held = Held(oracle.read(event.skeleton, event.personal_part) for event in events)
    came_to = project(events)
    assert {
        entry: (
            *(stay.vehicle, stay.event_id, stay.plate_view, stay.plate_read, stay.confirmed),
            *(stay.closed_by, stay.closer.at if stay.closer is not None else None),
            *(stay.paid, stay.adjusted, stay.duration_s, stay.remarks),
        )
        for entry, stay in held.stays().items()
    } == {
        at(entry): (
            *(stay.vehicle, stay.event_id, stay.plate_view, stay.plate_read, stay.confirmed),
            *(stay.closed_by, at(stay.closer)),
            *((stay.fee, stay.currency), stay.adjusted, stay.duration_s),
            ",".join(stay.remarks) or None,
        )
        for entry, stay in came_to.stays.items()
    }
    assert held.verdicts() == {
        at(position): (verdict, at(instead))
        for position, (verdict, instead) in came_to.judged.items()
    }
    assert held.charged() == {at(one): at(stay) for one, stay in came_to.charged.items()}
