"""What is taken of a site's messages: events that continue their streams, in their origin's name.

Pure rules, for one site at a time. An event is taken where it continues the chain of its stream
and, once the site has signed anything, where its origin's signature covers it. What follows a gap
waits, as does what follows the last signature; what contradicts what is held is put aside, with
the reason, and stops nothing but its own stream.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from zparkd.core.errors import ProtocolError
from zparkd.core.events.event import ERASED, Position, Stream
from zparkd.core.events.signing import Certificate, is_certified, is_signed
from zparkd.core.fleet import Sent, read_event
from zparkd.core.site import Told

NOTHING = (0, "")  # head and hash of a stream of which nothing is held


class Aside(NamedTuple):
    """A message that is not taken, and why."""

    message: bytes
    why: str


class Waiting(NamedTuple):
    """A message that may be taken later."""

    sent: Sent
    message: bytes


@dataclass(slots=True)
class Held:
    """What is held of a site, as far as taking more asks for it.

    `keys` are the identities that were configured by origin; `pinned` those believed so far;
    `waits` the seqs of each stream that wait in the database.
    """

    site: str
    keys: Mapping[str, frozenset[bytes]] = field(default_factory=dict)
    heads: dict[Stream, tuple[int, str]] = field(default_factory=dict)
    certificates: dict[Stream, Certificate] = field(default_factory=dict)
    pinned: dict[str, set[bytes]] = field(default_factory=dict)
    waits: dict[Stream, set[int]] = field(default_factory=dict)
    signs: bool = False


@dataclass(slots=True)
class Taken:
    """What came of some messages of a site."""

    events: list[Sent] = field(default_factory=list)
    erased: list[Sent] = field(default_factory=list)
    waiting: list[Waiting] = field(default_factory=list)
    aside: list[Aside] = field(default_factory=list)
    certified: dict[Stream, Certificate] = field(default_factory=dict)
    pinned: list[tuple[str, bytes]] = field(default_factory=list)
    problem: str | None = None


class _Forged(Exception):
    """A signature is not by whom it should be. The text says why."""


class _Stranger(Exception):
    """A signature is by a key that is not known for its origin, and may be yet."""


def sort_out(
    held: Held, messages: Iterable[tuple[str, bytes]], taken: Taken
) -> dict[Stream, list[Waiting]]:
    """The new events in messages, each with its subject, by stream; the rest into `taken`."""
    streams: dict[Stream, list[Waiting]] = {}
    for subject, message in messages:
        try:
            sent = read_event(message)
        except ProtocolError as fault:
            taken.aside.append(Aside(message, str(fault)))
            continue
        position = sent.event.position
        if subject.split(".")[2:3] != [position.origin]:
            why = f"an event of {position.origin} came as {subject}"
            taken.aside.append(Aside(message, why))
            continue
        head, hash = held.heads.get(position.stream, NOTHING)
        if position.seq > head:
            streams.setdefault(position.stream, []).append(Waiting(sent, message))
        elif position.seq == head and sent.event.hash != hash:
            taken.aside.append(Aside(message, f"another event is held at {position}"))
        elif sent.event.personal_part == ERASED and sent.told is not Told.NONE:
            taken.erased.append(sent)
    return streams


def take(held: Held, stream: Stream, offered: Iterable[Waiting], taken: Taken) -> None:
    """Take what continues one stream; `held` is then as it is with that."""
    at: dict[int, dict[str, Waiting]] = {}
    for one in offered:
        at.setdefault(one.sent.event.position.seq, {})[one.sent.event.hash] = one
    head, hash = held.heads.get(stream, NOTHING)
    run: list[Waiting] = []
    while (here := at.pop(head + 1 + len(run), None)) is not None:
        before = run[-1].sent.event.hash if run else hash
        fits = next((one for one in here.values() if one.sent.event.prev == before), None)
        for one in here.values():
            if one is not fits:
                why = f"does not continue the chain of {stream.origin}/{stream.epoch}"
                taken.aside.append(Aside(one.message, why))
        if fits is None:
            break
        run.append(fits)
    good = _covered(held, run, taken)
    if good:
        taken.events.extend(one.sent for one in run[:good])
        last = run[good - 1].sent.event
        held.heads[stream] = (last.position.seq, last.hash)
    left = held.waits.get(stream, set())
    waiting = [*run[good:], *(one for here in at.values() for one in here.values())]
    taken.waiting.extend(one for one in waiting if one.sent.event.position.seq not in left)
    if waiting or left:
        now = held.heads.get(stream, NOTHING)[0]
        left |= {one.sent.event.position.seq for one in waiting}
        held.waits[stream] = {seq for seq in left if seq > now}


def _covered(held: Held, run: list[Waiting], taken: Taken) -> int:
    """How many events of a run are covered by a signature, where one is asked for."""
    good = 0
    for n, one in enumerate(run):
        if one.sent.proof is None:
            continue
        try:
            _judge(held, one.sent, taken)
        except _Forged as fault:
            taken.aside.append(Aside(one.message, str(fault)))
            break
        except _Stranger as fault:  # it waits, with all that it covers
            held.signs = True
            taken.problem = str(fault)
            continue
        good = n + 1
    else:
        n = len(run)
    if held.signs:
        return good
    return len(run) if n == len(run) else n


def _judge(held: Held, sent: Sent, taken: Taken) -> None:
    """Believe a signature, and whose it is. Raises _Forged where it can't be."""
    head, certificate = sent.signed_head, sent.certificate
    assert head is not None
    assert certificate is not None
    stream = certificate.stream
    known = held.certificates.get(stream)
    if known is not None and known.stream_key != certificate.stream_key:
        raise _Forged(f"is signed with another key than {stream.origin}/{stream.epoch} has")
    if known != certificate:
        pinned = held.pinned.get(stream.origin, set())
        allowed = held.keys.get(stream.origin) or pinned
        if allowed and certificate.identity_key not in allowed:
            raise _Stranger(
                f"an event is signed by a key that is not one of {stream.origin}; where it has a"
                " new one, name that in the file of --keys"
            )
        if not is_certified(held.site, certificate):
            raise _Forged(f"has a certificate that {stream.origin} did not make")
    if not is_signed(held.site, certificate.stream_key, head, sent.event.hash):
        raise _Forged(f"is not signed by {stream.origin}")
    held.signs = True
    if known != certificate:
        held.certificates[stream] = taken.certified[stream] = certificate
        if certificate.identity_key not in held.pinned.setdefault(stream.origin, set()):
            held.pinned[stream.origin].add(certificate.identity_key)
            taken.pinned.append((stream.origin, certificate.identity_key))


def name(position: Position) -> str:
    """A position for people."""
    return f"{position.origin}/{position.epoch}/{position.seq}"
