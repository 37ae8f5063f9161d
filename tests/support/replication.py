"""What a central knows of its peers and asks them, driven by hand: no log, wires or clocks."""

from collections.abc import Mapping
from types import SimpleNamespace

from zparkd.core.clock import Now
from zparkd.core.errors import ProtocolError
from zparkd.core.events.event import Position, Stream
from zparkd.core.events.heads import Heads, HeadVector
from zparkd.core.replication.asking import Asking
from zparkd.core.replication.encoding import beat_heads
from zparkd.core.replication.ingest import Taken
from zparkd.core.replication.peer_state import Asked
from zparkd.core.replication.peers import Peers
from zparkd.core.replication.wire import Ask, Beat, Live, Page, PeerMessage

SITE = "lot-a"


class KnownPeers(Peers):
    """The peers of `central-1`, and what it asks them."""

    def __init__(self, own: Stream, *ids: str) -> None:
        super().__init__(own)
        self.configure(ids, 3_000)
        self.asking = Asking(SITE, self)

    def hear(
        self,
        id: str,
        heads: Heads,
        now: Now,
        hears: tuple[str, ...] = (),
        wall_ms: int | None = None,
    ) -> None:
        """A heartbeat of a peer, whose clock shows `wall_ms`, None for the same as ours."""
        wall_ms = now.wall_ms if wall_ms is None else wall_ms
        self.hear_beat(id, heartbeat(heads, wall_ms, hears), now)

    def hear_beat(self, id: str, told: PeerMessage, now: Now) -> None:
        """The same of one that was made before."""
        peer, us = self.states[id], "central-1"
        assert isinstance(told.data, Beat)
        self.asking.beats(peer, told.data, us, now, fresh=self.fresh(peer, now.mono_ms))
        self.beat(peer, told, us, now)

    def next_asks(self, ours: Mapping[Stream, int], now: Now) -> list[tuple[str, Ask]]:
        """What is asked of whom now."""
        self.look(ours)
        heard, answering = self.hears(now.mono_ms), self.answering(now.mono_ms)
        return self.asking.next_asks(ours, now, heard, answering)

    def answer(
        self,
        id: str,
        now: Now,
        heads: Heads | None = None,
        *,
        more: bool = False,
        wall_ms: int | None = None,
        ours: Mapping[Stream, int] | None = None,
    ) -> ProtocolError | None:
        """A page without events answers what a peer was asked last, or something it was not."""
        peer, ours = self.states[id], ours or {}
        if peer.requests.under_way is None:
            peer.requests.under_way = Asked(0, now, {})
        wall_ms = now.wall_ms if wall_ms is None else wall_ms
        listed = [(*stream, head) for stream, head in heads.items()] if heads is not None else None
        page = Page(SITE, peer.requests.under_way.id, wall_ms, heads=listed, more=more)
        told = PeerMessage(page, wall_ms, heads=heads)
        _, fault = self.learn(peer, told, Taken(), ours, now)
        return fault

    def took(self, ours: Mapping[Stream, int], *streams: Stream) -> None:
        """An event of each of these streams came from a peer and is held: `ours` has it."""
        peer = next(iter(self.states.values()))
        events = [SimpleNamespace(position=Position(*stream, ours[stream])) for stream in streams]
        self.learn(peer, PeerMessage(Live(SITE), 0), Taken(events=events), ours, Now(0, 0))


def heartbeat(heads: Heads, wall_ms: int, hears: tuple[str, ...] = ()) -> PeerMessage:
    """A heartbeat as it is read of who holds so much."""
    listed, older = beat_heads(HeadVector(heads))
    beat = Beat(SITE, "Asia/Ho_Chi_Minh", "0", wall_ms, list(hears), listed, older)
    return PeerMessage(beat, wall_ms, heads={Stream(*stream): head for *stream, head in listed})
