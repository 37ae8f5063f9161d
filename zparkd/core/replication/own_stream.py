"""Our own stream: where this central's new events are written, and kept until they are sent.

One epoch per run: the first event after a start opens it at 1, so a position is never used
twice, whatever became of the database in between.
"""

import hashlib

from msgspec.structs import replace

from zparkd.core.events.event import Event, Facts, Kind, Personal, Position, Stream, write
from zparkd.core.events.payloads import Reference
from zparkd.core.events.signing import SignedHead
from zparkd.core.log import Log
from zparkd.core.replication import limits
from zparkd.core.replication.signer import Signer


class OwnStream:
    """Appends the events of this central to its stream of this run."""

    def __init__(self, log: Log, stream: Stream, secret: bytes) -> None:
        """`secret` (32 random bytes of this run) makes the salts of personal parts.

        With a `signer` no event is committed without a signature at it or after it.
        """
        self.signer: Signer | None = None
        self.stream = stream
        self._log = log
        self._secret = secret
        self._unsent: list[Event] = []
        self._signed: list[SignedHead] = []
        self._unsigned: list[Event] = []
        self._unsigned_bytes = 0

    def record(
        self,
        kind: Kind,
        timestamp: int,
        order: int,
        facts: Facts | Reference,
        personal: Personal,
        *,
        new_act: bool = False,
    ) -> Event:
        """Append a new event; the log has it when this returns, the disk after the commit.

        With `new_act` no event of the same act is held: see `Log.append`.
        """
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
        self._log.append(event, new_act=new_act)
        self._unsent.append(event)
        if self.signer is not None:
            self._unsigned.append(event)
            self._unsigned_bytes += len(event.skeleton) + len(event.sealed)
            full = len(self._unsigned) >= limits.SIGNED_EVENTS
            if full or self._unsigned_bytes >= limits.SIGNED_BYTES:
                self.sign()
        return event

    def sign(self) -> None:
        """Sign what is not yet signed. Owed before each commit; costs nothing where nothing is."""
        if self._unsigned:
            assert self.signer is not None
            self._signed.append(self.signer.sign(self._log, self._unsigned[-1]))
            self._unsigned = []
            self._unsigned_bytes = 0

    def forget(self) -> None:
        """The transaction was undone, and all that was recorded in it."""
        self._unsent = []
        self._signed = []
        self._unsigned = []
        self._unsigned_bytes = 0

    def take_unsent(self) -> list[Event]:
        """The events recorded since this was last asked."""
        unsent, self._unsent = self._unsent, []
        return unsent

    def take_signed(self) -> list[SignedHead]:
        """The signatures made since this was last asked."""
        signed, self._signed = self._signed, []
        return signed

    def _salt(self, seq: int) -> str:
        return hashlib.blake2b(str(seq).encode(), key=self._secret, digest_size=16).hexdigest()
