"""What erases leave of an event: docs/protocol.md section 8.9, read anew each time."""

from collections.abc import Iterable

from tests.sim.oracle.events import OF_GATES, PASS, POLICY, STAFF, At, Said, hash_of

NOTHING = {"salt": ""}


def erased(event: Said, erases: Iterable[Said]) -> Said:
    """An event as the erases that count leave it."""
    if event.data is None:
        return event
    erases = sorted(erases, key=lambda it: it.key)
    naming = [it for it in erases if names(it, event.at)]
    by = (naming or [it for it in erases if _is_meant(event, it)])[:1]
    if not by:
        return event
    if event.kind in OF_GATES:
        root = tuple(by[0].data.get("of", by[0].at))
        plate = "?" + "_".join(map(str, root))
        return event._replace(personal={**NOTHING, "plate_id": plate})
    if event.kind in (PASS, STAFF):
        return event._replace(data=None, personal=None)
    return event._replace(personal=NOTHING) if event.kind == POLICY else event


def names(erase: Said, at: At) -> bool:
    """Whether an erase names a position."""
    return any(
        at[:2] == (origin, epoch) and first <= at[2] <= last
        for origin, epoch, first, last in erase.data["runs"]
    )


def means(erase: Said, plate: str) -> bool:
    """Whether an erase is of this plate, which it knows by a digest alone."""
    salt = erase.data.get("salt", "")
    return bool(erase.data.get("digest")) and erase.data["digest"] == hash_of(
        f"{salt} {plate}".encode()
    )


def _is_meant(event: Said, erase: Said) -> bool:
    """Whether it is to be forgotten for an erase that does not know of it."""
    if event.order > erase.order or event.kind not in (*OF_GATES, PASS):
        return False
    if erase.data.get("camera_type") not in (None, event.data.get("camera_type")):
        return False
    said = (event.personal.get(name) for name in ("plate_id", "plate_read", "entry_plate"))
    return any(means(erase, it) for it in said if it is not None)
