"""Our own signatures: of what this run records, and of what earlier runs left.

this run        its stream key signs the last event of each commit
earlier runs    their keys are gone: their certificates stand, and are made anew where our
                identity is another one by now
a plain past    recorded without keys: it gets a key now, is signed from end to end with it,
                and the key is forgotten
"""

from zparkd.core.events.event import Event, Position, Stream, digest
from zparkd.core.events.signing import Identity, SignedHead, StreamKey
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
