"""Saying of another central that it is disowned, restored or admitted, as an event of this one."""

from zparkd.core.clock import Clock, Now
from zparkd.core.events.event import Event, Kind, Personal, Stream
from zparkd.core.log import Log
from zparkd.core.members.words import (
    MemberAdmitted,
    MemberDisowned,
    MemberRestored,
    MemberSaid,
    cut_at,
)
from zparkd.core.principal import Principal
from zparkd.core.replication.own_stream import OwnStream


class MemberChanges:
    """Records what is said here of members. All within the caller's transaction."""

    def __init__(self, log: Log, own_stream: OwnStream, clock: Clock) -> None:
        self._log = log
        self._own_stream = own_stream
        self._clock = clock

    def disown(
        self, now: Now, member: str, since_ms: int | None = None, by: Principal | None = None
    ) -> Event:
        """Disown a central: what is held of it counts, or what it recorded before `since_ms`."""
        heads = {
            stream.epoch: self._head_before(stream, head, since_ms)
            for stream, head in self._log.heads.items()
            if stream.origin == member
        }
        return self._record(now, Kind.DISOWNED, MemberDisowned(member, *cut_at(heads), by))

    def restore(self, now: Now, member: str, by: Principal | None = None) -> Event:
        """Deny that a central is disowned."""
        return self._record(now, Kind.RESTORED, MemberRestored(member, by))

    def admit(self, now: Now, member: str, by: Principal | None = None) -> Event:
        """Take in what a central records that is not configured."""
        return self._record(now, Kind.ADMITTED, MemberAdmitted(member, by))

    def _head_before(self, stream: Stream, head: int, since_ms: int | None) -> int:
        return head if since_ms is None else self._log.head_before(stream, since_ms)

    def _record(self, now: Now, kind: Kind, said: MemberSaid) -> Event:
        stamp = self._clock.read(now)
        event = self._own_stream.record(kind, stamp.ms, stamp.ms, said, Personal(""))
        self._clock.stamped(stamp.ms, now)
        return event
