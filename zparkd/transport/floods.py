"""Who sends more than is ever handed over: frames without number, which ZeroMQ puts together in
memory until the last one comes.

ZeroMQ has no bound on how many frames a message has. So the memory of this process is watched, and
where it grows, each connection is asked about: one over which far more came in than was handed over
is cut, and its key opens nothing for a while. Which key a connection came with, ZeroMQ tells with
what it hands over; where it handed over nothing, it is the one that was new when the key was let
in, or the key that no other connection of that address has.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from zparkd.core import limits
from zparkd.core.gate import limits as gate_limits
from zparkd.logs.messages import Message, say
from zparkd.transport.inflow import Connection, connections, cut, memory_bytes
from zparkd.transport.socket_options import Domain

_FRAME_BYTES = 64  # what CURVE and ZMTP add to a frame, and a little

Where = tuple[int, bool]  # a port, and whether it is one of IPv6


@dataclass(slots=True)
class Flood:
    """Who flooded which port, and until when its key opens nothing; ms of the monotonic clock."""

    domain: Domain
    who: str
    address: str
    until_ms: int

    def __str__(self) -> str:
        """What happened, for people."""
        return f"{self.who}, from {self.address}, sent frames without end to the {self.domain} port"


class Floods:
    """All connections of the ports that listen on TCP, of one daemon with keys."""

    def __init__(self, where: Callable[[], dict[Domain, Where]]) -> None:
        """`where` says which ports there are now."""
        self._where = where
        self._due_ms = 0
        self._from_ms = 0
        self._memory_bytes: int | None = None  # at the beginning of the time that is looked at
        self._before: dict[int, int] = {}  # received then, by connection
        self._handed: Counter[tuple[Domain, str]] = Counter()  # since then
        self._owners: dict[int, str | None] = {}  # by connection
        self._seen: dict[int, int] = {}  # when first, by connection
        self._names: dict[tuple[Domain, str], set[str]] = {}  # at an address
        self._floods: dict[tuple[Domain, str], Flood] = {}

    def denied(self, domain: str, who: str, mono_ms: int) -> bool:
        """Whether this key opens nothing now, for what was sent with it."""
        flood = self._floods.get((Domain(domain), who))
        return flood is not None and mono_ms < flood.until_ms

    def now(self, mono_ms: int) -> Iterator[Flood]:
        """Who is kept out now."""
        return (flood for flood in self._floods.values() if mono_ms < flood.until_ms)

    def admitted(self, domain: Domain, address: str, who: str, mono_ms: int) -> None:
        """Note that somebody is let in: over the one connection that is nobody's yet."""
        if len(self._names) > gate_limits.EDGES_REMEMBERED:
            self._names.clear()
        self._names.setdefault((domain, address), set()).add(who)
        if len(self._before) > limits.CONNECTIONS_TOLD_APART:
            return
        try:
            here = [it.inode for it in self._standing(domain) if it.address == address]
        except OSError:
            return
        new = [it for it in here if it not in self._owners]
        for inode in new:
            seen_ms = self._seen.setdefault(inode, mono_ms)
            if len(new) == 1:
                self._owners[inode] = who
            elif mono_ms - seen_ms > 2 * limits.HANDSHAKE_MS:
                self._owners[inode] = None  # it came among several, and nobody knows whose it is

    def handed(self, domain: Domain, who: str, frames: list[bytes], inode: int | None) -> None:
        """Note a message that was handed over, and by which connection it came."""
        self._handed[domain, who] += sum(map(len, frames)) + len(frames) * _FRAME_BYTES
        if inode is not None:
            self._owners[inode] = who

    def look(self, mono_ms: int) -> None:
        """See whether memory has grown, and for whom; cut them off."""
        if mono_ms < self._due_ms:
            return
        self._due_ms = mono_ms + limits.FLOOD_LOOKED_AT_MS
        try:
            self._look(mono_ms)
        except OSError:  # no file is left to ask with, or a kernel that does not say
            self._memory_bytes = None  # nobody is judged by what was not counted

    def _look(self, mono_ms: int) -> None:
        memory = memory_bytes()
        before = self._memory_bytes
        if before is not None and memory - before >= limits.FLOOD_GROWTH_BYTES:
            for domain in self._where():
                self._cut(domain, mono_ms)
        elif (
            before is not None
            and before <= memory
            and mono_ms - self._from_ms < limits.FLOOD_LOOK_MS
        ):
            return
        self._begin(memory, mono_ms)

    def _begin(self, memory: int, mono_ms: int) -> None:
        self._memory_bytes, self._from_ms = memory, mono_ms
        self._handed.clear()
        standing = [it for domain in self._where() for it in self._standing(domain)]
        self._before = {it.inode: it.received_bytes for it in standing}
        self._owners = {it: who for it, who in self._owners.items() if it in self._before}
        self._seen = {it: at_ms for it, at_ms in self._seen.items() if it in self._before}

    def _standing(self, domain: Domain) -> list[Connection]:
        """The connections of a port. Raises OSError."""
        where = self._where().get(domain)
        return connections(where[0], ipv6=where[1]) if where is not None else []

    def _cut(self, domain: Domain, mono_ms: int) -> None:
        standing = self._standing(domain)
        for connection in standing:
            names = self._names.get((domain, connection.address), set())
            owner = self._owners.get(connection.inode)
            handed = sum(self._handed[domain, name] for name in ({owner} if owner else names))
            came = connection.received_bytes - self._before.get(connection.inode, 0)
            if came - handed < limits.FLOOD_BYTES or not cut(connection):
                continue
            others = {self._owners.get(it.inode) for it in standing if it != connection}
            maybe = sorted(names - others) or sorted(names)
            who = owner or (maybe[0] if len(maybe) == 1 else f"one of {', '.join(maybe)}")
            flood = Flood(domain, who, connection.address, mono_ms + limits.FLOOD_DENIED_MS)
            if (domain, who) not in self._floods or not self.denied(domain, who, mono_ms):
                say(Message.FLOODED, reason=flood)
            self._floods[domain, who] = flood
            for other in standing:
                if owner is not None and self._owners.get(other.inode) == owner:
                    cut(other)
            while len(self._floods) > limits.REFUSALS_REMEMBERED:
                del self._floods[next(iter(self._floods))]
