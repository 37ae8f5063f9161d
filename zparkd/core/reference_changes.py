"""Setting the tariff and importing lists: what differs becomes events of this central.

What is the same as before makes no event, so the same document may be handed in again and again.
An import replaces a list by its differences, one event a changed entry, as many a turn as edges
can wait for; who imports asks again until nothing is left.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeVar

from zparkd.core import limits
from zparkd.core.clock import Clock, Now
from zparkd.core.events import Kind, Personal
from zparkd.core.journal import Journal
from zparkd.core.log import Log
from zparkd.core.principal import Principal
from zparkd.core.reference import Pass, PassChanged, Reference, Staff, StaffChanged, TariffSet
from zparkd.core.tariff_document import read_tariff, written

_Entry = TypeVar("_Entry", Pass, Staff)


class Imported(NamedTuple):
    """How many entries an import changed now, and how many differences are left for later."""

    added: int
    changed: int
    removed: int
    left: int


class ReferenceChanges:
    """Records changes of reference data. All within the caller's transaction."""

    def __init__(self, log: Log, journal: Journal, clock: Clock) -> None:
        self._log = log
        self._journal = journal
        self._clock = clock

    def set_tariff(self, now: Now, document: Any, by: Principal | None = None) -> int:
        """Make a document the site's tariff; its version. Raises BadDocument."""
        read_tariff(document)
        document = written(document)
        held = self._log.reference.tariff()
        if held is None:
            self._record(now, Kind.TARIFF, TariffSet(1, document, by), Personal(""), 0)
            return 1
        if held.document == document:
            return held.tariff.version
        version = min(held.tariff.version + 1, limits.VERSION_MAX)
        self._record(now, Kind.TARIFF, TariffSet(version, document, by), Personal(""), held.order)
        return version

    def import_passes(
        self, now: Now, wanted: Sequence[Pass], by: Principal | None = None
    ) -> Imported:
        """Make these the passes of the site, as far as one turn goes."""
        return self._import(now, self._log.reference.passes(), wanted, by)

    def import_staff(
        self, now: Now, wanted: Sequence[Staff], by: Principal | None = None
    ) -> Imported:
        """Make these the staff of the site, as far as one turn goes."""
        return self._import(now, self._log.reference.staff(), wanted, by)

    def _import(
        self, now: Now, held: Sequence[_Entry], wanted: Sequence[_Entry], by: Principal | None
    ) -> Imported:
        before = {entry.key: entry for entry in held}
        after = {entry.key: entry for entry in wanted}
        put = [entry for key, entry in after.items() if before.get(key) != entry]
        gone = [entry for key, entry in before.items() if key not in after]
        # Additions first: a list that is replaced half way has more in it, never less.
        room = limits.REFERENCE_EVENTS_PER_TURN
        put_now = put[:room]
        gone_now = gone[: room - len(put_now)]
        for entry in put_now:
            self._change(now, entry, by, removed=False)
        for entry in gone_now:
            self._change(now, entry, by, removed=True)
        added = sum(entry.key not in before for entry in put_now)
        left = len(put) + len(gone) - len(put_now) - len(gone_now)
        return Imported(added, len(put_now) - added, len(gone_now), left)

    def _change(
        self, now: Now, entry: Pass | Staff, by: Principal | None, *, removed: bool
    ) -> None:
        last = self._log.reference.last_order(entry)
        if isinstance(entry, Pass):
            data = PassChanged(entry.camera_type, entry.valid_from, entry.valid_until, removed, by)
            holder = entry.holder if not removed else None
            personal = Personal("", plate_id=entry.plate_id, holder=holder)
            self._record(now, Kind.PASS, data, personal, last)
        else:
            name = entry.name if not removed else None
            personal = Personal("", staff_id=entry.staff_id, name=name)
            self._record(now, Kind.STAFF, StaffChanged(removed, by), personal, last)

    def _record(
        self, now: Now, kind: Kind, data: Reference, personal: Personal, last_order: int
    ) -> None:
        """Append an event that comes after `last_order`, the newest of its entry held here."""
        stamp = self._clock.read(now)
        order = max(stamp.ms, min(last_order + 1, limits.TIME_SHOWN_MS_MAX))
        self._journal.record(kind, stamp.ms, order, data, personal)
        self._clock.stamped(stamp.ms, now)
