"""Taking in events that peers send: what continues a stream, and who vouches for it.

An event is stored where it continues what is held, bytes and all, whatever it says. Where
centrals have keys, its origin must vouch for it too: the events of a stream are stored up to
the last signature that came with them, and nothing beyond.

Each stream is judged by itself: what is wrong with an event stops that stream there, in this
message, and nothing else. See `refusals`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from zparkd.core.clock import Now
from zparkd.core.errors import Forged, ProtocolError
from zparkd.core.events.event import Event, Position, Stream, link
from zparkd.core.events.signing import Certificate, SignedHead, is_signed
from zparkd.core.log import Log
from zparkd.core.members.admission import Admission
from zparkd.core.members.quotas import Quotas
from zparkd.core.members.roster_words import RosterSaid
from zparkd.core.members.words import MemberSaid
from zparkd.core.replication import forks
from zparkd.core.replication.peer_state import PeerState
from zparkd.core.replication.refusals import Refusal, Why
from zparkd.core.replication.signatures import Signatures
from zparkd.core.replication.wire import Broken, Page, PeerMessage


@dataclass(slots=True)
class Taken:
    """What became of a message: the events that were stored, and how far it had which streams.

    `read` is how many of its events were looked at. `refused` says of which streams something was
    not taken, and why; `forged` what is wrong with a certificate that came for others. `unreadable`
    of the events mean nothing here, and of `unprojected` the rules could make nothing. With
    `judge_again` other origins than before are taken in from now on.
    """

    events: list[Event] = field(default_factory=list)
    read: int = 0
    sent: dict[Stream, int] = field(default_factory=dict)
    refused: dict[Stream, Refusal] = field(default_factory=dict)
    forged: Forged | None = None
    unreadable: int = 0
    unprojected: int = 0
    judge_again: bool = False


@dataclass(slots=True)
class _Run:
    """The events of one stream in a message that continue what is held.

    `aside` are the first that contradicts what is held, and what follows on it; `known` is the
    last at a position that is held already.
    """

    events: list[Event] = field(default_factory=list)
    aside: list[Event] = field(default_factory=list)
    known: Event | None = None


class Intake:
    """Appends events of peers to a log."""

    def __init__(
        self, log: Log, own: Stream, signatures: Signatures, site: str, admission: Admission
    ) -> None:
        """`own` is the stream that only we write."""
        self.quotas = Quotas()
        self._admission = admission
        self._signatures = signatures
        self._log = log
        self._own = own
        self._site = site

    def take(self, peer: PeerState, told: PeerMessage, now: Now, *, apart: bool = False) -> Taken:
        """Append what continues our streams, each by itself.

        With `apart` an event that can't be projected is kept without.
        """
        taken = Taken(read=len(told.events))
        for stream, run in self._runs(told.events, taken).items():
            heads, certificate = told.signed.get(stream, ()), told.certificates.get(stream)
            before = self._log.heads.get(stream, 0)
            try:
                waits = self._waits(stream, run.events, certificate, taken, now)
                if waits is not None:
                    taken.refused[stream] = Refusal(Why.WAITS, waits)
                    continue
                self._take_run(stream, run.events, heads, certificate, taken, apart=apart)
                if run.aside:
                    self._contradicts(peer, stream, run.aside, heads, certificate)
            except Forged as fault:
                taken.refused[stream] = Refusal(Why.FORGED, str(fault))
            except _Forked as fault:
                taken.refused[stream] = Refusal(Why.FORKED, str(fault))
            except ProtocolError as fault:
                taken.refused[stream] = Refusal(Why.BROKEN, str(fault))
            count = self._log.heads.get(stream, 0) - before
            self._took_run(stream, run.events[:count], taken)
        if isinstance(told.data, Page):
            taken.forged = self._recertify(peer, told.certificates)
        return taken

    def _waits(
        self,
        stream: Stream,
        run: Sequence[Event],
        certificate: Certificate | None,
        taken: Taken,
        now: Now,
    ) -> str | None:
        """Why nothing of a stream is taken in now; None where it is. Raises Forged."""
        origin = stream.origin
        if not run:
            return None
        if not self._admission.takes(origin):
            if self._signatures.required and self._log.signed.pinned(origin):
                self._signatures.stream_key(stream, certificate)  # who forges is named all the same
            return f"has events of {origin}, which is not taken in"
        speaks = any(
            isinstance(event.reference, MemberSaid | RosterSaid)
            for event in run
            if event.reference is not None
        )
        if speaks and not self._admission.has_a_voice(origin):
            taken.judge_again = True
            return f"has words of {origin} about others, which is not configured"
        if not self.quotas.knows(origin):
            self.quotas.meet(origin, self._newest_ms(origin), now)
        if origin != self._own.origin and not self.quotas.allows(origin, now):
            return f"has more of {origin} than is taken in in an hour"
        return None

    def _took_run(self, stream: Stream, run: Sequence[Event], taken: Taken) -> None:
        if not run:
            return
        size = sum(len(event.skeleton) + len(event.personal_part) for event in run)
        new = int(run[0].position.seq == 1)
        self.quotas.takes(stream.origin, streams=new, events=len(run), size=size)
        if self._admission.meets(stream.origin):
            taken.judge_again = True

    def _newest_ms(self, origin: str) -> int | None:
        """The time stamp of the newest event that is held of an origin."""
        streams = [stream for stream in self._log.heads if stream.origin == origin]
        newest = max(streams, default=None)
        if newest is None:
            return None
        event = self._log.event(Position(*newest, self._log.heads[newest]))
        return event.timestamp if event is not None else None

    def _recertify(
        self, peer: PeerState, certificates: Mapping[Stream, Certificate]
    ) -> Forged | None:
        """Keep new certificates of streams held here, from their origin itself: it has a new key.

        What is wrong with one of them, which keeps no other out.
        """
        fault = None
        if not self._signatures.required:
            return None
        for stream, certificate in certificates.items():
            held = self._log.signed.certificate(stream)
            if stream.origin != peer.id or held is None or held == certificate:
                continue
            if held.stream_key != certificate.stream_key:
                continue
            try:
                self._signatures.stream_key(stream, certificate)
                self._log.signed.certify(certificate)
            except Forged as wrong:
                fault = wrong
        return fault

    def _runs(self, events: Iterable[Event | Broken], taken: Taken) -> dict[Stream, _Run]:
        """What there is to take, by stream; what is no event is noted as refused."""
        runs: dict[Stream, _Run] = {}
        for event in events:
            if isinstance(event, Broken):
                if event.stream is not None:
                    taken.sent.setdefault(event.stream, 0)
                    taken.refused.setdefault(event.stream, Refusal(Why.BROKEN, event.reason))
                continue
            stream, seq = event.position.stream, event.position.seq
            taken.sent[stream] = max(seq, taken.sent.get(stream, 0))
            if stream != self._own and stream not in taken.refused:
                self._sort(event, runs.setdefault(stream, _Run()), taken)
        for run in runs.values():
            # One look at what is held: an event vouches for all before it in its stream.
            known = run.known if not (run.events or run.aside) else None
            if known is not None and known.hash != self._held_hash(known.position):
                run.aside.append(known)
        return runs

    def _sort(self, event: Event, run: _Run, taken: Taken) -> None:
        """Put an event where it belongs in the run of its stream; what fits nowhere is left out."""
        stream, seq = event.position.stream, event.position.seq
        last = run.aside[-1] if run.aside else run.events[-1] if run.events else None
        if last is not None:
            if seq != last.position.seq + 1:
                return
            if event.prev != last.hash:
                fault = f"sent an event that does not continue the one before it in {_name(stream)}"
                taken.refused[stream] = Refusal(Why.BROKEN, fault)
                return
            (run.aside or run.events).append(event)
            return
        held = self._log.heads.get(stream, 0)
        if seq == held + 1:
            fits = event.prev == self._log.head_hash(stream)
            (run.events if fits else run.aside).append(event)
        elif seq <= held:
            run.known = event

    def _held_hash(self, position: Position) -> str | None:
        """The hash of an event that is held, by what follows on it."""
        stream, seq = position.stream, position.seq
        if seq == self._log.heads.get(stream, 0):
            return self._log.head_hash(stream)
        for skeleton, _ in self._log.page(stream, seq, 1, 1):
            next = link(skeleton)
            return next.prev if next is not None else None
        return None

    def _take_run(
        self,
        stream: Stream,
        run: Sequence[Event],
        heads: Sequence[SignedHead],
        certificate: Certificate | None,
        taken: Taken,
        *,
        apart: bool,
    ) -> None:
        """Append those of a run of one stream that its origin signed.

        Raises Forged after that, where any is left that it did not sign.
        """
        if not run:
            return
        if not self._signatures.required:
            self._append(run, taken, apart=apart)
            return
        good, fault = self._signed(stream, run, heads, certificate)
        last = good[-1].position.seq - run[0].position.seq if good else -1
        self._append(run[: last + 1], taken, apart=apart)
        if good:
            self._log.signed.certify(self._signatures.believed(stream))
            for head in good:
                self._log.signed.sign(head)
            self._signatures.unsigned.discard(stream)
        if fault is not None:
            raise fault

    def _signed(
        self,
        stream: Stream,
        run: Sequence[Event],
        heads: Sequence[SignedHead],
        certificate: Certificate | None,
    ) -> tuple[list[SignedHead], Forged | None]:
        """The heads in a run that are by its origin, up to the first that isn't, and its fault.

        There is a head, or a fault, or both. Raises Forged where no key is believed.
        """
        key = self._signatures.stream_key(stream, certificate)
        first = run[0].position.seq
        there = sorted(head for head in heads if first <= head.position.seq < first + len(run))
        if not there:
            return [], Forged(f"sent events of {stream.origin} that nobody signed")
        for n, head in enumerate(there):
            if not is_signed(self._site, key, head, run[head.position.seq - first].hash):
                return there[:n], Forged(f"sent events that {stream.origin} did not sign")
        return there, None

    def _contradicts(
        self,
        peer: PeerState,
        stream: Stream,
        aside: Sequence[Event],
        heads: Sequence[SignedHead],
        certificate: Certificate | None,
    ) -> None:
        """Events that can't stand beside what is held: keep the proof, where its origin made them.

        Raises ProtocolError in any case.
        """
        first = aside[0].position
        held = self._log.heads.get(stream, 0)
        at = first if first.seq <= held else first._replace(seq=held)
        if held == 0:
            raise ProtocolError(f"sent a first event of {_name(stream)} that follows on another")
        if not self._signatures.required:
            # Without keys the origin is taken at its word, be that us; of others it may be rot.
            told = stream.origin in (peer.id, self._own.origin)
            if not told and stream not in self._log.signed.forks():
                raise ProtocolError(f"sent an event that does not continue {_name(stream)}")
            self._log.signed.forked(stream, at.seq, b"")
            raise _Forked(at)
        good, fault = self._signed(stream, aside, heads, certificate)
        if not good:
            assert fault is not None
            raise fault
        head = good[-1]
        theirs = aside[: head.position.seq - first.seq + 1]
        ours = self._log.signed.next_signed(at)
        if ours is None:
            raise ProtocolError(f"sent an event that does not continue {_name(stream)}")
        between = self._log.between(stream, at.seq, ours.position.seq)
        proof = forks.fork(
            at,
            self._signatures.believed(stream),
            forks.branch((skeleton for skeleton, _ in between), ours),
            forks.branch((event.skeleton for event in theirs), head),
        )
        if not forks.is_proof(self._site, proof):  # our own disk may be at fault
            raise ProtocolError(f"sent an event that does not continue {_name(stream)}")
        self._log.signed.forked(stream, at.seq, forks.write(proof))
        raise _Forked(at)

    def _append(self, run: Sequence[Event], taken: Taken, *, apart: bool) -> None:
        for event in run:
            taken.unreadable += event.personal is None
            if apart:
                taken.unprojected += not self._log.append_apart(event)
            else:
                self._log.append(event)
            taken.events.append(event)


class _Forked(Exception):
    """There is proof that an origin recorded two events at one position."""

    def __init__(self, at: Position) -> None:
        super().__init__(f"has another event at {_name(at.stream)}/{at.seq}")


def _name(stream: Stream) -> str:
    return f"{stream.origin}/{stream.epoch}"
