"""What is written down of peers, and taken up again by the next run: what each was seen to hold."""

from collections.abc import Iterable, Mapping

from zparkd.core.clock import Now
from zparkd.core.events.heads import HeadVector
from zparkd.core.replication import limits
from zparkd.core.replication.peer_state import PeerNote, PeerState
from zparkd.core.replication.wire import read_heads

States = Mapping[str, PeerState]


def restore(states: States, notes: Iterable[PeerNote]) -> None:
    """Take up what was written down in an earlier run."""
    for note in notes:
        peer = states.get(note.peer_id)
        if peer is not None:
            peer.sync.synced_ms = note.synced_ms
            if note.heads:
                peer.sync.heads = HeadVector(read_heads(note.heads))
                peer.sync.unjudged = dict.fromkeys(peer.sync.heads)


def to_note(states: States, now: Now) -> list[PeerNote]:
    """What to write down of peers: what is another than what was written last, few at once.

    While nothing moves, how far we hold all is written once in a while only.
    """
    room = limits.HEADS_NOTED
    found = []
    for peer in states.values():
        sync = peer.sync
        sync.saving = {}
        if room > 0:  # of a peer all or nothing: part of a vector says that it lacks the rest
            sync.saving, sync.unsaved = sync.unsaved, {}
            room -= len(sync.saving)
        written_ms = sync.synced_saved_ms
        due = written_ms is None or now.mono_ms - written_ms >= limits.SYNC_STATE_IDLE_MS
        first = sync.synced_ms > 0 and not sync.saved
        if not (sync.saving or due or first):
            continue
        sync.synced_saved_ms = now.mono_ms
        sync.saved = sync.synced_ms > 0
        heads = HeadVector() if sync.heads is None else sync.heads
        moved = [(*stream, heads.get(stream, 0)) for stream in sync.saving]
        found.append(PeerNote(peer.id, sync.synced_ms, moved))
    return found


def note_all(states: States) -> None:
    """Let the next notes say of each peer how far we hold all it has."""
    for peer in states.values():
        peer.sync.synced_saved_ms = None


def is_first(states: States) -> bool:
    """Whether all that a peer has is here, and nothing was ever written down of it."""
    return any(peer.sync.synced_ms and not peer.sync.saved for peer in states.values())
