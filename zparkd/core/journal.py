"""Our own stream: where this central's new events are written, and kept until they are sent.

One epoch per run: the first event after a start opens it at 1, so a position is never used
twice, whatever became of the database in between.
"""

import hashlib

from msgspec.structs import replace

from zparkd.core.events import Event, Facts, Kind, Personal, Position, Stream, write
from zparkd.core.log import Log
from zparkd.core.reference import Reference


class Journal:
    """Appends the events of this central to its stream of this run."""

    def __init__(self, log: Log, stream: Stream, secret: bytes) -> None:
        """`secret` (32 random bytes of this run) makes the salts of personal parts."""
        self.stream = stream
        self._log = log
        self._secret = secret
        self._unsent: list[Event] = []

    def record(
        self,
        kind: Kind,
        timestamp: int,
        order: int,
        facts: Facts | Reference,
        personal: Personal,
    ) -> Event:
        """Append a new event; the log has it when this returns, the disk after the commit."""
        seq = self._log.heads.get(self.stream, 0) + 1
        position = Position(*self.stream, seq)
        event = write(
            position,
            kind,
            timestamp=timestamp,
            order=order,
            prev=self._log.head_hash(self.stream),
            facts=facts,
            personal=replace(personal, salt=self._salt(seq)),
        )
        self._log.append(event)
        self._unsent.append(event)
        return event

    def take_unsent(self) -> list[Event]:
        """The events recorded since this was last asked."""
        unsent, self._unsent = self._unsent, []
        return unsent

    def _salt(self, seq: int) -> str:
        return hashlib.blake2b(str(seq).encode(), key=self._secret, digest_size=16).hexdigest()
