"""Reference data from scratch: which event counts for the tariff and for each entry.

The rule in one place, for whoever checks tables that were kept up to date event by event.
"""

from collections.abc import Iterable
from typing import NamedTuple

from zparkd.core.events.event import Event, Position, SortKey
from zparkd.core.events.payloads import PassChanged, PassKey, PolicySet, StaffChanged, TariffSet
from zparkd.core.members.votes import counting


class Counting(NamedTuple):
    """The event that counts for each entry, removals too.

    None where no tariff, or no policy, was ever set.
    """

    tariff: Position | None
    policy: Position | None
    passes: dict[PassKey, Position]
    staff: dict[str, Position]


def project_reference(events: Iterable[Event]) -> Counting:
    """What a set of events comes to, whatever their order."""
    tariff: tuple[int, SortKey] | None = None
    policy: tuple[int, SortKey] | None = None
    passes: dict[PassKey, SortKey] = {}
    staff: dict[str, SortKey] = {}
    for event in counting(events):
        data, personal = event.reference, event.personal
        match data:
            case TariffSet():
                key = (data.version, event.key)
                tariff = max(tariff or key, key)
            case PolicySet():
                key = (data.version, event.key)
                policy = max(policy or key, key)
            case PassChanged() if personal is not None and personal.plate_id is not None:
                entry = PassKey(personal.plate_id, data.camera_type, data.valid_from)
                passes[entry] = max(passes.get(entry, event.key), event.key)
            case StaffChanged() if personal is not None and personal.staff_id is not None:
                held = staff.get(personal.staff_id, event.key)
                staff[personal.staff_id] = max(held, event.key)
    return Counting(
        Position(*tariff[1][1:]) if tariff is not None else None,
        Position(*policy[1][1:]) if policy is not None else None,
        {entry: Position(*key[1:]) for entry, key in passes.items()},
        {entry: Position(*key[1:]) for entry, key in staff.items()},
    )
