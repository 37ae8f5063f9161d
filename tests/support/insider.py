"""A member of the site that means ill, with a good key of its own. No test lives here."""

import itertools
from collections.abc import Sequence
from typing import Any

from tests.support.centrals import T0_MS, Driven, identity
from zparkd.core.events.event import (
    Event,
    Facts,
    Kind,
    Personal,
    Position,
    Stream,
    write,
)
from zparkd.core.events.payloads import Reference
from zparkd.core.events.signing import Certificate, StreamKey
from zparkd.core.replication.encoding import (
    write_body,
    write_certificates,
    write_header,
    write_signed,
)
from zparkd.core.replication.wire import TOPIC_EVENTS, Live
from zparkd.core.turn import FromBus

_SALTS = itertools.count()


class Insider:
    """Records what it likes, in its own name and in that of origins it invents."""

    def __init__(self, id: str = "central-9", key: str | None = None) -> None:
        self.id = id
        self._identity = identity(key or id)
        self._heads: dict[Stream, tuple[int, str]] = {}
        self._keys: dict[Stream, tuple[StreamKey, Certificate]] = {}

    def continues(self, stream: Stream, seq: int, hash: str) -> None:
        """Go on in a stream from this event on, whoever recorded that."""
        self._heads[stream] = (seq, hash)

    def says(
        self,
        kind: Kind,
        what: Facts | Reference,
        personal: Personal,
        *,
        timestamp: int = T0_MS,
        order: int | None = None,
        origin: str | None = None,
        epoch: int = 1,
    ) -> Event:
        """The next event of one of its streams."""
        stream = Stream(origin or self.id, epoch)
        seq, prev = self._heads.get(stream, (0, ""))
        event = write(
            Position(*stream, seq + 1),
            kind,
            timestamp=timestamp,
            order=timestamp if order is None else order,
            prev=prev,
            facts=what,
            personal=personal,
        )
        self._heads[stream] = (seq + 1, event.hash)
        return event

    def enters(self, plate_id: str = "29A12345", **times: Any) -> Event:
        """A vehicle that it claims to have let in."""
        facts = Facts("gate-x", camera_type="car")
        return self.says(Kind.ENTRY, facts, _personal(plate_id), **times)

    def lets_out(self, entry: Event, fee: int = 0, **times: Any) -> Event:
        """The same vehicle, that it claims to have let out."""
        assert entry.personal is not None
        assert entry.personal.plate_id is not None
        facts = Facts(
            "gate-x",
            camera_type="car",
            names=entry.position,
            entry_ms=entry.timestamp,
            fee=fee,
            currency="VND",
        )
        return self.says(Kind.EXIT, facts, _personal(entry.personal.plate_id), **times)

    def published(self, events: Sequence[Event]) -> FromBus:
        """These events as it publishes them: signed, each stream by a key that it vouches for."""
        last = {event.position.stream: event for event in events}
        signed, certificates = [], []
        for stream, event in last.items():
            key, certificate = self._key(stream)
            signed.append(key.sign("lot-a", event.position, event.hash))
            certificates.append(certificate)
        live = Live("lot-a", write_signed(signed), write_certificates(certificates))
        body = write_body((event.skeleton, event.personal_part) for event in events)
        return FromBus(self.id, [TOPIC_EVENTS, write_header(self.id, T0_MS, live), body])

    def _key(self, stream: Stream) -> tuple[StreamKey, Certificate]:
        if stream not in self._keys:
            number = len(self._keys) + 1
            key = StreamKey(f"{self.id} {number}".encode().ljust(32, b"."))
            self._keys[stream] = key, self._identity.certify("lot-a", stream, key.public)
        return self._keys[stream]


def keyed(id: str, *peers: str) -> Driven:
    """A central with keys, and these peers."""
    return Driven(id, peers=peers, key=id)


def _personal(plate_id: str) -> Personal:
    return Personal(f"{next(_SALTS):032x}", plate_id=plate_id)
