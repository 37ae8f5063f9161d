"""A plate as a key, and how much one that was read looks like another.

How what a camera or a person writes becomes a `plate_id`, and a ladder of how easily one plate is
read as another: only look-alikes differ, or besides one character was lost, added or swapped. By
the same ladder a plate is found that a person looks for.
docs/plates.md explains it. Whether such a vehicle exists is nobody's rule.
"""

import re
import unicodedata
from collections.abc import Iterator
from enum import IntEnum
from typing import NamedTuple

PLATE_ID = re.compile(r"[A-Z0-9]{3,12}")
_DROPPED = str.maketrans({" ": None, ".": None, "-": None, "Đ": "D"})


def normalise_plate(text: str) -> str:
    """The `plate_id` of a plate as read or typed: `29a-123.45` becomes `29A12345`.

    NFC, upper case, Đ to D, spaces, dots and hyphens dropped. Raises ValueError, with what
    is wrong and what to write, where 3 to 12 of A-Z and 0-9 are not what is left.
    """
    plate_id = unicodedata.normalize("NFC", text).upper().translate(_DROPPED)
    if not PLATE_ID.fullmatch(plate_id):
        raise ValueError(
            "must be 3 to 12 of A-Z and 0-9 after spaces, dots and hyphens are dropped,"
            f" not {text[:40]!r}"
        )
    return plate_id


# --- what looks alike -----------------------------------------------------------------------------

# Each begins with the digit. Of each the series of a Vietnamese plate have one letter at most, so
# where a form has a letter or a digit, only one of them can be meant.
LOOK_ALIKES = ("0ODQ", "1IL", "2Z", "4A", "5S", "6G", "7T", "8B")
# Both may be meant, so these never decide; they are taken for each other oftener than others.
NEAR_ALIKES = frozenset(
    frozenset(pair)
    for pair in (
        *("06", "08", "09", "17", "27", "38", "39", "49", "56", "68", "89", "3B"),
        *("CG", "EF", "HM", "HN", "KX", "MN", "PR", "UV", "VY"),
    )
)
# Where a plate has letters (L), digits (D) or either (X), by its length: docs/plates.md.
FORMS = ("LLDDDD", "DDLDDDD", "DDLXDDDD", "DDLXDDDDD", "DDDDDLLDD", "DDLLDDDDDD")

_LOOK = str.maketrans({char: group[0] for group in LOOK_ALIKES for char in group[1:]})
_FORMS_OF = {len(form): [one for one in FORMS if len(one) == len(form)] for form in FORMS}
_LOOKS = sorted({chr(code).translate(_LOOK) for code in (*range(48, 58), *range(65, 91))})

_ODD_COST = 0.05  # a look-alike that can't stand where it was read
_LOOK_COST = 0.2  # one that can
_NEAR_COST = 0.6
_EDIT_COST = 1.0
_MANY_COST = 0.5  # more look-alikes than can be strong
_STRONG_MOST = 3


class Likeness(NamedTuple):
    """How much two plates look alike: `match` is above 0, and 1 for the same plate.

    It is `strong` where only look-alikes differ, and few of them.
    """

    match: float
    strong: bool


def look_of(plate_id: str) -> str:
    """A plate with each character as the first of those that look like it."""
    return plate_id.translate(_LOOK)


def looks_near(plate_id: str) -> Iterator[str]:
    """Every look of a plate that this one can be a misreading of; some come more than once."""
    look = look_of(plate_id)
    yield look
    for at in range(len(look) + 1):
        before, after = look[:at], look[at:]
        for char in _LOOKS:
            yield before + char + after  # one was lost
            if after:
                yield before + char + after[1:]  # one was read as another
        if after:
            yield before + after[1:]  # one was added
        if len(after) > 1:
            yield before + after[1] + after[0] + after[2:]  # two changed places


def likeness(read: str, plate_id: str) -> Likeness | None:
    """How much a plate looks like what was read; None where nobody would take it for that."""
    ours, theirs = look_of(read), look_of(plate_id)
    start = 0
    while start < min(len(ours), len(theirs)) and ours[start] == theirs[start]:
        start += 1
    end = 0
    while end < min(len(ours), len(theirs)) - start and ours[-1 - end] == theirs[-1 - end]:
        end += 1
    odd, odder = ours[start : len(ours) - end], theirs[start : len(theirs) - end]
    swapped = len(odd) == len(odder) == 2 and odd == odder[::-1]
    if not swapped and max(len(odd), len(odder)) > 1:
        return None
    # What is left before and after the odd place stands at the same distance from either end.
    alike = [at for at in range(start) if read[at] != plate_id[at]]
    alike += [len(read) + at for at in range(-end, 0) if read[at] != plate_id[at]]
    cost = sum(_ODD_COST if _is_odd(read, at) else _LOOK_COST for at in alike)
    if not odd and not odder:
        strong = len(alike) <= _STRONG_MOST
        return Likeness(_match(cost if strong else cost + _MANY_COST), strong)
    near = len(odd) == len(odder) == 1 and _are_near(read[start], plate_id[start])
    return Likeness(_match(cost + (_NEAR_COST if near else _EDIT_COST)), strong=False)


def _match(cost: float) -> float:
    return round(1 / (1 + cost), 3)


def _are_near(one: str, other: str) -> bool:
    pairs = frozenset((one, other)), frozenset((look_of(one), look_of(other)))
    return any(pair in NEAR_ALIKES for pair in pairs)


def _is_odd(read: str, at: int) -> bool:
    """Whether no plate of this length has such a character there; of odd lengths nothing is."""
    forms = _FORMS_OF.get(len(read), [])
    wanted = "D" if read[at].isdecimal() else "L"
    return bool(forms) and all(form[at] not in (wanted, "X") for form in forms)


# --- what a person looks for ----------------------------------------------------------------------


class Fit(IntEnum):
    """How well a plate fits what is looked for, the best first."""

    SAME = 0
    PART = 1  # it holds it
    ALIKE = 2  # it looks as if it held it, or could be read as it


class Wanted:
    """What a person looks for: a plate, or a part of one, as it stands in keys."""

    def __init__(self, asked: str) -> None:
        self._asked = asked
        self._look = look_of(asked)
        self._near = frozenset(looks_near(asked))

    def fit(self, plate_id: str) -> Fit | None:
        """How well this plate fits; None where nobody would mean it."""
        if self._asked == plate_id:
            return Fit.SAME
        if self._asked in plate_id:
            return Fit.PART
        look = look_of(plate_id)
        if self._look in look:
            return Fit.ALIKE
        near = look in self._near and likeness(self._asked, plate_id) is not None
        return Fit.ALIKE if near else None
