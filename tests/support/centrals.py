"""Real centrals over databases in memory, whose clocks and wires a test holds. No test lives here.

A `Driven` central is asked as an edge asks it. `meet()` lets centrals talk to each other until
each holds all that the others hold; before that, and after it, they are cut off.
"""

import hashlib
import itertools
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import zmq
from zmq.utils import z85

from zparkd.core.central import Central
from zparkd.core.clock import Now
from zparkd.core.events.event import Event, Kind, Position, Stream, read
from zparkd.core.events.signing import Identity
from zparkd.core.site import Lane, Peer, Settings
from zparkd.core.turn import (
    Configure,
    FromBus,
    FromEdge,
    Incoming,
    NotSent,
    Output,
    SyncAnswer,
    SyncRequest,
)
from zparkd.core.view import View
from zparkd.storage.store import Store

T0_MS = 1_764_646_200_000  # 2025-12-02 10:30:00 at the site
SITE_TIME = "2025-12-02 10:30:00"
PLATE = "29A12345"
EDGE = "edge-1"
HOUR_S = 3600

Answer = dict[str, Any]


def secret(name: str) -> bytes:
    """The secret key that goes by this name; a central's first one goes by its id."""
    return hashlib.blake2b(name.encode(), digest_size=32).digest()


def identity(name: str) -> Identity:
    numbers = itertools.count()

    def chance(size: int) -> bytes:
        text = f"{name} {next(numbers)} {next(_drawn)}".encode()
        return hashlib.blake2b(text, digest_size=size).digest()

    return Identity(secret(name), chance)


def public_key(name: str) -> str:
    return zmq.curve_public(z85.encode(secret(name))).decode()


def peer_of(id: str, keyed: bool, key: str | None = None) -> Peer:
    return Peer(id, "127.0.0.1", 9000, 9001, public_key(key or id) if keyed else None)


_drawn = itertools.count()


class Driven:
    """One central. Its clocks stand still but for `wait`; no edge has a limit but by `per_s`."""

    def __init__(
        self,
        id: str = "central-1",
        *,
        peers: Iterable[str] = (),
        lanes: Iterable[Lane] = (),
        per_s: float = 0,
        wall_ms: int = T0_MS,
        key: str | None = None,
        epoch: int = 1,
        path: Path = Path(":memory:"),
    ) -> None:
        """With a `key` (see `secret`) it signs; peers then have keys too.

        One with a `path` can be started with its database opened anew.
        """
        self.id = id
        self.key = key
        self.wall_ms = wall_ms
        self.mono_ms = 1_000
        self.settings = Settings(
            id=id,
            site="lot-a",
            timezone="Asia/Ho_Chi_Minh",
            zone=ZoneInfo("Asia/Ho_Chi_Minh"),
            peers=tuple(peer_of(peer, key is not None) for peer in peers),
            lanes=tuple(lanes),
            heartbeat_ms=1000,
            peer_timeout_ms=3000,
            edge_requests_per_s=per_s,
        )
        self.path = path
        self.store = Store(path, id, "lot-a", "Asia/Ho_Chi_Minh")
        self.epoch = epoch - 1
        self.not_sent: list[Incoming] = []
        self.start()

    def start(self) -> None:
        """Begin a run over the same database; all that was only in memory is gone."""
        self.epoch += 1
        self.central = Central(
            self.settings,
            self.store,
            Stream(self.id, self.epoch),
            self.id.encode().ljust(32),
            self.store.last_stamp(self.id),
            self.now,
            identity=identity(self.key) if self.key is not None else None,
        )
        self.store.commit()

    def restart(self) -> None:
        """Begin a run over the database on the disk, opened anew."""
        self.store.close()
        self.store = Store(self.path, self.id, "lot-a", "Asia/Ho_Chi_Minh")
        self.start()

    @property
    def now(self) -> Now:
        return Now(self.wall_ms, self.mono_ms)

    @property
    def view(self) -> View:
        """How it is now."""
        return View(self.central, self.now)

    def wait(self, seconds: float) -> None:
        """Let time pass, on both clocks."""
        self.wall_ms += round(seconds * 1000)
        self.mono_ms += round(seconds * 1000)

    def step(self, *batch: Incoming) -> Output:
        """One turn, committed. What it sends is the caller's to deliver."""
        not_sent, self.not_sent = self.not_sent, []
        output = self.central.step(self.now, [*not_sent, *batch])
        self.store.commit()
        beat = self.central.heartbeat(self.now)
        if beat is not None:
            output.published.append(beat)
        return output

    def told(self, *batch: Incoming) -> Output:
        """The same where nobody is there who would get what it sends."""
        output = self.step(*batch)
        self.not_sent += [NotSent(peer_id) for peer_id, _ in output.asks]
        return output

    def configure(self, **changes: object) -> None:
        """Have it take over other settings."""
        self.settings = replace(self.settings, **changes)
        self.told(Configure(self.settings))

    # --- as an edge --------------------------------------------------------------------------

    def ask_bytes(self, *bodies: bytes) -> list[Answer]:
        """The answers to requests that came in one turn."""
        output = self.told(*(FromEdge((b"%d" % i,), body) for i, body in enumerate(bodies)))
        assert [token for token, _ in output.replies] == [(b"%d" % i,) for i in range(len(bodies))]
        return [orjson.loads(answer) for _, answer in output.replies]

    def ask(self, type: str, edge_id: str = EDGE, **fields: object) -> Answer:
        """The answer to one request."""
        return self.ask_bytes(orjson.dumps({"type": type, "edge_id": edge_id, **fields}))[0]

    def detect(self, edge_id: str = EDGE, plate_id: str = PLATE, **fields: object) -> Answer:
        return self.ask("DETECTION", edge_id, plate_id=plate_id, **fields)

    def open(self, edge_id: str = EDGE, plate_id: str | None = PLATE, **fields: object) -> Answer:
        return self.ask("BARRIER_OPEN", edge_id, plate_id=plate_id, **fields)

    def close(self, edge_id: str = EDGE, **fields: object) -> Answer:
        return self.ask("BARRIER_CLOSE", edge_id, **fields)

    # --- what came of it ---------------------------------------------------------------------

    def events(self) -> list[Event]:
        """All that is held: stream by stream, oldest first."""
        return [
            read(*parts)
            for stream, head in sorted(self.store.heads.items())
            for parts in self.store.page(stream, 0, head, 2**30)
        ]

    def kinds(self) -> list[Kind]:
        return [Kind(event.kind) for event in self.events()]

    def last(self) -> Event:
        """The newest event of this run."""
        stream = Stream(self.id, self.epoch)
        event = self.store.event(Position(*stream, self.store.heads[stream]))
        assert event is not None
        return event

    def history(self) -> list[dict[str, Any]]:
        """The rows of `history`, oldest id first."""
        cursor = self.store.connection.execute("SELECT * FROM history ORDER BY id")
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor]


def pair(*, wall_ms: tuple[int, int] = (T0_MS, T0_MS)) -> tuple[Driven, Driven]:
    """Two centrals of a site that never heard of each other yet."""
    return (
        Driven("central-1", peers=["central-2"], wall_ms=wall_ms[0]),
        Driven("central-2", peers=["central-1"], wall_ms=wall_ms[1]),
    )


def meet(*centrals: Driven, turns: int = 200) -> None:
    """Let centrals hear each other until each holds what the others hold and knows it.

    Each turn takes 50 ms; what they send takes one.
    """
    inbox: dict[str, list[Incoming]] = {driven.id: [] for driven in centrals}
    for _ in range(turns):
        arrived, inbox = inbox, {driven.id: [] for driven in centrals}
        for driven in centrals:
            driven.wait(0.05)
            output = driven.step(*arrived[driven.id])
            others = [other for other in centrals if other is not driven]
            for frames in output.published:
                for other in others:
                    inbox[other.id].append(FromBus(driven.id, frames))
            for peer_id, frames in output.asks:
                if peer_id in inbox:
                    inbox[peer_id].append(SyncRequest((driven.id.encode(),), frames))
                else:
                    driven.not_sent.append(NotSent(peer_id))
            for request in output.to_serve:
                page = driven.central.serve(driven.now, request)
                asker = request.token[0].decode()
                if page is not None:
                    inbox[asker].append(SyncAnswer(driven.id, page))
        heads = [dict(driven.store.heads) for driven in centrals]
        same = heads.count(heads[0]) == len(heads)
        if same and not any(inbox.values()) and all(_knows(one, centrals) for one in centrals):
            return
    raise AssertionError(f"they did not come together: {heads}")


def _knows(driven: Driven, centrals: tuple[Driven, ...]) -> bool:
    names = {other.id for other in centrals} - {driven.id}
    peers = driven.central.peers
    return not names & set(peers.incomplete(driven.store.heads, driven.mono_ms))


def success(answer: Answer) -> bool:
    assert isinstance(answer["success"], bool)
    return answer["success"]


def code(answer: Answer) -> str:
    """Why it was refused. Every refusal has the same form."""
    assert answer["success"] is False
    assert {"success", "request_id", "error"} <= answer.keys()
    assert answer.keys() <= {"success", "request_id", "error", "incomplete"}
    assert answer["error"]["message"]
    return str(answer["error"]["code"])
