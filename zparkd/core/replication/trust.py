"""Which certificates are believed: whose identity speaks for an origin.

a configured peer, or ourselves   one of the keys that are configured for it
any other origin                  the identities that were ever believed of it here, while it was
                                  configured too; where there are none, the first that is met

What is believed is written down and stays, so that nobody else speaks for a central that was
removed. The key of a stream never changes: an identity certifies one, once and for all.
"""

from collections.abc import Mapping

from zparkd.core.errors import Forged
from zparkd.core.events.event import Stream
from zparkd.core.events.signing import Certificate, is_certified
from zparkd.core.log import Log

Keys = Mapping[str, frozenset[bytes]]


class Trust:
    """The keys of streams that are known to be those of their origins."""

    def __init__(self, log: Log, site: str) -> None:
        self._log = log
        self._site = site
        self._keys: Keys = {}
        self._good: dict[Stream, Certificate] = {}

    def configure(self, keys: Keys) -> None:
        """Take over the identities of origins; what was believed by others is judged again."""
        self._keys = keys
        self._good.clear()

    def undone(self) -> None:
        """What was written down since the last commit is gone."""
        self._good.clear()

    def stream_key(self, stream: Stream, offered: Certificate | None) -> bytes:
        """The key of a stream, by a certificate that came with its events or is held already.

        Raises Forged where there is none that is believed.
        """
        known = self._good.get(stream)
        if known is not None and offered in (None, known):
            return known.stream_key
        held = self._log.signed.certificate(stream)
        certificate = offered or held
        if certificate is None:
            raise Forged(f"sent events of {stream.origin} that nobody signed")
        if held is not None and held.stream_key != certificate.stream_key:
            raise Forged(f"sent events of {stream.origin} with another key than their stream has")
        self._judge(certificate)
        self._good[stream] = certificate
        return certificate.stream_key

    def believed(self, stream: Stream) -> Certificate:
        """The certificate by which `stream_key` gave its answer."""
        return self._good[stream]

    def _judge(self, certificate: Certificate) -> None:
        origin, identity = certificate.stream.origin, certificate.identity_key
        pinned = self._log.signed.pinned(origin)
        allowed = self._keys.get(origin) or pinned
        if allowed and identity not in allowed:
            raise Forged(f"sent events of {origin} signed by a key that is not one of {origin}")
        if not is_certified(self._site, certificate):
            raise Forged(f"sent events of {origin} with a certificate that {origin} did not make")
        if identity not in pinned:
            self._log.signed.pin(origin, identity)
