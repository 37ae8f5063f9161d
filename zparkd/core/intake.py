"""Taking in events that peers send: what continues a stream, and in whose name it is said.

An event is stored where it continues what is held, bytes and all, whatever it says. Where
centrals have keys, its origin must vouch for it too: the events of a stream are stored up to
the last signature that came with them, and nothing beyond.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

from zparkd.core.errors import Forged, ProtocolError
from zparkd.core.events import Event, Stream
from zparkd.core.log import Log
from zparkd.core.peers import Peers, PeerState
from zparkd.core.proof import Proof
from zparkd.core.signing import Certificate, SignedHead, is_signed
from zparkd.core.trust import Trust


class Intake:
    """Appends events of peers to a log."""

    def __init__(
        self, log: Log, peers: Peers, proof: Proof, site: str, took: Callable[[Event], None]
    ) -> None:
        """`took` is told of each event that was appended."""
        self.unreadable = 0
        self._proof = proof
        self._log = log
        self._peers = peers
        self._site = site
        self._took = took

    def take(
        self,
        peer: PeerState,
        events: Iterable[Event],
        signed: Mapping[Stream, Sequence[SignedHead]],
        certificates: Mapping[Stream, Certificate],
    ) -> int:
        """Append what continues our streams; how many events did. Raises ProtocolError."""
        trust = self._proof.trust
        if trust is None:
            return sum(self._append(event) for event in self._fresh(peer, events))
        fresh: dict[Stream, list[Event]] = {}
        for event in self._fresh(peer, events, fresh):
            fresh.setdefault(event.position.stream, []).append(event)
        taken = 0
        for stream, run in fresh.items():
            heads = signed.get(stream, ())
            taken += self._take_signed(trust, run, heads, certificates.get(stream))
        return taken

    def recertify(self, peer: PeerState, certificates: Mapping[Stream, Certificate]) -> None:
        """Keep new certificates of streams held here, from their origin itself: it has a new key.

        Raises Forged.
        """
        trust = self._proof.trust
        if trust is None:
            return
        for stream, certificate in certificates.items():
            held = self._log.signed.certificate(stream)
            if stream.origin != peer.id or held is None or held == certificate:
                continue
            if held.stream_key == certificate.stream_key:
                trust.stream_key(stream, certificate)
                self._log.signed.certify(certificate)

    def _fresh(
        self,
        peer: PeerState,
        events: Iterable[Event],
        waiting: Mapping[Stream, Sequence[Event]] | None = None,
    ) -> Iterable[Event]:
        """The events that continue what is held, and what is `waiting` to be held."""
        for event in events:
            position = event.position
            stream = position.stream
            self._peers.sees(peer, stream, position.seq)
            before = waiting.get(stream) if waiting else None
            seq = before[-1].position.seq if before else self._log.heads.get(stream, 0)
            if position.seq != seq + 1 or stream == self._peers.own:
                continue
            if event.prev != (before[-1].hash if before else self._log.head_hash(stream)):
                raise ProtocolError(f"sent an event that does not continue {stream}")
            yield event

    def _take_signed(
        self,
        trust: Trust,
        run: Sequence[Event],
        heads: Sequence[SignedHead],
        certificate: Certificate | None,
    ) -> int:
        """Append those of a run of one stream that its origin signed. Raises Forged."""
        stream, first = run[0].position.stream, run[0].position.seq
        key = trust.stream_key(stream, certificate)
        good = [head for head in heads if first <= head.position.seq < first + len(run)]
        if not good:
            raise Forged(f"sent events of {stream.origin} that nobody signed")
        for head in good:
            if not is_signed(self._site, key, head, run[head.position.seq - first].hash):
                raise Forged(f"sent events that {stream.origin} did not sign")
        last = max(head.position.seq for head in good)
        for event in run[: last - first + 1]:
            self._append(event)
        self._log.signed.certify(trust.believed(stream))
        for head in good:
            self._log.signed.sign(head)
        self._proof.unsigned.discard(stream)
        return last - first + 1

    def _append(self, event: Event) -> int:
        if event.personal is None:
            self.unreadable += 1
        self._log.append(event)
        self._peers.took(event.position)
        self._took(event)
        return 1
