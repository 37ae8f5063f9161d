"""Whose signatures are believed, and what is signed here; nothing of it without keys.

Where centrals have keys, all that is published and served carries signatures, and nothing is
taken in without one. Whose identity speaks for an origin:

a configured peer, or ourselves   one of the keys that are configured for it
any other origin                  the identities that were ever believed of it here, while it was
                                  configured too; where there are none, the first that is met

What is believed is written down and stays, so that nobody else speaks for a central that was
removed. The key of a stream never changes: an identity certifies one, once and for all.

Streams of others that were recorded without keys, and whose origin has not signed them since, stay
here and are shown to nobody: no other central could take them from us.
"""

from collections.abc import Mapping

from msgspec import UNSET, UnsetType

from zparkd.core.errors import Forged
from zparkd.core.events.event import Stream
from zparkd.core.events.heads import HeadVector
from zparkd.core.events.signing import Certificate, Identity, is_certified
from zparkd.core.keys import key_bytes
from zparkd.core.log import Log
from zparkd.core.replication.own_stream import OwnStream, Signer
from zparkd.core.site import Settings


class Signatures:
    """Our signer, None without keys, and whom we believe."""

    def __init__(self, log: Log, own_stream: OwnStream, site: str) -> None:
        self.unsigned = HeadVector()
        self._log = log
        self._own_stream = own_stream
        self._site = site
        self._identities: Mapping[str, frozenset[bytes]] = {}
        self._believed: dict[Stream, Certificate] = {}

    @property
    def signer(self) -> Signer | None:
        """Who signs what is ours; None without keys."""
        return self._own_stream.signer

    @property
    def required(self) -> bool:
        """Whether nothing is taken in that nobody signed."""
        return self.signer is not None

    def identify(self, settings: Settings, identity: Identity | None) -> None:
        """Sign as this identity from now on, our own past too; with None nothing is signed."""
        self._own_stream.identify(self._site, identity)
        if identity is None:
            self.unsigned = HeadVector()
            return
        held = self._log.signed.certificate
        self.unsigned = HeadVector(
            (stream, head) for stream, head in self._log.heads.items() if held(stream) is None
        )
        self.configure(settings)

    def configure(self, settings: Settings) -> None:
        """Take over whose keys are good for which origins; what was believed is judged again."""
        self._believed.clear()
        if self.signer is None:
            return
        keys = {settings.id: {self.signer.identity.public}}
        for peer in settings.peers:
            keys[peer.id] = {key_bytes(key) for key in peer.public_keys}
        for id, more in settings.known_keys.items():
            keys.setdefault(id, set()).update(map(key_bytes, more))
        self._identities = {id: frozenset(some) for id, some in keys.items()}

    def forget(self) -> None:
        """The transaction was undone, and all that was written down in it."""
        self._believed.clear()

    # --- what others say ---------------------------------------------------------------------

    def stream_key(self, stream: Stream, offered: Certificate | None) -> bytes:
        """The key of a stream, by a certificate that came with its events or is held already.

        Raises Forged where there is none that is believed.
        """
        known = self._believed.get(stream)
        if known is not None and offered in (None, known):
            return known.stream_key
        held = self._log.signed.certificate(stream)
        certificate = offered or held
        if certificate is None:
            raise Forged(f"sent events of {stream.origin} that nobody signed")
        if held is not None and held.stream_key != certificate.stream_key:
            raise Forged(f"sent events of {stream.origin} with another key than their stream has")
        self._judge(certificate)
        self._believed[stream] = certificate
        return certificate.stream_key

    def knows(self, origin: str) -> bool:
        """Whether there is a key by which an origin is believed."""
        return bool(self._identities.get(origin) or self._log.signed.pinned(origin))

    def believed(self, stream: Stream) -> Certificate:
        """The certificate by which `stream_key` gave its answer."""
        return self._believed[stream]

    def _judge(self, certificate: Certificate) -> None:
        origin, identity = certificate.stream.origin, certificate.identity_key
        pinned = self._log.signed.pinned(origin)
        allowed = self._identities.get(origin) or pinned
        if allowed and identity not in allowed:
            raise Forged(f"sent events of {origin} signed by a key that is not one of {origin}")
        if not is_certified(self._site, certificate):
            raise Forged(f"sent events of {origin} with a certificate that {origin} did not make")
        if identity not in pinned:
            self._log.signed.pin(origin, identity)

    # --- what we say -------------------------------------------------------------------------

    @property
    def identity_key(self) -> bytes | UnsetType:
        """Our public key, as a heartbeat names it."""
        return self.signer.identity.public if self.signer is not None else UNSET
