"""Erasure: a vehicle's events without their personal parts, which stay one vehicle without a name.

An erase is an event that names positions. What stands there says nothing of a person any more,
whether its bytes are forgotten here already or not, and is of a vehicle that is named after the
first erase alone. So all centrals that hold the same events come to the same stays. An event that
was not known where the erase was recorded is found by a digest, salted anew for each erase, and
named by a further one.
"""

import hashlib
from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from zparkd.core.events.event import (
    ERASED,
    Event,
    Personal,
    Position,
    SortKey,
    read,
)
from zparkd.core.events.ids import is_nameless, nameless
from zparkd.core.events.payloads import PassChanged, VehicleErased


def forgotten(event: Event, plate_id: str) -> Event:
    """An event whose personal part is forgotten: one at a gate is of a nameless vehicle.

    A policy goes on without its watch list; what is of nobody any more, as a pass, says nothing.
    """
    if event.facts is None:
        return read(event.skeleton, ERASED)
    return replace(event, personal_part=ERASED, personal=Personal("", plate_id=plate_id))


def root_of(event: Event, said: VehicleErased) -> Position:
    """The first erase of the vehicle that an erase is of."""
    return Position(*said.of) if said.of is not None else event.position


def positions(said: VehicleErased) -> Iterator[Position]:
    """All positions that an erase names."""
    for origin, epoch, first, last in said.runs:
        for seq in range(first, last + 1):
            yield Position(origin, epoch, seq)


def named(events: Iterable[Event]) -> dict[Position, str]:
    """What stands for the plate of each event that erases name; the oldest erase counts."""
    found: dict[Position, tuple[SortKey, str]] = {}
    for event in events:
        said = event.reference
        if isinstance(said, VehicleErased):
            for position in positions(said):
                held = found.get(position)
                if held is None or event.key < held[0]:
                    found[position] = event.key, nameless(root_of(event, said))
    return {position: plate_id for position, (_, plate_id) in found.items()}


def plates_said(event: Event) -> tuple[str | None, set[str]]:
    """The plates by which an erase may mean an event, and its type of vehicle.

    The one that it is of, and what was read instead; not those of a watch list, which people keep.
    """
    if isinstance(event.reference, PassChanged):
        camera_type: str | None = event.reference.camera_type
    elif event.facts is not None:
        camera_type = event.facts.camera_type
    else:
        return None, set()
    personal = event.personal
    assert personal is not None
    said = (personal.plate_id, personal.plate_read, personal.entry_plate)
    return camera_type, {it for it in said if it is not None and not is_nameless(it)}


def runs(named: Iterable[Position]) -> list[tuple[str, int, int, int]]:
    """Positions as an erase names them."""
    found: list[tuple[str, int, int, int]] = []
    for origin, epoch, seq in sorted(set(named)):
        if found and found[-1][:2] == (origin, epoch) and found[-1][3] == seq - 1:
            found[-1] = (origin, epoch, found[-1][2], seq)
        else:
            found.append((origin, epoch, seq, seq))
    return found


def digest(plate_id: str, salt: str) -> str:
    """By which a plate is known to who has it, and to nobody else."""
    return hashlib.blake2b(f"{salt} {plate_id}".encode(), digest_size=32).hexdigest()
