"""Our own stream: where this central's new events are written and signed, and kept until sent.

One epoch per run: the first event after a start opens it at 1, so a position is never used
twice, whatever became of the database in between. With keys, what is ours is signed:

this run        its stream key signs the last event of each commit
earlier runs    their keys are gone: their certificates stand, and are made anew where our
                identity is another one by now
a plain past    recorded without keys: it gets a key now, is signed from end to end with it,
                and the key is forgotten

Another process under our id has a stream of its own, and is found out by it.
"""

import hashlib
from collections.abc import Iterable
from typing import NamedTuple

from msgspec.structs import replace

from zparkd.core.clock import Clock, Now
from zparkd.core.events.event import Event, Facts, Kind, Personal, Position, Stream, digest, write
from zparkd.core.events.payloads import Reference
from zparkd.core.events.signing import Certificate, Identity, SignedHead, StreamKey
from zparkd.core.limits import CLOCK_BOUND_MS
from zparkd.core.log import Log
from zparkd.core.replication import limits


class Signer:
    """Signs for one central and one run of it."""

    def __init__(self, site: str, stream: Stream, identity: Identity) -> None:
        self._site = site
        self._stream = stream
        self._key = identity.new_stream_key()
        self.identify(identity)

    def identify(self, identity: Identity) -> None:
        """Be certified by this identity from now on."""
        self.identity = identity
        self.certificate = identity.certify(self._site, self._stream, self._key.public)

    def sign(self, log: Log, event: Event) -> SignedHead:
        """Vouch for an event of this run, and all before it."""
        log.signed.certify(self.certificate)
        head = self._key.sign(self._site, event.position, event.hash)
        log.signed.sign(head)
        return head

    def certify_past(self, log: Log) -> None:
        """Have all of our own streams vouched for by our identity. In a transaction."""
        for stream in [stream for stream in log.heads if stream.origin == self._stream.origin]:
            known = log.signed.certificate(stream)
            if stream == self._stream:
                log.signed.certify(self.certificate)
                self._sign_all(log, stream, self._key)
            elif known is None:
                key = self.identity.new_stream_key()
                log.signed.certify(self.identity.certify(self._site, stream, key.public))
                self._sign_all(log, stream, key)
            elif known.identity_key != self.identity.public:
                certify = self.identity.certify
                log.signed.certify(certify(self._site, stream, known.stream_key))

    def _sign_all(self, log: Log, stream: Stream, key: StreamKey) -> None:
        """Sign from the last signature to the end, as often as a page needs it."""
        signed = log.signed.signed_head(stream, 0, log.heads[stream])
        seq = signed.position.seq if signed is not None else 0
        while seq < log.heads[stream]:
            events = list(log.page(stream, seq, limits.SIGNED_EVENTS, limits.SIGNED_BYTES))
            seq += len(events)
            hash = digest(events[-1][0])
            log.signed.sign(key.sign(self._site, Position(*stream, seq), hash))


class Recorded(NamedTuple):
    """What was recorded, and who vouches for it; no `certificate` without keys."""

    events: list[Event]
    signed: list[SignedHead]
    certificate: Certificate | None


class OwnStream:
    """Appends the events of this central to its stream of this run."""

    def __init__(self, log: Log, stream: Stream, secret: bytes) -> None:
        """`secret` (32 random bytes of this run) makes the salts of personal parts."""
        self.signer: Signer | None = None
        self.stream = stream
        self._log = log
        self._chance = hashlib.blake2b(key=secret, digest_size=16)
        self._unsent: list[Event] = []
        self._signed: list[SignedHead] = []
        self._unsigned: list[Event] = []
        self._unsigned_bytes = 0

    def identify(self, site: str, identity: Identity | None) -> None:
        """Sign as this identity from now on, our own past too; with None nothing is signed.

        No event is committed then without a signature at it or after it. In a transaction.
        """
        if identity is None:
            self.signer = None
            return
        if self.signer is None:
            self.signer = Signer(site, self.stream, identity)
        else:
            self.signer.identify(identity)
        self.signer.certify_past(self._log)

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
            self._unsigned_bytes += len(event.skeleton) + len(event.personal_part)
            full = len(self._unsigned) >= limits.SIGNED_EVENTS
            if full or self._unsigned_bytes >= limits.SIGNED_BYTES:
                self.sign()
        return event

    def free_stamp(self, plate_id: str, from_ms: int) -> int:
        """The first time stamp from `from_ms` on that no event of a plate carries.

        Where what this run recorded last does not count, the log knows no plate of it: then above
        that, too, since it may count again, and no two events may go by one readable id.
        """
        last = Position(*self.stream, self._log.heads.get(self.stream, 0))
        if last.seq and not self._log.members.verdicts.counts(last):
            event = self._log.event(last)
            from_ms = max(from_ms, event.timestamp + 1) if event is not None else from_ms
        return self._log.free_stamp(plate_id, from_ms)

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

    def take_recorded(self) -> Recorded:
        """What was recorded since this was last asked, signed."""
        self.sign()
        certificate = self.signer.certificate if self.signer is not None else None
        recorded = Recorded(self._unsent, self._signed, certificate)
        self._unsent, self._signed = [], []
        return recorded

    def chance(self, what: str) -> str:
        """Chance for the next event, beside its own salt: as hex digits."""
        seq = self._log.heads.get(self.stream, 0) + 1
        named = f"{what} {seq}".encode()
        return self._drawn(named)

    def _salt(self, seq: int) -> str:
        return self._drawn(b"%d" % seq)

    def _drawn(self, what: bytes) -> str:
        chance = self._chance.copy()  # to key one anew costs twice as much
        chance.update(what)
        return chance.hexdigest()


class DuplicateId:
    """Whether another process runs under our id, by mistake: what was seen of one.

    Two under one id write two epochs, so nothing is corrupted. But peers hear one of them only,
    what the other records may reach nobody, and each shows the other's gates as its own. So it is
    found out: an event of our id in a stream that is not ours may be our past, lost here and
    fetched from a peer; one stamped after this run began can't be.

    What a clock that ran ahead stamped in an earlier run is beyond now, and no proof. An alarm
    stands for a while after the last proof, and ends by itself once the other was stopped.
    """

    def __init__(self, own: Stream, started: Now) -> None:
        """`own` is the stream of this run."""
        self._own = own
        self._started = started
        self._seen_ms: int | None = None

    def judge(self, taken: Iterable[Event], clock: Clock, now: Now) -> None:
        """Look at what peers sent in a turn. Our start is by the clock as it is now."""
        own = self._own
        stamps = [
            event.timestamp
            for event in taken
            if event.position.origin == own.origin and event.position.stream != own
        ]
        if not stamps:
            return
        stamp_ms = clock.read(now).ms
        began_ms = stamp_ms - (now.mono_ms - self._started.mono_ms)
        bound_ms = CLOCK_BOUND_MS
        if any(began_ms + bound_ms < ms <= stamp_ms + bound_ms for ms in stamps):
            self._seen_ms = now.mono_ms

    def is_there(self, now: Now) -> bool:
        """Whether there was proof lately."""
        seen_ms = self._seen_ms
        return seen_ms is not None and now.mono_ms - seen_ms <= limits.DUPLICATE_ID_SHOWN_MS
