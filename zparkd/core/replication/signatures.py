"""How a central proves what it says, and what it asks of others; nothing of it without keys.

Where centrals have keys, all that is published and served carries signatures, and nothing is
taken in without one. Streams of others that were recorded without keys, and whose origin has not
signed them since, stay here and are shown to nobody: no other central could take them from us.
"""

from msgspec import UNSET, UnsetType, structs

from zparkd.core.events.heads import HeadVector
from zparkd.core.events.signing import Identity
from zparkd.core.keys import key_bytes
from zparkd.core.log import Log
from zparkd.core.replication import wire
from zparkd.core.replication.own_stream import Journal
from zparkd.core.replication.signer import Signer
from zparkd.core.replication.sync_pages import Contents, own_certificates
from zparkd.core.replication.trust import Trust
from zparkd.core.replication.wire import Ask, Live, Page
from zparkd.core.site import Settings


class Proof:
    """Our signer, and whom we believe. Both are None without keys."""

    def __init__(self, log: Log, journal: Journal) -> None:
        self.signer: Signer | None = None
        self.trust: Trust | None = None
        self.unsigned = HeadVector()
        self._log = log
        self._journal = journal

    def identify(self, settings: Settings, identity: Identity | None) -> None:
        """Sign as this identity from now on, our own past too; with None nothing is signed."""
        if identity is None:
            self.signer = self.trust = self._journal.signer = None
            self.unsigned = HeadVector()
            return
        if self.signer is None:
            self.signer = Signer(settings.site, self._journal.stream, identity)
            self.trust = Trust(self._log, settings.site)
            self._journal.signer = self.signer
        else:
            self.signer.identify(identity)
        self.signer.certify_past(self._log)
        held = self._log.signed.certificate
        self.unsigned = HeadVector(
            (stream, head) for stream, head in self._log.heads.items() if held(stream) is None
        )
        self.configure(settings)

    def configure(self, settings: Settings) -> None:
        """Take over whose keys are good for which origins."""
        if self.trust is None or self.signer is None:
            return
        keys = {settings.id: {self.signer.identity.public}}
        for peer in settings.peers:
            keys[peer.id] = {key_bytes(key) for key in peer.public_keys}
        for id, more in settings.known_keys.items():
            keys.setdefault(id, set()).update(map(key_bytes, more))
        self.trust.configure({id: frozenset(some) for id, some in keys.items()})

    def undone(self) -> None:
        """The transaction was rolled back."""
        if self.trust is not None:
            self.trust.undone()

    # --- what we say -------------------------------------------------------------------------

    @property
    def identity_key(self) -> bytes | UnsetType:
        """Our public key, as a heartbeat names it."""
        return self.signer.identity.public if self.signer is not None else UNSET

    def live(self, site: str) -> Live:
        """The `data` of what was just recorded."""
        signed = self._journal.take_signed()
        if self.signer is None:
            return Live(site)
        certificates = wire.write_certificates([self.signer.certificate])
        return Live(site, wire.write_signed(signed), certificates)

    def page(self, data: Page, ask: Ask, contents: Contents, own: str) -> Page:
        """The `data` of a page with these contents, and our certificates where asked for."""
        if self.signer is None:
            return data
        if ask.certificates is True:
            contents.certificates += own_certificates(self._log, own)
        return structs.replace(
            data,
            signed=wire.write_signed(contents.signed),
            certificates=wire.write_certificates(contents.certificates),
        )
