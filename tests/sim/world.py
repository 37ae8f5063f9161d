"""A simulated site: production centrals and stores, a network and clocks made up from one seed.

Everything that happens is an entry in one heap of (time, number, action), so a seed replays to
the letter. Time is simulated ms since the start of the world. The messages are the real frames.
"""

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from zparkd.core.central import (
    Central,
    FromBus,
    FromEdge,
    Incoming,
    Output,
    SyncAnswer,
    SyncRequest,
)
from zparkd.core.clock import Now
from zparkd.core.events import Stream
from zparkd.core.site import Peer, Settings
from zparkd.daemon.store import Store

START_WALL_MS = 1_800_000_000_000
ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
PATIENCE_MS = 2_000  # of an edge, before it asks again elsewhere


@dataclass
class Node:
    """One machine: its disk survives, its central does not."""

    id: str
    store: Store
    peers: tuple[str, ...]
    wall_offset_ms: int = 0
    central: Central | None = None
    runs: int = 0
    inbox: list[Incoming] = field(default_factory=list)


@dataclass
class Act:
    """What an edge wants, until it is told yes or no."""

    request: dict[str, Any]
    edge_id: str
    answer: dict[str, Any] | None = None
    tries: int = 0


@dataclass
class Faults:
    """What can go wrong, as chances; and how long things take."""

    loss: float = 0.0
    twice: float = 0.0
    delay_ms: tuple[int, int] = (1, 5)
    crash_in_turn: float = 0.0


class World:
    """A site of `count` centrals, driven by one seed."""

    def __init__(
        self, seed: int, count: int, faults: Faults, links: list[tuple[int, int]] | None = None
    ) -> None:
        self.random = random.Random(seed)
        self.faults = faults
        self.now_ms = 0
        self.cut: set[tuple[str, str]] = set()
        self.acts: list[Act] = []
        self.messages = 0
        self._heap: list[tuple[int, int, Callable[[], None]]] = []
        self._number = 0
        self._last_arrival: dict[tuple[str, str, str], int] = {}
        ids = [f"central-{i}" for i in range(1, count + 1)]
        if links is None:
            links = [(i, j) for i in range(count) for j in range(i)]
        known: dict[str, set[str]] = {id: set() for id in ids}
        for i, j in links:
            known[ids[i]].add(ids[j])
            known[ids[j]].add(ids[i])
        self.nodes = {
            id: Node(
                id,
                Store(Path(":memory:"), id, "lot-a", "Asia/Ho_Chi_Minh"),
                tuple(sorted(known[id])),
            )
            for id in ids
        }

    # --- time ----------------------------------------------------------------------------------

    def after(self, delay_ms: int, action: Callable[[], None]) -> None:
        """Do something later."""
        self._number += 1
        heapq.heappush(self._heap, (self.now_ms + delay_ms, self._number, action))

    def run(self, for_ms: int) -> None:
        """Let the world go on for a while."""
        until = self.now_ms + for_ms
        while self._heap and self._heap[0][0] <= until:
            self.now_ms, _, action = heapq.heappop(self._heap)
            action()
        self.now_ms = until

    def clocks(self, node: Node) -> Now:
        """What a node's clocks show."""
        return Now(START_WALL_MS + self.now_ms + node.wall_offset_ms, self.now_ms)

    # --- machines ------------------------------------------------------------------------------

    def start(self, node: Node) -> None:
        """Switch a machine on."""
        assert node.central is None
        node.runs += 1
        peers = tuple(Peer(id, "127.0.0.1", 9000, 9001) for id in node.peers)
        settings = Settings(node.id, "lot-a", "Asia/Ho_Chi_Minh", ZONE, peers, (), 1000, 3000, 0.0)
        now = self.clocks(node)
        node.central = Central(
            settings,
            node.store,
            Stream(node.id, 1_000_000 * node.runs + self.random.randrange(1_000_000)),
            self.random.randbytes(32),
            node.store.last_stamp(node.id),
            now,
        )
        node.central.peers.restore(node.store.peer_notes())
        node.inbox.clear()
        self._turn_later(node, node.central)

    def crash(self, node: Node) -> None:
        """Take the power away: what was not committed is gone."""
        node.central = None
        node.inbox.clear()
        node.store.rollback()

    def _turn_later(self, node: Node, central: Central) -> None:
        self.after(self.random.randint(1, 40), lambda: self._turn(node, central))

    def _turn(self, node: Node, central: Central) -> None:
        if node.central is not central:
            return  # a run that ended
        now = self.clocks(node)
        batch, node.inbox = node.inbox, []
        if not central.serves_edges(now):
            node.inbox = [m for m in batch if isinstance(m, FromEdge)]
            batch = [m for m in batch if not isinstance(m, FromEdge)]
        output = central.step(now, batch)
        if self._power_fails(node):
            return
        node.store.commit()
        if self._power_fails(node):
            return
        self._send(node, central, output)
        central.note_peers(now)
        node.store.commit()
        self._turn_later(node, central)

    def _power_fails(self, node: Node) -> bool:
        if self.random.random() >= self.faults.crash_in_turn:
            return False
        self.crash(node)
        self.after(self.random.randint(100, 5000), lambda: node.central or self.start(node))
        return True

    def _send(self, node: Node, central: Central, output: Output) -> None:
        for token, body in output.replies:
            self._answer_edge(int(token[0]), body)
        for frames in output.published:
            for other in self.nodes.values():
                if node.id in other.peers:
                    self._carry(node, other, "bus", FromBus(node.id, frames))
        for peer_id, frames in output.asks:
            other = self.nodes[peer_id]
            if other.central is None or (node.id, peer_id) in self.cut:
                central.peers.not_sent(peer_id)
            else:
                request = SyncRequest((node.id.encode(),), frames)
                self._carry(node, other, "ask", request)
        for asked in output.to_serve:
            frames = central.serve(self.clocks(node), asked)
            if frames is not None:
                asker = self.nodes[asked.token[0].decode()]
                self._carry(node, asker, "page", SyncAnswer(node.id, frames))

    def _carry(self, sender: Node, receiver: Node, channel: str, message: Incoming) -> None:
        """One message over one link: late, twice or never, but in order within its channel."""
        copies = 1 + (self.random.random() < self.faults.twice)
        for _ in range(copies):
            if self.random.random() < self.faults.loss:
                continue
            key = (sender.id, receiver.id, channel)
            at = self.now_ms + self.random.randint(*self.faults.delay_ms)
            at = max(at, self._last_arrival.get(key, 0))
            self._last_arrival[key] = at
            self.after(at - self.now_ms, lambda: self._arrive(sender, receiver, message))

    def _arrive(self, sender: Node, receiver: Node, message: Incoming) -> None:
        if (sender.id, receiver.id) in self.cut or receiver.central is None:
            return
        self.messages += 1
        receiver.inbox.append(message)

    # --- edges ---------------------------------------------------------------------------------

    def ask(self, node: Node, edge_id: str, **fields: Any) -> Act:
        """An edge asks this central, and others after it, until it is answered."""
        request = {"edge_id": edge_id, "request_id": f"{edge_id}-{len(self.acts)}", **fields}
        act = Act(request, edge_id)
        self.acts.append(act)
        self._try(len(self.acts) - 1, node)
        return act

    def _try(self, number: int, node: Node) -> None:
        act = self.acts[number]
        if act.answer is not None or act.tries >= 8:
            return
        act.tries += 1
        if node.central is not None:
            token = (str(number).encode(),)
            node.inbox.append(FromEdge(token, orjson.dumps(act.request)))
        other = self.random.choice(list(self.nodes.values()))
        self.after(PATIENCE_MS, lambda: self._try(number, other))

    def _answer_edge(self, number: int, body: bytes) -> None:
        if self.random.random() < self.faults.loss:
            return
        act = self.acts[number]
        if act.answer is None:
            act.answer = orjson.loads(body)

    # --- network -------------------------------------------------------------------------------

    def partition(self, *groups: set[str]) -> None:
        """Cut all links between these groups; none heals all."""
        self.cut = {
            (a, b)
            for a in self.nodes
            for b in self.nodes
            for group in groups
            if a in group and b not in group
        }
        self.cut |= {(b, a) for a, b in self.cut}

    def heal(self, for_ms: int = 20_000) -> None:
        """End all faults, switch all on, and give them time to talk."""
        self.cut = set()
        self.faults = Faults()
        for node in self.nodes.values():
            if node.central is None:
                self.start(node)
        self.run(for_ms)
