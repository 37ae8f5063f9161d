"""An older version of the code: it knows fewer kinds of events, and folds in another way.

It is this one with that taken away, for as long as a machine that has it is at work.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from msgspec.structs import replace

import zparkd.core.events.event
import zparkd.core.stays.fold
from zparkd.core.events.event import Kind
from zparkd.core.stays.fold import Remark
from zparkd.storage.projection import rereading

LATER_KINDS = (
    Kind.TARIFF,
    Kind.POLICY,
    Kind.PASS,
    Kind.STAFF,
    Kind.DISOWNED,
    Kind.RESTORED,
    Kind.ADMITTED,
    Kind.NOT_TAKEN,
    Kind.CORRECTED,
    Kind.CLOSED,
    Kind.VOIDED,
    Kind.CHARGED,
)


@dataclass(frozen=True)
class Older:
    """A version that does not know these kinds, nor the remark on what was forced."""

    unknown: frozenset[str]

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """What runs is this version."""
        closed = zparkd.core.stays.fold._closed

        def unremarked(*given: Any) -> Any:
            stay = closed(*given)
            return replace(
                stay, remarks=tuple(it for it in stay.remarks if it is not Remark.FORCED)
            )

        kinds = frozenset(kind for kind in Kind if kind not in self.unknown)
        with (
            patch.object(zparkd.core.events.event, "_KINDS", kinds),
            patch.object(zparkd.core.stays.fold, "_closed", unremarked),
            patch.object(rereading, "FOLD_VERSION", rereading.FOLD_VERSION - 1),
            patch.object(rereading, "__version__", "0.0.9"),
        ):
            yield
