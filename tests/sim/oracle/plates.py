"""Which plate inside is surely meant by one that was misread: docs/plates.md, its first rung."""

from collections.abc import Iterable

ALIKE = (set("0ODQ"), set("1IL"), set("2Z"), set("4A"), set("5S"), set("6G"), set("7T"), set("8B"))


def is_strong(read: str, plate: str) -> bool:
    """Whether only look-alikes differ, and at most three."""
    if len(read) != len(plate):
        return False
    differ = [{one, other} for one, other in zip(read, plate, strict=True) if one != other]
    return len(differ) <= 3 and all(any(pair <= group for group in ALIKE) for pair in differ)


def surely_meant(
    read: str, inside: Iterable[tuple[str, str]], camera_type: str | None
) -> tuple[str, str] | None:
    """The only vehicle inside, of this type if one is said, for which that holds."""
    found = [
        (its, plate)
        for its, plate in inside
        if camera_type in (None, its) and is_strong(read, plate)
    ]
    return found[0] if len(found) == 1 else None
