"""Readable ids of events, and what stands for a plate that was erased.

`<central>_<ms>_<plate_id>` is for people and cameras. Where the plate is no more it is the
position, and so is what stands for the plate, behind a mark that no plate has.
"""

from zparkd.core.site import CENTRAL_ID

NAMELESS_MARK = "?"
NAMELESS = f"[{NAMELESS_MARK}]{CENTRAL_ID.pattern}_[0-9]{{1,16}}_[0-9]{{1,13}}"
"""The form of what stands for a plate that was erased."""


def event_id(origin: str, timestamp: int, plate_id: str) -> str:
    """The readable id of an entry or of an exit that no entry was known for."""
    return f"{origin}_{timestamp}_{plate_id}"


def nameless_id(position: tuple[str, int, int]) -> str:
    """The readable id of an event of a vehicle without a name."""
    return "_".join(map(str, position))


def nameless(root: tuple[str, int, int]) -> str:
    """What stands for the plate of a vehicle that was erased first there."""
    return f"{NAMELESS_MARK}{nameless_id(root)}"


def is_nameless(plate_id: str | None) -> bool:
    """Whether this is no plate, but stands for one that was erased."""
    return plate_id is not None and plate_id.startswith(NAMELESS_MARK)


def shown_plate(plate_id: str | None) -> str | None:
    """A plate as readers are told it: None where it was erased."""
    return None if is_nameless(plate_id) else plate_id
