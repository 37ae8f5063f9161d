"""What people say of stays afterwards, as values, and what came of it."""

from dataclasses import dataclass
from typing import NamedTuple

from zparkd.core.events.event import Event
from zparkd.core.principal import Principal
from zparkd.core.stays.fold import Stay


@dataclass(frozen=True, slots=True)
class Teller:
    """Who says it, and why; `by` is who was proved to."""

    staff_id: str
    reason: str
    by: Principal | None = None


@dataclass(frozen=True, slots=True)
class Correct:
    """An event was of another vehicle; `plate_view` is the plate for people."""

    teller: Teller
    event_id: str
    plate_id: str
    plate_view: str
    camera_type: str | None = None


@dataclass(frozen=True, slots=True)
class Close:
    """A stay is over, since `at_ms` or now; `fee` was taken, None for nothing said."""

    teller: Teller
    event_id: str
    at_ms: int | None = None
    fee: int | None = None


@dataclass(frozen=True, slots=True)
class Enter:
    """A vehicle came in at `at_ms`, and no camera saw it."""

    teller: Teller
    plate_id: str
    plate_view: str
    at_ms: int
    camera_type: str


@dataclass(frozen=True, slots=True)
class Void:
    """An event never happened; with `exit` what ended the stay of the entry that is named."""

    teller: Teller
    event_id: str
    exit: bool = False


@dataclass(frozen=True, slots=True)
class Charge:
    """Money taken for a stay afterwards, or given back where it is negative."""

    teller: Teller
    event_id: str
    amount: int


@dataclass(frozen=True, slots=True)
class Erase:
    """What is personal of a vehicle is forgotten, of the type that is said or of all."""

    teller: Teller
    plate_id: str
    camera_type: str | None = None


Deed = Correct | Close | Enter | Void | Charge | Erase


class Done(NamedTuple):
    """What was recorded, and the stay that it is about as it is now, None where there is none.

    `erased` is how many events were forgotten, `watched` why the watch list of the policy says the
    plate all the same.
    """

    recorded: Event
    stay: Stay | None
    erased: int = 0
    watched: str | None = None


class NotDone(Exception):
    """Nothing was recorded; the text says why, and the way out."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
