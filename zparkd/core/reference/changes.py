"""Setting tariff and policy and importing lists: what differs becomes events of this central.

What is the same as before makes no event, so the same document may be handed in again and again.
An import replaces a list by its differences, one event a changed entry, as many a turn as edges
can wait for; who imports asks again until nothing is left.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeVar

from zparkd.core import limits
from zparkd.core.clock import Clock, Now
from zparkd.core.events.event import Kind, Personal, SortKey
from zparkd.core.events.payloads import (
    Acknowledged,
    Pass,
    PassChanged,
    PolicySet,
    Reference,
    Staff,
    StaffChanged,
    TariffSet,
)
from zparkd.core.log import Log
from zparkd.core.members.roster_changes import Refused
from zparkd.core.policy import WATCH, read_policy
from zparkd.core.policy import written as written_policy
from zparkd.core.principal import Principal
from zparkd.core.replication.own_stream import OwnStream
from zparkd.core.tariff.document import read_tariff, written

_Entry = TypeVar("_Entry", Pass, Staff)


class Outranked(NamedTuple):
    """What would not count if it were recorded here, and the event that goes on counting.

    Where `by` is None, it is because this central itself is disowned.
    """

    what: str
    by: str | None = None
    order: int = 0
    version: int | None = None

    def __str__(self) -> str:
        """For people."""
        if self.by is None:
            return f"{self.what}: this central is disowned, so nothing that it records counts"
        version = f"version {self.version:,} and " if self.version is not None else ""
        return f"{self.what}: {self.by} set it with {version}order {self.order:,}, which outranks"


class NotCounting(Exception):
    """Nothing was recorded, as it would not count."""

    def __init__(self, outranked: Outranked) -> None:
        super().__init__(str(outranked))
        self.outranked = outranked


class Imported(NamedTuple):
    """How many entries an import changed now, and how many differences are left for later.

    The `outranked` were not changed, and are not left either.
    """

    added: int
    changed: int
    removed: int
    left: int
    outranked: tuple[Outranked, ...] = ()


class ReferenceChanges:
    """Records changes of reference data. All within the caller's transaction."""

    def __init__(self, log: Log, own_stream: OwnStream, clock: Clock) -> None:
        self._log = log
        self._own_stream = own_stream
        self._clock = clock

    def set_tariff(self, now: Now, document: Any, by: Principal | None = None) -> int:
        """Make a document the site's tariff; its version.

        Raises BadDocument, or NotCounting where another one would go on counting.
        """
        read_tariff(document)
        document = written(document)
        held = self._log.reference.tariff()
        before = None
        if held is not None:
            if held.document == document:
                return held.tariff.version
            assert held.tariff.set_by is not None
            before = held.tariff.version, SortKey(held.order, *held.tariff.set_by)
        version, last = self._next_version(now, "the tariff", before)
        self._record(now, Kind.TARIFF, TariffSet(version, document, by), Personal(""), last)
        return version

    def set_policy(self, now: Now, document: Any, by: Principal | None = None) -> int:
        """Make a document the site's policy; its version. Raises as `set_tariff` does."""
        read_policy(document)
        document = written_policy(document)
        held = self._log.reference.policy()
        before = None
        if held is not None:
            if held.document == document:
                return held.version
            before = held.version, SortKey(held.order, *held.set_by)
        version, last = self._next_version(now, "the policy", before)
        watch = document.pop(WATCH, None)
        data = PolicySet(version, document, by)
        self._record(now, Kind.POLICY, data, Personal("", watch=watch), last)
        return version

    def acknowledge(self, now: Now, said: Acknowledged) -> int:
        """Record that a person has looked at a conflict; when that was, in ms.

        Raises Refused for who is not on the list of staff, where there is one; NotCounting where
        nothing that is recorded here counts.
        """
        staff_id, by = said.staff_id, said.by
        is_login = by is not None and by.login is not None
        if not (staff_id is None and is_login) and not self._log.reference.is_staff(staff_id):
            raise Refused(
                "not_staff", f"{staff_id or 'nobody'} is not on the staff list: zparkctl staff list"
            )
        if self._is_disowned():
            raise NotCounting(Outranked("an acknowledgement"))
        self._record(now, Kind.ACKNOWLEDGED, said, Personal(""), 0)
        return self._clock.read(now).ms

    def _next_version(
        self, now: Now, what: str, before: tuple[int, SortKey] | None
    ) -> tuple[int, int]:
        """The version that a document gets, and the order of the one `before` it.

        Raises NotCounting where that one would go on counting.
        """
        if self._is_disowned():
            raise NotCounting(Outranked(what))
        if before is None:
            return 1, 0
        held, last = before
        version = min(held + 1, limits.VERSION_MAX)
        if (version, self._next_key(now, last.order)) <= before:
            raise NotCounting(Outranked(what, last.origin, last.order, held))
        return version, last.order

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
        outranked: list[Outranked] = []
        put_now = self._that_count(now, put, limits.REFERENCE_EVENTS_PER_TURN, outranked)
        room = limits.REFERENCE_EVENTS_PER_TURN - len(put_now)
        gone_now = self._that_count(now, gone, room, outranked) if room else []
        for entry in put_now:
            self._change(now, entry, by, removed=False)
        for entry in gone_now:
            self._change(now, entry, by, removed=True)
        added = sum(entry.key not in before for entry in put_now)
        done = len(put_now) + len(gone_now) + len(outranked)
        left = len(put) + len(gone) - done
        return Imported(added, len(put_now) - added, len(gone_now), left, tuple(outranked))

    def _that_count(
        self, now: Now, entries: Sequence[_Entry], room: int, outranked: list[Outranked]
    ) -> list[_Entry]:
        """The first entries whose change would count; those whose would not, `outranked` gets."""
        found: list[_Entry] = []
        for entry in entries:
            if len(found) == room:
                break
            lost = self._outranked(now, entry)
            if lost is None:
                found.append(entry)
            else:
                outranked.append(lost)
        return found

    def _outranked(self, now: Now, entry: Pass | Staff) -> Outranked | None:
        """Why a change of an entry would not count; None where it would."""
        if self._is_disowned():
            return Outranked(_name(entry))
        before = self._log.reference.last_change(entry)
        if before is None or self._next_key(now, before.order) > before:
            return None
        return Outranked(_name(entry), before.origin, before.order)

    def _is_disowned(self) -> bool:
        """Whether nothing that is recorded here would count."""
        stream = self._own_stream.stream
        head = self._log.heads.get(stream, 0)
        return self._log.members.verdicts.up_to(stream) <= head

    def _next_key(self, now: Now, last_order: int) -> SortKey:
        """The key of the next event, as far as it can come after `last_order`."""
        stream = self._own_stream.stream
        order = max(self._clock.read(now).ms, min(last_order + 1, limits.TIME_SHOWN_MS_MAX))
        return SortKey(order, *stream, self._log.heads.get(stream, 0) + 1)

    def _change(
        self, now: Now, entry: Pass | Staff, by: Principal | None, *, removed: bool
    ) -> None:
        before = self._log.reference.last_change(entry)
        last = before.order if before is not None else 0
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
        order = self._next_key(now, last_order).order
        self._own_stream.record(kind, stamp.ms, order, data, personal)
        self._clock.stamped(stamp.ms, now)


def _name(entry: Pass | Staff) -> str:
    """What people call an entry, and call nothing else."""
    if isinstance(entry, Pass):
        return f"pass {entry.plate_id} {entry.camera_type} from {entry.valid_from}"
    return f"staff {entry.staff_id}"
