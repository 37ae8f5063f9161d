"""What is known of a site with tens of thousands of streams, kept with what moves."""

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from tests.support.replication import KnownPeers, heartbeat
from zparkd.core import limits
from zparkd.core.clock import Now
from zparkd.core.events.event import Stream
from zparkd.core.events.heads import Heads, HeadVector
from zparkd.core.replication import peer_notes
from zparkd.core.replication.encoding import beat_heads
from zparkd.core.replication.limits import SYNC_STATE_IDLE_MS
from zparkd.core.replication.peer_state import PeerNote
from zparkd.core.replication.peers import Peers

ORIGINS = ("a", "b", "c")
STREAMS = st.builds(Stream, st.sampled_from(ORIGINS), st.integers(1, 6))
OWN = Stream("z", 9)


def noted(peers: Peers, now: Now) -> list[PeerNote]:
    return peer_notes.to_note(peers.states, now)


def digest_of(heads: Heads) -> str:
    """The digest as docs/protocol.md says it."""
    total = 0
    for (origin, epoch), head in heads.items():
        line = f"{origin} {epoch} {head}\n".encode()
        total += int(hashlib.blake2b(line, digest_size=16).hexdigest(), 16)
    return f"{total % 2**128:032x}"


@given(st.lists(st.tuples(STREAMS, st.integers(0, 5))), st.sets(STREAMS))
def test_a_vector_is_what_its_moves_come_to(
    moves: list[tuple[Stream, int]], hidden: set[Stream]
) -> None:
    vector, model = HeadVector(), {}
    for stream, head in moves:
        if head:
            vector[stream] = model[stream] = head
        else:
            vector.discard(stream)
            model.pop(stream, None)
    assert vector == model
    assert vector.digest() == digest_of(model)
    out = HeadVector((stream, model[stream]) for stream in hidden & model.keys())
    shown = {stream: head for stream, head in model.items() if stream not in out}
    listed, older = beat_heads(vector, (), out)
    newest = [
        stream
        for origin in ORIGINS
        for stream in sorted(s for s in shown if s.origin == origin)[-limits.EPOCHS_IN_HEARTBEAT :]
    ]
    assert listed == [(*stream, shown[stream]) for stream in sorted(newest)]
    assert older == digest_of({s: head for s, head in shown.items() if s not in newest})
    for origin in ORIGINS:
        epochs = [stream.epoch for stream in model if stream.origin == origin]
        assert vector.newest_epoch(origin) == max(epochs, default=0)


def site(*ids: str) -> KnownPeers:
    return KnownPeers(OWN, *ids)


def says(
    peers: KnownPeers, id: str, heads: Heads, ours: Heads | None = None, *, whole: bool
) -> None:
    """A heartbeat of a peer, or its whole vector, to who holds `ours`."""
    peers.hear(id, heads, Now(0, 0))
    if whole:
        peers.answer(id, Now(0, 0), heads, ours=ours)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "b", "ours", "undone"]),
            STREAMS | st.just(OWN),
            st.integers(1, 9),
            st.booleans(),
        )
    )
)
def test_what_is_missing_is_always_the_difference_of_the_vectors(
    steps: list[tuple[str, Stream, int, bool]],
) -> None:
    peers, ours, theirs = site("a", "b"), HeadVector(), {"a": Heads(), "b": Heads()}
    for who, stream, number, whole in steps:
        if who == "undone":
            ours = HeadVector((stream, head - 1) for stream, head in ours.items() if head > 1)
            peers.forget()
        elif who == "ours":
            if stream != OWN:
                ours[stream] = ours.get(stream, 0) + 1
                peers.took(ours, stream)
        else:
            theirs[who][stream] = number
            says(peers, who, theirs[who], ours, whole=whole)
        for id, peer in peers.states.items():
            known = peer.sync.heads or {}
            if not peer.sync.wants_vector:
                assert known == theirs[id]
            lacking = {
                s: head - ours.get(s, 0)
                for s, head in known.items()
                if s != OWN and head > ours.get(s, 0)
            }
            behind = peers.behind(peer, ours)
            assert behind == (sum(lacking.values()) if peer.sync.heads is not None else None)
            assert peer.sync.ahead == lacking


class Asked(HeadVector):
    """Our heads, with how often one was looked up."""

    times = 0

    def get(self, stream, default=None):  # type: ignore[no-untyped-def, override]
        self.times += 1
        return super().get(stream, default)


def test_a_detection_asks_nothing_of_streams_that_did_not_move() -> None:
    heads = {Stream(f"central-{o}", day): 500 for o in range(10) for day in range(1, 1_826)}
    peers = site("a", "b")
    ours = Asked(heads)
    for id in ("a", "b"):
        peers.states[id].sync.arriving = HeadVector(heads)
        peers.answer(id, Now(0, 0), {}, ours=ours)
    assert [peers.behind(peer, ours) for peer in peers.states.values()] == [0, 0]
    ours.times = 0
    moved = {**heads, Stream("central-1", 1_825): 501}
    beat = heartbeat(moved, 0)
    for step in range(100):
        peers.hear_beat("a", beat, Now(0, 0))
        assert peers.incomplete(ours, step) == ["a", "b"]
        peers.note_synced(ours)
        peers.next_asks(ours, Now(step, step))
    assert peers.behind(peers.states["a"], ours) == 1
    assert ours.times < 1_000


def test_what_is_written_of_peers_is_what_changed() -> None:
    heads = {Stream("a", day): 500 for day in range(1, 101)}
    peers = site("a", "b")
    for id in ("a", "b"):
        says(peers, id, heads, whole=True)
    assert {note.peer_id: len(note.heads) for note in noted(peers, Now(0, 0))} == {
        "a": 100,
        "b": 100,
    }
    assert noted(peers, Now(1, 1)) == []
    says(peers, "a", {**heads, Stream("a", 100): 501}, whole=False)
    [note] = noted(peers, Now(2, 2))
    assert (note.peer_id, note.heads) == ("a", [("a", 100, 501)])
    peers.forget()
    assert [note.heads for note in noted(peers, Now(3, 3))] == [
        [("a", 100, 501)],
        [],
    ]
    del heads[Stream("a", 1)]
    says(peers, "b", heads, whole=True)
    assert [note.heads for note in noted(peers, Now(4, 4))] == [[("a", 1, 0)]]
    later = Now(SYNC_STATE_IDLE_MS + 9, SYNC_STATE_IDLE_MS + 9)
    assert [(note.peer_id, note.heads) for note in noted(peers, later)] == [
        ("a", []),
        ("b", []),
    ]
