"""Which of the vehicles inside a misread plate may belong to."""

from collections.abc import Iterable
from typing import NamedTuple

from zparkd.core.log import HeldStay
from zparkd.core.plates import likeness


class Candidate(NamedTuple):
    """An open stay, and how much its plate looks like the one that was read."""

    held: HeldStay
    match: float
    strong: bool


def candidates(
    plate_id: str, camera_type: str | None, stays: Iterable[HeldStay]
) -> tuple[Candidate, ...]:
    """Those of these open stays whose plate looks like this one, best first.

    Only of one type of vehicle, where that is known. Of plates that look alike as much, who came
    last is first: most leave again soon.
    """
    found = []
    for held in stays:
        vehicle = held.stay.vehicle
        like = likeness(plate_id, vehicle.plate_id)
        if like is not None and camera_type in (None, vehicle.camera_type):
            found.append(Candidate(held, *like))
    return tuple(sorted(found, key=_rank))


def the_strong_one(found: Iterable[Candidate]) -> HeldStay | None:
    """The stay of the only strong candidate; None where there is none, or more than one."""
    strong = [candidate.held for candidate in found if candidate.strong]
    return strong[0] if len(strong) == 1 else None


def _rank(candidate: Candidate) -> tuple[float, int, str]:
    stay = candidate.held.stay
    return -candidate.match, -stay.entry_ms, stay.event_id
