"""The words of centrals about each other, in the database, and what they come to.

    words   the events in which they are said, and those of the roster
    cuts    of streams of disowned centrals: how far their events have been made to count

Who is disowned is told at once by the words. What that changes is brought about a part at a time:
`cuts` says how far it has come, so a restart goes on where the last run was.
"""

import sqlite3
from contextlib import suppress

from zparkd.core import limits
from zparkd.core.errors import ProtocolError
from zparkd.core.events.event import Event, Position, Stream, read
from zparkd.core.members.roster import Roster, RosterState
from zparkd.core.members.roster_words import RosterSaid
from zparkd.core.members.votes import Verdicts, Words
from zparkd.core.members.words import MemberSaid
from zparkd.storage.keys import key_of, number_of
from zparkd.storage.stream_table import Streams


class Members:
    """Who is disowned, and which events count. All within the caller's transaction."""

    def __init__(self, connection: sqlite3.Connection, streams: Streams) -> None:
        self._run = connection.execute
        self._streams = streams
        self.reload()

    def reload(self) -> None:
        """Read the tables again: a transaction was undone."""
        self._words = Words()
        self._roster = Roster()
        for skeleton, sealed in self._run(
            "SELECT e.skeleton, e.sealed FROM words w JOIN events e ON e.at = w.at"
        ):
            with suppress(ProtocolError):  # rot; the check of the log says so
                self._note(read(skeleton, sealed))
        self._cuts: dict[Stream, int] = {
            self._streams.position(key_of(no, 0)).stream: up_to
            for no, up_to in self._run("SELECT stream, up_to FROM cuts")
        }
        self._verdicts: Verdicts | None = None
        self._state: RosterState | None = None
        self._to_do: set[Stream] | None = None

    @property
    def verdicts(self) -> Verdicts:
        """Who is disowned, by all words that are held."""
        if self._verdicts is None:
            self._verdicts = self._words.verdicts()
        return self._verdicts

    @property
    def roster(self) -> RosterState:
        """Who belongs to the site, by all events that are held; the same object while it stays."""
        if self._state is None:
            self._state = self._roster.state(self.verdicts)
        return self._state

    def admits(self, voice: str, member: str) -> bool:
        """Whether a central said that it takes in what another one records."""
        return self._words.admits(voice, member)

    def add(self, event: Event) -> None:
        """Note what an event says of a member, if it does; whoever says it."""
        if isinstance(event.reference, MemberSaid | RosterSaid):
            self._run("INSERT INTO words VALUES (?)", (self._streams.at(event.position),))
            self._note(event)
            self._verdicts = self._to_do = self._state = None

    def _note(self, event: Event) -> None:
        self._words.hear(event)
        self._roster.add(event)

    # --- which events count -------------------------------------------------------------------

    def counts(self, position: Position) -> bool:
        """Whether the event at a position is to be stored as one that counts."""
        if position.seq > 1 and not self._cuts:
            return True  # nobody is cut off
        stream = position.stream
        if position.seq == 1 and stream not in self._cuts:
            up_to = self.verdicts.up_to(stream)
            if up_to == limits.SEQ_MAX:
                return True
            self._cut(stream, up_to)
        return position.seq <= self._cuts.get(stream, limits.SEQ_MAX)

    def counted(self, position: Position) -> bool:
        """Whether the event at a position is stored as one that counts."""
        return position.seq <= self._cuts.get(position.stream, limits.SEQ_MAX)

    @property
    def unsettled(self) -> bool:
        """Whether events are held that are yet to count, or yet to count no more."""
        return bool(self._streams_to_do())

    def changes(self, most: int) -> list[tuple[int, bool]]:
        """The next events of which it changes whether they count: their `at`, and if they do now.

        At most so many. They are taken as done: the caller does it in the same transaction.
        """
        changes: list[tuple[int, bool]] = []
        while self._streams_to_do() and len(changes) < most:
            stream = min(self._streams_to_do())
            head, wanted = self._streams.heads[stream], self.verdicts.up_to(stream)
            base = self._streams.at(Position(*stream, 0))
            assert base is not None
            now, goal = min(self._cuts.get(stream, head), head), min(wanted, head)
            room = most - len(changes)
            if goal > now:
                seqs = range(now + 1, min(goal, now + room) + 1)
                now = seqs[-1] if seqs else now
            else:
                seqs = range(now, max(goal, now - room), -1)
                now = seqs[-1] - 1 if seqs else now
            changes += ((base | seq, goal >= seq) for seq in seqs)
            if now == goal:
                self._done(stream, wanted)
            elif seqs:
                self._cut(stream, now)
        return changes

    def _streams_to_do(self) -> set[Stream]:
        if self._to_do is None:
            heads, verdicts = self._streams.heads, self.verdicts
            touched = {s for s in heads if s.origin in verdicts.disowned} | self._cuts.keys()
            self._to_do = {
                stream
                for stream in touched & heads.keys()
                if self._cuts.get(stream, limits.SEQ_MAX) != verdicts.up_to(stream)
            }
        return self._to_do

    def _cut(self, stream: Stream, up_to: int) -> None:
        at = self._streams.at(Position(*stream, 0))
        if at is not None:
            self._run("INSERT OR REPLACE INTO cuts VALUES (?,?)", (number_of(at), up_to))
        self._cuts[stream] = up_to

    def _done(self, stream: Stream, wanted: int) -> None:
        if wanted == limits.SEQ_MAX:
            at = self._streams.at(Position(*stream, 0))
            assert at is not None
            self._run("DELETE FROM cuts WHERE stream=?", (number_of(at),))
            self._cuts.pop(stream, None)
        else:
            self._cut(stream, wanted)
        self._streams_to_do().discard(stream)
